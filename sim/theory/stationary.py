"""The exact distributions of M/D/1: number in system and waiting time.

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

_ROWS = 4096  # of a sum at once, to keep its matrix small


@dataclass(frozen=True)
class MD1Number:
    """Number in an M/D/1 system of utilization ρ < 1.

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
        return (1.0 - self.rho) / (self.decay - self.rho * _h(self.decay))

    @cached_property
    def table(self) -> tuple[Array, Array]:
        """(p_n, P(N > n)) for n = 0 … m, m so large that the geometric tail is exact to the last digits beyond."""
        probabilities = (1.0 - self.rho) * occupancies(self.rho)
        # Summed from the far end, small terms first.
        beyond = self.tail_factor * math.exp(-self.decay * (len(probabilities) - 1))
        tails = np.cumsum(np.concatenate([[beyond], probabilities[:0:-1]]))[::-1]
        return probabilities, tails

    def sf(self, n: npt.ArrayLike) -> Floats:
        """P(N > n); 1 for n < 0."""
        at = np.floor(np.asarray(n, dtype=np.float64))
        _, tails = self.table
        inside = np.clip(at, 0, len(tails) - 1).astype(np.int64)
        far = self.tail_factor * np.exp(-self.decay * np.maximum(at, 0.0))
        return unwrapped(np.where(at < 0, 1.0, np.where(at < len(tails), tails[inside], far)))

    def cdf(self, n: npt.ArrayLike) -> Floats:
        """P(N ≤ n); summed from the near end where that keeps more digits."""
        at = np.floor(np.asarray(n, dtype=np.float64))
        probabilities, tails = self.table
        inside = np.clip(at, 0, len(tails) - 1).astype(np.int64)
        near = np.where(tails[inside] > 0.5, np.cumsum(probabilities)[inside], 1.0 - tails[inside])
        return unwrapped(np.where(at < 0, 0.0, np.where(at < len(tails), near, 1.0 - np.asarray(self.sf(at)))))

    def pmf(self, n: npt.ArrayLike) -> Floats:
        """P(N = n); 0 for what is no count."""
        at = np.asarray(n, dtype=np.float64)
        probabilities, _ = self.table
        inside = np.clip(at, 0, len(probabilities) - 1).astype(np.int64)
        far = self.tail_factor * math.expm1(self.decay) * np.exp(-self.decay * np.maximum(at, 0.0))
        known = np.where(at < len(probabilities), probabilities[inside], far)
        return unwrapped(np.where((at >= 0) & (at == np.floor(at)), known, 0.0))

    def mean(self) -> float:
        """E[N] = ρ + ρ²/(2(1 − ρ)) (Pollaczek–Khinchine, and Little)."""
        return self.rho + self.rho**2 / (2.0 * (1.0 - self.rho))


