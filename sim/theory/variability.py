"""What variability does to a queue, and how to see in a recording of arrivals how much there is.

A squared coefficient of variation (variance over squared mean: 0 for what is constant, 1 for exponential) measures
single gaps and services. Bursts are correlation between gaps, which only counts over long windows show.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.theory.domain import NoSteadyState, check_queue
from sim.theory.stationary import Array

_FEWEST = 10  # windows from which a variance of counts can be told at all
_ENOUGH = 20  # windows that `dispersion` wants
_MOST = 1e15  # windows that can be numbered exactly
_EDGE = 1e-9  # of a window: what is beyond its end by no more is there by rounding
_SIGMAS = 3.0  # beyond which Poisson counts would be by chance in 1 case of 370


def kingman_wait_s(rate_per_s: float, service_s: float, ca2: float, cs2: float) -> float:
    """Return about the mean wait of GI/GI/1, s: (c_a² + c_s²)/2 · ρ/(1 − ρ) · E[S].

    (Kingman 1961, Proc. Camb. Phil. Soc. 57:902.) `ca2` and `cs2` are squared coefficients of variation of gaps and of
    services, which must not depend on one another. Exact for Poisson arrivals, and for any in the limit ρ → 1.
    NoSteadyState for ρ ≥ 1, ValueError for what is no rate, time or coefficient.

    >>> kingman_wait_s(rate_per_s=100, service_s=0.005, ca2=1.0, cs2=0.0)  # M/D/1
    0.0025
    """
    rho = _checked_load(rate_per_s, service_s, ca2, cs2)
    return (ca2 + cs2) / 2.0 * rho / (1.0 - rho) * service_s


def kingman_bound_s(rate_per_s: float, service_s: float, ca2: float, cs2: float) -> float:
    """Return what the mean wait of GI/GI/1 does not exceed, s: λ(σ_a² + σ_s²)/(2(1 − ρ)).

    (Kingman 1962, Biometrika 49:315.) With the arguments and errors of `kingman_wait_s`, which it approaches as ρ → 1.

    >>> kingman_bound_s(rate_per_s=100, service_s=0.005, ca2=1.0, cs2=0.0)  # four times as long at ρ = 0.5
    0.01
    """
    rho = _checked_load(rate_per_s, service_s, ca2, cs2)
    return (ca2 / rate_per_s + cs2 * rho * service_s) / (2.0 * (1.0 - rho))


def gap_scv(arrivals_s: npt.ArrayLike) -> float:
    """Return the squared coefficient of variation of the gaps between arrivals (s, in order); 1 for Poisson.

    ValueError for fewer than two gaps, instants that are not in order, and arrivals all in one instant.

    >>> gap_scv([0.0, 0.0, 2.0])  # gaps 0 and 2: variance 1, mean 1
    1.0
    """
    gaps = np.diff(_in_order(arrivals_s))
    shares = gaps / gaps.max()  # whose squares neither overflow nor vanish
    return float(shares.var() / shares.mean() ** 2)


@dataclass(frozen=True)
class Dispersion:
    """How much more, or less, the counts of arrivals in `windows` windows of `window_s` seconds vary than Poisson's.

    `index` is Var[N]/E[N], the index of dispersion for counts (Cox and Lewis 1966; Fendick and Whitt 1989, Proc. IEEE
    77:171): 1 for Poisson at every window, towards 0 for even spacing, and growing with the window where busy times
    come in runs.
    """

    window_s: float
    index: float
    windows: int

    @property
    def is_poisson_like(self) -> bool:
        """Whether counts of a Poisson process would vary so by chance, within three standard deviations.

        Then (windows − 1)·index is about χ² (Fisher 1950, Biometrics 6:17), whose cube root is about normal (Wilson
        and Hilferty 1931, Proc. Nat. Acad. Sci. 17:684).

        >>> Dispersion(1.0, 1.2, 101).is_poisson_like, Dispersion(1.0, 1.6, 101).is_poisson_like
        (True, False)
        """
        spread = 2.0 / (9.0 * (self.windows - 1))
        return abs(math.cbrt(self.index) - (1.0 - spread)) <= _SIGMAS * math.sqrt(spread)


def dispersion_of_counts(arrivals_s: npt.ArrayLike, window_s: float) -> float:
    """Return the index of dispersion of the counts of arrivals (s, in order) in consecutive windows of `window_s`.

    The windows follow the first instant, which is in none of them; a last one that is not full is left out.
    ValueError for fewer than 10 windows, instants that are not in order, and windows without any arrival.

    >>> round(dispersion_of_counts(range(1001), window_s=2.5), 3)  # 2, 3, 2, 3, …: variance 1/4, mean 5/2
    0.1
    """
    return _counted(_in_order(arrivals_s), window_s).index


def dispersion(arrivals_s: npt.ArrayLike) -> tuple[Dispersion, ...]:
    """Return the dispersion in windows of 10, 100, 1000 … mean gaps, as long as there are 20 of them.

    ValueError for fewer than 200 gaps, or what `dispersion_of_counts` refuses.

    >>> [(found.window_s, found.windows) for found in dispersion(range(2501))]
    [(10.0, 250), (100.0, 25)]
    """
    arrivals = _in_order(arrivals_s)
    gaps = len(arrivals) - 1
    if gaps < 10 * _ENOUGH:
        raise ValueError(f"{gaps} gaps between arrivals: {10 * _ENOUGH} are needed to tell their dispersion")
    mean_gap_s = float(arrivals[-1] - arrivals[0]) / gaps
    decades = range(1, int(math.log10(gaps / _ENOUGH) + 1e-9) + 1)
    return tuple(_counted(arrivals, 10**decade * mean_gap_s) for decade in decades)


def _counted(arrivals: Array, window_s: float) -> Dispersion:
    since_s = arrivals - arrivals[0]
    span_s = float(since_s[-1])
    fits = span_s / window_s + _EDGE if window_s > 0.0 else math.inf
    if not _FEWEST <= fits <= _MOST:
        raise ValueError(
            f"window_s={window_s!r}: {span_s:g} s hold {fits:.3g} such windows, not {_FEWEST} to {_MOST:g}"
        )
    windows = int(fits)
    # Window j = 1, 2, … ends with the instant j·window_s; in none are the first instant and what is beyond the last.
    numbers = np.ceil(since_s / window_s - _EDGE)
    counts = np.unique(numbers[(numbers >= 1) & (numbers <= windows)], return_counts=True)[1]
    mean = float(counts.sum()) / windows
    if not mean:
        raise ValueError(f"window_s={window_s!r}: all {windows} windows are empty; take longer ones")
    # Of windows without arrivals there may be far more than could be stored.
    squares = float(((counts - mean) ** 2).sum()) + (windows - len(counts)) * mean**2
    return Dispersion(window_s, squares / (windows - 1) / mean, windows)


def _in_order(arrivals_s: npt.ArrayLike) -> Array:
    arrivals = np.asarray(arrivals_s, dtype=np.float64)
    if arrivals.ndim != 1 or len(arrivals) < 3:
        raise ValueError(f"arrivals_s of shape {arrivals.shape}: give a list of at least three instants, in seconds")
    if not np.isfinite(arrivals).all():
        raise ValueError(f"arrivals_s holds {float(arrivals[~np.isfinite(arrivals)][0])!r}: instants must be finite")
    back = np.flatnonzero(arrivals[1:] < arrivals[:-1])
    if back.size:
        i = int(back[0])
        late, early = float(arrivals[i]), float(arrivals[i + 1])
        raise ValueError(f"arrivals_s[{i + 1}]={early!r} comes after {late!r}: instants must be in order; sort them")
    if arrivals[0] == arrivals[-1]:
        raise ValueError(f"arrivals_s are all {float(arrivals[0])!r}: all in one instant there are no gaps")
    return arrivals


def _checked_load(rate_per_s: float, service_s: float, ca2: float, cs2: float) -> float:
    check_queue(rate_per_s, service_s)
    for name, value in (("ca2", ca2), ("cs2", cs2)):
        if not 0.0 <= value < math.inf:
            raise ValueError(f"{name}={value!r}: a squared coefficient of variation is 0 or more, and finite")
    if rate_per_s * service_s >= 1.0:
        raise NoSteadyState(rate_per_s, service_s)
    return rate_per_s * service_s
