"""The exact distribution of the wait in M/D/1: a sum over the number in system, with positive terms only."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sim.theory.stationary import Array, Floats, MD1Number, unwrapped, wait_variance, within_unit_interval

_ROWS = 4096  # of a sum at once, to keep its matrix small
_STEPS = 60  # of Newton's method; halving alone would need 53, three to eight are usual, 50 at tiny loads
_CLOSE = 1e-12  # a step (service times) after which the next would change no digit, as they square their size
_ROUNDING = 2e-15  # of ln P(W > t): nothing smaller is worth a step


@dataclass(frozen=True)
class MD1Wait:
    """Waiting time in M/D/1, in seconds: tails to 12 digits down to 1e-100, NaN for NaN.

    With D = 1, k − 1 ≤ t < k and x = ρ(k − t): P(W > t) = Σ_j e^{−x} x^j/j! · P(N > k − j), where P(N > m) = 1 for
    m ≤ 0 stands for the messages that found too many ahead (Franx 2001, Operations Research Letters 29:221).
    """

    number: MD1Number
    service_s: float

    @cached_property
    def _terms(self) -> int:
        # Terms behave like a Poisson distribution of mean x e^θ ≤ ρ + θ.
        peak = self.number.rho + self.number.decay
        return int(peak + 12.0 * math.sqrt(peak)) + 20

    def sf(self, t: npt.ArrayLike) -> Floats:
        """P(W > t), t in seconds; 1 for t < 0."""
        return self._mix(t, upper=True)

    def cdf(self, t: npt.ArrayLike) -> Floats:
        """P(W ≤ t), t in seconds; 0 for t < 0."""
        return self._mix(t, upper=False)

    def _mix(self, t: npt.ArrayLike, *, upper: bool) -> Floats:
        with np.errstate(over="ignore"):  # too many service times to count is as good as infinitely many
            at = np.asarray(t, dtype=np.float64) / self.service_s
        near = np.fmin(np.fmax(at, 0.0), self._reach)
        k = np.floor(near) + 1.0
        mixed = self._sum(self.number.rho * (k - near), k.astype(np.int64), upper=upper)
        far = self.number.far_sf(at) if upper else self.number.far_cdf(at)
        return unwrapped(np.where(at < 0.0, 1.0 if upper else 0.0, np.where(at <= near, mixed, far)))

    @property
    def _reach(self) -> int:
        """Service times beyond which only the geometric tail is left in the sum."""
        return len(self.number.table[0]) + self._terms

    @cached_property
    def _numbers(self) -> tuple[Array, Array]:
        """P(N > m), 1 for m ≤ 0, and P(N ≤ m), 0 for m < 0, of m = −terms … reach + 1: as the sum looks them up."""
        m = np.arange(-self._terms, self._reach + 2)
        above, upto = np.asarray(self.number.sf(m)), np.asarray(self.number.cdf(m))
        return np.where(m <= 0, 1.0, above), np.where(m < 0, 0.0, upto)

    def _sum(self, x: Array, k: npt.NDArray[np.int64], *, upper: bool) -> Array:
        """Return Σ_j e^{−x} x^j/j! · table[k − j]; P(W ≤ t) has the terms j < k only."""
        shape, x, k = x.shape, x.reshape(-1, 1), k.reshape(-1, 1)
        j = np.arange(self._terms)
        total = np.empty(len(x))
        for rows in (slice(start, start + _ROWS) for start in range(0, len(x), _ROWS)):
            weights = np.cumprod(np.where(j == 0, np.exp(-x[rows]), x[rows] / np.maximum(j, 1)), axis=1)
            numbers = self._numbers[0 if upper else 1][k[rows] - j + self._terms]
            total[rows] = (weights * numbers * (1.0 if upper else j < k[rows])).sum(axis=1)
        return total.reshape(shape)

    def isf(self, q: npt.ArrayLike) -> Floats:
        """Return the t (s) at which P(W > t) = q; 0 for q ≥ ρ, infinite for q = 0, NaN outside [0, 1]."""
        above = within_unit_interval(q)
        return self._quantile(above, self.number.rho - above)

    def ppf(self, p: npt.ArrayLike) -> Floats:
        """Return the p quantile (s): 0 for p ≤ 1 − ρ, NaN outside [0, 1].

        Where it exceeds a service time it is isf(1 − p), with the digits that 1 − p has.
        """
        upto, rho = within_unit_interval(p), self.number.rho
        return self._quantile(1.0 - upto, np.where(upto < 0.5, upto - (1.0 - rho), rho - (1.0 - upto)))

    def _quantile(self, above: Array, waited: Array) -> Floats:
        """Return the t (s) with P(W > t) = `above`, P(0 < W ≤ t) = `waited`.

        Up to one service time P(W ≤ t) = (1 − ρ) e^{ρt}, and `waited` has the digits of a small t.
        """
        number = self.number
        with np.errstate(divide="ignore"):
            found = np.asarray((math.log(number.tail_factor) - np.log(above)) / number.decay)
        # P(W > k) = P(N > k), so the number in system brackets the answer between two whole service times.
        k = np.asarray(number.isf(above))
        first = np.log1p(np.maximum(waited, 0.0) / (1.0 - number.rho)) / number.rho
        found = np.where(k <= 1.0, first, found)
        between = (k > 1.0) & (k < len(number.table[0]))
        found[between] = self._solve(above[between], k[between] - 1.0, k[between])
        return unwrapped(found * self.service_s)

    def _solve(self, goal: Array, low: Array, high: Array) -> Array:
        """Newton's method on ln P(W > t), halving the bracket where it would leave it.

        The density is ρ(P(W > t − 1) − P(W > t)), D = 1: waits rise above t as often as they sink below it (Brill and
        Posner 1977, Operations Research 25:662).
        """
        unit, t = MD1Wait(self.number, 1.0), (low + high) / 2.0
        for _ in range(_STEPS):
            tail = np.asarray(unit.sf(t))
            miss = np.log(tail / goal)
            step = miss * tail / (self.number.rho * (np.asarray(unit.sf(t - 1.0)) - tail))
            low, high = np.where(miss > 0.0, t, low), np.where(miss > 0.0, high, t)
            t = np.where((low <= t + step) & (t + step <= high), t + step, (low + high) / 2.0)
            if np.all((np.abs(step) <= _CLOSE) | (np.abs(miss) <= _ROUNDING)):
                break
        return t

    def mean(self) -> float:
        """ρD/(2(1 − ρ)) (Pollaczek–Khinchine)."""
        rho = self.number.rho
        return rho * self.service_s / (2.0 * (1.0 - rho))

    def var(self) -> float:
        """Return the variance (s²)."""
        return wait_variance(self.number.rho) * self.service_s**2

    def std(self) -> float:
        """Return the standard deviation (s)."""
        return math.sqrt(self.var())
