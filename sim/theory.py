"""Closed forms of the single-server queue: M/D/1 exactly, its neighbours by their moments.

Everything here is about a steady state, as of a system that has run for ever; where there is none, it says so.
"""

import math
from dataclasses import dataclass

import numpy.typing as npt

from sim.distribution import ExponentialTail, Shifted
from sim.finite import Borel, loss_probability
from sim.md1 import Floats, MD1Number, MD1Wait


class NoSteadyState(ValueError):  # noqa: N818 - it reads as what it is
    """A question about a steady state, asked of a queue that has none."""

    def __init__(self, rate_per_s: float, service_s: float) -> None:
        rho = rate_per_s * service_s
        super().__init__(
            f"rate {rate_per_s:g}/s × service {service_s * 1e3:g} ms = utilization {rho:g}: no steady state; "
            f"the queue grows, ask for .queue_growth_per_s, or keep the rate below {1 / service_s:g}/s"
        )


@dataclass(frozen=True)
class MD1:
    """Poisson arrivals, constant service, one server, first come first served.

    `rate_per_s` messages/s, `service_s` seconds each; both positive and finite (ValueError otherwise).

    >>> md1 = MD1(rate_per_s=150, service_s=0.005)
    >>> md1.utilization, md1.capacity_per_s, md1.stable
    (0.75, 200.0, True)
    >>> md1.wait.mean()
    0.0075
    """

    rate_per_s: float
    service_s: float

    def __post_init__(self) -> None:
        """Refuse what is not a rate or a time."""
        for name, value in (("rate_per_s", self.rate_per_s), ("service_s", self.service_s)):
            if not (0.0 < value < math.inf):
                raise ValueError(f"{name}={value!r}: must be positive and finite")

    @property
    def utilization(self) -> float:
        """Offered load ρ = λD."""
        return self.rate_per_s * self.service_s

    @property
    def stable(self) -> bool:
        """Whether there is a steady state: ρ < 1. At ρ = 1 there is none, although nothing grows linearly."""
        return self.utilization < 1.0

    @property
    def capacity_per_s(self) -> float:
        """The rate that must not be reached: 1/D."""
        return 1.0 / self.service_s

    @property
    def queue_growth_per_s(self) -> float:
        """Messages by which the queue grows each second: λ − 1/D above capacity, else 0."""
        return max(0.0, self.rate_per_s - self.capacity_per_s)

    @property
    def latency_growth_s_per_s(self) -> float:
        """Seconds by which latency grows for each second of arrivals: ρ − 1 above capacity, else 0."""
        return max(0.0, self.utilization - 1.0)

    @property
    def wait(self) -> "MD1Wait":
        """Distribution of the time from arrival to start of service."""
        if not self.stable:
            raise NoSteadyState(self.rate_per_s, self.service_s)
        return MD1Wait(self.number_in_system, self.service_s)

    @property
    def latency(self) -> "Shifted":
        """Distribution of the time from arrival to finish."""
        return Shifted(self.wait, self.service_s)

    @property
    def number_in_system(self) -> "MD1Number":
        """Distribution of the number of messages waiting or in service."""
        if not self.stable:
            raise NoSteadyState(self.rate_per_s, self.service_s)
        return MD1Number(self.utilization)

    @property
    def busy_period(self) -> Borel:
        """Distribution of the number of messages served between two idle periods; it must have a steady state."""
        if not self.stable:
            raise NoSteadyState(self.rate_per_s, self.service_s)
        return Borel(self.utilization)

    @property
    def relaxation_s(self) -> float:
        """About how long a run takes to forget its start, s: D/(ρ − 1 − ln ρ), the decay of busy periods."""
        if not self.stable:
            raise NoSteadyState(self.rate_per_s, self.service_s)
        return self.service_s / self.busy_period.rate

    def blocking_probability(self, places: npt.ArrayLike) -> Floats:
        """Return the share of messages turned away if only so many may be in the system; also above capacity.

        >>> round(MD1(200, 0.005).blocking_probability(1), 12)
        0.5
        """
        return loss_probability(self.utilization, places)


@dataclass(frozen=True)
class MM1:
    """Poisson arrivals, exponential service: P(wait > t) = ρ e^{−(μ−λ)t}, P(latency > t) = e^{−(μ−λ)t} (Erlang 1917).

    >>> round(MM1(rate_per_s=100, service_s=0.005).latency.mean(), 9)
    0.01
    """

    rate_per_s: float
    service_s: float

    def _decay_per_s(self) -> float:
        if self.rate_per_s * self.service_s >= 1.0:
            raise NoSteadyState(self.rate_per_s, self.service_s)
        return 1.0 / self.service_s - self.rate_per_s

    @property
    def wait(self) -> "ExponentialTail":
        """Distribution of the time from arrival to start of service."""
        return ExponentialTail(self.rate_per_s * self.service_s, self._decay_per_s())

    @property
    def latency(self) -> "ExponentialTail":
        """Distribution of the time from arrival to finish."""
        return ExponentialTail(1.0, self._decay_per_s())


@dataclass(frozen=True)
class MG1:
    """Poisson arrivals, any service: mean wait from E[S²] (Pollaczek 1930, Khinchine 1932).

    `second` is E[S²]/E[S]².

    >>> MG1(rate_per_s=100, service_s=0.005, second=2.0).wait_mean_s  # M/M/1 at ρ = 0.5: ρ/(1 − ρ) service times
    0.005
    """

    rate_per_s: float
    service_s: float
    second: float

    @property
    def wait_mean_s(self) -> float:
        """λE[S²]/(2(1 − ρ)), seconds."""
        rho = self.rate_per_s * self.service_s
        if rho >= 1.0:
            raise NoSteadyState(self.rate_per_s, self.service_s)
        return rho * self.service_s * self.second / (2.0 * (1.0 - rho))
