"""Finite quantities of M/D/1: how long a busy period is, and what a bounded queue turns away."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sim.theory.stationary import Array, Floats, MD1Number, decay_rate, entries, occupancies, unwrapped

_HUGE = 300.0
_ENDLESS = 1e300  # messages that no busy period reaches, and whose products do not overflow
_TABLE = 10_000  # terms of a busy period that are added one by one; the rest is an integral


@dataclass(frozen=True)
class Borel:
    """Messages served in a busy period of M/D/1, ρ < 1: P(n) = e^{−ρn} (ρn)^{n−1}/n! (Borel 1942)."""

    rho: float

    @property
    def rate(self) -> float:
        """δ = ρ − 1 − ln ρ: P(n) falls like e^{−δn} n^{−3/2}. By its series near ρ = 1, where it would cancel."""
        gap = 1.0 - self.rho
        if gap < 0.4:
            return math.fsum(gap**k / k for k in range(2, 50))
        return -gap - math.log(self.rho)

    def _term(self, n: Array) -> Array:
        """P(n) with n! by Stirling's series, so that nothing large is subtracted from anything large.

        1/ρ stands in the exponent as 1 − ρ + δ, which leaves P(1) its digits where ρ is tiny.
        """
        small = np.array([math.lgamma(k + 1.0) - _stirling(k) for k in range(1, 16)])
        r = 1.0 / n
        correction = r * (1 / 12 - r**2 * (1 / 360 - r**2 * (1 / 1260 - r**2 / 1680)))
        near = n < 16
        correction = np.where(near, small[np.clip(n, 1, 15).astype(np.int64) - 1], correction)
        return (
            np.exp((1.0 - self.rho) - self.rate * (n - 1.0) - correction) * r / (math.sqrt(2.0 * math.pi) * np.sqrt(n))
        )

    def pmf(self, n: npt.ArrayLike) -> Floats:
        """P(N = n); 0 for what is no count from 1."""
        at = np.asarray(n, dtype=np.float64)
        counts = (at >= 1) & (at == np.floor(at)) & np.isfinite(at)
        known = self._term(np.where(counts, np.minimum(at, _ENDLESS), 1.0))
        return unwrapped(np.where(counts, known, np.where(np.isnan(at), np.nan, 0.0)))

    def sf(self, n: npt.ArrayLike) -> Floats:
        """P(N > n)."""
        at = np.maximum(np.floor(np.asarray(n, dtype=np.float64)), 0.0)
        known = np.where(np.isnan(at), np.nan, np.where(at < 1.0, 1.0, entries(self._tails, at)))
        far = at > _TABLE
        known[far] = self._beyond(at[far])
        return unwrapped(known)

    def cdf(self, n: npt.ArrayLike) -> Floats:
        """P(N ≤ n)."""
        return unwrapped(1.0 - np.asarray(self.sf(n)))

    def mean(self) -> float:
        """1/(1 − ρ)."""
        return 1.0 / (1.0 - self.rho)

    def var(self) -> float:
        """ρ/(1 − ρ)³ (Haight and Breuer 1960, Biometrika 47:143)."""
        return self.rho / (1.0 - self.rho) ** 3

    def std(self) -> float:
        """Return the standard deviation."""
        return math.sqrt(self.var())

    @cached_property
    def _tails(self) -> Array:
        """P(N > n) for n = 0 … _TABLE, summed from the far end, small terms first."""
        terms = self._term(np.arange(float(_TABLE), 0.0, -1.0))
        return np.cumsum(np.append(self._beyond(np.array([float(_TABLE)])), terms))[::-1]

    def _beyond(self, n: Array) -> Array:
        """Σ_{k>n} P(k) by Euler and Maclaurin's formula.

        It wants terms that change little from one to the next: from _TABLE on they do, or are 0.
        """
        first = np.minimum(n, _ENDLESS) + 1.0
        slope = -(self.rate + 1.5 / first - (1.0 / first) ** 2 / 12.0)
        return self._integral(first) + self._term(first) * (0.5 - slope / 12.0 + slope**3 / 720.0)

    def _integral(self, start: Array) -> Array:
        """∫ P(x) dx from `start`, over u = ln(x/start), in which it is smooth: until e^{−60}, or x^{−3/2}, ends it."""
        end = np.minimum(np.log1p(60.0 / (self.rate * start)), 90.0)
        nodes, weights = np.polynomial.legendre.leggauss(120)
        total = np.zeros_like(start)
        for node, weight in zip(nodes, weights, strict=True):
            x = start * np.exp((node + 1.0) * end / 2.0)
            total += weight * self._term(x) * x
        return total * end / 2.0


def loss_probability(rho: float, places: npt.ArrayLike) -> Floats:
    """Return the share of messages that M/D/1/K turns away, K = `places`, the one in service included; any ρ > 0.

    For ρ < 1 (1 − ρ)Q/(1 − ρQ) with Q = P(N ≥ K) of the unbounded queue; else (π₀ + ρ − 1)/(π₀ + ρ) with
    π₀ = q₀/Σ_{j<K} q_j (Tijms 2003, A First Course in Stochastic Models, ch. 9). The usual 1 − 1/(π₀ + ρ) would
    cancel to nothing. Infinitely many places lose what cannot be served. ValueError for less than one place, and for
    what is no whole number.
    """
    k = np.asarray(places, dtype=np.float64)
    wrong = k[~((k >= 1) & (k == np.floor(k)))]
    if wrong.size:
        raise ValueError(f"places={wrong[0]:g}: must be a whole number, at least 1, the one in service")
    if rho < 1.0:
        number = MD1Number(rho)
        # 1 − ρQ, without the cancellation near ρ = 1.
        kept = (1.0 - rho) + rho * np.asarray(number.cdf(k - 1))
        return unwrapped((1.0 - rho) * np.asarray(number.sf(k - 1)) / kept)
    empty = 1.0 / _sum_of_occupancies(rho, k)
    return unwrapped((empty + (rho - 1.0)) / (empty + rho))


def _sum_of_occupancies(rho: float, k: Array) -> Array:
    """Σ_{j<k} p_j/p_0 for ρ ≥ 1: from the table, and geometric beyond it."""
    if rho > _HUGE:  # p_1/p_0 = e^ρ − 1 is more than can be counted
        return np.where(k > 1, np.inf, 1.0)
    known = occupancies(rho)
    sums = np.cumsum(known)
    growth = -decay_rate(rho)
    more = np.maximum(k - len(known), 0.0)
    with np.errstate(over="ignore"):  # too many messages to count is as good as infinitely many
        beyond = known[-1] * (np.expm1(growth * more) / -math.expm1(-growth) if growth else more)
    inside = np.clip(k, 1, len(known)).astype(np.int64) - 1
    return np.where(k <= len(known), sums[inside], sums[-1] + beyond)


def _stirling(n: int) -> float:
    """Ln of √(2πn) (n/e)^n."""
    return 0.5 * math.log(2.0 * math.pi * n) + n * (math.log(n) - 1.0)
