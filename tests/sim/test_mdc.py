"""M/D/c against high-precision arithmetic, M/D/1, its own balance, and a plain recursion over arrivals."""

import math
import random
import warnings
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.special import gammainc

from sim import MD1, NoSteadyState
from sim.theory.mdc import MDc

# Mean wait / D, from E[N] = cρ/(2(c − cρ)) + cρ/2 − (c − 1)/2 + Σ_k 1/(1 − z_k) over the roots of z^c = e^{−cρ(1−z)}
# inside the unit circle (Lambert's W), in arithmetic of 40 to 1,200 digits; ρ is the double.
MEANS = [
    (2, 0.01, 6.6024763630788144e-5),
    (2, 0.5, 0.17674105711283688),
    (2, 0.9, 2.1469232147158273),
    (3, 0.97, 5.26069694348246),
    (5, 0.01, 4.1881370138815918e-10),
    (5, 0.95, 1.7707880018412006),
    (10, 0.05, 1.615018815822561e-11),
    (10, 0.8, 0.1098277897126047),
    (10, 0.9, 0.34458205037968124),
    (20, 0.999, 24.877263986746564),
    (50, 0.99999, 999.92069811097054),
    (100, 0.2, 4.281694873679271e-39),
    (100, 0.9, 0.012333473708096913),
    (200, 0.05, 3.1699570584231103e-182),
    (200, 0.7, 1.6647998976485824e-8),
    (200, 0.99, 0.21180629591990403),
    (1000, 0.9, 4.7635217826065803e-6),
    (2000, 0.8, 8.5396093394098982e-25),
    (2000, 0.999, 0.23729490443604395),
]

# P(W > t), t in service times, from the power series of the generating function built of the same roots, divided out
# with 120 to 700 digits, and mixed with 1 − Σ for what lies beyond.
TAILS = [
    (2, 0.05, {0: 4.6964612965792723e-3, 0.5: 1.2202196780566199e-3, 0.99: 4.5476363791044282e-6}),
    (2, 0.05, {1: 3.8962382926483061e-6, 2.25: 2.4956574354716045e-10, 3.7: 3.8968068389997091e-16}),
    (2, 0.9, {0: 0.84710764270230238, 1: 0.58802747455708373, 3.7: 0.19263076165795697, 20.2: 2.0699514164201856e-4}),
    (3, 0.99, {0: 0.98003688161487322, 0.5: 0.95670184145410562, 10: 0.53979204544008486, 20.2: 0.29210994746886319}),
    (5, 0.01, {0: 2.4979513454683685e-9, 0.5: 7.9702821969150288e-11, 1: 2.5715804106904379e-20}),
    (5, 0.5, {0.1: 8.9375454363283682e-2, 1.5: 2.4114914900220203e-5, 3.7: 2.4216540423241835e-11}),
    (10, 0.05, {0: 1.7096700299965186e-10, 0.1: 6.2374178279052094e-11, 0.5: 2.0942485457876284e-13}),
    (10, 0.8, {0: 0.38471739332209649, 0.99: 7.3098020029108662e-3, 3.7: 6.2078272678391861e-8}),
    (10, 0.99, {0: 0.96041386809168869, 1: 0.79334286638427561, 10: 0.13034874632650262}),
    (30, 0.95, {0: 0.68081692374673406, 0.5: 0.16239958489783832, 7.3: 1.578537109668633e-10}),
    (100, 0.05, {0: 5.9918783035356502e-91, 0.5: 5.6123327362440563e-120, 0.99: 3.7953271082948961e-237}),
    (100, 0.9, {0: 0.19534285963844716, 0.5: 1.0468752278421529e-5, 0.99: 4.0905422697297311e-10}),
    (100, 0.9, {1: 3.3252041138007976e-10, 1.5: 1.0560613716301083e-14, 3.7: 1.7057715200207441e-34}),
    (100, 0.99, {0: 0.8703190593691663, 0.5: 0.32833405706989378, 3.7: 5.33954352668408e-4}),
    (200, 0.7, {0: 1.0841331018805078e-6, 0.1: 7.5606045778219705e-10, 1.5: 2.5567227982179231e-90}),
]

