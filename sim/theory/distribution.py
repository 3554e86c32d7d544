"""Distributions of times, under scipy.stats' method names: arrays in, arrays out, seconds."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sim.theory.stationary import Array, Floats, unwrapped, within_unit_interval


class Distribution(Protocol):
    """A distribution of times, under scipy.stats' method names: arrays in, arrays out, seconds."""

    def sf(self, t: npt.ArrayLike) -> Floats:
        """P(T > t)."""

    def cdf(self, t: npt.ArrayLike) -> Floats:
        """P(T ≤ t)."""

    def isf(self, q: npt.ArrayLike) -> Floats:
        """Return the t at which P(T > t) = q."""

    def ppf(self, p: npt.ArrayLike) -> Floats:
        """Return the p quantile."""

    def mean(self) -> float:
        """E[T]."""

    def var(self) -> float:
        """Var(T)."""

    def std(self) -> float:
        """Return the standard deviation of T."""


@dataclass(frozen=True)
class Shifted:
    """A distribution of waits plus a constant service time: the latency."""

    wait: Distribution
    service_s: float

    def sf(self, t: npt.ArrayLike) -> Floats:
        """P(T > t), t in seconds."""
        return self.wait.sf(np.asarray(t, dtype=np.float64) - self.service_s)

    def cdf(self, t: npt.ArrayLike) -> Floats:
        """P(T ≤ t), t in seconds."""
        return self.wait.cdf(np.asarray(t, dtype=np.float64) - self.service_s)

    def isf(self, q: npt.ArrayLike) -> Floats:
        """Return the t (s) at which P(T > t) = q."""
        return self.wait.isf(q) + self.service_s

    def ppf(self, p: npt.ArrayLike) -> Floats:
        """Return the p quantile (s)."""
        return self.wait.ppf(p) + self.service_s

    def mean(self) -> float:
        """Mean wait plus service (s)."""
        return self.wait.mean() + self.service_s

    def var(self) -> float:
        """Variance (s²): the wait's."""
        return self.wait.var()

    def std(self) -> float:
        """Return the standard deviation (s): the wait's."""
        return self.wait.std()


@dataclass(frozen=True)
class ExponentialTail:
    """P(T > t) = `weight` e^{−`decay_per_s` t} for t ≥ 0: 0 with probability 1 − weight, else exponential."""

    weight: float
    decay_per_s: float

    def _decays(self, t: npt.ArrayLike) -> tuple[Array, Array]:
        """Return t and by how many powers of e the tail has fallen then."""
        at = np.asarray(t, dtype=np.float64)
        with np.errstate(over="ignore"):  # too many powers to count leave nothing
            return at, self.decay_per_s * np.maximum(at, 0.0)

    def sf(self, t: npt.ArrayLike) -> Floats:
        """P(T > t), t in seconds; 1 for t < 0."""
        at, powers = self._decays(t)
        return unwrapped(np.where(at < 0, 1.0, self.weight * np.exp(-powers)))

    def cdf(self, t: npt.ArrayLike) -> Floats:
        """P(T ≤ t), t in seconds; 0 for t < 0."""
        at, powers = self._decays(t)
        return unwrapped(np.where(at < 0, 0.0, (1.0 - self.weight) - self.weight * np.expm1(-powers)))

    def isf(self, q: npt.ArrayLike) -> Floats:
        """Return the t (s) at which P(T > t) = q; 0 for q ≥ weight, infinite for q = 0, NaN outside [0, 1]."""
        above = within_unit_interval(q)
        return self._quantile(above, self.weight - above)

    def ppf(self, p: npt.ArrayLike) -> Floats:
        """Return the p quantile (s): 0 for p ≤ 1 − weight, NaN outside [0, 1]."""
        upto = within_unit_interval(p)
        return self._quantile(1.0 - upto, upto - (1.0 - self.weight))

    def _quantile(self, above: Array, passed: Array) -> Floats:
        """Return the t (s) with P(T > t) = `above`, P(0 < T ≤ t) = `passed`, which has the digits of a small t."""
        with np.errstate(divide="ignore", over="ignore"):
            late = math.log(self.weight) - np.log(above)
            early = np.log1p(np.maximum(passed, 0.0) / above)
        return unwrapped(np.where(above < self.weight / 2.0, late, early) / self.decay_per_s)

    def mean(self) -> float:
        """Return the mean (s)."""
        return self.weight / self.decay_per_s

    def var(self) -> float:
        """Return the variance (s²)."""
        return self.weight * (2.0 - self.weight) / self.decay_per_s**2

    def std(self) -> float:
        """Return the standard deviation (s)."""
        return math.sqrt(self.var())
