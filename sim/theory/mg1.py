"""The neighbours of M/D/1: M/G/1, whose service varies, and D/D/1, where nothing does.

Moments of service times are in units of their mean, E[S^k]/E[S]^k, so that they do not depend on the speed.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from sim.theory.load import Load
from sim.theory.stationary import Floats, unwrapped

_ROUNDING = 1e-9  # by which moments that were computed from a sample may miss what they must be


@dataclass(frozen=True)
class MG1(Load):
    """Poisson arrivals, any service, first come first served: moments of waits from moments of the service time.

    `second`, `third` and `fourth` are E[S²]/E[S]², E[S³]/E[S]³ and E[S⁴]/E[S]⁴: all 1 for constant service; 2, 6 and
    24 for exponential. Leave out what is not known or not finite. What needs a moment that was left out raises a
    ValueError that names it, as do moments that no service time has.

    >>> MG1(rate_per_s=100, service_s=0.005, second=2.0).wait_mean_s  # M/M/1 at ρ = 0.5: ρ/(1 − ρ) service times
    0.005
    """

    second: float
    third: float | None = None
    fourth: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is not a rate, a time, or the moments of one."""
        super().__post_init__()
        before, last = 1.0, 1.0
        for name in ("second", "third", "fourth"):
            value = getattr(self, name)
            if value is None:
                continue
            # Cauchy and Schwarz: E[S^k]² ≤ E[S^{k−1}] E[S^{k+1}].
            least = last * last / before
            if not least * (1.0 - _ROUNDING) <= value < math.inf:
                raise ValueError(f"{name}={value!r}: with the moments below it must be finite and at least {least:g}")
            before, last = last, value

    @classmethod
    def of_sample(cls, rate_per_s: float, samples_s: npt.ArrayLike) -> Self:
        """Return the queue whose service times are drawn from a sample, s; ValueError for what are no service times.

        >>> MG1.of_sample(100, [0.001, 0.003])
        MG1(rate_per_s=100, service_s=0.002, second=1.25, third=1.75, fourth=2.5625)
        """
        samples = np.asarray(samples_s, dtype=np.float64)
        if not samples.size:
            raise ValueError("samples_s is empty: give at least one service time, in seconds")
        longest, shortest = float(samples.max()), float(samples.min())
        if not 0.0 <= shortest <= longest < math.inf:
            wrong = samples[~((samples >= 0.0) & np.isfinite(samples))][0]
            raise ValueError(f"samples_s holds {float(wrong)!r}: a service time is 0 or more seconds, and finite")
        if not longest:
            raise ValueError("samples_s are all 0: without any work there is no queue")
        # By the longest first, and what is then less than 1 has a mean that neither overflows nor vanishes.
        shares = samples / longest
        ratios = shares / shares.mean()
        second, third, fourth = (float(np.mean(ratios**k)) for k in (2, 3, 4))
        return cls(rate_per_s, float(longest * shares.mean()), second, third, fourth)

    @property
    def wait_mean_s(self) -> float:
        """λE[S²]/(2(1 − ρ)), seconds (Pollaczek 1930, Khinchine 1932)."""
        return self._term(2)

    @property
    def wait_var_s2(self) -> float:
        """E[W]² + λE[S³]/(3(1 − ρ)), s² (Takács 1962, Introduction to the Theory of Queues, ch. 3); needs `third`."""
        return self._term(2) ** 2 + self._term(3)

    @property
    def latency_mean_s(self) -> float:
        """E[W] + E[S], seconds."""
        return self.wait_mean_s + self.service_s

    @property
    def latency_var_s2(self) -> float:
        """Var W + Var S, s²: a message's own service does not depend on its wait; needs `third`."""
        return self.wait_var_s2 + self._service_var_s2

    @property
    def wait_asymptotic_var_s2(self) -> float:
        """σ² = lim n Var(mean of n successive waits), s²: a long run's mean wait scatters by σ/√n; needs `fourth`.

        Waits follow W' = (W + S − A)⁺, and f(x) = ax² + x/(1 − ρ) with a = λ/(2(1 − ρ)) solves f(x) − E f((x + S − A)⁺)
        = x − E[W] (Poisson's equation: the terms e^{−λ(x+S)} of the idle server cancel). So σ² = 2 Cov(W, f(W)) − Var W
        (Glynn and Meyn 1996, Annals of Probability 24:916), here written in positive terms. For M/M/1 it is
        ρ(2 + 5ρ − 4ρ² + ρ³)/(1 − ρ)⁴ service times squared (Daley 1968, J. Austral. Math. Soc. 8:683).

        >>> MG1(rate_per_s=0.5, service_s=1.0, second=2.0, third=6.0, fourth=24.0).wait_asymptotic_var_s2
        29.0
        """
        w, q, r = self._term(2), self._term(3), self._term(4)
        slope = (1.0 + self.utilization) / (1.0 - self.utilization)
        return self._curvature * (4.0 * w**3 + 5.0 * w * q + r) + slope * (w**2 + q)

    @property
    def latency_asymptotic_var_s2(self) -> float:
        """The same for n successive latencies, s²; needs `fourth`.

        Var S more, and twice Cov(S, f(W')) = a Cov(S, (W + S)²), as a long service delays those behind it; where
        Cov(S, (W + S)²) = 2E[W] Var S + E[S³] − E[S]E[S²].
        """
        w, q, spread = self._term(2), self._term(3), self._service_var_s2
        delays = 2.0 * self._curvature * w * spread + 3.0 * q - 2.0 * self.service_s * w
        return self.wait_asymptotic_var_s2 + spread + delays

    @property
    def start_deficit_s(self) -> float:
        """Wait that a run misses because it starts empty, s, summed over its messages; needs `third`.

        E f(W) − f(0) with the f of `wait_asymptotic_var_s2`: the mean of the first n waits is expected to be too low by
        this over n, once n is many.

        >>> MG1(rate_per_s=0.5, service_s=1.0, second=2.0, third=6.0).start_deficit_s
        4.0
        """
        w, q = self._term(2), self._term(3)
        return self._curvature * (w**2 + q / 2.0) + w / (1.0 - self.utilization)

    @property
    def _curvature(self) -> float:
        """2a = λ/(1 − ρ), 1/s."""
        return self.rate_per_s / (1.0 - self.utilization)

    @property
    def _service_var_s2(self) -> float:
        return self.service_s**2 * max(0.0, self.second - 1.0)

    def _term(self, k: int) -> float:
        """λE[S^k]/(k(1 − ρ)), s^{k−1}: what Takács' recursion makes E[W], E[W²] … of."""
        self._check_stable()
        name = ("second", "third", "fourth")[k - 2]
        ratio: float | None = getattr(self, name)
        if ratio is None:
            raise ValueError(f"{name}=None: this needs E[S^{k}]/E[S]^{k}; give it, or ask for what needs fewer moments")
        return self.utilization * self.service_s ** (k - 1) * ratio / (k * (1.0 - self.utilization))


