"""Sums that stand for many messages, added to with each: exact, in whole nanoseconds, and in constant memory."""

from dataclasses import dataclass
from heapq import heappop, heappush

from real.ticket import NOT_YET


@dataclass(slots=True, eq=False)
class Dispatch:
    """What the loop itself cost: from the finish before to the start, of messages that were waiting at that finish.

    `free_ns` is that finish; whoever else keeps the thread moves it on.

    >>> dispatch = Dispatch()
    >>> for arrival_ns, start_ns, finish_ns in ((0, 0, 10), (5, 12, 20), (20, 21, 40)):
    ...     dispatch.add(arrival_ns, start_ns, finish_ns)
    >>> dispatch.count, dispatch.sum_ns
    (1, 2)
    """

    free_ns: int = NOT_YET
    count: int = 0
    sum_ns: int = 0

    def add(self, arrival_ns: int, start_ns: int, finish_ns: int) -> None:
        """Count a message, in order of finishing."""
        if arrival_ns < self.free_ns:
            self.count += 1
            self.sum_ns += start_ns - self.free_ns
        self.free_ns = finish_ns


class Covered:
    """Length of the union of spells [begin, end), numbered in order of beginning, from 0, whenever they are told.

    Spells told too early are held until it is their turn, `most` of them. Of one that is told too late even for that,
    or begins before its turn, what lies before the end of those already counted is left out.

    >>> covered = Covered()
    >>> for number, begin_ns, end_ns in ((0, 0, 3), (2, 2, 5), (1, 1, 2), (4, 8, 9)):
    ...     covered.add(number, begin_ns, end_ns)
    >>> covered.upto(8), covered.upto(10)
    (5, 6)
    """

    def __init__(self, most: int = 1_000) -> None:
        self._most, self._next = most, 0
        self._counted, self._reached_ns = 0, NOT_YET
        self._held: list[tuple[int, int, int]] = []

    def add(self, number: int, begin_ns: int, end_ns: int) -> None:
        """Add a spell."""
        if number <= self._next and not self._held:
            self._count(number, begin_ns, end_ns)
            return
        heappush(self._held, (number, begin_ns, end_ns))
        while self._held and (self._held[0][0] <= self._next or len(self._held) > self._most):
            self._count(*heappop(self._held))

    def upto(self, until_ns: int) -> int:
        """Return the length that lies before an instant; none of the spells may begin after it."""
        while self._held:
            self._count(*heappop(self._held))
        return self._counted - max(self._reached_ns - until_ns, 0)

    def _count(self, number: int, begin_ns: int, end_ns: int) -> None:
        self._next = max(self._next, number + 1)
        if end_ns > self._reached_ns:
            self._counted += end_ns - max(begin_ns, self._reached_ns)
            self._reached_ns = end_ns


@dataclass(slots=True, eq=False)
class Slope:
    """Least-squares slope of y over x: the sums of the normal equations.

    >>> slope = Slope()
    >>> for x, y in ((0, 50), (10, 55), (20, 60)):
    ...     slope.add(x, y)
    >>> slope.value
    0.5
    """

    count: int = 0
    origin: int = 0
    x: int = 0
    y: int = 0
    xx: int = 0
    xy: int = 0

    def add(self, x: int, y: int) -> None:
        """Add a point. Counting from the first x keeps the numbers short; the slope is the same."""
        if not self.count:
            self.origin = x
        x -= self.origin
        self.count += 1
        self.x += x
        self.y += y
        self.xx += x * x
        self.xy += x * y

    @property
    def value(self) -> float | None:
        """The slope; None where all x are the same."""
        spread = self.count * self.xx - self.x * self.x
        return (self.count * self.xy - self.x * self.y) / spread if spread else None
