"""M/D/1: Poisson arrivals, constant service, one server; everything about it that is known exactly."""

import math
from dataclasses import dataclass

import numpy.typing as npt

from sim.theory.distribution import Shifted
from sim.theory.finite import Borel, loss_probability
from sim.theory.load import Load
from sim.theory.stationary import Floats, MD1Number
from sim.theory.waiting import MD1Wait

_IDLE = 1e-303  # below it 1/ρ times a few hundred is more than can be counted


@dataclass(frozen=True)
class MD1(Load):
    """Poisson arrivals, constant service, one server, first come first served.

    `rate_per_s` messages/s, `service_s` seconds each; both positive and finite (ValueError otherwise).

    >>> md1 = MD1(rate_per_s=150, service_s=0.005)
    >>> md1.utilization, md1.capacity_per_s, md1.stable
    (0.75, 200.0, True)
    >>> md1.wait.mean()
    0.0075
    """

    def __post_init__(self) -> None:
        """Refuse what is not a rate or a time."""
        super().__post_init__()
        if not (_IDLE <= self.utilization < math.inf):
            raise ValueError(
                f"rate {self.rate_per_s:g}/s × service {self.service_s:g} s = utilization {self.utilization:g}: "
                f"must be finite and at least {_IDLE:g}; below it nobody waits, so take 0"
            )

    @property
    def wait(self) -> MD1Wait:
        """Distribution of the time from arrival to start of service."""
        self._check_stable()
        return MD1Wait(self.number_in_system, self.service_s)

    @property
    def latency(self) -> Shifted:
        """Distribution of the time from arrival to finish."""
        return Shifted(self.wait, self.service_s)

    @property
    def number_in_system(self) -> MD1Number:
        """Distribution of the number of messages waiting or in service."""
        self._check_stable()
        return MD1Number(self.utilization)

    @property
    def busy_period(self) -> Borel:
        """Distribution of the number of messages served between two idle periods; it must have a steady state."""
        self._check_stable()
        return Borel(self.utilization)

    @property
    def relaxation_s(self) -> float:
        """About how long a run takes to forget its start, s: D/(ρ − 1 − ln ρ), the decay of busy periods."""
        self._check_stable()
        return self.service_s / self.busy_period.rate

    def blocking_probability(self, places: npt.ArrayLike) -> Floats:
        """Return the share of messages turned away if only so many may be in the system; also above capacity.

        `places` counts the one in service: whole, at least 1 (ValueError otherwise), or infinite.

        >>> round(MD1(200, 0.005).blocking_probability(1), 12)
        0.5
        """
        return loss_probability(self.utilization, places)
