"""What is recorded of a run: every instant, in arrays made before it, so that recording costs as little as it can."""

import functools
import time
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MethodType, TracebackType
from typing import Any, Protocol

from real.histogram import Histogram
from real.ticket import NOT_YET, Ticket

KEPT = 100_000  # times that a timer, or a server without an end, remembers


class Record(Protocol):
    """What keeps the instants of what is finished: how many, and histograms of all so far."""

    latency: Histogram
    processing: Histogram

    @property
    def count(self) -> int:
        """How many were recorded."""

    def record(self, ticket: Ticket[Any]) -> None:
        """Keep the instants of one that is finished."""


class Times(Protocol):
    """A record that can tell single times, s, of those that it has kept."""

    @property
    def message_latencies(self) -> list[float]:
        """Finish − arrival."""

    @property
    def processing_times(self) -> list[float]:
        """Finish − start."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """The times of a run, s, from the record of its messages and those of its questions."""

    messages: Times
    queries: Sequence[Times] = ()

    @property
    def message_latencies(self) -> list[float]:
        """From the arrival of each message to its finish."""
        return self.messages.message_latencies

    @property
    def processing_times(self) -> list[float]:
        """From the start of each message to its finish."""
        return self.messages.processing_times

    @property
    def query_times(self) -> list[float]:
        """From the arrival of each question to its answer: all of one record, then all of the next."""
        return [latency_s for record in self.queries for latency_s in record.message_latencies]


class Rows:
    """Instants of messages (or questions), ns on the clock, one entry each in order of arrival.

    Made for so many beforehand. `latency`, `processing`: histograms of what is finished so far, if it is `watched`:
    who looks only at the end has the instants.
    """

    def __init__(self, arrival_ns: Sequence[int], *, watched: bool = False) -> None:
        self.arrival_ns, self.watched, self.count = arrival_ns, watched, 0
        empty = array("q", [NOT_YET])
        self.taken_ns, self.start_ns, self.finish_ns, self.cpu_ns = (empty * len(arrival_ns) for _ in range(4))
        self.latency, self.processing = Histogram(), Histogram()

    def record(self, ticket: Ticket[Any]) -> None:
        """Keep the instants of one that is finished."""
        number, start_ns, finish_ns = ticket.number, ticket.start_ns, ticket.finish_ns
        self.taken_ns[number], self.start_ns[number] = ticket.taken_ns, start_ns
        self.finish_ns[number], self.cpu_ns[number] = finish_ns, ticket.cpu_ns
        self.count += 1
        if self.watched:
            self.latency.add(finish_ns - ticket.arrival_ns)
            self.processing.add(finish_ns - start_ns)

    def finished(self) -> list[int]:
        """Return the numbers of those that are finished, in order of arrival."""
        return [number for number, finish_ns in enumerate(self.finish_ns) if finish_ns >= 0]

    @property
    def message_latencies(self) -> list[float]:
        """Finish − arrival (s) of those that are finished, in order of arrival."""
        return [(self.finish_ns[number] - self.arrival_ns[number]) / 1e9 for number in self.finished()]

    @property
    def processing_times(self) -> list[float]:
        """Finish − start (s) of those that are finished, in order of arrival."""
        return [(self.finish_ns[number] - self.start_ns[number]) / 1e9 for number in self.finished()]

    def columns_s(self, origin_ns: int) -> list[list[float]]:
        """Return arrival, taken, start and finish of those that are finished, in seconds from `origin_ns`."""
        columns, numbers = (self.arrival_ns, self.taken_ns, self.start_ns, self.finish_ns), self.finished()
        return [[(column[number] - origin_ns) / 1e9 for number in numbers] for column in columns]


class Timer:
    """A stopwatch for a part of a program: `with Timer("processing") as timer: …`, as often as wanted.

    The last KEPT times are in `times`, s.

    >>> timer = Timer("processing")
    >>> with timer:
    ...     pass
    >>> timer.name, len(timer.times), timer.times[0] >= 0
    ('processing', 1, True)
    """

    def __init__(self, name: str, now_ns: Callable[[], int] = time.perf_counter_ns) -> None:
        self.name = name
        self.times: deque[float] = deque(maxlen=KEPT)
        self._now_ns = now_ns
        self._began_ns: list[int] = []  # a stack: what is timed may call itself

    def __enter__(self) -> "Timer":
        self._began_ns.append(self._now_ns())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.times.append((self._now_ns() - self._began_ns.pop()) / 1e9)


class Timed[**Given, Result]:
    """A function that keeps the times of its calls in `timer`."""

    def __init__(self, function: Callable[Given, Result]) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self.timer = Timer(function.__name__)

    def __call__(self, *args: Given.args, **kwargs: Given.kwargs) -> Result:
        """Call the function, and time it."""
        with self.timer:
            return self._function(*args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> Callable[..., Result]:
        # A method too can be timed, for all instances together.
        return self if instance is None else MethodType(self, instance)


def timed[**Given, Result](function: Callable[Given, Result]) -> Timed[Given, Result]:
    """Time every call of a function.

    >>> @timed
    ... def double(x: int) -> int:
    ...     return 2 * x
    >>> double(3), len(double.timer.times)
    (6, 1)
    """
    return Timed(function)
