"""Arrival processes: when messages arrive, as endless or finite streams of instants in nanoseconds.

Standard library only. A process has one method, `instants_ns(rate_per_s, seed)`; a new one is one more class here
and one more line in `arrival_process`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Protocol

from sim.checks import InvalidWorkload, positive
from sim.recording import NS, RecordingError, locate, read_durations, read_instants
from sim.streams import exponential, stream

KNOWN = (
    "must be poisson, deterministic, bursty[:RATIO[:DWELL_S]] with RATIO ≥ 1, trace:FILE[:COLUMN] or gaps:FILE[:COLUMN]"
)


class ArrivalProcess(Protocol):
    """Where instants come from."""

    def instants_ns(self, rate_per_s: float, seed: int) -> Iterator[float]:
        """Yield instants in order, ns from the start of the run, at a mean rate of `rate_per_s`."""


@dataclass(frozen=True, slots=True)
class Poisson:
    """Independent exponential gaps, drawn from the stream of this name."""

    stream_name: str = "arrivals"

    def instants_ns(self, rate_per_s: float, seed: int) -> Iterator[float]:
        """Yield the instants of a Poisson process; another rate stretches the same draws."""
        draw, log, at = stream(seed, self.stream_name), math.log, 0.0
        while True:
            at -= log(1.0 - draw())  # one exponential variate, without the cost of a call
            yield at / rate_per_s * NS


@dataclass(frozen=True, slots=True)
class Deterministic:
    """Evenly spaced: one message at the end of each gap of 1/rate."""

    def instants_ns(self, rate_per_s: float, seed: int) -> Iterator[float]:
        """Yield k/rate for k = 1, 2, …: divided anew each time, so that no error accumulates."""
        return (k / rate_per_s * NS for k in count(1))


@dataclass(frozen=True, slots=True)
class Bursty:
    """A two-state Markov-modulated Poisson process: rates as `ratio` : 1, each state for `dwell_s` on average.

    Source: Fischer and Meier-Hellstern 1993, Performance Evaluation 18:149.
    """

    ratio: float = 5.0
    dwell_s: float = 1.0

    def instants_ns(self, rate_per_s: float, seed: int) -> Iterator[float]:
        """Yield its instants; it starts in either state with equal probability, which is stationary."""
        draw, draw_phase = stream(seed, "arrivals"), stream(seed, "phases")
        slow = 2.0 * rate_per_s / (1.0 + self.ratio)
        rates = [slow, self.ratio * slow]
        if draw_phase() < 0.5:
            rates.reverse()
        now_s, change_s = 0.0, exponential(draw_phase, self.dwell_s)
        # What separates two messages is a unit exponential of *expected* messages, spent at whatever rate holds.
        owed = exponential(draw, 1.0)
        while True:
            at_s = now_s + owed / rates[0]
            if at_s <= change_s:
                now_s = at_s
                yield now_s * NS
                owed = exponential(draw, 1.0)
            else:
                owed -= (change_s - now_s) * rates[0]
                now_s, change_s = change_s, change_s + exponential(draw_phase, self.dwell_s)
                rates.reverse()


class Recorded:
    """Instants from a file: in order, from 0; `out_of_order` rows had to be sorted.

    `trace:FILE[:COLUMN]` holds instants, the first of which becomes 0; `gaps:FILE[:COLUMN]` holds gaps in seconds,
    the first of them before the first message. `rate_per_s` is gaps over time, None where all is one instant.
    """

    def __init__(self, kind: str, spec: str) -> None:
        self.path, column = locate(spec)
        if kind == "gaps":
            total_ns, instants, self.unit_ns = 0, [], NS
            for gap in read_durations(self.path, column):
                total_ns += gap
                instants.append(total_ns)
            self.out_of_order = 0
        else:
            values, self.unit_ns = read_instants(self.path, column)
            self.out_of_order = sum(b < a for a, b in pairwise(values))
            values.sort()
            instants = [value - values[0] for value in values]
        if instants[-1] >= 2**63:
            raise RecordingError(f"{self.path}: spans more than 292 years; are these seconds?")
        self.recorded_ns = instants
        span_ns = instants[-1] - instants[0]
        self.rate_per_s = (len(instants) - 1) * NS / span_ns if span_ns else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should be told about how the file was read."""
        notes = []
        if self.unit_ns != NS:
            unit = {1_000_000: "milliseconds", 1_000: "microseconds", 1: "nanoseconds"}[self.unit_ns]
            notes.append(f"{self.path}: numbers of this size are read as {unit} since 1970")
        whole = len(self.recorded_ns) > 1 and not any(at % NS for at in self.recorded_ns)
        if whole and len(set(self.recorded_ns)) < len(self.recorded_ns) / 2:
            notes.append(
                f"{self.path}: whole seconds, and several messages in one: in which order and how far apart they came "
                "is unknown, and latencies below a second mean little"
            )
        if self.out_of_order:
            notes.append(f"{self.path}: {self.out_of_order} rows out of order: sorted")
        return tuple(notes)

    def instants_ns(self, rate_per_s: float | None, seed: int) -> Iterator[float]:
        """Yield the instants, the whole recording stretched to a mean rate of `rate_per_s`."""
        if rate_per_s == self.rate_per_s or rate_per_s is None or self.rate_per_s is None:
            yield from self.recorded_ns  # as recorded, to the last nanosecond
        else:
            factor = self.rate_per_s / rate_per_s
            yield from (instant * factor for instant in self.recorded_ns)


def arrival_process(spec: str) -> ArrivalProcess:
    """Return the process that a specification names; InvalidWorkload or RecordingError says what is wrong with it.

    >>> arrival_process("bursty:10")
    Bursty(ratio=10.0, dwell_s=1.0)
    """
    if not isinstance(spec, str):
        raise InvalidWorkload("arrivals", spec, KNOWN)
    kind, _, rest = spec.partition(":")
    if kind in ("trace", "gaps"):
        if not rest:
            raise InvalidWorkload("arrivals", spec, f"name a file, as in {kind}:requests.csv")
        return Recorded(kind, rest)
    if spec == "poisson":
        return Poisson()
    if spec == "deterministic":
        return Deterministic()
    given = [positive(text, 1e6) for text in spec.split(":")[1:]]
    if kind != "bursty" or len(given) > 2 or None in given or (given and (given[0] or 0.0) < 1.0):
        raise InvalidWorkload("arrivals", spec, KNOWN)
    return Bursty(*(value for value in given if value is not None))
