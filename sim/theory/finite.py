"""Finite quantities of M/D/1: how long a busy period is, and what a bounded queue turns away."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.theory.stationary import Array, Floats, MD1Number, decay_rate, occupancies, unwrapped

_HUGE = 300.0
_TABLE = 100_000
_EXACT = 2000  # terms of a busy period that are added one by one; the rest is an integral


@dataclass(frozen=True)
class Borel:
    """Messages served in a busy period of M/D/1, ρ < 1: P(n) = e^{−ρn} (ρn)^{n−1}/n! (Borel 1942)."""

    rho: float

    @property
    def rate(self) -> float:
        """δ = ρ − 1 − ln ρ: P(n) falls like e^{−δn} n^{−3/2}. By its series near ρ = 1, where it would cancel."""
        gap = 1.0 - self.rho
        if gap < 0.1:
            return math.fsum(gap**k / k for k in range(2, 30))
        return -gap - math.log(self.rho)

    def _term(self, n: Array) -> Array:
        """P(n) with n! by Stirling's series, so that nothing large is subtracted from anything large."""
        small = np.array([math.lgamma(k + 1.0) - _stirling(k) for k in range(1, 16)])
        correction = 1 / (12 * n) - 1 / (360 * n**3) + 1 / (1260 * n**5) - 1 / (1680 * n**7)
        near = n < 16
        correction = np.where(near, small[np.clip(n, 1, 15).astype(np.int64) - 1], correction)
        return np.exp(-self.rate * n - correction) / (self.rho * n * np.sqrt(2 * math.pi * n))

    def pmf(self, n: npt.ArrayLike) -> Floats:
        """P(N = n); 0 for what is no count from 1."""
        at = np.asarray(n, dtype=np.float64)
        counts = (at >= 1) & (at == np.floor(at)) & np.isfinite(at)
        return unwrapped(np.where(counts, self._term(np.where(counts, at, 1.0)), 0.0))

    def sf(self, n: npt.ArrayLike) -> Floats:
        """P(N > n)."""
        at = np.maximum(np.floor(np.asarray(n, dtype=np.float64)), 0.0)
        last = float(at.max(initial=0.0))
        if last > _TABLE:
            return unwrapped(np.vectorize(self._tail, otypes=[np.float64])(at))
        # Summed from the far end, small terms first.
        terms = np.append(self._tail(last), self._term(np.arange(last, 0.0, -1.0)))
        return unwrapped(np.cumsum(terms)[::-1][at.astype(np.int64)])

    def cdf(self, n: npt.ArrayLike) -> Floats:
        """P(N ≤ n)."""
        return unwrapped(1.0 - np.asarray(self.sf(n)))

    def mean(self) -> float:
        """1/(1 − ρ)."""
        return 1.0 / (1.0 - self.rho)

    def _tail(self, n: float) -> float:
        """Σ_{k>n} P(k): _EXACT terms, and the rest by Euler and Maclaurin's formula."""
        if math.isinf(n):
            return 0.0
        first = n + 1.0 + _EXACT
        terms = self._term(np.arange(n + 1.0, first))
        last = float(self._term(np.array([first]))[0])
        if last < 1e-20 * terms[0]:
            return float(terms[::-1].sum())
        slope = -(self.rate + 1.5 / first - 1.0 / (12.0 * first**2))
        return self._integral(first) + last * (0.5 - slope / 12.0 + slope**3 / 720.0) + float(terms[::-1].sum())

    def _integral(self, start: float) -> float:
        """∫ P(x) dx from `start`, over u = ln(x/start), in which it is smooth."""
        end = math.log(1.0 + 60.0 / (self.rate * start)) if self.rate * start > 1e-18 else 90.0
        nodes, weights = np.polynomial.legendre.leggauss(120)
        u = (nodes + 1.0) * end / 2.0
        x = start * np.exp(u)
        return float((weights * self._term(x) * x).sum() * end / 2.0)


def loss_probability(rho: float, places: npt.ArrayLike) -> Floats:
    """Return the share of messages that M/D/1/K turns away, K = `places`, the one in service included; any ρ > 0.

    For ρ < 1 (1 − ρ)Q/(1 − ρQ) with Q = P(N ≥ K) of the unbounded queue; else (π₀ + ρ − 1)/(π₀ + ρ) with
    π₀ = q₀/Σ_{j<K} q_j (Tijms 2003, A First Course in Stochastic Models, ch. 9). The usual 1 − 1/(π₀ + ρ) would
    cancel to nothing. ValueError for fewer than one place.
    """
    k = np.floor(np.asarray(places, dtype=np.float64))
    if not np.all(k >= 1):
        raise ValueError(f"places={places!r}: at least 1, the one in service")
    if rho < 1.0:
        full = np.asarray(MD1Number(rho).sf(k - 1))
        return unwrapped((1.0 - rho) * full / (1.0 - rho * full))
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
