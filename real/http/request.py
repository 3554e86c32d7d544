"""An HTTP request: the bytes of its head become one value, or one error that has a status. No I/O here."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

MOST_HEAD = 8_192  # bytes
METHODS = ("GET", "HEAD")
_END = re.compile(rb"\n\r?\n")
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_LINE = re.compile(rf"({_TOKEN}) ([!-~]+) HTTP/([0-9]\.[0-9])")
_FIELD = re.compile(rf"({_TOKEN}):([\t -~\x80-\xff]*)")
_HOST = re.compile(r"[^\s,/?#@]*")  # two of them would have a comma in between
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


class Refused(ValueError):  # noqa: N818 - it reads as what it is
    """What is no request, or none that is answered here; after it nobody can tell where the next one begins."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """`path` is in segments, decoded; `intended_s` is when it was to be sent, on the machine's monotonic clock."""

    method: str
    path: tuple[str, ...]
    query: str
    version: str
    keep_alive: bool
    intended_s: float | None


def first_request(heard: bytes | bytearray) -> tuple[Request, int] | None:
    r"""Return the request that some bytes begin with, and how many are its own; None while it is not complete.

    >>> request, length = first_request(b"GET /workers/a%2Fb HTTP/1.1\r\nHost: lab\r\n\r\nGET /hea")
    >>> request.path, request.keep_alive, length
    (('workers', 'a/b'), True, 42)
    >>> first_request(b"GET /hea")
    >>> first_request(b"GET / HTTP/3.0\r\n\r\n")
    Traceback (most recent call last):
    real.http.request.Refused: HTTP/3.0 is not spoken here; HTTP/1.1 is
    """
    if heard and not 32 < heard[0] < 127:  # another protocol, which may never end a line
        raise Refused(400, "a request begins with its method")
    end = _END.search(heard, 0, MOST_HEAD)
    if end is None:
        if len(heard) >= MOST_HEAD:
            line_ends = b"\n" in heard[:MOST_HEAD]
            raise Refused(431 if line_ends else 414, f"a request's head has at most {MOST_HEAD} bytes")
        return None
    line, *fields = (part.removesuffix("\r") for part in heard[: end.start()].decode("latin-1").split("\n"))
    return _request(line, _fields(fields)), end.end()


def _request(line: str, fields: dict[str, str]) -> Request:
    parts = _LINE.fullmatch(line)
    if parts is None:
        raise Refused(400, f"{line[:80]!r} is not METHOD TARGET HTTP/1.1")
    method, target, version = parts.groups()
    if version not in ("1.0", "1.1"):
        raise Refused(505, f"HTTP/{version} is not spoken here; HTTP/1.1 is")
    if not _HOST.fullmatch(fields.get("host", "" if version == "1.0" else ",")):
        raise Refused(400, "a request has one header Host")
    _refuse_body(method, fields)
    path, query = _target(target) if method in METHODS else ((), "")
    connection = {option.strip().lower() for option in fields.get("connection", "").split(",")}
    keep_alive = "close" not in connection and (version == "1.1" or "keep-alive" in connection)
    intended = fields.get("intended-at", "")
    intended_s = float(intended) if _SECONDS.fullmatch(intended) else None
    return Request(method, path, query, version, keep_alive, intended_s)


def _fields(lines: list[str]) -> dict[str, str]:
    """Return the headers by name in lower case; one that comes twice has a comma in between."""
    fields: dict[str, str] = {}
    for line in lines:
        parts = _FIELD.fullmatch(line)
        if parts is None:
            raise Refused(400, f"{line[:80]!r} is not a header")
        name, value = parts[1].lower(), parts[2].strip(" \t")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def _refuse_body(method: str, fields: dict[str, str]) -> None:
    length = fields.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise Refused(400, f"Content-Length {length[:80]!r} is not a number of bytes")
    if length.strip("0") or "transfer-encoding" in fields:
        # Who posts something learns first that nothing can be posted.
        raise Refused(413 if method in METHODS else 405, "a request has no body here")


def _target(target: str) -> tuple[tuple[str, ...], str]:
    """Return the segments of a target's path, and its query."""
    if target[:7].lower() == "http://":  # a proxy's form, which every server has to know
        _, slash, path = target[7:].partition("/")
        target = slash + path or "/"
    if not target.startswith("/"):
        raise Refused(400, f"target {target[:80]!r} does not begin with /")
    path, _, query = target.partition("?")
    if _BAD_ESCAPE.search(path):
        raise Refused(400, f"target {target[:80]!r} has a % without two hexadecimal digits")
    try:
        return tuple(unquote(segment, errors="strict") for segment in path[1:].split("/")), query
    except UnicodeDecodeError:
        raise Refused(400, f"target {target[:80]!r} is not UTF-8 once it is decoded") from None