@dataclass(frozen=True)
class DD1(Load):
    """Evenly spaced arrivals, constant service: nobody waits up to capacity, and beyond it each waits longer.

    >>> DD1(rate_per_s=200, service_s=0.005).wait_mean_s
    0.0
    >>> DD1(rate_per_s=250, service_s=0.005).wait_of([0, 1, 2]).tolist()
    [0.0, 0.001, 0.002]
    """

    @property
    def stable(self) -> bool:
        """Whether there is a steady state: ρ ≤ 1, as a server that is always busy keeps up where nothing varies."""
        return self.utilization <= 1.0

    @property
    def wait_mean_s(self) -> float:
        """0 seconds; NoSteadyState above capacity."""
        self._check_stable()
        return 0.0

    @property
    def latency_mean_s(self) -> float:
        """The service time, s; NoSteadyState above capacity."""
        return self.wait_mean_s + self.service_s

    def wait_of(self, index: npt.ArrayLike) -> Floats:
        """Return the wait (s) of message `index`, counted from 0, of a run that starts empty: i·max(0, D − 1/λ)."""
        i = np.asarray(index, dtype=np.float64)
        if not np.all((i >= 0) & (i == np.floor(i)) & np.isfinite(i)):
            raise ValueError(f"index={index!r}: messages are counted 0, 1, 2, …")
        return unwrapped(i * (self.latency_growth_s_per_s / self.rate_per_s))
