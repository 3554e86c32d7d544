"""The exact distribution of the number in an M/D/1 system, from which that of the wait follows.

Every sum has positive terms only, so that tails keep their digits down to 1e-100; the textbook's alternating sum
loses half a digit per service time.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Floats = float | Array

_ENDLESS = 1e300  # messages or service times that no tail outlasts, and whose products do not overflow


@dataclass(frozen=True)
class MD1Number:
    """Number in an M/D/1 system of utilization ρ < 1: tails to 13 digits down to 1e-100, NaN for NaN.

    A table of `occupancies`, and beyond it the geometric tail P(N > n) ~ C e^{−θn} (Franx 2001, Operations Research
    Letters 29:221).
    """

    rho: float

    @cached_property
    def decay(self) -> float:
        """θ > 0 with P(N > n) ~ C e^{−θn} and P(W > t) ~ C e^{−θ t/D}."""
        return decay_rate(self.rho)

    @cached_property
    def tail_factor(self) -> float:
        """C = (1 − ρ)/(θ + ρ − 1), with 1 − ρ in the denominator as ρ h(θ), which does not cancel near ρ = 1."""
        return (1.0 - self.rho) / (self.decay - self.rho * relative_excess(self.decay))

    @cached_property
    def table(self) -> tuple[Array, Array]:
        """(p_n, P(N > n)) for n = 0 … m, m so large that the geometric tail is exact to the last digits beyond."""
        probabilities = (1.0 - self.rho) * occupancies(self.rho)
        # Summed from the far end, small terms first.
        beyond = self.tail_factor * math.exp(-self.decay * (len(probabilities) - 1))
        tails = np.cumsum(np.concatenate([[beyond], probabilities[:0:-1]]))[::-1]
        return probabilities, tails

    def far_sf(self, n: Array) -> Array:
        """P(N > n) beyond the table, and P(W > nD), for which n need not be whole."""
        return self.tail_factor * np.exp(-self.decay * np.clip(n, 0.0, _ENDLESS))

    def far_cdf(self, n: Array) -> Array:
        """P(N ≤ n) beyond the table, and P(W ≤ nD), added to the table's sum: near ρ = 1 nearly all lies beyond."""
        probabilities, _ = self.table
        beyond = np.clip(n - (len(probabilities) - 1), 0.0, _ENDLESS)
        more = -np.expm1(-self.decay * beyond) / math.expm1(self.decay)
        above = self.far_sf(n)
        return np.where(above > 0.5, probabilities.sum() + probabilities[-1] * more, 1.0 - above)

    def sf(self, n: npt.ArrayLike) -> Floats:
        """P(N > n); 1 for n < 0."""
        at = np.floor(np.asarray(n, dtype=np.float64))
        _, tails = self.table
        return unwrapped(np.where(at < 0, 1.0, np.where(at < len(tails), entries(tails, at), self.far_sf(at))))

    def cdf(self, n: npt.ArrayLike) -> Floats:
        """P(N ≤ n); summed from the near end where that keeps more digits."""
        at = np.floor(np.asarray(n, dtype=np.float64))
        probabilities, tails = self.table
        known = np.where(tails > 0.5, np.cumsum(probabilities), 1.0 - tails)
        return unwrapped(np.where(at < 0, 0.0, np.where(at < len(known), entries(known, at), self.far_cdf(at))))

    def isf(self, q: npt.ArrayLike) -> Floats:
        """Return the least n with P(N > n) ≤ q; infinite for q = 0, NaN outside [0, 1]."""
        at = within_unit_interval(q)
        _, tails = self.table
        inside = np.searchsorted(-tails, -at, side="left")  # past the end for NaN
        with np.errstate(divide="ignore"):
            far = np.ceil((math.log(self.tail_factor) - np.log(at)) / self.decay)
        return unwrapped(np.where((inside < len(tails)) & (at > 0.0), inside, np.maximum(far, len(tails))))

    def ppf(self, p: npt.ArrayLike) -> Floats:
        """Return the p quantile: the least n with P(N ≤ n) ≥ p."""
        return self.isf(1.0 - within_unit_interval(p))

    def pmf(self, n: npt.ArrayLike) -> Floats:
        """P(N = n); 0 for what is no count."""
        at = np.asarray(n, dtype=np.float64)
        probabilities, _ = self.table
        far = math.expm1(self.decay) * self.far_sf(at)
        known = np.where(at < len(probabilities), entries(probabilities, at), far)
        return unwrapped(np.where((at < 0) | ((at != np.floor(at)) & ~np.isnan(at)), 0.0, known))

    def mean(self) -> float:
        """E[N] = ρ + ρ²/(2(1 − ρ)) (Pollaczek–Khinchine, and Little)."""
        return self.rho + self.rho**2 / (2.0 * (1.0 - self.rho))

    def var(self) -> float:
        """E[N] + ρ² Var(W)/D²: N arrive in a latency (Keilson and Servi 1988, Operations Research Letters 7:223)."""
        return self.mean() + self.rho**2 * wait_variance(self.rho)

    def std(self) -> float:
        """Return the standard deviation."""
        return math.sqrt(self.var())


