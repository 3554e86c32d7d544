"""Distributions of times, under scipy.stats' method names: arrays in, arrays out, seconds."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sim.theory.stationary import Floats, unwrapped


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
        """Return the standard deviation (s)."""
        return math.sqrt(self.var())


@dataclass(frozen=True)
class ExponentialTail:
    """P(T > t) = `weight` e^{−`decay_per_s` t} for t ≥ 0: 0 with probability 1 − weight, else exponential."""

    weight: float
    decay_per_s: float

    def sf(self, t: npt.ArrayLike) -> Floats:
        """P(T > t), t in seconds."""
        at = np.asarray(t, dtype=np.float64)
        return unwrapped(np.where(at < 0, 1.0, self.weight * np.exp(-self.decay_per_s * np.maximum(at, 0.0))))

    def cdf(self, t: npt.ArrayLike) -> Floats:
        """P(T ≤ t), t in seconds."""
        return unwrapped(1.0 - np.asarray(self.sf(t)))

    def isf(self, q: npt.ArrayLike) -> Floats:
        """Return the t (s) at which P(T > t) = q."""
        with np.errstate(divide="ignore"):
            found = np.log(self.weight / np.asarray(q, dtype=np.float64)) / self.decay_per_s
        return unwrapped(np.maximum(found, 0.0))

    def ppf(self, p: npt.ArrayLike) -> Floats:
        """Return the p quantile (s)."""
        return self.isf(1.0 - np.asarray(p, dtype=np.float64))

    def mean(self) -> float:
        """Return the mean (s)."""
        return self.weight / self.decay_per_s

    def var(self) -> float:
        """Return the variance (s²)."""
        return self.weight * (2.0 - self.weight) / self.decay_per_s**2

    def std(self) -> float:
        """Return the standard deviation (s)."""
        return math.sqrt(self.var())
