"""What is recorded of a run: every instant, in arrays made before it, so that recording costs as little as it can."""

from array import array
from collections.abc import Sequence

NOT_YET = -1


class Rows:
    """Instants of messages (or queries), ns on the clock's scale, one entry each in order of arrival."""

    def __init__(self, arrival_ns: Sequence[int]) -> None:
        self.arrival_ns = arrival_ns
        self.taken_ns, self.start_ns, self.finish_ns = (array("q", [NOT_YET]) * len(arrival_ns) for _ in range(3))

    def columns_s(self, origin_ns: int) -> list[list[float]]:
        """Return arrival, taken, start and finish in seconds from `origin_ns`."""
        columns = (self.arrival_ns, self.taken_ns, self.start_ns, self.finish_ns)
        return [[(at - origin_ns) / 1e9 for at in column] for column in columns]
