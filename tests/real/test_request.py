"""HTTP requests, as bytes: what is understood, and with which status the rest is refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from real.http.request import MOST_HEAD, Refused, Request, first_request

HEAD = b"GET /workers/w1 HTTP/1.1\r\nHost: lab\r\n"


def only(data: bytes) -> Request:
    found = first_request(data)
    assert found is not None
    assert found[1] == len(data)
    return found[0]


def status(data: bytes) -> int:
    with pytest.raises(Refused) as refused:
        first_request(data)
    assert str(refused.value)
    return refused.value.status


PIECES = b"GET |/|/workers/|?from=1|%41|%| HTTP/1.1| HTTP/1.0|\r\n|\n|\r|Host:|lab| |:|0|\x00|\xff|Content-Length: "
pieces = st.sampled_from(PIECES.split(b"|"))


@given(st.one_of(st.binary(max_size=300), st.lists(pieces, max_size=40).map(b"".join)))
@example(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n")
@example(b"GET http:// HTTP/1.1\r\nHost: a\r\n\r\n")
def test_any_bytes_are_a_request_or_the_beginning_of_one_or_refused(data: bytes) -> None:
    try:
        found = first_request(data)
    except Refused as refused:
        refused_with = refused.status
    else:
        refused_with = None
        assert found is None or 0 < found[1] <= len(data)
    assert refused_with in (None, 400, 405, 413, 414, 431, 505)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_a_worker_s_name_of_any_characters_survives_the_way(name: str) -> None:
    encoded = "".join(f"%{byte:02x}" for byte in name.encode())
    assert only(f"GET /workers/{encoded} HTTP/1.1\r\nHost: lab\r\n\r\n".encode()).path == ("workers", name)


def test_a_request_is_not_seen_before_its_last_byte_and_does_not_touch_the_next() -> None:
    whole = HEAD + b"\r\n"
    assert all(first_request(whole[:length]) is None for length in range(len(whole)))
    assert first_request(whole + b"\x00garbage") == (only(whole), len(whole))


def test_lines_may_end_without_a_carriage_return() -> None:
    assert only(HEAD.replace(b"\r", b"") + b"\n") == only(HEAD + b"\r\n")


@pytest.mark.parametrize(
    ("line", "path", "query"),
    [
        (b"/", ("",), ""),
        (b"/workers?from=1000", ("workers",), "from=1000"),
        (b"/workers/", ("workers", ""), ""),
        (b"/workers/a/b", ("workers", "a", "b"), ""),
        (b"/workers/a%2fb?x", ("workers", "a/b"), "x"),
        (b"http://lab:8080/metrics", ("metrics",), ""),
        (b"http://lab", ("",), ""),
    ],
)
def test_targets(line: bytes, path: tuple[str, ...], query: str) -> None:
    request = only(b"GET " + line + b" HTTP/1.1\r\nHost: lab\r\n\r\n")
    assert (request.path, request.query) == (path, query)


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: Close\r\n", False),
        (b"1.1", b"Connection: x\r\nConnection: close\r\n", False),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: Keep-Alive\r\n", True),
        (b"1.0", b"Connection: keep-alive, close\r\n", False),
    ],
)
def test_a_connection_is_kept_by_default_since_1_1_and_before_on_request(
    version: bytes, connection: bytes, kept: bool
) -> None:
    assert only(b"GET / HTTP/" + version + b"\r\nHost: lab\r\n" + connection + b"\r\n").keep_alive == kept


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"12.5", 12.5), (b" 7 ", 7.0), (b"nan", None), (b"inf", None), (b"-1", None), (b"1e9", None), (b"1_0", None)],
)
def test_an_intended_instant_is_a_plain_number_of_seconds_or_none(value: bytes, seconds: float | None) -> None:
    assert only(HEAD + b"Intended-At:" + value + b"\r\n\r\n").intended_s == seconds


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"GET /\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: lab\r\n\r\n", 400),
        (b"G@T / HTTP/1.1\r\nHost: lab\r\n\r\n", 400),
        (b"GET / http/1.1\r\nHost: lab\r\n\r\n", 400),
        (b"GET x HTTP/1.1\r\nHost: lab\r\n\r\n", 400),
        (b"GET /\xc3\xa4 HTTP/1.1\r\nHost: lab\r\n\r\n", 400),
        (b"GET /%e4 HTTP/1.1\r\nHost: lab\r\n\r\n", 400),
        (b"GET /%zz HTTP/1.1\r\nHost: lab\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (HEAD + b"Host: other\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (HEAD + b"Name : value\r\n\r\n", 400),
        (HEAD + b"X: a\r\n folded\r\n\r\n", 400),
        (HEAD + b"X: a\rb\r\n\r\n", 400),
        (HEAD + b"X: a\x00b\r\n\r\n", 400),
        (HEAD + b"no colon\r\n\r\n", 400),
        (HEAD + b"Content-Length: five\r\n\r\n", 400),
        (HEAD + b"Content-Length: -1\r\n\r\n", 400),
        (HEAD + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n", 400),
        (HEAD + b"Content-Length: 5\r\n\r\nhello", 413),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413),
        (HEAD.replace(b"GET", b"POST") + b"Content-Length: 5\r\n\r\nhello", 405),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET / HTTP/1.2\r\nHost: lab\r\n\r\n", 505),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"GET /" + b"a" * MOST_HEAD, 414),
        (HEAD + b"X: " + b"a" * MOST_HEAD, 431),
        (HEAD + b"X: " + b"a" * MOST_HEAD + b"\r\n\r\n", 431),
    ],
)
def test_what_is_refused(data: bytes, expected: int) -> None:
    assert status(data) == expected


def test_a_head_may_have_exactly_so_many_bytes() -> None:
    filler = MOST_HEAD - len(HEAD) - len(b"X: \r\n\r\n")
    only(HEAD + b"X: " + b"a" * filler + b"\r\n\r\n")
    assert status(HEAD + b"X: " + b"a" * (filler + 1) + b"\r\n\r\n") == 431


def test_a_length_of_zero_is_no_body() -> None:
    assert only(HEAD + b"Content-Length: 00\r\n\r\n").path == ("workers", "w1")