def wait_variance(rho: float) -> float:
    """Var(W)/D² = (ρ/(2(1 − ρ)))² + ρ/(3(1 − ρ)) (Takács 1962, Introduction to the Theory of Queues, ch. 3)."""
    return (rho / (2.0 * (1.0 - rho))) ** 2 + rho / (3.0 * (1.0 - rho))


def decay_rate(rho: float) -> float:
    """Return the θ ≠ 0 with ρ(e^θ − 1) = θ, which is −ρ − W(−ρ e^{−ρ}) with Lambert's other branch; 0 for ρ = 1.

    Positive for ρ < 1, where probabilities fall by e^{−θ}; negative for ρ > 1, where unnormalised ones grow.
    """
    target = (1.0 - rho) / rho
    # Newton on h(θ) = (e^θ − 1 − θ)/θ = (1 − ρ)/ρ, which loses no digits near ρ = 1. h is increasing and convex, and
    # both starts lie beyond the root.
    theta = 2.0 * target if target < 1.0 else math.log1p(target) + math.log1p(math.log1p(target)) + 1.0
    for _ in range(100):
        step = (relative_excess(theta) - target) / _excess_slope(theta)
        theta -= step
        if abs(step) <= 4e-16 * abs(theta):
            break
    return theta


def occupancies(rho: float) -> Array:
    """Return p_n/p_0 for n = 0 … m, any ρ > 0; m so large that beyond it each is e^{−θ} times the one before.

    p_{j+1} = (p_0 A_j + Σ_{i=1..j} p_i A_{j+1−i}) e^ρ with A_n = P(Poisson(ρ) > n), which is the flow across the cut
    between j and j + 1 at departures: all terms are positive, and for a bounded queue the ratios are the same.
    The next pole of the generating function is far away: 26 terms do near ρ = 1, 73 at ρ = 0.001. Below that, and far
    above ρ = 1, the terms pass 1e-280 or 1e100 first, and what is missing by then cannot be seen.
    """
    above = _poisson_tails(rho)
    ratio, scale = math.exp(-decay_rate(rho)), math.exp(rho)
    p, settled = [1.0], 0
    while settled < 8 and (len(p) < 3 or 1e-280 < p[-1] < 1e100):
        j = len(p) - 1
        band = p[max(1, j + 2 - len(above)) : j + 1]
        inflow = sum(a * b for a, b in zip(reversed(band), above[1:], strict=False))
        inflow += above[j] if j < len(above) else 0.0
        p.append(inflow * scale)
        settled = settled + 1 if abs(p[-1] / p[-2] / ratio - 1.0) < 2e-15 else 0
    return np.array(p)


def relative_excess(theta: float) -> float:
    """(e^θ − 1 − θ)/θ, by its series where the difference would cancel."""
    if abs(theta) > 0.5:
        return (math.expm1(theta) - theta) / theta
    return math.fsum(theta**k / math.factorial(k + 1) for k in range(1, 20))


def _excess_slope(theta: float) -> float:
    if abs(theta) > 0.5:
        return (math.exp(theta) - 1.0 - relative_excess(theta)) / theta
    return math.fsum(k * theta ** (k - 1) / math.factorial(k + 1) for k in range(1, 20))


def _poisson_tails(mean: float) -> list[float]:
    """[P(Poisson(mean) > n) for n = 0, 1, …] down to the smallest doubles, each summed from its far end.

    So far down because at a small utilization the p_n that they are multiplied with grow as fast towards the near end.
    """
    weights = [math.exp(-mean)]
    while weights[-1] > 1e-300:
        weights.append(weights[-1] * mean / len(weights))
    tails, total = [], 0.0
    for weight in reversed(weights[1:]):
        total += weight
        tails.append(total)
    return tails[::-1]


def within_unit_interval(q: npt.ArrayLike) -> Array:
    """Return q as an array, NaN where it is no probability."""
    at = np.asarray(q, dtype=np.float64)
    return np.where((at >= 0.0) & (at <= 1.0), at, np.nan)


def entries(table: Array, at: Array) -> Array:
    """Return the table's entries at so many, the nearest it has for what lies outside; its first for NaN."""
    return table[np.fmin(np.fmax(at, 0.0), len(table) - 1).astype(np.int64)]


def unwrapped(values: Array) -> Floats:
    """Return a float for a scalar, else the array."""
    return float(values) if values.ndim == 0 else values
