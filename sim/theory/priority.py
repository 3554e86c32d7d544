"""M/G/1 with priorities: whoever is in service finishes, then the most urgent message that waits is next.

Priority takes from one class what it gives to another: the sum over classes of utilization × wait does not change.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from sim.theory.domain import NoSteadyState, check_queue


class NoSteadyClass(NoSteadyState):
    """A question about a steady state, asked of a class that has none although a more urgent one may."""

    def __init__(self, index: int, load: float) -> None:
        ValueError.__init__(
            self,
            f"class {index}: utilization {load:g} together with the classes before it: no steady state; its queue "
            f"grows, ask for .queue_growth_per_s{', or for wait_of a class before it' if index else ''}",
        )


@dataclass(frozen=True)
class PriorityClass:
    """Poisson arrivals of one urgency: messages/s, seconds each on average, and `second` = E[S²]/E[S]²."""

    rate_per_s: float
    service_s: float
    second: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what is not a rate, a time, or the second moment of one."""
        check_queue(self.rate_per_s, self.service_s)
        if not 1.0 <= self.second < math.inf:
            raise ValueError(f"second={self.second!r}: E[S²]/E[S]² must be finite and at least 1")

    @property
    def utilization(self) -> float:
        """Offered load of this class alone."""
        return self.rate_per_s * self.service_s


@dataclass(frozen=True)
class Priority:
    """One server, classes in order of precedence, no interruption; first come first served within a class.

    Where all classes together are more than the server can do, the first ones may still have a steady state:
    `wait_of` knows it, and `queue_growth_per_s` says who falls behind. ValueError for no classes.

    >>> urgent, bulk = PriorityClass(rate_per_s=0.25, service_s=1.0), PriorityClass(rate_per_s=0.25, service_s=2.0)
    >>> queue = Priority((urgent, bulk))
    >>> queue.utilization, queue.residual_s, queue.fifo_wait_mean_s
    (0.75, 0.625, 2.5)
    >>> [round(wait, 4) for wait in queue.wait_mean_s]  # 0.625/0.75 and 0.625/(0.75 × 0.25)
    [0.8333, 3.3333]
    """

    classes: tuple[PriorityClass, ...]

    def __post_init__(self) -> None:
        """Refuse a queue without messages."""
        if not self.classes:
            raise ValueError(f"classes={self.classes!r}: give at least one PriorityClass")

    @property
    def utilization(self) -> float:
        """Offered load ρ of all classes."""
        return self._loads[-1]

    @property
    def stable(self) -> bool:
        """Whether every class has a steady state: ρ < 1."""
        return self.utilization < 1.0

    @cached_property
    def _loads(self) -> tuple[float, ...]:
        """0, and σ_k = ρ_0 + … + ρ_k of every class: what precedes class k is `_loads[k]`, with it `_loads[k + 1]`."""
        return tuple(accumulate((one.utilization for one in self.classes), initial=0.0))

    @cached_property
    def _served(self) -> tuple[float, ...]:
        """The share of the server that each class gets: its load, or what those before it leave."""
        left = [max(0.0, 1.0 - load) for load in self._loads]
        return tuple(min(one.utilization, free) for one, free in zip(self.classes, left, strict=False))

    @property
    def residual_s(self) -> float:
        """W₀: mean time until the server is done with whom it has, as an arrival finds it, s.

        Σ λ_i E[S_i²]/2 (Cobham 1954, Operations Research 2:70). In overload λ_i counts what of a class gets served:
        whenever those before it leave the server alone, it has one of the class that falls behind.
        """
        pairs = zip(self._served, self.classes, strict=True)
        return sum(share * one.service_s * one.second / 2.0 for share, one in pairs)

    @property
    def queue_growth_per_s(self) -> tuple[float, ...]:
        """Messages by which the queue of each class grows each second; all 0 in steady state."""
        pairs = zip(self._served, self.classes, strict=True)
        return tuple((one.utilization - share) / one.service_s for share, one in pairs)

    def wait_of(self, index: int) -> float:
        """Return the mean wait of class `index`, counted from 0, the most urgent, s: W₀/((1 − σ_{k−1})(1 − σ_k)).

        (Cobham 1954.) Raises NoSteadyClass, which is a NoSteadyState, if σ_k ≥ 1, and ValueError for no such class.
        """
        if index not in range(len(self.classes)):
            raise ValueError(f"class {index!r}: there are {len(self.classes)}, counted from 0")
        before, upto = self._loads[index], self._loads[index + 1]
        if upto >= 1.0:
            raise NoSteadyClass(index, upto)
        return self.residual_s / ((1.0 - before) * (1.0 - upto))

    @property
    def wait_mean_s(self) -> tuple[float, ...]:
        """Mean wait of every class, s; NoSteadyClass unless all have one."""
        return tuple(self.wait_of(index) for index in range(len(self.classes)))

    @property
    def latency_mean_s(self) -> tuple[float, ...]:
        """Mean wait and service of every class, s; NoSteadyClass unless all have one."""
        return tuple(wait + one.service_s for wait, one in zip(self.wait_mean_s, self.classes, strict=True))

    @property
    def fifo_wait_mean_s(self) -> float:
        """Mean wait of everyone if messages were served as they come: W₀/(1 − ρ), s (Pollaczek–Khinchine)."""
        if not self.stable:
            rate = sum(one.rate_per_s for one in self.classes)
            raise NoSteadyState(rate, self.utilization / rate)
        return self.residual_s / (1.0 - self.utilization)

    @property
    def conserved_wait_s(self) -> float:
        """Σ ρ_k W_k = ρW₀/(1 − ρ), s: the same in every order without interruption.

        As long as the server does not idle while someone waits and does not know how long one message of a class
        will take (Kleinrock 1965, Naval Research Logistics Quarterly 12:181).
        """
        return self.utilization * self.fifo_wait_mean_s
