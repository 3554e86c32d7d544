"""M/D/c: Poisson arrivals, constant service, c servers fed from one queue, first come first served.

Every sum has positive terms only, so that small waits and tails keep their digits. The usual way, over the complex
roots of z^c = e^{−cρ(1−z)}, cancels where the load is light.
"""

import cmath
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sim.theory.distribution import Shifted
from sim.theory.finite import Borel
from sim.theory.load import SharedLoad
from sim.theory.stationary import Array, Floats, decay_rate, unwrapped

_CELLS = 500_000  # of a sum at once, to keep its matrix small
_EXACT = 512  # terms of a jump's rate that are added one by one; the rest is an integral
_FAINT = 1e-290  # a smaller utilization counts as this one: no probability that a double can hold depends on it
# ln n! less Stirling's ln(√(2πn) (n/e)^n), n = 1 … 15, where the series for it is not yet exact.
_SMALL = np.array([math.lgamma(n + 1) - (n + 0.5) * math.log(n) + n - math.log(2 * math.pi) / 2 for n in range(1, 16)])


@dataclass(frozen=True)
class MDc(SharedLoad):
    """Poisson arrivals, constant service, `servers` servers fed from one queue, first come first served.

    `rate_per_s` messages/s in all, `service_s` seconds each, both positive and finite; 1 to 2,000 servers (ValueError
    otherwise). With one server it is MD1.

    >>> round(MDc(rate_per_s=150, service_s=0.005, servers=1).wait.mean(), 12)  # ρD/(2(1 − ρ))
    0.0075
    """

    @cached_property
    def wait(self) -> "MDcWait":
        """Distribution of the time from arrival to start of service."""
        self._check_stable()
        return MDcWait(Waiting(max(self.utilization, _FAINT), self.servers), self.service_s)

    @property
    def latency(self) -> Shifted:
        """Distribution of the time from arrival to finish."""
        return Shifted(self.wait, self.service_s)

    @property
    def wait_probability(self) -> float:
        """P(W > 0): the share of messages that find every server busy."""
        return float(self.wait.sf(0.0))


@dataclass(frozen=True)
class Waiting:
    """Number V of messages waiting in M/D/c, ρ < 1, those in service not counted.

    Whoever is in service now has left a service time later, and nobody else has: V ← max(V + Poisson(cρ) − c, 0)
    (Crommelin 1932, Post Office Electrical Engineers' Journal 25:41). By Spitzer's identity (1956, Transactions of the
    AMS 82:323) V is then a sum of jumps, Poisson(ν_m) of each size m ≥ 1, ν_m = Σ_{l≥1} P(Poisson(lcρ) = lc + m)/l.
    """

    rho: float
    servers: int

    @cached_property
    def decay(self) -> float:
        """θ > 0 with P(V > n) ~ e^{−θn} and P(W > t) ~ e^{−θct/D}."""
        return decay_rate(self.rho)

    @cached_property
    def jumps(self) -> Array:
        """Return m ν_m for m = 1 … M, M so large that beyond it each is e^{−θ} times the one before."""
        m = np.arange(1.0, self._settled() + 1.0)
        total, first = np.zeros_like(m), 1
        while first < _EXACT:
            terms = self._term(np.arange(first, 2.0 * first), m)
            total += terms.sum(axis=0)
            first *= 2
            if np.all(terms[-1] <= 1e-18 * total):
                return m * total
        # What is left, by the midpoint rule and its first correction, over u = ln(l/start), in which it is smooth.
        start = first - 0.5
        falls = Borel(self.rho).rate * self.servers * start
        end = math.log(1.0 + 60.0 / falls) if falls > 1e-18 else 90.0
        nodes, weights = np.polynomial.legendre.leggauss(120)
        step = start * np.exp((nodes + 1.0) * end / 2.0)
        total += (weights * step) @ self._term(step, m) * (end / 2.0)
        before, at = self._term(np.array([first - 1.0, first]), m)
        return np.asarray(m * (total + (at - before) / 24.0))

    def _term(self, step: Array, m: Array) -> Array:
        """P(Poisson(lcρ) = lc + m)/l, a row for each l of `step`."""
        served = step[:, np.newaxis] * self.servers
        return _poisson(served + m, served * self.rho, served * (1.0 - self.rho) + m) / step[:, np.newaxis]

    def _settled(self) -> int:
        """Return how many m there are until m ν_m is geometric to the last digit, or e^{−θm} < 1e-300.

        m ν_m is the sum of ζ^{−m} over the roots outside the unit circle of ζ^c = e^{−cρ(1−ζ)}; e^θ is the nearest.
        """
        angle, u = 2j * math.pi / self.servers, complex(self.decay)
        for _ in range(300):  # the next root's u = ln ζ solves ρ(e^u − 1) = u − angle
            u = cmath.log((u - angle) / self.rho + 1.0)
        return 8 + int(min(40.0 / max(u.real - self.decay, 1e-9), 700.0 / self.decay))

    @cached_property
    def tails(self) -> Array:
        """P(V > n) for n = 0 … M, from n P(n) = Σ_m m ν_m P(n − m) (Panjer 1981, ASTIN Bulletin 12:22)."""
        p = np.ones(len(self.jumps) + 1)
        for n in range(1, len(p)):
            p[n] = np.dot(self.jumps[:n], p[n - 1 :: -1]) / n
        # Summed from the far end, small terms first; P(0) is 1 so far, so the whole is what all have to be divided by.
        sums = np.cumsum(np.append(p[-1] / math.expm1(self.decay), p[::-1]))
        return np.asarray(sums[-2::-1] / sums[-1])

    def sf(self, n: Array) -> Array:
        """P(V > n), n whole; 1 for n < 0."""
        inside = np.clip(n, 0, len(self.tails) - 1)
        return np.where(
            n < 0, 1.0, self.tails[inside.astype(np.int64)] * np.exp(self.decay * np.minimum(inside - n, 0))
        )

    def mean(self) -> float:
        """E[V] = Σ m ν_m."""
        return float(self.jumps[::-1].sum() + self.jumps[-1] / math.expm1(self.decay))

    def pairs(self) -> float:
        """Σ m(m − 1) ν_m, which is Var V − E[V]."""
        before = np.arange(len(self.jumps))
        beyond = (before[-1] - 1.0 / math.expm1(-self.decay)) / math.expm1(self.decay)
        return float((self.jumps * before)[::-1].sum() + self.jumps[-1] * beyond)