LOADS = [(1, 0.6), (2, 0.3), (3, 0.95), (7, 0.7), (20, 0.9), (80, 0.97)]


@pytest.fixture(autouse=True)
def _no_warnings() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize(("servers", "rho", "mean"), MEANS)
def test_mean_waits_to_11_digits(servers: int, rho: float, mean: float) -> None:
    assert MDc(servers * rho, 1.0, servers).wait.mean() == pytest.approx(mean, rel=1e-11, abs=0)


@pytest.mark.parametrize(("servers", "rho", "tails"), TAILS)
def test_tails_of_the_wait_to_11_digits(servers: int, rho: float, tails: dict[float, float]) -> None:
    found = MDc(servers * rho * 200, 0.005, servers).wait.sf(np.array([*tails]) * 0.005)
    assert found == pytest.approx(np.array([*tails.values()]), rel=1e-11, abs=0)


@pytest.mark.parametrize("rho", [0.001, 0.05, 0.5, 0.9, 0.99, 0.9999])
def test_with_one_server_it_is_md1(rho: float) -> None:
    pool, single = MDc(rho * 200, 0.005, 1), MD1(rho * 200, 0.005)
    t = np.concatenate([np.linspace(-0.001, 0.04, 200), np.linspace(0.04, 0.2 / (1 - rho), 50)])
    expected = np.asarray(single.latency.sf(t))
    seen = expected > 1e-100
    assert np.asarray(pool.latency.sf(t))[seen] == pytest.approx(expected[seen], rel=1e-11, abs=0)
    assert pool.latency.cdf(t) == pytest.approx(np.asarray(single.latency.cdf(t)), rel=1e-10, abs=1e-15)
    q = np.array([0.5, 0.1, 0.01, 1e-3, 1e-6]) * rho
    assert pool.wait.isf(q) == pytest.approx(np.asarray(single.wait.isf(q)), rel=1e-11, abs=0)
    assert pool.latency.ppf(0.99) == pytest.approx(single.latency.ppf(0.99), rel=1e-11)
    assert pool.wait.mean() == pytest.approx(single.wait.mean(), rel=1e-12)
    assert pool.latency.var() == pytest.approx(single.latency.var(), rel=1e-12)
    assert pool.wait_probability == pytest.approx(rho, rel=1e-12)


@pytest.mark.parametrize(("servers", "rho"), LOADS)
def test_the_number_waiting_is_as_likely_now_as_a_service_time_later(servers: int, rho: float) -> None:
    offered, size = servers * rho, 4000
    p = -np.diff(np.append(1.0, MDc(offered, 1.0, servers).wait.waiting.sf(np.arange(1.0 * size))))
    n = np.arange(size)
    arriving = np.exp(n * math.log(offered) - offered - np.array([math.lgamma(k + 1.0) for k in n]))
    there = np.convolve(p, arriving)[:size]
    later = np.append(there[: servers + 1].sum(), there[servers + 1 :])
    assert later == pytest.approx(p[: len(later)], rel=1e-9, abs=1e-14)


@pytest.mark.parametrize(("servers", "rho"), LOADS)
def test_those_waiting_are_the_arrivals_during_one_wait(servers: int, rho: float) -> None:
    """Σ P(V > n) z^n = λ ∫ e^{−λ(1−z)t} P(W > t) dt: Franx's mixture against the distribution that it is made of."""
    wait = MDc(servers * rho, 1.0, servers).wait
    nodes, weights = np.polynomial.legendre.leggauss(60)
    start = np.arange(60 / (1 - rho))  # between whole service times the tail is smooth
    t, w = (start[:, np.newaxis] + (nodes + 1) / 2).ravel(), np.tile(weights / 2, len(start))
    tail, n = np.asarray(wait.sf(t)), np.arange(20_000.0)
    for z in (0.0, 0.5, 0.9, 1.0):
        arrived = servers * rho * (w * np.exp(-servers * rho * (1 - z) * t) * tail).sum()
        assert arrived == pytest.approx((wait.waiting.sf(n) * z**n).sum(), rel=1e-11)
    assert (w * tail).sum() == pytest.approx(wait.mean(), rel=1e-11)
    assert 2 * (w * t * tail).sum() - wait.mean() ** 2 == pytest.approx(wait.var(), rel=1e-10)
    assert wait.std() ** 2 == pytest.approx(wait.var())


