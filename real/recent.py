"""What a server without an end keeps: its last messages one by one, and of all of them the sums.

Its memory is that of the beginning: arrays made beforehand, histograms, and sums of whole nanoseconds, which are exact.
"""

from array import array
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from real.histogram import Histogram
from real.metrics import KEPT
from real.sums import Covered, Dispatch, Slope
from real.ticket import NOT_YET, Ticket


class Columns(NamedTuple):
    """Kept messages, rows in order of arrival, ns on the clock; `sent_ns` is NOT_YET where no sender told it."""

    arrival_ns: list[int]
    taken_ns: list[int]
    start_ns: list[int]
    finish_ns: list[int]
    cpu_ns: list[int]
    sent_ns: list[int]
    worker: list[str]


class Recent:
    """A record of messages, or of questions, in the order in which one thread finishes them, numbered from 0.

    The last `keep` are kept. `latency`, `processing`, `wait` and `blocked` (taken − arrival) are histograms of all.
    Each of `listeners` is called with each ticket.

    >>> recent = Recent(keep=2)
    >>> for second, worker in enumerate("abc"):
    ...     at_ns = second * 10**9
    ...     recent.record(Ticket(second, worker, at_ns, at_ns, at_ns, at_ns + 250_000_000))
    >>> recent.count, recent.columns().worker, recent.message_latencies
    (3, ['b', 'c'], [0.25, 0.25])
    """

    def __init__(self, keep: int = KEPT, listeners: Iterable[Callable[[Ticket[Any]], object]] = ()) -> None:
        self.latency, self.processing, self.wait, self.blocked = (Histogram() for _ in range(4))
        self.first_arrival_ns = self.last_arrival_ns = self.last_finish_ns = NOT_YET
        self._dispatch, self._due, self._growth = Dispatch(), Covered(keep), Slope()
        self._keep, self.listeners, self._most_waiting = keep, [*listeners], 0
        self._instants = tuple(array("q", [NOT_YET]) * keep for _ in range(6))
        self._workers = [""] * keep
        self._names: dict[str, str] = {}

    @property
    def count(self) -> int:
        """How many were recorded."""
        return self.latency.count

    def record(self, ticket: Ticket[Any]) -> None:
        """Keep the instants of one that is finished, and count it."""
        place = self.latency.count % self._keep
        self._hold(place, ticket)
        self._add(ticket.arrival_ns, ticket.taken_ns, ticket.start_ns, ticket.finish_ns)
        self._due.add(ticket.number, ticket.arrival_ns, ticket.taken_ns)
        while self._more_waited(ticket.number - self._most_waiting, ticket.arrival_ns):
            self._most_waiting += 1
        for listener in self.listeners:
            listener(ticket)

    def busy_with(self, ticket: Ticket[Any]) -> None:
        """Hear what else the thread has done; made to be a listener of the record of questions.

        While a question is answered a message waits, but that is not dispatch.
        """
        self._dispatch.free_ns = ticket.finish_ns

    def _more_waited(self, th: int, arrival_ns: int) -> bool:
        """Whether the th message to start, from 0, had not when one arrived: then more waited than ever before.

        When message n has arrived n + 1 have, and those of them that have not started wait.
        """
        if th >= self.count:
            return self._most_waiting < self._keep
        return th >= max(self.count - self._keep, 0) and self._instants[2][th % self._keep] > arrival_ns

    def _hold(self, place: int, ticket: Ticket[Any]) -> None:
        arrival, taken, start, finish, cpu, sent = self._instants
        arrival[place], taken[place], start[place] = ticket.arrival_ns, ticket.taken_ns, ticket.start_ns
        finish[place], cpu[place], sent[place] = ticket.finish_ns, ticket.cpu_ns, ticket.sent_ns
        if not place:
            self._names.clear()
        name = ticket.worker_id
        # Every message brings its own copy of the name; one of them is enough.
        self._workers[place] = self._names.setdefault(name, name)

    def _add(self, arrival_ns: int, taken_ns: int, start_ns: int, finish_ns: int) -> None:
        if not self.latency.count:
            self.first_arrival_ns = arrival_ns
        if arrival_ns > self.last_arrival_ns:
            self.last_arrival_ns = arrival_ns
        elif arrival_ns < self.first_arrival_ns:
            self.first_arrival_ns = arrival_ns
        self.last_finish_ns = finish_ns
        self.latency.add(finish_ns - arrival_ns)
        self.processing.add(finish_ns - start_ns)
        self.wait.add(start_ns - arrival_ns)
        self.blocked.add(taken_ns - arrival_ns)
        self._growth.add(arrival_ns, finish_ns - arrival_ns)
        self._dispatch.add(arrival_ns, start_ns, finish_ns)

    # -- the last ones -------------------------------------------------------------------------------------------

    @property
    def message_latencies(self) -> list[float]:
        """Finish − arrival (s) of the kept ones, in order of finishing."""
        return self._differences_s(3, 0)

    @property
    def processing_times(self) -> list[float]:
        """Finish − start (s) of the kept ones, in order of finishing."""
        return self._differences_s(3, 2)

    def columns(self) -> Columns:
        """Return the kept ones."""
        places = sorted(self._places(), key=self._instants[0].__getitem__)
        arrival, taken, start, finish, cpu, sent = ([column[place] for place in places] for column in self._instants)
        return Columns(arrival, taken, start, finish, cpu, sent, [self._workers[place] for place in places])

    def _places(self) -> list[int]:
        """Return where the kept ones are, in order of finishing."""
        if self.count <= self._keep:
            return list(range(self.count))
        oldest = self.count % self._keep
        return [*range(oldest, self._keep), *range(oldest)]

    def _differences_s(self, end: int, begin: int) -> list[float]:
        ends_ns, begins_ns = self._instants[end], self._instants[begin]
        return [(ends_ns[place] - begins_ns[place]) / 1e9 for place in self._places()]

    # -- all of them ---------------------------------------------------------------------------------------------

    def metrics(self, queries: Histogram | None = None) -> dict[str, Any]:
        """Return the numbers of a trajectory's metrics over all that was recorded, from the first arrival on.

        Percentiles come from histograms. Where messages were not received in order of arrival, the most that waited is
        off by how many more had arrived, or fewer, than been received; and `source_blocked.fraction` is too small by
        what `Covered` leaves out. No more than are kept are known to have waited. Where all that are kept, but not all
        that were recorded, started after the last arrival, `at_last_arrival` is how many are kept, and the mean is
        None: nobody knows. `queries` is the histogram of the questions' latencies.
        """
        arriving_s, lasted_s = self._since_first_s(self.last_arrival_ns), self._since_first_s(self.last_finish_ns)
        dispatch, processing = self._dispatch, self.processing
        hold_ns = (_ratio(processing.sum_ns, self.count) or 0.0) + (_ratio(dispatch.sum_ns, dispatch.count) or 0.0)
        queue = self._queue_length(arriving_s)
        return {
            "messages": self.count,
            "throughput_per_s": _ratio(self.count, lasted_s),
            "utilization": _ratio(self.count * hold_ns / 1e9, arriving_s),
            "busy_fraction": _ratio((processing.sum_ns + dispatch.sum_ns) / 1e9, lasted_s),
            "wait_s": self.wait.summary(),
            "processing_s": processing.summary(),
            "latency_s": self.latency.summary(),
            "queue_length": queue,
            "queue_growth_per_s": _ratio(queue["at_last_arrival"], arriving_s),
            "latency_growth_s_per_s": self._growth.value,
            "source_blocked": {
                "fraction": _ratio(self._due.upto(self.last_arrival_ns) / 1e9, arriving_s),
                "wait_s": self.blocked.summary(),
            },
            "queries": None if queries is None else {"count": queries.count, "latency_s": queries.summary()},
        }

    def _since_first_s(self, at_ns: int) -> float:
        return (at_ns - self.first_arrival_ns) / 1e9

    def _queue_length(self, arriving_s: float) -> dict[str, Any]:
        if not self.count:
            return {"mean": None, "max": None, "at_last_arrival": None}
        # How long those that were waiting at the last arrival went on waiting after it is not in the mean.
        beyond_ns = [
            start_ns - self.last_arrival_ns for start_ns in self._instants[2] if start_ns > self.last_arrival_ns
        ]
        known = len(beyond_ns) < self._keep or self.count == self._keep
        waited_s = (self.wait.sum_ns - sum(beyond_ns)) / 1e9
        mean = _ratio(waited_s, arriving_s) if known else None
        return {"mean": mean, "max": self._most_waiting, "at_last_arrival": len(beyond_ns)}


def _ratio(over: float, under: float) -> float | None:
    return over / under if under else None
