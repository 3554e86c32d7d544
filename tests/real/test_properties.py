"""What clients may send, whatever it is and in whatever pieces it comes: messages over TCP, requests over HTTP."""

import json
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from hypothesis import example, given, settings
from hypothesis import strategies as st

from real.clients import MOST_NONSENSE
from real.http.connections import Client, Connections
from real.http.reply import told
from real.http.request import MOST_HEAD, Refused, Request, first_request
from real.inbox import Inbox
from real.message import MOST_ROUNDS, Message
from real.metrics import Rows
from real.net import CHUNK, LONGEST_LINE, SMALL_CHUNK, Intake
from real.router import Router
from real.sockets import READ
from real.source import OPEN_NS
from real.wire import Rejected, decoded

# -- a line is a message or is rejected --------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = texts.filter(bool)
numbers = st.integers(1 - 10**17, 10**17) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts, lambda some: st.lists(some) | st.dictionaries(texts, some)
)
operations = st.one_of(
    st.builds(lambda key: {"op": "increment", "key": key}, texts),
    st.builds(lambda key, value: {"op": "set", "key": key, "value": value}, texts, values),
    st.builds(lambda key, value: {"op": "compute", "key": key, "value": value}, texts, st.integers(0, MOST_ROUNDS)),
)
documents = st.fixed_dictionaries(
    {
        "worker_id": names,
        "payload": st.lists(operations, min_size=1, max_size=5, unique_by=lambda operation: operation["key"]),
    },
    optional={"timestamp": st.none() | numbers, "sent": st.none() | numbers},
)
GOOD = b'{"worker_id": "w0", "payload": [{"op": "set", "key": "k", "value": 1}], "timestamp": 5.0}'
PIECES = '{|}|[|]|"|:|,|\\|"worker_id"|"payload"|"op"|"set"|"w0"|null|NaN|-Infinity|1e999|-0|1e-999|\\ud800|\x00|ä'
garbage = st.one_of(
    st.binary(max_size=60),
    st.lists(st.sampled_from(PIECES.split("|")), max_size=20).map(lambda pieces: "".join(pieces).encode()),
    # A message in which something is not as it should be.
    st.builds(
        lambda place, length, other: GOOD[:place] + other + GOOD[place + length :],
        *(st.integers(0, len(GOOD)), st.integers(0, 9), st.binary(max_size=4) | st.sampled_from([b"9" * 30, b"[" * 9])),
    ),
)


@given(documents)
def test_a_message_made_of_parts_is_read_as_its_parts(document: dict[str, Any]) -> None:
    read = decoded(json.dumps(document).encode())
    assert (read.worker_id, list(read.payload)) == (document["worker_id"], document["payload"])
    assert (read.timestamp, read.sent) == (document.get("timestamp"), document.get("sent"))


@given(garbage)
@example(b"[" * 60_000)
@example(b'{"worker_id": "w0", "payload": ' + b"[" * 20_000 + b"]" * 20_000 + b"}")
@example(b"9" * 5_000)
@example(GOOD.replace(b"1", b'"' + b"\\ud800" * 9 + b'"'))
@example(GOOD.decode().encode("utf-16"))
@example(b"\xef\xbb\xbf" + GOOD)
def test_any_line_is_a_message_or_rejected_with_one_line(line: bytes) -> None:
    try:
        found: Message | Rejected = decoded(line)
    except Rejected as rejected:
        found = rejected
    if isinstance(found, Message):
        assert 1 <= len(found.payload) <= 5
    else:
        assert found.reason in ("not JSON", "not a message")
        assert 0 < len(str(found)) < 400
        assert "\n" not in str(found)


# -- in whatever pieces ------------------------------------------------------------------------------------------------