@pytest.mark.parametrize(("servers", "rho"), [*LOADS, (10, 0.02), (500, 0.9), (2000, 0.97)])
def test_waiting_is_as_likely_as_in_the_queue_of_every_cth_message(servers: int, rho: float) -> None:
    """First come first served and a constant service time: message n follows n − c on its server, as in E_c/D/1.

    For that queue Spitzer's identity says P(W = 0) = exp(−Σ_l P(l D > Gamma(lc))/l).
    """
    step = np.arange(1.0, 20_001.0)  # beyond, the terms are below 1e-20 at these loads
    positive = (gammainc(step * servers, step * servers * rho) / step).sum()
    assert MDc(servers * rho, 1.0, servers).wait_probability == pytest.approx(-math.expm1(-positive), rel=1e-10)


@pytest.mark.parametrize(("servers", "rho"), [(1, 0.5), (2, 0.9), (10, 0.8), (100, 0.95), (2000, 0.999)])
def test_quantiles_undo_the_tail(servers: int, rho: float) -> None:
    wait = MDc(servers * rho * 200, 0.005, servers).wait
    q = np.array([0.9, 0.5, 0.1, 1e-3, 1e-9, 1e-30]) * wait.sf(0.0)
    assert wait.sf(wait.isf(q)) == pytest.approx(q, rel=1e-9, abs=0)
    assert wait.ppf(0.99) == pytest.approx(wait.isf(0.01), rel=1e-12)
    assert np.array_equal(np.asarray(wait.isf([0.0, 1.0, -0.1, 1.1, math.nan])), [np.inf, 0, *[np.nan] * 3], True)


@pytest.mark.parametrize("servers", [1, 2, 10, 300, 2000])
@pytest.mark.parametrize("rho", [1e-300, 1e-12, 0.05, 0.5, 0.9, 0.999, 1 - 1e-9, 1 - 2e-16])
def test_nothing_overflows_and_the_tail_never_rises(servers: int, rho: float) -> None:
    wait = MDc(servers * rho, 1.0, servers).wait
    tail = np.asarray(wait.sf(np.concatenate([np.linspace(0, 4, 81), np.geomspace(4, 1e300, 60), [math.inf]])))
    assert np.all(np.isfinite(tail))
    assert np.all(tail[1:] <= tail[:-1] * (1 + 1e-13))
    assert 0 <= tail[0] <= 1 + 1e-13
    assert tail[-1] == 0
    assert math.isfinite(wait.mean())
    assert math.isfinite(wait.var())
    times = np.asarray(wait.isf([1.0, 0.99, 0.5, 0.01, 1e-9, 1e-100, 1e-300]))
    assert np.all(np.isfinite(times))
    assert np.all(np.diff(times) >= 0)


def test_arrays_of_any_shape_come_back_in_theirs() -> None:
    wait = MDc(9.0, 1.0, 10).wait
    assert np.shape(wait.sf(np.ones((2, 3, 4)))) == (2, 3, 4)
    assert np.shape(wait.isf([])) == np.shape(wait.sf([])) == (0,)
    assert isinstance(wait.sf(1), float)
    many = np.linspace(0, 3, 20_000)  # more than are added up at once
    assert np.asarray(wait.sf(many))[[0, 9_000, -1]] == pytest.approx(np.asarray(wait.sf(many[[0, 9_000, -1]])))
    assert wait.sf(-1e-9) == 1.0
    assert math.isnan(wait.sf(math.nan))


