"""The transient of M/D/1 against a plain evolution of its distribution, 1000-digit arithmetic, and simulation."""

import math
import random
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sim import MD1
from sim.theory.transient import Transient

Array = npt.NDArray[np.float64]
LOADS = (0.01, 0.3, 0.8, 0.99, 1.0, 1.02, 1.2, 3.0)

# λ·time_to_reach(n) = n − 1 + r_{n−1} r_{n−2}/(r_{n−1} − r_{n−2}) − Σ_{1 ≤ j ≤ n−2} r_j, r_0 = 1, where
# z/(e^{ρ(z−1)} − z) generates the r_j: in mpmath, with 1000 digits and more, for nearly all of them cancel. The code
# takes another way.
REACHED = {
    0.001: {
        2: 1001.50008333333192,
        3: 2001335.72228148479,
        7: 7.09229449367810627e20,
        20: 1.5217387002587817e72,
        50: 9.73158735179300676e190,
    },
    0.1: {
        2: 11.5083319447750491,
        3: 215.728181709247411,
        7: 241214323.312398147,
        20: 6.25578625169782744e28,
        50: 7.85005425296008131e75,
        100: 2.46901540774237621e154,
    },
    0.5: {
        2: 3.54149408253679828,
        3: 13.0859816012768072,
        7: 2255.39652695915541,
        20: 28068706134.699421,
        50: 6.57743580221321051e26,
        100: 1.26215780659751942e54,
    },
    0.9: {
        2: 2.68511775040500785,
        3: 6.39526346819597015,
        7: 60.9357846376721707,
        20: 2166.19733859428718,
        50: 1191054.94786109655,
        100: 37517909199.6826258,
        600: 3.59360406598932868e55,
    },
    0.9999: {
        2: 2.58206878419122221,
        3: 5.78494932723492884,
        7: 40.180731741114071,
        20: 374.290618470338727,
        50: 2441.69501595998804,
        100: 9932.17469538931868,
        600: 373968.731441818957,
    },
    1.0: {
        2: 2.58197670686932642,
        3: 5.78442238235466563,
        7: 40.1664693233472551,
        20: 373.833333333333337,
        50: 2433.83333333333333,
        100: 9867.16666666666667,
        600: 359200.5,
    },
    1.01: {
        2: 2.57286859448251928,
        3: 5.73245952488765439,
        7: 38.7869239412057138,
        20: 332.30545067533512,
        50: 1811.10923888841234,
        100: 5665.44940244692891,
        600: 55465.9778616999992,
    },
    1.2: {
        2: 2.43101276069333315,
        3: 4.96408067349362076,
        7: 23.5914392858545421,
        20: 100.133250821248881,
        50: 280.122240485697048,
        100: 580.122240348527585,
        600: 3580.12224034852814,
    },
    2.0: {
        2: 2.15651764274966565,
        3: 3.68351826278340805,
        7: 11.4898020340173756,
        20: 37.4899980501722916,
        50: 97.4899980501680495,
        100: 197.489998050168049,
        600: 1197.48999805016805,
    },
    5.0: {
        2: 2.00678365490630423,
        3: 3.04213093816476855,
        7: 7.76279714433880459,
        20: 24.0277332117492965,
        50: 61.5277369118183646,
        100: 124.027736911818395,
        600: 749.027736911818395,
    },
    20.0: {
        2: 2.00000000206115363,
        3: 3.00000004328422794,
        7: 7.00007190886806889,
        20: 20.3815982539290176,
        50: 52.037691212329485,
        100: 104.65889808003112,
    },
    29.5: {
        2: 2.00000000000015428,
        3: 3.00000000000470557,
        7: 7.00000003432418357,
        20: 20.0160641634131348,
        50: 51.1050181431939995,
        100: 102.958901181211551,
    },
    30.5: {
        2: 2.00000000000005676,
        3: 3.00000000000178784,
        7: 7.00000001482654865,
        20: 20.010368630049575,
        50: 51.0654905433246515,
        100: 102.856174437370652,
    },
    200.0: {2: 2.0, 3: 3.0, 7: 7.0, 20: 20.0, 50: 50.0, 100: 100.000000000000001},
}


@pytest.fixture(autouse=True)
def _no_warnings() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def poisson(mean: float, size: int) -> Array:
    logs = [k * math.log(mean) - mean - math.lgamma(k + 1.0) for k in range(size)]
    return np.exp(logs)


