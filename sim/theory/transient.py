"""M/D/1 from an empty start: what it does before a steady state, or without one.

For any utilization ρ > 0; at 1 the queue is unstable, although its growth rate is 0: it grows like √t. All is exact,
also between whole service times; only that the middle of a long sum is an integral, to 12 digits.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from sim.theory.finite import Borel
from sim.theory.load import Load
from sim.theory.stationary import Array, Floats, decay_rate, relative_excess, unwrapped

_EXACT = 64  # terms at either end of a long sum that are added one by one
_SMALL = np.array([math.lgamma(k + 1.0) - math.log(2 * math.pi * k) / 2 - k * (math.log(k) - 1) for k in range(1, 16)])


@dataclass(frozen=True)
class Transient(Load):
    """Poisson arrivals, constant service, one server, empty at the start; any utilization.

    `rate_per_s` messages/s, `service_s` seconds each; both positive and finite (ValueError otherwise). Instants are
    seconds from the start, arrays in, arrays out; ValueError for what is negative or beyond 1e15 messages or services.

    Whoever is in service at t is gone at t + D, and nobody who came between is: N(t + D) = max(N(t) − 1, 0) +
    Poisson(ρ). So after one service time ρ messages are there:

    >>> Transient(rate_per_s=300, service_s=0.005).number_in_system(0.005)
    1.5
    """

    @property
    def relaxation_s(self) -> float:
        """About how long a run takes to forget its start, s: D/(ρ − 1 − ln ρ).

        Above capacity: how long it is felt that no queue is shorter than 0. Infinite at ρ = 1: it never forgets.
        """
        rho = self.utilization
        rate = Borel(rho).rate if rho < 1.1 else rho - 1.0 - math.log(rho)
        return self.service_s / rate if rate else math.inf

    def number_in_system(self, t_s: npt.ArrayLike) -> Floats:
        """Return the expected number of messages in the system, the one in service included; 10 digits."""
        return unwrapped(self._at(t_s, lambda rho, u: rho * u if u < 1.0 else rho + _waiting(rho, u - 1.0)))

    def waiting(self, t_s: npt.ArrayLike) -> Floats:
        """Return the expected number of messages waiting, the one in service not counted; 10 digits.

        Σ E[(D·Poisson(λτ)/τ − 1)⁺] over τ = t, t − D, … > 0 (at t = kD Spitzer 1956, Transactions of the AMS 82:323).
        """
        return unwrapped(self._at(t_s, _waiting))

    def number_band(self, t_s: npt.ArrayLike, level: float = 0.95) -> tuple[Floats, Floats]:
        """Return (low, high), between which the number in system is in a share `level` of runs, ends included.

        The quantiles (1 − level)/2 and (1 + level)/2. ValueError for a level outside ]0, 1[.
        """
        if not 0.0 < level < 1.0:
            raise ValueError(f"level={level!r}: a share of runs, between 0 and 1, such as 0.95")
        ends = self._at(t_s, lambda rho, u: _quantiles(rho, u, level), 2)
        return unwrapped(ends[..., 0]), unwrapped(ends[..., 1])

    def waiting_band(self, t_s: npt.ArrayLike, level: float = 0.95) -> tuple[Floats, Floats]:
        """Return (low, high) as `number_band` does, of the number waiting: of max(N − 1, 0)."""
        low, high = (unwrapped(np.maximum(np.asarray(end) - 1.0, 0.0)) for end in self.number_band(t_s, level))
        return low, high

    def time_to_reach(self, n: float) -> float:
        """Return the mean time (s) until n messages are in the system for the first time; 10 digits.

        Infinite where more than 1e300 messages would have to come. ValueError unless n is a whole number from 1.
        """
        if not (1 <= n < math.inf and n == math.floor(n)):
            raise ValueError(f"n={n!r}: a number of messages in the system, whole and at least 1")
        return _arrivals_before(float(self.utilization), int(n)) / float(self.rate_per_s)

    def _at(self, t_s: npt.ArrayLike, quantity: Callable[[float, float], Floats], *shape: int) -> Array:
        """Return quantity(ρ, t/D) for each instant, once they are known to be such."""
        t = np.asarray(t_s, dtype=np.float64)
        most = 1e15 / max(self.rate_per_s, 1.0 / self.service_s)  # not far beyond, doubles skip whole numbers
        wrong = t[~((t >= 0.0) & (t <= most))]
        if wrong.size:
            raise ValueError(f"t_s={wrong[0]:g}: must be from 0 to {most:g}, beyond which there is too much to count")
        return np.array([quantity(self.utilization, u) for u in (t / self.service_s).flat]).reshape((*t.shape, *shape))


def _waiting(rho: float, u: float) -> float:
    """E[max(N − 1, 0)] after u service times."""
    k = math.floor(u)
    x, (i, weights) = rho * (u - k), _lattice(k)
    first = -x * relative_excess(-x) if x else 0.0  # x − 1 + e^{−x}
    return first + float(weights @ _drift(rho, i, u - k)) + max(rho - 1.0, 0.0) * k


def _drift(rho: float, i: Array, s: float) -> Array:
    """E[(Poisson(x)/u − 1)⁺] with u = i + s, x = ρu for ρ < 1, else E[(1 − Poisson(x)/u)⁺]: the smaller one.

    They differ by 1 − ρ. The second is P(N(u) = 0): if c came by u, nobody is left with probability (1 − c/u)⁺ (Daniels
    1945, Proceedings of the Royal Society A 183:405; Takács 1962, Introduction to the Theory of Queues, ch. 1). By
    parts u times the first is E[(x − Γ)⁺] + (1 − s) P(Γ < x), Γ gamma distributed of shape i + 1; the second likewise.
    """
    u, below = i + s, rho * (i + s) < i + 1.0
    share, excess = _gamma_beyond(i + 1.0, rho * u)
    return (excess + np.where(below, 1.0 - s, s - 1.0) * share) / u + np.where(below, min(1.0 - rho, 0.0), 0.0)


def _quantiles(rho: float, u: float, level: float) -> Array:
    """Return the least n with P(N > n) ≤ (1 + level)/2, and with (1 − level)/2, after u service times.

    N > n when, for some i < K = ⌈u⌉, n + i or more came within the last i service times, or n + K within all of u.
    Let i be the greatest such. Unless it is K, just n + i came, and nobody was left of those before. Therefore
    P(N > n) = P(Poisson(ρu) ≥ n + K) + Σ_{i=1..K−1} P(Poisson(ρi) = n + i) P(N(u − i) = 0).
    """
    before = max(math.ceil(u) - 1, 0)
    i, weights = _lattice(before)
    weights = weights * (_drift(rho, before - i, u - before) + max(1.0 - rho, 0.0))
    goals, low = np.array([(1.0 + level) / 2.0, (1.0 - level) / 2.0]), np.full(2, -1.0)
    # No more are there than have come: 12 standard deviations and 60 too many are rarer than 1e-30.
    high = np.full(2, math.ceil(rho * u + 12.0 * math.sqrt(rho * u) + 60.0) if u else 0.0)
    while np.any(high - low > 1.0):
        n = np.ceil((low + high) / 2.0)
        all_, late = n + before + 1.0, n[:, None] + i
        share, _ = _gamma_beyond(all_, rho * u)
        above = np.where(rho * u < all_, share, 1.0 - share) + _poisson(late, np.log(rho * i / late)) @ weights
        low, high = np.where(above <= goals, low, n), np.where(above <= goals, n, high)
    return high


def _lattice(last: int) -> tuple[Array, Array]:
    """Return points and weights with Σ w f(point) = f(1) + … + f(last), f smooth on the scale of i and of last − i.

    Term by term at either end; between, an integral over pieces that double, with Gregory's corrections at its ends.
    """
    if last <= 4 * _EXACT:
        return np.arange(1.0, last + 1.0), np.ones(last)
    corrected = np.append(np.ones(_EXACT - 3), np.array([1429.0, 1522.0, 720.0, -82.0, 11.0]) / 1440.0)
    ratio = (last + 1.0) / 2.0 / _EXACT
    edges = _EXACT * ratio ** np.linspace(0.0, 1.0, math.ceil(math.log2(ratio)) + 1)
    nodes, shares = _nodes()
    widths = np.diff(edges)[:, None]
    points = np.append(np.arange(1.0, _EXACT + 3.0), edges[:-1, None] + widths * nodes)
    return np.append(points, last + 1.0 - points), np.tile(np.append(corrected, widths * shares), 2)


@cache
def _nodes() -> tuple[Array, Array]:
    """Gauss and Legendre's nodes and weights on [0, 1] (Golub and Welsch 1969); numpy.polynomial is slow to load."""
    k = np.arange(1.0, 36.0)
    nodes, vectors = np.linalg.eigh(np.diag(k / np.sqrt(4.0 * k**2 - 1.0), -1))
    return (nodes + 1.0) / 2.0, vectors[0] ** 2


def _gamma_beyond(shape: Array, x: Array | float) -> tuple[Array, Array]:
    """Return P(Γ < x) and E[(x − Γ)⁺] for x < shape, else P(Γ > x) and E[(Γ − x)⁺].

    An integral over v = ln(Γ/shape) to where the density is e^{−40} of that at x. With y = e^v − 1 − v that is no
    farther than v = −y − √(2y) or ln(1 + y + √(2y)), and as y is convex no farther than its slope says.
    """
    edge = np.log(x / shape)
    y = np.expm1(edge) - edge + 40.0 / shape
    far = y + np.sqrt(2.0 * y)
    reach = np.where(x < shape, far + edge, np.log1p(far) - edge)
    reach = np.minimum(reach, 40.0 / np.maximum(shape * np.abs(np.expm1(edge)), 1e-300))[:, None]
    nodes, shares = _nodes()
    steps = np.where(x < shape, -1.0, 1.0)[:, None] * reach * nodes
    density = shape[:, None] * _poisson(shape[:, None], edge[:, None] + steps) * shares * reach
    return density.sum(axis=1), (density * np.abs(np.expm1(steps))).sum(axis=1) * x


def _poisson(n: Array, v: Array) -> Array:
    """P(Poisson(n e^v) = n), n ≥ 1 and whole or large: Stirling's series. Times n the density of ln(Γ/n) at v."""
    series = 1 / (12 * n) - 1 / (360 * n**3) + 1 / (1260 * n**5) - 1 / (1680 * n**7)
    series = np.where(n < 16, _SMALL[np.clip(n, 1, 15).astype(np.int64) - 1], series)
    return np.asarray(np.exp(-n * (np.expm1(v) - v) - series) / np.sqrt(2.0 * math.pi * n))


def _arrivals_before(rho: float, n: int) -> float:
    """Return the mean number of messages that come until n are in the system, the last included.

    Who left is counted level by level, by services that begin with i in the system: `ahead` is how far above i the next
    higher one begins, `served` the mean number until then, `met` the chance that the first above i − 1 begins at i, and
    further above. n are reached in the service that leaves n − 1 or more.
    """
    if n <= 2:
        return 1.0 if n == 1 else 1.0 - 1.0 / math.expm1(-rho)
    if rho > 30.0:  # next to no service ends with nobody left, e^{−30} = 1e-13
        return _arrivals_in_a_crowd(rho, n)
    decay, idle = decay_rate(rho) or 1e-20, math.exp(-rho)
    jump = rho + max(decay, 0.0)  # mean arrivals in a service on the way to many
    arrivals = idle * np.cumprod(rho / np.arange(1.0, jump + 12.0 * math.sqrt(jump) + 40.0))
    met = ahead = np.eye(1, len(arrivals))[0]
    served, total, alike = 0.0, 1.0, 0
    for level in range(1, n - 1):
        up = np.append(arrivals[1:] + idle * ahead[1:], 0.0)
        leaving = float(up.sum())
        if total > 1e300 or leaving == 0.0:
            return math.inf
        ahead, served = up / leaving, (1.0 + idle * served) / leaving
        growth = 1.0 + float(met[0]) * served
        met = np.append(met[1:], 0.0) + met[0] * ahead
        total += growth
        alike = alike + 1 if abs(_settled_growth(rho, decay, level, 1) / growth - 1.0) < 1e-12 else 0
        if alike == 8:
            return total + _settled_growth(rho, decay, level + 1, n - 2 - level)
    return total


def _settled_growth(rho: float, decay: float, level: int, count: int) -> float:
    """Σ 1 + c − c e^{θj}(1 − ρ − θ)/(ρ − 1), c = 1/(ρ − 1), over `count` levels j from `level`: messages for one more.

    Its generating function has the poles 1, e^θ and others, soon forgotten, where e^{ρ(z − 1)} = z. 2j + 5/3 at ρ = 1.
    """
    first, across = decay * level, decay * count
    if max(first, across) > 700.0:
        return math.inf
    half = 0.5 - (1.0 - rho) / decay  # coth(θ/2)/2 − 1/θ
    if abs(decay) < 0.25:
        half = decay / 12 - decay**3 / 720 + decay**5 / 30240 - decay**7 / 1209600 + decay**9 / 47900160
    powers = math.expm1(across) / math.expm1(decay)
    more = count * (relative_excess(across) - relative_excess(decay)) / (1.0 + relative_excess(decay))  # powers − count
    risen = math.expm1(first) + half / (0.25 - half / 2.0) * math.exp(first)
    return count + (more + powers * risen) / (decay * (0.5 - half))


def _arrivals_in_a_crowd(rho: float, n: int) -> float:
    """Return n + Σ_m P(Poisson(mρ) ≤ n + m − 3), or its limit: _arrivals_before if nobody finds it empty again."""
    middle = n / (rho - 1.0)
    if n > 2.0 * rho**2:
        return n - 1.0 + (n - 3.0) / (rho - 1.0) + (rho / (rho - 1.0)) ** 2 / 2.0
    width = 10.0 * math.sqrt(rho * middle) / (rho - 1.0) + 3.0
    m = np.arange(max(1.0, math.floor(middle - width)), middle + width)
    share, _ = _gamma_beyond(n + m - 2.0, rho * m)
    return n + float(m[0]) - 1.0 + float(np.where(rho * m < n + m - 2.0, 1.0 - share, share).sum())
