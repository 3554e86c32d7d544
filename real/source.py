"""Where messages come from: a plan of absolute instants, made before the run, whatever the processor is doing."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from real.clock import Clock, WallClock
from real.message import Message
from real.metrics import Rows

NEVER_NS = 2**63 - 1


class Source[Item]:
    """Messages (or questions) at their planned instants, ns from `origin_ns` on the clock, handed over one by one.

    What becomes of each is recorded in `rows`.
    """

    def __init__(self, items: Sequence[Item], instants_ns: Sequence[int], origin_ns: int) -> None:
        self.rows = Rows([origin_ns + at_ns for at_ns in instants_ns])
        self._items = items
        self._handed_over = 0

    @property
    def next_ns(self) -> int:
        """Instant of the next one, due or not; NEVER_NS when none is left."""
        if self._handed_over == len(self._items):
            return NEVER_NS
        return self.rows.arrival_ns[self._handed_over]

    def take(self, now_ns: int) -> tuple[int, Item]:
        """Hand over the next one, with its number."""
        number = self._handed_over
        self._handed_over += 1
        self.rows.taken_ns[number] = now_ns
        return number, self._items[number]

    def due_by(self, now_ns: int) -> int:
        """How many were due by an instant, handed over or not."""
        return bisect_right(self.rows.arrival_ns, now_ns)


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
        clock.wait_until(start_ns + after_ns)
        yield replace(message, timestamp=(start_ns + after_ns) / 1e9)


def evenly_spaced(rate: float, duration: float) -> Iterator[tuple[int, Message]]:
    """Yield (ns, message): one increment each, for w0 … w9 in turn."""
    for k in range(1, int(rate * duration) + 1):
        yield round(k / rate * 1e9), Message(f"w{(k - 1) % 10}", ({"op": "increment", "key": "count"},))