class Wire:
    """A socket from which bytes come in pieces, and into which everything goes; it ends when all is said."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = deque(piece for piece in pieces if piece)

    def recv(self, most: int) -> bytes:
        piece = self._pieces.popleft() if self._pieces else b""
        if piece[most:]:
            self._pieces.appendleft(piece[most:])
        return piece[:most]

    def send(self, data: memoryview) -> int:
        return len(data)

    def shutdown(self, how: int) -> None:
        """There is nobody who would read the end."""


class Wires:
    """Sockets of which one listens, and one comes; `wanted` is what its owner wants to do with it."""

    def __init__(self, wire: Wire) -> None:
        self.turns, self.wanted, self._coming = 0, READ, [wire]

    def listen(self, address: tuple[str, int], owner: object, **_: object) -> "Wires":
        return self

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 1

    def setsockopt(self, *_: int) -> None:
        """As it is."""

    def now_ns(self) -> int:
        return 10**9

    def accept(self, listener: object) -> tuple[Wire, str] | None:
        return (self._coming.pop(), "peer") if self._coming else None

    def add(self, added: object, owner: object) -> None:
        """It is looked after."""

    def drop(self, dropped: object) -> None:
        """It is closed."""

    def want(self, of: object, events: int) -> None:
        self.wanted = events


def pieces_of(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Data in pieces of these lengths, over and over again."""
    found, place, number = [], 0, 0
    while place < len(data):
        length = cuts[number % len(cuts)]
        found.append(data[place : place + length])
        place, number = place + length, number + 1
    return found


def received(pieces: Sequence[bytes]) -> tuple[list[Message], Counter[str], list[str], int]:
    """What an intake makes of pieces: messages, rejections by reason, complaints, and whether it cut it off."""
    wire = Wire(pieces)
    router = Router(lambda message, began_ns: None, ["w0", "w1"])
    intake = Intake(Wires(wire), router, Rows([]), Inbox("fifo", float("inf")))  # type: ignore[arg-type]
    intake.listen(("127.0.0.1", 0))
    intake.ready(intake._listener, READ, 0)  # type: ignore[arg-type]
    while intake._clients:
        intake.ready(wire, READ, 0)  # type: ignore[arg-type]
    messages = []
    while intake.next_ns != OPEN_NS:
        messages.append(intake.take(0).item)
    assert intake.received == len(messages)
    return messages, intake.rejected, intake.complaints, intake.cut_off


cuts = st.lists(st.integers(1, 40), min_size=1, max_size=8) | st.sampled_from([[1], [CHUNK], [SMALL_CHUNK, 7]])
lines = st.lists(
    st.one_of(
        documents.map(lambda document: json.dumps(document | {"worker_id": "w1"}).encode()),
        st.sampled_from([GOOD, GOOD.replace(b"w0", b"unknown"), b"", b" ", b"\r", b"{}", b"\xff"]),
        garbage,
    ),
    max_size=12,
)


@given(lines, st.booleans(), cuts)
@example([b""] * (MOST_NONSENSE - 1) + [GOOD, b"x"], False, [1])
@example([b"x"] * MOST_NONSENSE + [GOOD], True, [CHUNK])
def test_messages_and_counts_do_not_depend_on_how_the_bytes_are_cut(
    said: list[bytes], ended: bool, lengths: list[int]
) -> None:
    data = b"\n".join(said) + b"\n" * ended
    whole = received([data])
    assert received(pieces_of(data, lengths)) == whole
    messages, rejected, _, cut_off = whole
    if not cut_off:
        assert len(messages) + rejected.total() == sum(1 for line in data.split(b"\n") if line.strip())


LENGTHS = (LONGEST_LINE - 1, LONGEST_LINE, LONGEST_LINE + 1, LONGEST_LINE + 4_500, 2 * LONGEST_LINE)


@settings(max_examples=25)
@given(
    st.lists(st.sampled_from([0, *LENGTHS]), min_size=1, max_size=4),
    st.lists(st.integers(600, CHUNK), min_size=1, max_size=4),
)
@example([70_000, 70_000, 0], [1_024])
def test_nor_do_they_where_lines_are_too_long(said: list[int], lengths: list[int]) -> None:
    data = b"".join((b"x" * length or GOOD) + b"\n" for length in said)
    assert received(pieces_of(data, lengths)) == received([data])


# -- HTTP --------------------------------------------------------------------------------------------------------------


def requested(pieces: Sequence[bytes]) -> tuple[list[Request], Counter[int]]:
    """The requests that connections understand in pieces, and how often each status was answered."""
    wire, requests = Wire(pieces), []
    wires = Wires(wire)

    def serve(client: Client, request: Request, now_ns: int) -> None:
        requests.append(request)
        connections.reply(client, request, told({}), now_ns)

    connections = Connections(wires, serve)  # type: ignore[arg-type]
    connections.listen(("127.0.0.1", 0))
    connections.ready(wires, READ, 0)  # type: ignore[arg-type]
    while connections._clients:
        connections.ready(wire, wires.wanted, 0)  # type: ignore[arg-type]
    return requests, connections.requests


