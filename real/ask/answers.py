"""Answers over HTTP, as the asker sees them: what bytes say, whether that can be, and what became of each question.

Decided here without a socket or a clock; nothing that went wrong is forgotten: it has a kind, and is counted under it.
"""

import errno
import json
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from real.ticket import NOT_YET

OK, UNKNOWN = 200, 404
LONGEST_HEAD, LONGEST_BODY = 65_536, 64 * 2**20  # bytes
_KINDS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.EMFILE: "no descriptor left",
    errno.ENFILE: "no descriptor left",
    errno.EADDRNOTAVAIL: "no port left",
}
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) (\d{3})(?: .*)?")


class NoAnswer(ValueError):  # noqa: N818 - it reads as what it is
    """What came cannot be taken for an answer; the text is the kind to count it under."""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole response; `reusable` if its connection can take another request."""

    status: int
    body: bytes
    reusable: bool


@dataclass(slots=True, eq=False)
class Asked:
    """A question and what became of it: its instants, ns on the clock, as far as they have come.

    `failed` is the kind of failure; None where there is an answer, or may still be one.
    """

    worker: str
    intended_ns: int
    begun_ns: int = NOT_YET
    sent_ns: int = NOT_YET
    first_byte_ns: int = NOT_YET
    complete_ns: int = NOT_YET
    status: int | None = None
    messages: int | None = None
    failed: str | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more is to come."""
        return self.complete_ns != NOT_YET or self.failed is not None


def kind_of(error: OSError) -> str:
    """Return the kind of failure that an error of a socket is."""
    return _KINDS.get(error.errno or 0, (error.strerror or str(error)).lower())


def response(received: bytes | bytearray, *, ended: bool) -> Response | None:
    r"""Return the response that these bytes are, None while more have to come; NoAnswer where they are none.

    `ended`: the other side has closed.

    >>> response(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", ended=False)
    Response(status=200, body=b'{}', reusable=True)
    """
    end = received.find(b"\r\n\r\n")
    if end < 0:
        if ended:
            raise NoAnswer("closed" if not received else "cut short")
        if len(received) > LONGEST_HEAD:
            raise NoAnswer("not HTTP")
        return None
    minor, status, headers = _head(bytes(received[:end]))
    begin, length = end + 4, _length(headers)
    if length is None and not ended and len(received) - begin <= LONGEST_BODY:
        return None
    until = len(received) if length is None else begin + length
    if until - begin > LONGEST_BODY:
        raise NoAnswer("too long")
    if len(received) < until:
        if ended:
            raise NoAnswer("cut short")
        return None
    kept = headers.get(b"connection", b"keep-alive" if minor else b"close").lower() == b"keep-alive"
    return Response(status, bytes(received[begin:until]), kept and not ended and len(received) == until)


def _head(head: bytes) -> tuple[int, int, dict[bytes, bytes]]:
    first, *lines = head.split(b"\r\n")
    status_line = _STATUS_LINE.fullmatch(first)
    if status_line is None:
        raise NoAnswer("not HTTP")
    pairs = [line.partition(b":") for line in lines]
    return int(status_line[1]), int(status_line[2]), {name.lower(): value.strip() for name, _, value in pairs}


def _length(headers: dict[bytes, bytes]) -> int | None:
    text = headers.get(b"content-length")
    if b"transfer-encoding" in headers or (text is not None and re.fullmatch(rb"[0-9]{1,18}", text) is None):
        raise NoAnswer("not HTTP")  # chunks are HTTP, but nothing that the processor ever sends
    return None if text is None else int(text)


def messages_of(worker: str, status: int, body: bytes) -> int:
    """Return how many messages a worker had processed when it answered; NoAnswer if this is no answer of that worker.

    >>> messages_of("w1", 200, b'{"worker_id": "w1", "state": {"count": 2}, "messages": 3}')
    3
    >>> messages_of("w1", 404, b"")
    0
    """
    if status == UNKNOWN:
        return 0
    if status != OK:
        raise NoAnswer(f"status {status}")
    try:
        document = json.loads(body.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise NoAnswer("not JSON") from None
    return _messages(worker, document)


def _messages(worker: str, document: Any) -> int:
    if not isinstance(document, dict) or not isinstance(document.get("state"), dict):
        raise NoAnswer("not a state")
    if document.get("worker_id") != worker:
        raise NoAnswer("another worker's")
    messages = document.get("messages")
    if type(messages) is not int or messages < 0:
        raise NoAnswer("not a state")
    return messages


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")


def went_back(asked: Iterable[Asked]) -> int:
    """Return how many answers tell of fewer messages than one that was complete before their question was sent.

    >>> first = Asked("w0", 0, sent_ns=1, complete_ns=5, messages=7)
    >>> at_the_same_time = Asked("w0", 0, sent_ns=4, complete_ns=6, messages=6)
    >>> later = Asked("w0", 0, sent_ns=5, complete_ns=9, messages=6)
    >>> went_back([first, at_the_same_time]), went_back([first, at_the_same_time, later])
    (0, 1)
    """
    by_worker: dict[str, list[Asked]] = defaultdict(list)
    for row in asked:
        if row.messages is not None:
            by_worker[row.worker].append(row)
    return sum(map(_went_back, by_worker.values()))


def _went_back(answers: list[Asked]) -> int:
    complete_ns, most = [], [0]  # most[k]: the most that any of the first k complete answers told of
    for row in sorted(answers, key=attrgetter("complete_ns")):
        complete_ns.append(row.complete_ns)
        most.append(max(most[-1], row.messages or 0))
    return sum((row.messages or 0) < most[bisect_right(complete_ns, row.sent_ns)] for row in answers)