@dataclass(frozen=True)
class MD1Wait:
    """Waiting time in M/D/1, in seconds.

    With D = 1, k − 1 ≤ t < k and x = ρ(k − t): P(W > t) = Σ_j e^{−x} x^j/j! · P(N > k − j), where P(N > m) = 1 for
    m ≤ 0 stands for the messages that found too many ahead (Franx 2001, Operations Research Letters 29:221).
    """

    number: MD1Number
    service_s: float

    @cached_property
    def _terms(self) -> int:
        # Terms behave like a Poisson distribution of mean x e^θ ≤ ρ + θ.
        peak = self.number.rho + self.number.decay
        return int(peak + 12.0 * math.sqrt(peak)) + 40

    def sf(self, t: npt.ArrayLike) -> Floats:
        """P(W > t), t in seconds; 1 for t < 0."""
        return self._mix(t, upper=True)

    def cdf(self, t: npt.ArrayLike) -> Floats:
        """P(W ≤ t), t in seconds; 0 for t < 0."""
        return self._mix(t, upper=False)

    def _mix(self, t: npt.ArrayLike, *, upper: bool) -> Floats:
        at = np.asarray(t, dtype=np.float64) / self.service_s
        finite = np.clip(np.where(np.isnan(at), 0.0, at), 0.0, 1e15)
        near = np.minimum(finite, self._reach)
        k = np.floor(near) + 1.0
        mixed = self._sum(self.number.rho * (k - near), k.astype(np.int64), upper=upper)
        far = self.number.tail_factor * np.exp(-self.number.decay * finite)
        mixed = np.where(finite > near, far if upper else 1.0 - far, mixed)
        outside = 1.0 if upper else 0.0
        mixed = np.where(at < 0.0, outside, np.where(np.isposinf(at), 1.0 - outside, mixed))
        return unwrapped(np.where(np.isnan(at), np.nan, mixed))

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
        """Return the t (s) at which P(W > t) = q; 0 for q ≥ ρ, where the wait is 0. NaN outside [0, 1]."""
        wanted = np.asarray(q, dtype=np.float64)
        number = self.number
        solvable = (wanted > 0.0) & (wanted < number.rho)
        goal = np.where(solvable, wanted, number.rho / 2.0)
        tails = number.table[1]
        # P(W > k) = P(N > k), so the table brackets the answer between two whole service times.
        k = np.searchsorted(-tails, -goal, side="left").astype(np.float64)
        found = self._solve(np.log(goal), np.maximum(k - 1.0, 0.0), k)
        far = np.log(number.tail_factor / goal) / number.decay
        answer = np.where(k >= len(tails), far, found) * self.service_s
        answer = np.where(wanted >= number.rho, 0.0, np.where(wanted == 0.0, np.inf, answer))
        return unwrapped(np.where((wanted >= 0.0) & (wanted <= 1.0), answer, np.nan))

    def _solve(self, log_goal: Array, low: Array, high: Array) -> Array:
        """Bisect log P(W > t) between whole service times: 52 halvings of an interval of 1."""
        for _ in range(52):
            middle = (low + high) / 2.0
            with np.errstate(divide="ignore"):
                below = np.log(np.asarray(self.sf(middle * self.service_s))) <= log_goal
            low, high = np.where(below, low, middle), np.where(below, middle, high)
        return (low + high) / 2.0

    def ppf(self, p: npt.ArrayLike) -> Floats:
        """Return the p quantile (s)."""
        return self.isf(1.0 - np.asarray(p, dtype=np.float64))

    def mean(self) -> float:
        """ρD/(2(1 − ρ)) (Pollaczek–Khinchine)."""
        rho = self.number.rho
        return rho * self.service_s / (2.0 * (1.0 - rho))

    def var(self) -> float:
        """E[W]² + ρD²/(3(1 − ρ)) (Takács 1962, Introduction to the Theory of Queues, ch. 3)."""
        rho = self.number.rho
        return self.mean() ** 2 + rho * self.service_s**2 / (3.0 * (1.0 - rho))

    def std(self) -> float:
        """Return the standard deviation (s)."""
        return math.sqrt(self.var())


def decay_rate(rho: float) -> float:
    """Return the θ ≠ 0 with ρ(e^θ − 1) = θ, which is −ρ − W(−ρ e^{−ρ}) with Lambert's other branch; 0 for ρ = 1.

    Positive for ρ < 1, where probabilities fall by e^{−θ}; negative for ρ > 1, where unnormalised ones grow.
    """
    target = (1.0 - rho) / rho
    # Newton on h(θ) = (e^θ − 1 − θ)/θ = (1 − ρ)/ρ, which loses no digits near ρ = 1. h is increasing and convex, and
    # both starts lie beyond the root.
    theta = 2.0 * target if target < 1.0 else math.log1p(target) + math.log1p(math.log1p(target)) + 1.0
    for _ in range(100):
        step = (_h(theta) - target) / _h_slope(theta)
        theta -= step
        if abs(step) <= 4e-16 * abs(theta):
            break
    return theta


def occupancies(rho: float) -> Array:
    """Return p_n/p_0 for n = 0 … m, any ρ > 0; m so large that beyond it each is e^{−θ} times the one before.

    p_{j+1} = (p_0 A_j + Σ_{i=1..j} p_i A_{j+1−i}) e^ρ with A_n = P(Poisson(ρ) > n), which is the flow across the cut
    between j and j + 1 at departures: all terms are positive, and for a bounded queue the ratios are the same.
    """
    above = _poisson_tails(rho)
    ratio, scale = math.exp(-decay_rate(rho)), math.exp(rho)
    p, settled = [1.0], 0
    while settled < 8 and len(p) < 5000 and 1e-280 < p[-1] < 1e280:
        j = len(p) - 1
        band = p[max(1, j + 2 - len(above)) : j + 1]
        inflow = sum(a * b for a, b in zip(reversed(band), above[1:], strict=False))
        inflow += above[j] if j < len(above) else 0.0
        p.append(inflow * scale)
        settled = settled + 1 if abs(p[-1] / p[-2] / ratio - 1.0) < 2e-15 else 0
    return np.array(p)


def _h(theta: float) -> float:
    """(e^θ − 1 − θ)/θ, by its series where the difference would cancel."""
    if abs(theta) > 0.5:
        return (math.expm1(theta) - theta) / theta
    return math.fsum(theta**k / math.factorial(k + 1) for k in range(1, 20))


def _h_slope(theta: float) -> float:
    if abs(theta) > 0.5:
        return (math.exp(theta) - 1.0 - _h(theta)) / theta
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


def unwrapped(values: Array) -> Floats:
    """Return a float for a scalar, else the array."""
    return float(values) if values.ndim == 0 else values
