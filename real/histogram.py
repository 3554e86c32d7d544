"""A histogram of times in constant memory, for whoever cannot keep them all.

Its bins are at most 1 % wide, so that a percentile read from it is off by at most 0.5 %; counts up to the limits in
`ROUND_NS`, and of no time at all, are exact.
"""

import math
from array import array
from bisect import bisect_left
from itertools import accumulate
from typing import Any

_A_DECADE, _DECADES = 250, 11
STATED_ERROR = 0.005
ROUND_NS = [round(digit * 10**exponent) for exponent in range(5, 11) for digit in (1, 2.5, 5)]  # 0.1 ms to 50 s
# Upper limits of the bins, ns: 0, and from 1 µs to 100,000 s, for which a server without an end can be behind.
_LIMITS_NS = sorted({0, *(round(10 ** (3 + k / _A_DECADE)) for k in range(_A_DECADE * _DECADES + 1)), *ROUND_NS})


class Histogram:
    """How many times there were of about which length, and the exact count, sum and maximum (ns)."""

    def __init__(self) -> None:
        self._counts = array("q", [0]) * (len(_LIMITS_NS) + 1)
        self.count = self.sum_ns = self.most_ns = 0

    def add(self, time_ns: int) -> None:
        """Count one."""
        self._counts[bisect_left(_LIMITS_NS, time_ns)] += 1
        self.count += 1
        self.sum_ns += time_ns
        if time_ns > self.most_ns:  # noqa: PLR1730 - a call of max costs a quarter of the whole
            self.most_ns = time_ns

    def upto(self, limits_ns: list[int]) -> list[int]:
        """Return how many were at most so long, for ascending limits; exact for those in ROUND_NS."""
        counts, place, below = [], 0, 0
        for limit_ns in limits_ns:
            end = bisect_left(_LIMITS_NS, limit_ns) + 1
            below += sum(self._counts[place:end])
            place = end
            counts.append(below)
        return counts

    def percentile(self, percent: float) -> float | None:
        """Return a percentile in seconds, to within STATED_ERROR (times up to 1 µs: 0.5 µs); None of nothing.

        Hyndman and Fan 1996, type 7, as a trajectory's. Times beyond 100,000 s count as the longest of all.

        >>> histogram = Histogram()
        >>> for milliseconds in range(1, 101):
        ...     histogram.add(milliseconds * 1_000_000)
        >>> round(histogram.percentile(50), 2), histogram.percentile(100)
        (0.05, 0.1)
        """
        if not self.count:
            return None
        rank = percent / 100 * (self.count - 1)
        below_ns, above_ns = self._ranked_ns(math.floor(rank)), self._ranked_ns(math.ceil(rank))
        return (below_ns + (above_ns - below_ns) * (rank - math.floor(rank))) / 1e9

    def _ranked_ns(self, rank: int) -> float:
        """Return about the time that has so many others below it: the geometric middle of its bin."""
        if rank == self.count - 1:
            return self.most_ns
        place = next(place for place, upto in enumerate(accumulate(self._counts)) if upto > rank)
        if not 0 < place < len(_LIMITS_NS):
            return self.most_ns if place else 0
        low_ns, high_ns = _LIMITS_NS[place - 1], _LIMITS_NS[place]
        return min(math.sqrt(low_ns * high_ns) or high_ns / 2, self.most_ns)

    def summary(self) -> dict[str, Any]:
        """Return mean, p50, p95, p99 and max in seconds, as a trajectory's metrics have them."""
        mean = self.sum_ns / self.count / 1e9 if self.count else None
        percentiles = {f"p{percent}": self.percentile(percent) for percent in (50, 95, 99)}
        return {"mean": mean, **percentiles, "max": self.most_ns / 1e9 if self.count else None}