def evolved(rho: float, k: int, s: float) -> Array:
    """Return P(N = n) at k + s service times: Poisson(ρs) at s, then k times N ← max(N − 1, 0) + Poisson(ρ)."""
    size = int(max(rho - 1.0, 0.0) * k + 12.0 * math.sqrt(rho * (k + 1)) + rho) + 300
    arrivals = poisson(rho, size)
    number = poisson(rho * s, size) if s else np.eye(1, size)[0]
    for _ in range(k):
        left = np.concatenate([[number[0] + number[1]], number[2:]])
        number = np.convolve(left, arrivals)[:size]
    return number


CASES = [(rho, k, s) for rho in LOADS for k, s in ((0, 0.4), (1, 0.0), (1, 0.7), (5, 0.25), (300, 0.0), (401, 0.9))]


@pytest.mark.parametrize(("rho", "k", "s"), CASES)
def test_means_are_those_of_the_evolved_distribution(rho: float, k: int, s: float) -> None:
    number = evolved(rho, k, s)
    n = np.arange(len(number))
    queue = Transient(rho, 1.0)
    assert queue.number_in_system(k + s) == pytest.approx(number @ n, rel=1e-11)
    assert queue.waiting(k + s) == pytest.approx(number[1:] @ n[:-1], rel=1e-11)


@pytest.mark.parametrize(("rho", "k", "s"), CASES)
def test_bands_end_where_the_evolved_distribution_says_to_9_digits(rho: float, k: int, s: float) -> None:
    above = np.cumsum(evolved(rho, k, s)[::-1])[::-1][1:]  # P(N > n)
    queue = Transient(rho, 1.0)
    for n in np.flatnonzero((above > 1e-6) & (above < 0.49))[::7]:
        assert queue.number_band(k + s, 1.0 - 2.0 * (above[n] + 1e-9))[1] <= n
        assert queue.number_band(k + s, 1.0 - 2.0 * (above[n] - 1e-9))[1] > n
    for n in np.flatnonzero((above > 0.51) & (above < 1.0 - 1e-6))[::7]:
        assert queue.number_band(k + s, 2.0 * (above[n] + 1e-9) - 1.0)[0] <= n
        assert queue.number_band(k + s, 2.0 * (above[n] - 1e-9) - 1.0)[0] > n


@pytest.mark.parametrize("rho", [0.9, 0.999, 1.0, 1.001, 1.2])
@pytest.mark.parametrize("k", [257, 3000, 200_000])
def test_long_sums_are_spitzers_added_one_by_one(rho: float, k: int) -> None:
    from scipy.special import gammainc, gammaincc  # noqa: PLC0415 - an independent incomplete gamma function

    j = np.arange(1.0, k + 1.0)
    if rho < 1.0:
        expected = math.fsum(rho * gammainc(j, j * rho) - gammainc(j + 1.0, j * rho))
    else:
        expected = (rho - 1.0) * k + math.fsum(gammaincc(j + 1.0, j * rho) - rho * gammaincc(j, j * rho))
    assert Transient(rho, 1.0).waiting(k) == pytest.approx(expected, rel=1e-11)


def test_an_overload_of_a_fifth_holds_103_messages_after_500_services() -> None:
    assert Transient(240, 0.005).number_in_system(2.5) == pytest.approx(103.18777, abs=5e-6)


def test_at_utilization_1_the_queue_grows_like_the_root_of_time_and_never_forgets() -> None:
    queue = Transient(100, 0.01)
    for k in (1e4, 1e8, 1e12):  # E|normal| of variance k, and the next term is of order 1
        assert queue.waiting(k * 0.01) == pytest.approx(math.sqrt(2 * k / math.pi), abs=1.0)
    low, high = queue.number_band(1e12 * 0.01)  # |normal|: 0.0313 and 2.2414 standard deviations
    assert (low / 1e6, high / 1e6) == (pytest.approx(0.0313380, abs=3e-6), pytest.approx(2.2414027, abs=3e-6))
    assert queue.relaxation_s == math.inf


@pytest.mark.parametrize("rho", [1e-6, 0.3, 0.9, 0.99])
def test_below_capacity_it_becomes_the_steady_state(rho: float) -> None:
    queue, steady = Transient(rho, 1.0), MD1(rho, 1.0).number_in_system
    late = 60.0 * queue.relaxation_s + 100.0
    assert queue.number_in_system(late) == pytest.approx(steady.mean(), rel=1e-11)
    for level in (0.5, 0.95, 0.999):
        low, high = queue.number_band(late, level)
        for n, share in ((low, (1 - level) / 2), (high, (1 + level) / 2)):
            assert steady.cdf(n) >= share > np.float64(steady.cdf(n - 1.0))


