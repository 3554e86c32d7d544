"""What senders say over TCP, and a slow twin of the intake that knows what should come of it.

The twin shares nothing with the intake but the limits. It is fed with whatever the processor read, piece by piece.
"""

import json
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Any

LONGEST, MOST_LINES, MOST_BYTES, MOST_DROPPED = 65_536, 100, 131_072, 1_048_576
A_LONG_LINE = 8_192  # bytes of nonsense that one counts for
WORKERS = ("w0", "w1", "w2", "w3")
STRANGER = "x9"  # unknown where workers are known beforehand
MESSAGE, EMPTY, NOT_JSON, NOT_A_MESSAGE, TOO_LONG, UNKNOWN = (
    *("message", "", "not JSON", "not a message", "line too long", "unknown worker"),
)
GARBAGE = (
    *(b"", b"  ", b"\r", b"{", b"}", b"nonsense", b"GET / HTTP/1.1\r", b"\xff\xfe\x00", b"[1, 2]", b'"w0"', b"null"),
    *(b'{"worker_id": "w0"}', b'{"worker_id": 5, "payload": []}', b'{"worker_id": "w0", "payload": []}', b"7"),
    *(b'{"worker_id": "w0", "payload": [{"op": "drop", "key": "a"}]}', b"[" * 5_000, b'{"a": NaN}', b'{"a": 1e999}'),
    b'{"worker_id": "w0", "payload": [{"op": "set", "key": "a", "value": %s}]}' % (b"9" * 19),
    b'{"worker_id": "w0", "payload": [{"op": "increment", "key": "a"}, {"op": "increment", "key": "a"}]}',
    b'{"worker_id": "w0", "payload": [{"op": "increment", "key": "a"}], "extra": 1}',
    b'{"worker_id": "w0", "payload": [{"op": "increment", "key": "a"}], "timestamp": "now"}',
    b'{"worker_id": "w0", "payload": [%s]}' % b", ".join(b'{"op": "increment", "key": "%d"}' % n for n in range(6)),
)


@dataclass(frozen=True, slots=True)
class Said:
    """A message that should be received: its number in the scenario, for whom it is, and its operations."""

    number: int
    worker: str
    payload: list[dict[str, Any]]


class Lines:
    """Everything that is said in a scenario, by the line that says it."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.messages: dict[bytes, Said] = {}

    def message(self, now_ns: int) -> bytes:
        """Return a new message, as it is sent but for the line's end."""
        random, number = self._random, len(self.messages)
        worker = STRANGER if random.random() < 0.03 else random.choice(WORKERS)
        payload: list[dict[str, Any]] = [{"op": "set", "key": "last", "value": number}]
        for key in ("a", "b"):
            if (draw := random.random()) < 0.4:
                payload.append({"op": "increment", "key": key})
            elif draw < 0.5:
                payload.append({"op": "set", "key": key, "value": random.choice(("text", 3, None))})
        document: dict[str, Any] = {"worker_id": worker, "payload": payload}
        if random.random() < 0.6:
            document["timestamp"] = now_ns / 1e9 + random.choice((0, 0, -1, -7_200, 1_000))
        line = json.dumps(document).encode()
        self.messages[line] = Said(number, worker, payload)
        return line

    def verdict(self, line: bytes, known: frozenset[str] | None) -> tuple[str, Said | None]:
        """Return what a line is, and the message if it is one."""
        said = self.messages.get(line)
        if said is not None:
            return (UNKNOWN, None) if known is not None and said.worker not in known else (MESSAGE, said)
        if len(line) > LONGEST:
            return TOO_LONG, None
        if not line.strip():
            return EMPTY, None
        if any(mark in line for mark in (b"NaN", b"1e999", b"9" * 19)):
            return NOT_JSON, None
        try:
            json.loads(line)
        except (ValueError, RecursionError):
            return NOT_JSON, None
        return NOT_A_MESSAGE, None


@dataclass(slots=True)
class Twin:
    """What one sender said, as far as the processor has read it."""

    lines: Lines
    known: frozenset[str] | None
    rejected: Counter[str]
    pending: bytes = b""
    dropped: int = 0  # bytes of a line that is too long already
    nonsense: int = 0
    nonsense_bytes: int = 0

    def hear(self, data: bytes) -> list[Said]:
        """Return the messages that become complete with so many more bytes."""
        *whole, rest = (self.pending + data).split(b"\n")
        received: list[Said] = []
        for line in whole:
            self._line(line, received)
            if self.cut_off:
                return received
        self.pending = rest
        if len(rest) > LONGEST:
            self.dropped, self.pending = self.dropped + len(rest), b""
        return received

    def end(self) -> list[Said]:
        """Return the message that a last line without an end is, if it is one."""
        received: list[Said] = []
        if self.pending or self.dropped:
            self._line(self.pending, received)
        self.pending = b""
        return received

    @property
    def cut_off(self) -> bool:
        """Whether the processor has to end it."""
        return self.nonsense >= MOST_LINES or self.nonsense_bytes >= MOST_BYTES or self.dropped > MOST_DROPPED

    def _line(self, line: bytes, received: list[Said]) -> None:
        kind, said = (TOO_LONG, None) if self.dropped else self.lines.verdict(line, self.known)
        self.dropped = 0
        if said is not None:
            self.nonsense = self.nonsense_bytes = 0
            received.append(said)
        elif kind == EMPTY:
            self.nonsense += 1
        else:
            self.rejected[kind] += 1
            if kind != UNKNOWN:
                self.nonsense += 1
                self.nonsense_bytes += A_LONG_LINE if kind == TOO_LONG else len(line)
