"""M/M/1 and M/M/c: exponential service, as in every textbook."""

from dataclasses import dataclass

from sim.theory.distribution import ExponentialTail
from sim.theory.load import Load, SharedLoad


@dataclass(frozen=True)
class MM1(Load):
    """Poisson arrivals, exponential service: P(wait > t) = ρ e^{−(μ−λ)t}, P(latency > t) = e^{−(μ−λ)t} (Erlang 1917).

    >>> round(MM1(rate_per_s=100, service_s=0.005).latency.mean(), 9)
    0.01
    """

    def _decay_per_s(self) -> float:
        self._check_stable()
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
class MMc(SharedLoad):
    """Poisson arrivals, exponential service, `servers` servers fed from one queue; ValueError for none.

    P(wait > t) = C e^{−(cμ−λ)t}, C the probability that all are busy (Erlang 1917).

    >>> queue = MMc(rate_per_s=1.5, service_s=1.0, servers=2)  # C = 2ρ²/(1 + ρ)
    >>> round(queue.wait.sf(0.0), 6), round(queue.latency_mean_s, 6)
    (0.642857, 2.285714)
    """

    @property
    def wait(self) -> ExponentialTail:
        """Distribution of the time from arrival to start of service."""
        self._check_stable()
        offered, lost = self.rate_per_s * self.service_s, 1.0
        for k in range(1, self.servers + 1):  # Erlang's loss formula, one server more at a time
            lost = offered * lost / (k + offered * lost)
        busy = lost / (1.0 - self.utilization * (1.0 - lost))
        return ExponentialTail(busy, self.capacity_per_s - self.rate_per_s)

    @property
    def latency_mean_s(self) -> float:
        """Mean time from arrival to finish, s."""
        return self.wait.mean() + self.service_s
