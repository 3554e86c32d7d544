"""What can be said of a queue from its load alone, before any distribution is known."""

from dataclasses import dataclass
from numbers import Integral

from sim.checks import MOST_SERVERS
from sim.theory.domain import NoSteadyState, check_queue


@dataclass(frozen=True)
class Load:
    """A rate of arrivals and a mean service time: what can be said of a queue before its distributions are known.

    `rate_per_s` messages/s, `service_s` seconds each; both positive and finite (ValueError otherwise).
    """

    rate_per_s: float
    service_s: float

    def __post_init__(self) -> None:
        """Refuse what is not a rate or a time."""
        check_queue(self.rate_per_s, self.service_s)

    @property
    def utilization(self) -> float:
        """Offered load ρ = λE[S]."""
        return self.rate_per_s * self.service_s

    @property
    def stable(self) -> bool:
        """Whether there is a steady state: ρ < 1. At ρ = 1 there is none, although nothing grows linearly."""
        return self.utilization < 1.0

    @property
    def capacity_per_s(self) -> float:
        """Messages/s that the server can do: 1/E[S]."""
        return 1.0 / self.service_s

    @property
    def queue_growth_per_s(self) -> float:
        """Messages by which the queue grows each second: λ − 1/E[S] above capacity, else 0."""
        return max(0.0, self.rate_per_s - self.capacity_per_s)

    @property
    def latency_growth_s_per_s(self) -> float:
        """Seconds by which latency grows for each second of arrivals: ρ − 1 above capacity, else 0."""
        return max(0.0, self.utilization - 1.0)

    def _check_stable(self) -> None:
        if not self.stable:
            raise NoSteadyState(self.rate_per_s, self.service_s)


@dataclass(frozen=True)
class SharedLoad(Load):
    """The load of `servers` servers fed from one queue, 1 to MOST_SERVERS (ValueError otherwise)."""

    servers: int

    def __post_init__(self) -> None:
        """Refuse what is not a rate, a time or a number of servers."""
        super().__post_init__()
        whole = isinstance(self.servers, Integral) and not isinstance(self.servers, bool)
        if not whole or not 1 <= self.servers <= MOST_SERVERS:
            raise ValueError(f"servers={self.servers!r}: must be a whole number from 1 to {MOST_SERVERS:,}")

    @property
    def utilization(self) -> float:
        """Offered load of each server: ρ = λE[S]/c."""
        return self.rate_per_s * self.service_s / self.servers

    @property
    def capacity_per_s(self) -> float:
        """Messages/s that all servers together can do: c/E[S]."""
        return self.servers / self.service_s

    def _check_stable(self) -> None:
        if not self.stable:
            raise NoSteadyState(self.rate_per_s, self.service_s, self.servers)
