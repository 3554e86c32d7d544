"""M/M/1 and M/G/1: Poisson arrivals, service that varies."""

from dataclasses import dataclass

from sim.theory.distribution import ExponentialTail
from sim.theory.domain import NoSteadyState


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
    def wait(self) -> ExponentialTail:
        """Distribution of the time from arrival to start of service."""
        return ExponentialTail(self.rate_per_s * self.service_s, self._decay_per_s())

    @property
    def latency(self) -> ExponentialTail:
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
