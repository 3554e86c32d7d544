"""Service-time distributions: how much work a message is, in nanoseconds.

Standard library only. Besides drawing, a distribution knows its second to fourth moment in units of its mean, from
which closed forms are computed.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Protocol

from sim.checks import InvalidWorkload, positive
from sim.recording import NS, RecordingError, locate, read_durations
from sim.streams import exponential, normal, stream

KNOWN = "must be deterministic, exponential, lognormal:CV (CV above 0, at most 100) or empirical:FILE[:COLUMN]"


class ServiceTimes(Protocol):
    """Where service times come from."""

    @property
    def moments(self) -> tuple[float, float, float]:
        """E[S²]/E[S]², E[S³]/E[S]³ and E[S⁴]/E[S]⁴."""

    def times_ns(self, mean_s: float, seed: int) -> Iterator[int]:
        """Yield service times, endlessly."""


@dataclass(frozen=True, slots=True)
class Deterministic:
    """Always the same."""

    moments: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def times_ns(self, mean_s: float, seed: int) -> Iterator[int]:
        """Yield the mean."""
        return repeat(round(mean_s * NS))


@dataclass(frozen=True, slots=True)
class Exponential:
    """Memoryless; the M/M/1 queue's."""

    moments: tuple[float, float, float] = (2.0, 6.0, 24.0)

    def times_ns(self, mean_s: float, seed: int) -> Iterator[int]:
        """Yield exponential variates."""
        draw = stream(seed, "service")
        while True:
            yield round(exponential(draw, mean_s * NS))


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Lognormal with a coefficient of variation `cv`: the usual shape of real service times."""

    cv: float

    @property
    def moments(self) -> tuple[float, float, float]:
        """(1 + cv²), (1 + cv²)³ and (1 + cv²)⁶."""
        second = 1.0 + self.cv**2
        return second, second**3, second**6

    def times_ns(self, mean_s: float, seed: int) -> Iterator[int]:
        """Yield lognormal variates."""
        draw = stream(seed, "service")
        sigma = math.sqrt(math.log1p(self.cv**2))
        median_ns = mean_s * NS * math.exp(-sigma * sigma / 2.0)
        while True:
            yield round(median_ns * math.exp(sigma * normal(draw)))


class Empirical:
    """Drawn with replacement from a file of seconds; `mean_s` is the file's own mean."""

    def __init__(self, spec: str) -> None:
        path, column = locate(spec)
        self.samples_ns = read_durations(path, column)
        self.mean_s = sum(self.samples_ns) / len(self.samples_ns) / NS
        if not self.mean_s:
            raise RecordingError(f"{path}: every service time is 0; expected seconds, such as 0.005")

    @property
    def moments(self) -> tuple[float, float, float]:
        """The sample's."""
        ratios = [sample / NS / self.mean_s for sample in self.samples_ns]
        second, third, fourth = (sum(r**k for r in ratios) / len(ratios) for k in (2, 3, 4))
        return second, third, fourth

    def times_ns(self, mean_s: float, seed: int) -> Iterator[int]:
        """Yield samples, stretched to a mean of `mean_s`."""
        draw, samples = stream(seed, "service"), self.samples_ns
        factor = 1.0 if mean_s == self.mean_s else mean_s / self.mean_s
        while True:
            yield round(samples[int(draw() * len(samples))] * factor)


def service_times(spec: str) -> ServiceTimes:
    """Return the distribution that a specification names; InvalidWorkload or RecordingError says what is wrong.

    >>> service_times("lognormal:0.5").moments
    (1.25, 1.953125, 3.814697265625)
    """
    if not isinstance(spec, str):
        raise InvalidWorkload("service", spec, KNOWN)
    kind, _, rest = spec.partition(":")
    if spec == "deterministic":
        return Deterministic()
    if spec == "exponential":
        return Exponential()
    if kind == "empirical":
        if not rest:
            raise InvalidWorkload("service", spec, "name a file of seconds, as in empirical:times.csv")
        return Empirical(rest)
    cv = positive(rest, 100.0)
    if kind != "lognormal" or cv is None:
        raise InvalidWorkload("service", spec, KNOWN)
    return Lognormal(cv)