@pytest.mark.parametrize("rho", [0.5, 0.95, 1.05, 2.0])
def test_what_is_left_of_the_start_decays_by_e_in_a_relaxation(rho: float) -> None:
    queue = Transient(rho, 1.0)
    k = np.round(np.array([8.0, 9.0]) * queue.relaxation_s)
    rest = np.asarray(queue.waiting(k + 1.0)) - queue.waiting(k) - max(rho - 1.0, 0.0)
    # e^{−t/relaxation} t^{−3/2}, but for a factor that changes by 2 or 3 % between 8 and 9 relaxations.
    expected = math.exp((k[1] - k[0]) / queue.relaxation_s) * (k[1] / k[0]) ** 1.5
    assert rest[0] / rest[1] == pytest.approx(expected, rel=0.04)


@pytest.mark.parametrize("gap", [0.3, 0.01, 1e-6, -1e-6, -0.01, -0.09, -0.11, -3.0])
def test_the_relaxation_keeps_its_digits_near_utilization_1(gap: float) -> None:
    gap = 1.0 - (1.0 - gap)  # as a double has it
    rate = gap**2 / 2 + gap**3 / 3 + gap**4 / 4 if abs(gap) < 1e-5 else -gap - math.log(1.0 - gap)
    assert Transient(1.0 - gap, 1.0).relaxation_s == pytest.approx(1.0 / rate, rel=1e-11)


def test_an_overload_that_is_never_idle_is_a_poisson_count_less_its_services() -> None:
    queue = Transient(1e6, 1e-3)
    assert queue.number_in_system(2.0) == pytest.approx(2e6 - 1999, rel=1e-14)
    low, high = queue.number_band(2.0)
    # Poisson(2e6) less 1999 finished: 1.959964 standard deviations either side, + (1.96² − 1)/6 for its skewness.
    assert (low, high) == (pytest.approx(1998001 - 2771.8 + 0.5, abs=2), pytest.approx(1998001 + 2771.8 + 0.5, abs=2))


def test_time_in_other_units_is_the_same_queue() -> None:
    fast, slow = Transient(1100, 1e-3), Transient(11, 0.1)
    assert fast.number_in_system(1.0) == pytest.approx(slow.number_in_system(100.0), rel=1e-12)
    assert fast.number_band(1.0) == slow.number_band(100.0)
    assert 100 * fast.relaxation_s == pytest.approx(slow.relaxation_s, rel=1e-12)
    assert 100 * fast.time_to_reach(50) == pytest.approx(slow.time_to_reach(50), rel=1e-12)


def test_arrays_of_instants_in_any_order_answer_one_by_one() -> None:
    queue = Transient(210, 0.005)
    t = np.array([[3.0, 0.0], [0.001, 50.0]])
    for asked in (queue.number_in_system, queue.waiting):
        assert np.array_equal(asked(t), [[asked(float(at)) for at in row] for row in t])
    for asked in (queue.number_band, queue.waiting_band):
        low, high = asked(t)
        assert (low[1, 0], high[1, 0]) == asked(0.001)
        assert np.shape(low) == np.shape(high) == (2, 2)
    assert np.shape(queue.waiting([])) == np.shape(queue.waiting_band([])[0]) == (0,)
    assert isinstance(queue.waiting(1.0), float)


def test_the_waiting_are_all_but_one() -> None:
    queue = Transient(300, 0.005)
    assert queue.waiting_band(10.0) == tuple(end - 1.0 for end in queue.number_band(10.0))
    assert queue.waiting_band(0.0) == queue.number_band(0.0) == (0.0, 0.0)
    assert queue.waiting(0.0) == queue.number_in_system(0.0) == 0.0


@pytest.mark.parametrize("rho", REACHED)
def test_the_time_to_reach_a_number_to_12_digits(rho: float) -> None:
    for n, expected in REACHED[rho].items():
        assert Transient(rho, 1.0).time_to_reach(n) * rho == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rho", [0.5, 0.7, 1.0, 1.5, 4.0])
@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_the_time_to_reach_a_number_solves_the_equations_of_each_service(rho: float, n: int) -> None:
    # x_i: mean time from a service that begins with i in the system; x_0: from nobody in the system. A service lasts D,
    # or until the (n − i)-th arrival, with mean Σ_{m < n−i} P(Poisson(ρ) > m)/λ.
    arrivals = poisson(rho, n + 1)
    matrix, spent = np.eye(n), np.zeros(n)
    matrix[0, 1], spent[0] = -1.0, 1.0 / rho
    for i in range(1, n):
        matrix[i, i - 1 : n - 1] -= arrivals[: n - i]
        spent[i] = (1.0 - np.cumsum(arrivals[: n - i])).sum() / rho
    assert Transient(rho, 1.0).time_to_reach(n) == pytest.approx(np.linalg.solve(matrix, spent)[0], rel=1e-10)