@dataclass(frozen=True)
class MDcWait:
    """Waiting time in M/D/c, in seconds.

    With D = 1, k − 1 ≤ t < k and x = cρ(k − t): P(W > t) = Σ_j e^{−x} x^j/j! · P(V > kc − 1 − j), where
    P(V > negative) = 1 (Franx 2001, Operations Research Letters 29:221).
    """

    waiting: Waiting
    service_s: float

    @cached_property
    def _terms(self) -> Array:
        # Terms behave like a Poisson distribution of mean x e^θ ≤ c(ρ + θ); beyond c + 745/θ no double is that small.
        theta, c = self.waiting.decay, self.waiting.servers
        peak = min(c * (self.waiting.rho + theta), c + 745.0 / theta)
        return np.arange(peak + 12.0 * math.sqrt(peak) + 40.0)

    def sf(self, t: npt.ArrayLike) -> Floats:
        """P(W > t), t in seconds; 1 for t < 0."""
        with np.errstate(over="ignore"):  # what is too long for a double is as good as infinite
            at = np.asarray(t, dtype=np.float64) / self.service_s
        flat = np.clip(np.where(np.isnan(at), 0.0, at), 0.0, 1e250).ravel()
        rows = 1 + _CELLS // len(self._terms)
        parts = [self._sum(flat[start : start + rows]) for start in range(0, len(flat), rows)]
        mixed = np.concatenate([*parts, np.empty(0)]).reshape(at.shape)
        return unwrapped(np.select([np.isnan(at), at < 0.0, np.isposinf(at)], [np.nan, 1.0, 0.0], mixed))

    def _sum(self, t: Array) -> Array:  # t in service times, in one dimension
        j, c = self._terms, self.waiting.servers
        k = np.floor(t)[:, np.newaxis] + 1.0
        x = np.maximum(c * self.waiting.rho * (k - t[:, np.newaxis]), _FAINT)
        weights = _poisson(np.maximum(j, 1.0), x, j - x)
        weights[:, 0] = np.exp(-x[:, 0])
        return np.asarray((weights * self.waiting.sf(k * c - 1.0 - j)).sum(axis=1))

    def cdf(self, t: npt.ArrayLike) -> Floats:
        """P(W ≤ t), t in seconds; 0 for t < 0."""
        return unwrapped(1.0 - np.asarray(self.sf(t)))

    def isf(self, q: npt.ArrayLike) -> Floats:
        """Return the t (s) at which P(W > t) = q; 0 for q ≥ P(W > 0), where the wait is 0. NaN outside [0, 1].

        Bisected below Kingman's bound P(W > t) ≤ e^{−θct/D} (1964, Proc. Cambridge Philosophical Society 60:359).
        """
        wanted = np.asarray(q, dtype=np.float64)
        solvable = (wanted > 0.0) & (wanted < self.sf(0.0))
        goal = np.where(solvable, wanted, 1.0)
        low, high = np.zeros_like(goal), -np.log(goal) * self.service_s / (self.waiting.decay * self.waiting.servers)
        for _ in range(60):
            middle = (low + high) / 2.0
            below = np.asarray(self.sf(middle)) <= goal
            low, high = np.where(below, low, middle), np.where(below, middle, high)
        outside = ~((wanted >= 0.0) & (wanted <= 1.0))
        return unwrapped(np.select([outside, wanted == 0.0, solvable], [np.nan, np.inf, high], 0.0))

    def ppf(self, p: npt.ArrayLike) -> Floats:
        """Return the p quantile (s)."""
        return self.isf(1.0 - np.asarray(p, dtype=np.float64))

    def mean(self) -> float:
        """E[V]/λ (Little)."""
        return self.waiting.mean() / (self.waiting.servers * self.waiting.rho) * self.service_s

    def var(self) -> float:
        """(Var V − E[V])/λ²: V are the arrivals during W (Keilson and Servi 1988, OR Letters 7:223)."""
        return self.std() ** 2

    def std(self) -> float:
        """Return the standard deviation (s)."""
        return math.sqrt(self.waiting.pairs()) / (self.waiting.servers * self.waiting.rho) * self.service_s


def _poisson(n: Array, mean: Array, excess: Array) -> Array:
    """P(Poisson(mean) = n), n ≥ 1, excess = n − mean, by the way that keeps its digits (Loader 2000, saddle point)."""
    v = excess / (n + mean)
    w = v * v
    series = np.polyval([1 / k for k in range(19, 2, -2)], w)  # n ln(n/mean) − excess = v excess + 2n(v³/3 + v⁵/5 + …)
    far = n * np.log(n / mean) - excess
    exponent = np.where(np.abs(v) < 0.1, v * excess + 2.0 * n * v * w * series, far)
    stirling = np.polyval([-1 / 1680, 1 / 1260, -1 / 360, 1 / 12], 1 / n**2) / n
    stirling = np.where(n < 16, _SMALL[np.minimum(n, 15.0).astype(np.int64) - 1], stirling)
    return np.asarray(np.exp(-exponent - stirling) / np.sqrt(2.0 * math.pi * n))
