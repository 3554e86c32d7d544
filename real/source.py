"""Where messages come from: a plan of absolute instants, made before the run, whatever the processor is doing."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

from real.clock import Clock, WallClock
from real.message import Message
from real.metrics import Rows
from real.ticket import Ticket

NEVER_NS = 2**63 - 1
_LEAD_NS, _LEAD_AN_ITEM_NS = 20_000_000, 3_000
OPEN_NS = NEVER_NS - 1  # nobody knows when, but more may come


def lead_ns(items: int) -> int:
    """Return how long before second 0 to begin: time to stamp so many messages with their planned instants."""
    return _LEAD_NS + _LEAD_AN_ITEM_NS * items


class Source[Item](Protocol):
    """What comes to the loop, each with a ticket; whether due, or only to come."""

    @property
    def next_ns(self) -> int:
        """Instant of the next one, due or not, on the clock; NEVER_NS when none is to come any more."""

    def take(self, now_ns: int) -> Ticket[Item]:
        """Hand over the next one."""

    def due_by(self, now_ns: int) -> int:
        """Return how many were due by an instant, handed over or not."""

    def done(self, first: int) -> bool:
        """Return whether the first so many are finished, in whatever order."""

    def close(self) -> None:
        """Take nothing more in."""

    def record(self, ticket: Ticket[Item]) -> None:
        """Keep the instants of one that is finished."""


class Asking(Source[str], Protocol):
    """Who asks for states, by worker id."""

    def answer(self, ticket: Ticket[str], state: dict[str, Any] | None) -> None:
        """Give the answer: a copy of the state, or None for a worker that nobody has heard of."""


class Plan[Item]:
    """Messages (or questions) at their planned instants, ns from `origin_ns` on the clock; recorded in `rows`."""

    def __init__(
        self, items: Sequence[Item], instants_ns: Sequence[int], origin_ns: int, *, watched: bool = False
    ) -> None:
        self.rows = Rows([origin_ns + at_ns for at_ns in instants_ns], watched=watched)
        self.planned = len(items)
        self.received = 0
        self._items, self._unfinished = items, 0
        self.next_ns = self._next_ns()  # looked at far more often than it changes

    def _next_ns(self) -> int:
        return NEVER_NS if self.received == self.planned else self.rows.arrival_ns[self.received]

    def take(self, now_ns: int) -> Ticket[Item]:
        """Hand over the next one."""
        number, arrival_ns = self.received, self.next_ns
        self.received += 1
        self.next_ns = self._next_ns()
        return Ticket(number, self._items[number], arrival_ns, now_ns)

    def due_by(self, now_ns: int) -> int:
        """Return how many were due by an instant, handed over or not."""
        return bisect_right(self.rows.arrival_ns, now_ns, hi=self.planned)

    def done(self, first: int) -> bool:
        """Return whether the first so many are finished, in whatever order."""
        finish_ns, first = self.rows.finish_ns, min(first, self.planned)  # what is planned no more is not waited for
        while self._unfinished < first and finish_ns[self._unfinished] >= 0:
            self._unfinished += 1
        return self._unfinished >= first

    def record(self, ticket: Ticket[Item]) -> None:
        """Keep the instants of one that is finished."""
        self.rows.record(ticket)

    def answer(self, ticket: Ticket[Item], state: dict[str, Any] | None) -> None:
        """Let it be: whoever planned the question wanted to know how long the answer takes."""

    def close(self) -> None:
        """Plan no more than has been handed over."""
        self.planned, self.next_ns = self.received, NEVER_NS


def message_stream(
    rate: float, duration: float, *, plan: Iterable[tuple[int, Message]] | None = None, clock: Clock | None = None
) -> Iterator[Message]:
    """Yield each message at its planned instant; a consumer that is late gets what is overdue at once.

    `plan` gives (ns from now, message) in order; without one, messages for ten workers in turn, evenly spaced at
    `rate` a second for `duration` seconds. The timestamp is the planned instant, however late it is asked for.

    >>> from real.clock import FakeClock
    >>> [m.timestamp for m in message_stream(10, 0.3, clock=FakeClock())]
    [0.1, 0.2, 0.3]
    """
    clock = clock or WallClock()
    start_ns = clock.now_ns()
    for after_ns, message in evenly_spaced(rate, duration) if plan is None else plan:
        while clock.now_ns() < start_ns + after_ns:
            clock.wait_until(start_ns + after_ns)
        yield replace(message, timestamp=(start_ns + after_ns) / 1e9)


def evenly_spaced(rate: float, duration: float) -> Iterator[tuple[int, Message]]:
    """Yield (ns, message): one increment each, for w0 … w9 in turn."""
    for k in range(1, int(rate * duration + 1e-9) + 1):  # 100/s for 0.29 s are 29, whatever floats say
        yield round(k / rate * 1e9), Message(f"w{(k - 1) % 10}", ({"op": "increment", "key": "count"},))