def test_near_saturation_servers_are_one_fast_server() -> None:
    """(1 − ρ)E[W] → D/(2c) and P(W > t) → e^{−2c(1−ρ)t/D} (Kingman 1962)."""
    wait = MDc(5 * (1 - 1e-7), 1.0, 5).wait
    assert wait.mean() * 1e-7 == pytest.approx(1 / 10, rel=1e-5)
    assert wait.sf(1e6) == pytest.approx(math.exp(-1), rel=1e-5)


def test_time_in_other_units_is_only_that() -> None:
    seconds, ms = MDc(1800, 0.005, 10), MDc(1.8, 5.0, 10)
    assert seconds.latency.mean() * 1e3 == pytest.approx(ms.latency.mean(), rel=1e-12)
    assert np.asarray(seconds.latency.isf([0.5, 0.01])) * 1e3 == pytest.approx(np.asarray(ms.latency.isf([0.5, 0.01])))


def test_more_servers_as_busy_each_wait_less() -> None:
    means = [MDc(0.8 * c, 1.0, c).wait.mean() for c in (1, 2, 3, 5, 8, 20, 100)]
    assert all(b < a * 0.7 for a, b in pairwise(means))


@pytest.mark.parametrize(("servers", "rho"), [(2, 0.7), (4, 0.85), (10, 0.9)])
def test_waits_simulated_scatter_about_it(servers: int, rho: float) -> None:
    """Twenty runs of 150,000 messages, and the t interval outside of which one right theory in a thousand falls."""
    runs = np.array([simulated(servers, rho, seed) for seed in range(100, 120)])
    expected, slower = (
        np.array([wait.mean(), *np.asarray(wait.sf([0.0, 0.5, 1.25]))])
        for wait in (MDc(servers * rho, 1.0, servers).wait, MDc(servers * rho, 1.05, servers).wait)
    )
    half = 3.88 * runs.std(axis=0, ddof=1) / math.sqrt(len(runs))
    assert np.all(half < (slower - expected) / 2)  # narrow enough to fail if service were 5 % slower
    assert np.all(np.abs(runs.mean(axis=0) - expected) <= half)


def simulated(servers: int, rho: float, seed: int) -> list[float]:
    """Mean wait and shares of waits beyond 0, 0.5 and 1.25 service times, the first 2,000 messages left out."""
    draw = random.Random(seed)
    now, starts, waits = 0.0, [-math.inf] * servers, []
    for _ in range(152_000):
        now += draw.expovariate(servers * rho)
        starts.append(max(now, starts[-servers] + 1.0))
        waits.append(starts[-1] - now)
    seen = np.array(waits[2000:])
    return [float(seen.mean()), *(float((seen > t).mean()) for t in (0.0, 0.5, 1.25))]


@pytest.mark.parametrize("servers", [0, -1, 2001, 1.5, 2.0, True, "2", math.nan])
def test_what_is_no_number_of_servers_is_refused_by_its_value(servers: Any) -> None:
    with pytest.raises(ValueError, match=f"servers={servers!r}: must be a whole number from 1 to 2,000"):
        MDc(1.0, 1.0, servers)


def test_what_is_no_rate_or_time_is_refused() -> None:
    with pytest.raises(ValueError, match="rate_per_s=0"):
        MDc(0, 1.0, 2)
    with pytest.raises(ValueError, match="service_s=inf"):
        MDc(1.0, math.inf, 2)


def test_overload_says_what_the_servers_can_do() -> None:
    pool = MDc(900, 0.005, 4)
    assert (pool.utilization, pool.stable, pool.capacity_per_s, pool.queue_growth_per_s) == (1.125, False, 800, 100)
    for question in ("wait", "latency", "wait_probability"):
        with pytest.raises(NoSteadyState, match=r"4 servers = utilization 1\.125: no steady state.* below 800/s"):
            getattr(pool, question)
    assert MDc(700, 0.005, 4).queue_growth_per_s == 0
    with pytest.raises(NoSteadyState, match=r"300/s × service 5 ms = utilization 1\.5: .* below 200/s"):
        _ = MD1(300, 0.005).wait