def reached_s(rate_per_s: float, service_s: float, n: int, rng: random.Random) -> float:
    now, number, ends = 0.0, 0, math.inf
    while True:
        now += rng.expovariate(rate_per_s)
        while ends <= now:
            number -= 1
            ends = ends + service_s if number else math.inf
        number += 1
        if number == n:
            return now
        ends = now + service_s if number == 1 else ends


@pytest.mark.parametrize(("rho", "n"), [(0.5, 4), (1.0, 8), (1.5, 12)])
def test_simulated_runs_reach_a_number_when_expected(rho: float, n: int) -> None:
    rng = random.Random(20_240_601)
    times = np.array([reached_s(rho / 0.01, 0.01, n, rng) for _ in range(4000)])
    error = times.std() / math.sqrt(len(times))
    assert abs(times.mean() - Transient(rho / 0.01, 0.01).time_to_reach(n)) <= 4.0 * error


@pytest.mark.parametrize("rho", [0.9999999, 1.0 - 1e-16, 1.0, 1.0 + 3e-16, 1.0000001])
def test_reaching_a_number_passes_smoothly_through_utilization_1(rho: float) -> None:
    # The number for ρ = 1 from the same 1000 digits; θ = 2e-7 over 600 levels changes it by a third of 600θ.
    assert Transient(rho, 1.0).time_to_reach(600) * rho == pytest.approx(359200.5, rel=6e-5)


def test_a_far_number_takes_the_growth_rate_above_capacity_and_the_square_at_it() -> None:
    for rho in (1.2, 29.0, 31.0, 1e6):
        queue = Transient(rho, 1.0)
        grown = (queue.time_to_reach(10**9) - queue.time_to_reach(10**8)) / 9e8
        assert grown == pytest.approx(1.0 / (rho - 1.0), rel=1e-8)
    assert Transient(1.0, 1.0).time_to_reach(10**9) == pytest.approx(1e18, rel=1e-8)
    assert Transient(0.9, 1.0).time_to_reach(10**9) == math.inf


@pytest.mark.parametrize("n", [700, 1500, 1799, 1801, 5000])
def test_two_ways_to_count_a_crowd_agree_where_they_meet(n: int) -> None:
    below, at, above = (Transient(rho, 1.0).time_to_reach(n) * rho for rho in (30.0 - 1e-3, 30.0, 30.0 + 1e-3))
    assert at == pytest.approx((below + above) / 2.0, rel=1e-9)


def test_any_rate_service_time_and_instant_gives_a_finite_answer() -> None:
    for rate in (1e-9, 1.0, 300.0, 1e6):
        for service in (1e-6, 0.005, 1.0, 100.0):
            queue = Transient(rate, service)
            t = np.array([0.0, 1e-9, service, 7.3 * service, 10.0, 1e6])
            low, high = queue.number_band(t)
            middle, waiting = np.asarray(queue.number_in_system(t)), np.asarray(queue.waiting(t))
            assert np.all(np.isfinite([low, high, middle, waiting]))
            assert np.all((waiting >= 0.0) & (waiting <= middle) & (low <= high))
            assert all(queue.time_to_reach(n) > 0.0 for n in (1, 2, 3, 40, 10**5, 10**9))


@pytest.mark.parametrize("t_s", [-1.0, math.nan, math.inf, [1.0, -2.0]])
def test_what_is_no_instant_is_refused(t_s: Any) -> None:
    for asked in (Transient(300, 0.005).waiting, Transient(300, 0.005).number_band):
        with pytest.raises(ValueError, match=r"t_s=(-1|nan|inf|-2): must be from 0"):
            asked(t_s)


def test_what_is_no_level_no_number_and_no_queue_is_refused_with_its_value() -> None:
    queue = Transient(300, 0.005)
    for level in (0.0, 1.0, 95, math.nan):
        with pytest.raises(ValueError, match=f"level={level!r}"):
            queue.number_band(1.0, level)
    for n in (0, 2.5, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"n={n!r}: .*whole and at least 1"):
            queue.time_to_reach(n)
    for rate, service in ((0.0, 1.0), (1.0, -1.0), (math.inf, 1.0)):
        with pytest.raises(ValueError, match="must be positive and finite"):
            Transient(rate, service)


def test_scipy_is_not_loaded() -> None:
    program = """
import sys
from sim.theory.transient import Transient
queue = Transient(300, 0.005)
queue.waiting(10.0), queue.waiting_band(10.0), queue.time_to_reach(100)
sys.exit("scipy" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
