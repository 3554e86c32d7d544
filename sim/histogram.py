"""Histograms of times with bins of equal relative width: constant memory, and quantiles to a stated error.

A bin is found by the leading bits of the floating-point number itself, so that counting costs a shift and no
logarithm.
"""

import math

import numpy as np
import numpy.typing as npt

from sim.summary import Seconds

Counts = npt.NDArray[np.int64]

BITS = 8  # of the fraction that tell bins apart: 256 bins an octave
RELATIVE_ERROR = 2.0**-BITS  # of a quantile at worst: it lies in the bin of the true one, and is interpolated there
SHIFT = 52 - BITS
LOWEST, HIGHEST = -34, 30  # exponents of 2 of what is told apart, in units of whoever counts
FLOOR = 2.0**LOWEST  # stands for 0, and so is in bin 0
BASE = (1023 + LOWEST) << BITS
BINS = (HIGHEST - LOWEST) << BITS


def _edges() -> Seconds:
    """Return the lower edge of each bin and, last, the upper edge of the last; shape (BINS + 1,)."""
    found = ((np.arange(BINS + 1) + BASE) << SHIFT).view(np.float64)
    found[0] = 0.0
    return found


EDGES = _edges()


def quantile(counts: Counts, p: float) -> float:
    """Return the p quantile (Hyndman and Fan 1996, type 7) of what is counted, within RELATIVE_ERROR of the exact one.

    >>> counts = np.zeros(BINS, np.int64)
    >>> counts[0] = 3
    >>> quantile(counts, 0.5)
    0.0
    """
    upto = np.cumsum(counts)
    rank = (upto[-1] - 1) * p
    # Both values that it lies between: they may be bins apart.
    ranks = np.array([math.floor(rank), math.ceil(rank)])
    places = np.searchsorted(upto, ranks, side="right")
    low, high = EDGES[places], EDGES[places + 1]
    values = low + (high - low) * (ranks - upto[places - 1] + 0.5) / counts[places]
    below, above = np.where(places == 0, 0.0, values)
    return float(below + (above - below) * (rank - ranks[0]))


def shares_above(counts: Counts, x: float) -> Seconds:
    """Return the share above `x` of each row of `counts`, shape (rows, BINS): linear within the bin that holds x."""
    place = min(int(np.searchsorted(EDGES, x, side="right")) - 1, BINS - 1)
    if place < 0:
        return np.ones(len(counts))
    low, high = EDGES[place : place + 2]
    inside = counts[:, place] * (max(high - x, 0.0) / (high - low) if place else 0.0)
    shares: Seconds = (counts[:, place + 1 :].sum(axis=1) + inside) / counts.sum(axis=1)
    return shares