HEAD = b"GET /workers/w1 HTTP/1.1\r\nHost: lab\r\n"
HTTP_PIECES = (
    b"GET |HEAD |POST |/|/workers/w1|?from=1|%41|%| HTTP/1.1| HTTP/1.0|\r\n|\r\n\r\n|\n|\r|Host:|lab| |:|\x00|\xff|"
)
HTTP_PIECES += b"Connection: close|Content-Length: 0|Content-Length: 5|Transfer-Encoding: chunked|Intended-At: 5"
http_bytes = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from([*HTTP_PIECES.split(b"|"), HEAD, HEAD + b"\r\n"]), max_size=12).map(b"".join),
)


@given(http_bytes, cuts)
@example((HEAD + b"\r\n") * 3, [1])
@example(b"\r\n\r\n" + HEAD + b"\r\n\r\n\n" + HEAD + b"\r\n", [1])
@example(b"GET / HTTP/1.1\nHost: lab\n\n" * 2, [3])
@example(HEAD + b"X: " + b"a" * (MOST_HEAD - len(HEAD) - 7) + b"\r\n\r\n" + HEAD, [SMALL_CHUNK])
@example(HEAD + b"X: " + b"a" * (MOST_HEAD - len(HEAD) - 6) + b"\r\n\r\n" + HEAD, [SMALL_CHUNK])
@example(b"GET /" + b"a" * MOST_HEAD + b" HTTP/1.1\r\n\r\n", [1])
def test_requests_do_not_depend_on_how_the_bytes_are_cut(data: bytes, lengths: list[int]) -> None:
    requests, statuses = requested([data])
    assert requested(pieces_of(data, lengths)) == (requests, statuses)
    refused = {status: count for status, count in statuses.items() if status != 200}
    assert statuses[200] == len(requests)
    assert sum(refused.values()) <= 1  # after it nobody can tell where the next one begins
    assert all(400 <= status < 600 for status in refused)


@given(http_bytes)
def test_any_bytes_are_a_request_or_the_beginning_of_one_or_refused_by_status(data: bytes) -> None:
    try:
        found: tuple[Request, int] | Refused | None = first_request(data)
    except Refused as refused:
        found = refused
    if isinstance(found, Refused):
        assert 400 <= found.status < 600
        assert "\n" not in str(found)
    else:
        assert found is None or 0 < found[1] <= len(data)


visible = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12)


parts = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "HEAD", "POST", "DELETE", "x-!"]),
        "path": st.lists(texts, min_size=1, max_size=4),
        "query": visible,
        "version": st.sampled_from(["1.0", "1.1"]),
        "connection": st.sampled_from(["", "close", "keep-alive", "Close, x"]),
        "intended": st.none() | st.integers(0, 10**9),
        "others": st.dictionaries(st.from_regex(r"x-[a-z]{1,5}", fullmatch=True), visible, max_size=3),
    }
)


@given(parts, st.sampled_from(["\r\n", "\n"]))
def test_a_request_made_of_parts_is_read_as_its_parts(part: dict[str, Any], end: str) -> None:
    target = "/" + "/".join(quote(segment, safe="") for segment in part["path"])
    target += f"?{part['query']}" if part["query"] else ""
    fields = {"Host": "lab:80", "Connection": part["connection"], **part["others"]}
    if part["intended"] is not None:
        fields["Intended-At"] = str(part["intended"])
    first = f"{part['method']} {target} HTTP/{part['version']}"
    data = end.join([first, *(f"{name}: {text}" for name, text in fields.items()), "", ""]).encode()
    known = part["method"] in ("GET", "HEAD")
    expected = Request(
        part["method"],
        tuple(part["path"]) if known else (),
        part["query"] if known else "",
        part["version"],
        part["connection"] == "keep-alive" or (part["version"] == "1.1" and not part["connection"]),
        None if part["intended"] is None else float(part["intended"]),
    )
    assert first_request(data + b"GET /") == (expected, len(data))


def test_a_head_that_ends_too_soon_or_too_late_is_answered_once() -> None:
    assert requested([HEAD]) == ([], Counter({400: 1}))
    assert requested([HEAD + b"a" * MOST_HEAD]) == ([], Counter({431: 1}))
