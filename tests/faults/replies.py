"""What is asked over HTTP, and whether what comes back answers it: one reply a request at most, in their order."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

END = b"\r\n\r\n"
GARBAGE: tuple[tuple[bytes, frozenset[int]], ...] = (
    (b"\x16\x03\x01\r\n\r\n", frozenset({400})),
    (b"nonsense\r\n\r\n", frozenset({400})),
    (b"GET / HTTP/9.9\r\n\r\n", frozenset({505})),
    (b"GET / HTTP/1.1\r\n\r\n", frozenset({400})),  # no Host
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", frozenset({400})),
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", frozenset({400})),
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", frozenset({413})),
    (b"POST /workers/w0 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", frozenset({405})),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 9_000 + END, frozenset({431})),
    (b"GET /" + b"z" * 9_000, frozenset({414})),
    (b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", frozenset({400})),
)


@dataclass(frozen=True, slots=True)
class Expected:
    """A request, and what may be answered. `worker`: whose state it asks for; `last`: nothing is answered after it."""

    request: bytes
    statuses: frozenset[int]
    worker: str | None = None
    head: bool = False
    last: bool = False
    garbage: bool = False


def asked(random: Random, workers: tuple[str, ...], client: int, number: int) -> Expected:
    """Return a request."""
    if random.random() < 0.1:
        request, statuses = random.choice(GARBAGE)
        return Expected(request, statuses, last=True, garbage=True)
    worker, statuses, path = None, frozenset({200}), random.choice(("/workers", "/healthz", "/healthz", "/metrics"))
    method = "GET"
    match random.randint(0, 9):
        case 0 | 1 | 2 | 3:
            worker = random.choice(workers)
            statuses, path = frozenset({200, 404}), f"/workers/{worker}"
        case 4 | 5 | 6:
            worker = f"nobody-{client}-{number}"
            statuses, path = frozenset({404}), f"/workers/{worker}"
        case 7:
            statuses, path = frozenset({404}), "/nothing"
        case 8:
            statuses, path, method = frozenset({405}), "/workers", "DELETE"
    method = "HEAD" if method == "GET" and random.random() < 0.1 else method
    last = random.random() < 0.15
    lines = [f"{method} {path} HTTP/1.1", "Host: lab", *(["Connection: close"] if last else [])]
    end = b"\n\n" if random.random() < 0.1 else END
    return Expected("\r\n".join(lines).encode() + end, statuses, worker, method == "HEAD", last)


class Replies:
    """The replies of one connection, as its client reads them.

    `history(worker, n)` is the state of a worker after n messages; None if it has not had so many.
    """

    def __init__(self, history: Callable[[str, int], dict[str, Any] | None]) -> None:
        self._history = history
        self._expected: list[tuple[Expected, int]] = []
        self._read = b""
        self._least: dict[str, int] = {}
        self.count = 0
        self.ended = False  # a reply was the last

    def expect(self, one: Expected, said: int) -> None:
        """Expect a reply once so many bytes were said."""
        self._expected.append((one, said))

    def missing(self, said: int) -> int:
        """Return how many whole requests of so many bytes have no reply yet."""
        if self.ended:
            return 0
        due = 0
        for one, end in self._expected:
            due += end <= said
            if one.last and end <= said:
                break
        return due - self.count

    def hear(self, data: bytes, said: int) -> None:
        """Read more; AssertionError where it is no answer."""
        self._read += data
        while self._read:
            head, end, rest = self._read.partition(END)
            if not end:
                return
            status_line, *fields = head.decode("ascii").split("\r\n")
            status, headers = int(status_line.split()[1]), dict(field.split(": ", 1) for field in fields)
            one, until = self._expected[self.count] if self.count < len(self._expected) else (None, 0)
            length = 0 if one is not None and one.head and status in one.statuses else int(headers["Content-Length"])
            if len(rest) < length:
                return
            assert not self.ended, f"a reply after the last: {head!r}"
            self._read = rest[length:]
            self._check(one, said >= until, status, headers, rest[:length])

    def _check(self, one: Expected | None, said: bool, status: int, headers: dict[str, str], body: bytes) -> None:
        closing = headers.get("Connection") == "close"
        self.ended = closing
        unfinished = status in (400, 408) and closing  # the processor's last word on half a request
        if unfinished and (one is None or not one.garbage):
            return
        assert one is not None, f"a reply to nothing: {status} {body!r}"
        assert said or one.garbage, f"a reply before its request: {status} {body!r}"
        assert status in one.statuses or (closing and (status == 408 or not said)), (
            f"{status} to {one.request[:100]!r}: {body!r}"
        )
        assert closing == one.last, f"{status} to {one.request[:100]!r}: Connection"
        self.count += 1
        if one.worker is not None and not one.head:
            self._check_state(one.worker, status, json.loads(body))

    def _check_state(self, worker: str, status: int, document: dict[str, Any]) -> None:
        if status == 404:
            assert repr(worker) in document["error"], f"the reply of another: {document}"
            assert not self._least.get(worker), "a worker is forgotten"
            return
        messages = document["messages"]
        assert document["worker_id"] == worker, f"the reply of another: {document}"
        assert self._history(worker, messages) == document["state"], f"half a state: {document}"
        assert messages >= self._least.get(worker, 0), "a state of the past"
        self._least[worker] = messages
