"""Intervals for what one run says about the steady state.

Successive waits are alike, so they are never treated as independent: a run is cut into ten long batches, whose means
are nearly so (batch means: Conway 1963, Management Science 10:47). How often such intervals cover the exact value is
measured by `python -m sim coverage`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sim.summary import Seconds

BATCHES = 10
STUDENT = 2.2621571627982053  # the 97.5 % quantile of Student's t with BATCHES − 1 degrees of freedom
NORMAL = 1.959963984540054  # the same of the normal distribution
Edges = tuple[float, float]


class Batches(Protocol):
    """A run in equally long batches."""

    @property
    def means(self) -> Seconds:
        """The mean of each batch, s; shape (BATCHES,)."""

    def shares_above(self, t_s: float) -> Seconds:
        """Return the share above `t_s` of each batch; shape (BATCHES,)."""

    def quantile(self, p: float) -> float:
        """Return the p quantile of the whole run, s."""


@dataclass(frozen=True, slots=True)
class SampleBatches:
    """Batches of times held in memory, s, in order; shape (n,) with n ≥ BATCHES."""

    values_s: Seconds

    def _rows(self) -> Seconds:
        each = len(self.values_s) // BATCHES
        return self.values_s[len(self.values_s) - each * BATCHES :].reshape(BATCHES, each)

    @property
    def means(self) -> Seconds:
        """The mean of each batch, s."""
        return self._rows().mean(axis=1)

    def shares_above(self, t_s: float) -> Seconds:
        """Return the share above `t_s` of each batch."""
        return (self._rows() > t_s).mean(axis=1)

    def quantile(self, p: float) -> float:
        """Return the p quantile of the whole run, s."""
        return float(np.quantile(self.values_s, p))


def mean_interval(batches: Batches) -> Edges:
    """Return the 95 % interval of the mean, s."""
    return _around(batches.means)


def tail_interval(batches: Batches, t_s: float) -> Edges:
    """Return the 95 % interval of the probability of more than `t_s`."""
    return _around(batches.shares_above(t_s))


def quantile_interval(batches: Batches, tail: float) -> Edges:
    """Return the 95 % interval, s, of the time that a share `tail` is above.

    That of the share above the run's own quantile, read off the run's own distribution: so it needs no density. Where
    the run has seen too little of what is so rare, there is no upper end: it is infinite.
    """
    share = batches.shares_above(batches.quantile(1.0 - tail))
    reach = STUDENT * float(share.std(ddof=1)) / math.sqrt(BATCHES)
    low, upto = batches.quantile(max(1.0 - tail - reach, 0.0)), 1.0 - tail + reach
    return low, batches.quantile(upto) if upto < 1.0 else math.inf


def _around(values: Seconds) -> Edges:
    """Return Student's interval, symmetric on a logarithmic scale: what is positive scatters so."""
    mean = float(values.mean())
    if mean <= 0.0:
        return mean, mean
    reach = STUDENT * float(values.std(ddof=1)) / math.sqrt(BATCHES) / mean
    return mean * math.exp(-reach), mean * math.exp(reach)


def intervals(batches: Batches, tails: Sequence[tuple[str, float]]) -> dict[str, tuple[float, float | None]]:
    """Return the intervals of the mean and of the quantiles named, s; None for an upper end that there is not."""
    found = {"mean": mean_interval(batches), **{name: quantile_interval(batches, tail) for name, tail in tails}}
    return {name: (low, high if math.isfinite(high) else None) for name, (low, high) in found.items()}
