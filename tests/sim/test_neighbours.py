"""The neighbours of M/D/1 against chains on a lattice, published formulas, examples by hand and simulations."""

import itertools
import math
import random
import warnings
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sim import MD1, NoSteadyState, Workload
from sim.service import service_times
from sim.theory.exponential import MM1, MMc
from sim.theory.mg1 import DD1, MG1
from sim.theory.priority import Priority, PriorityClass
from sim.theory.variability import (
    Dispersion,
    dispersion,
    dispersion_of_counts,
    gap_scv,
    kingman_bound_s,
    kingman_wait_s,
)

Array = npt.NDArray[np.float64]


@pytest.fixture(autouse=True)
def _no_warnings() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# M/G/1


def exponential(rho: float) -> MG1:
    """M/M/1 as an M/G/1, service times of 1 s."""
    return MG1(rho, 1.0, 2.0, 6.0, 24.0)


@pytest.mark.parametrize("rho", [0.01, 0.5, 0.9, 0.999])
def test_moments_for_exponential_service_are_those_of_m_m_1(rho: float) -> None:
    mg1, mm1 = exponential(rho), MM1(rho, 1.0)
    assert mg1.wait_mean_s == pytest.approx(mm1.wait.mean(), rel=1e-12)
    assert mg1.wait_var_s2 == pytest.approx(mm1.wait.var(), rel=1e-12)
    assert mg1.latency_mean_s == pytest.approx(mm1.latency.mean(), rel=1e-12)
    assert mg1.latency_var_s2 == pytest.approx(mm1.latency.var(), rel=1e-12)


@pytest.mark.parametrize("rate", [1.0, 100.0, 199.9])
def test_moments_for_constant_service_are_those_of_m_d_1(rate: float) -> None:
    mg1, md1 = MG1(rate, 0.005, 1.0, 1.0, 1.0), MD1(rate, 0.005)
    assert mg1.wait_mean_s == pytest.approx(md1.wait.mean(), rel=1e-12)
    assert mg1.wait_var_s2 == mg1.latency_var_s2 == pytest.approx(md1.wait.var(), rel=1e-12)
    # A constant added to every wait does not change how their mean scatters.
    assert mg1.latency_asymptotic_var_s2 == pytest.approx(mg1.wait_asymptotic_var_s2, rel=1e-12)


@pytest.mark.parametrize("rho", [0.01, 0.3, 0.5, 0.9, 0.999])
def test_the_scatter_of_a_mean_wait_in_m_m_1_is_the_published_one(rho: float) -> None:
    # Daley (1968), J. Austral. Math. Soc. 8:683: for service times of mean 1.
    published = rho * (2 + 5 * rho - 4 * rho**2 + rho**3) / (1 - rho) ** 4
    assert exponential(rho).wait_asymptotic_var_s2 == pytest.approx(published, rel=1e-11)


class Lattice:
    """M/G/1 waits as a Markov chain on multiples of `step`: everything by its definition, none of it by formula.

    Gaps are geometric, rounded down to the lattice or up (`up`); the mean over both has an error of order step².
    """

    def __init__(self, rate: float, services: dict[float, float], step: float, reach: float, up: int) -> None:
        count = round(reach / step)
        self.wait, self.services = np.arange(count) * step, services
        self.after = {service: self._after(rate * step, round(service / step), count, up) for service in services}
        self.transition = sum(p * self.after[service] for service, p in services.items())
        equations = np.vstack([(np.eye(count) - self.transition).T[1:], np.ones(count)])
        self.stationary = np.linalg.solve(equations, np.eye(count)[-1])

    @staticmethod
    def _after(rate: float, service: int, count: int, up: int) -> Array:
        """From which wait to which, for one service time; all in steps."""
        before, then = np.arange(count)[:, None], np.arange(count)
        gap = before + service - then - up
        matrix = np.where((gap >= 0) & (then > 0), -math.expm1(-rate) * np.exp(-rate * np.maximum(gap, 0)), 0.0)
        matrix[:, 0] = 1.0 - matrix.sum(axis=1)
        return matrix

    def answers(self) -> Array:
        """Mean and variance of the wait, n Var of the mean of n waits and of n latencies, waits missed at the start."""
        mean, share = float(self.stationary @ self.wait), self.stationary
        variance = float(share @ (self.wait - mean) ** 2)
        service = sum(p * s for s, p in self.services.items())
        spread = sum(p * (s - service) ** 2 for s, p in self.services.items())
        with_waits = with_services = missed = 0.0
        expected = self.wait - mean  # E of the wait k messages later, less its mean, from every wait
        for _ in range(400):  # of which each is less than 0.85 of the one before, in the end
            missed -= float(expected[0])
            with_services += sum(
                p * (s - service) * float(share @ self.after[s] @ expected) for s, p in self.services.items()
            )
            expected = self.transition @ expected
            with_waits += float((share * self.wait) @ expected)
        waits = variance + 2 * with_waits
        return np.array([mean, variance, waits, waits + spread + 2 * with_services, missed])


@pytest.mark.parametrize(
    ("rate", "services", "reach"),
    [(0.5, {1.0: 1.0}, 24.0), (0.5, {0.5: 0.75, 2.5: 0.25}, 50.0), (0.3, {0.0: 0.5, 1.0: 0.25, 3.0: 0.25}, 50.0)],
    ids=["constant", "two values", "half of them nothing"],
)
def test_everything_about_m_g_1_is_what_a_chain_on_a_lattice_gives(
    rate: float, services: dict[float, float], reach: float
) -> None:
    # Steps of 1/4, 1/8 and 1/16, extrapolated twice: an error of order step⁶, below 1e-4 of each answer.
    coarse, middle, fine = (
        sum(Lattice(rate, services, step, reach, up).answers() for up in (0, 1)) / 2 for step in (1 / 4, 1 / 8, 1 / 16)
    )
    once = (4 * middle - coarse) / 3, (4 * fine - middle) / 3
    expected = (16 * once[1] - once[0]) / 15
    weights = [round(p * 1000) for p in services.values()]
    mg1 = MG1.of_sample(rate, np.repeat(list(services), weights))
    found = (
        *(mg1.wait_mean_s, mg1.wait_var_s2, mg1.wait_asymptotic_var_s2),
        *(mg1.latency_asymptotic_var_s2, mg1.start_deficit_s),
    )
    assert found == pytest.approx(expected, rel=1e-4)


def test_mean_waits_and_latencies_of_many_runs_scatter_as_predicted() -> None:
    # 2000 runs estimate a variance to √(2/1999) = 3.2 %; four of that, and runs of 4000 are 0.1 % short of for ever.
    rng, runs, messages, cv = np.random.default_rng(20_240_601), 2000, 4000, 0.8
    c = 1 + cv**2
    mg1 = MG1(0.5, 1.0, c, c**3, c**6)
    sigma = math.sqrt(math.log(c))
    wait, waits, latencies = np.zeros(runs), np.zeros(runs), np.zeros(runs)
    for _ in range(messages):
        service = np.exp(sigma * rng.standard_normal(runs) - sigma**2 / 2)
        waits += wait
        latencies += wait + service
        wait = np.maximum(wait + service - rng.exponential(2.0, runs), 0.0)
    assert messages * (waits / messages).var() == pytest.approx(mg1.wait_asymptotic_var_s2, rel=0.13)
    assert messages * (latencies / messages).var() == pytest.approx(mg1.latency_asymptotic_var_s2, rel=0.13)
    standard_error = math.sqrt(mg1.wait_asymptotic_var_s2 / messages / runs)
    empty_start = mg1.start_deficit_s / messages
    assert (waits / messages).mean() + empty_start == pytest.approx(mg1.wait_mean_s, abs=4 * standard_error)


def test_a_server_twice_as_fast_scales_every_moment() -> None:
    slow, fast = MG1(50, 0.01, 1.5, 3.0, 9.0), MG1(100, 0.005, 1.5, 3.0, 9.0)
    assert slow.wait_mean_s == pytest.approx(2 * fast.wait_mean_s)
    assert slow.start_deficit_s == pytest.approx(2 * fast.start_deficit_s)
    for name in ("wait_var_s2", "latency_var_s2", "wait_asymptotic_var_s2", "latency_asymptotic_var_s2"):
        assert getattr(slow, name) == pytest.approx(4 * getattr(fast, name))


def test_with_next_to_no_load_successive_latencies_are_independent() -> None:
    mg1 = MG1(1e-9, 1.0, 3.0, 15.0, 105.0)  # the square of a standard normal: variance 2
    assert mg1.latency_asymptotic_var_s2 == pytest.approx(2.0, rel=1e-6)
    assert mg1.wait_asymptotic_var_s2 == pytest.approx(0.0, abs=1e-6)


def test_a_sample_of_equal_service_times_is_m_d_1() -> None:
    assert MG1.of_sample(100, [0.1 / 3] * 7) == MG1(100, 0.1 / 3, 1.0, 1.0, 1.0)


@pytest.mark.parametrize("samples", [[], [-0.001, 0.002], [0.0, 0.0], [0.001, math.nan], [0.001, math.inf]])
def test_what_is_no_sample_of_service_times_is_refused(samples: list[float]) -> None:
    with pytest.raises(ValueError, match="samples_s"):
        MG1.of_sample(100, samples)


@pytest.mark.parametrize(
    ("moments", "wrong"),
    [
        ((0.99,), "second=0.99"),
        ((math.nan,), "second=nan"),
        ((math.inf,), "second=inf"),
        ((2.0, 3.9), "third=3.9"),
        ((2.0, 6.0, 17.9), "fourth=17.9"),
        ((2.0, None, 3.9), "fourth=3.9"),
    ],
)
def test_moments_that_no_service_time_has_are_refused(moments: tuple[float | None, ...], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        MG1(100, 0.005, *moments)  # type: ignore[arg-type]


def test_a_moment_that_is_needed_and_missing_is_named() -> None:
    mg1 = MG1(100, 0.005, 2.0)
    for name in ("wait_var_s2", "latency_var_s2", "start_deficit_s", "wait_asymptotic_var_s2"):
        with pytest.raises(ValueError, match="third=None"):
            getattr(mg1, name)
    for name in ("wait_asymptotic_var_s2", "latency_asymptotic_var_s2"):
        with pytest.raises(ValueError, match="fourth=None"):
            getattr(MG1(100, 0.005, 2.0, 6.0), name)


@pytest.mark.parametrize("queue", [MM1(300, 0.005), MG1(300, 0.005, 2.0), DD1(300, 0.005), MD1(300, 0.005)])
def test_every_queue_above_capacity_grows_alike(queue: Any) -> None:
    assert not queue.stable
    assert (queue.utilization, queue.capacity_per_s) == (1.5, 200.0)
    assert (queue.queue_growth_per_s, queue.latency_growth_s_per_s) == (100.0, 0.5)


@pytest.mark.parametrize("rate", [200, 300])
def test_without_a_steady_state_m_g_1_has_no_moments(rate: float) -> None:
    for name in ("wait_mean_s", "wait_var_s2", "latency_mean_s", "latency_asymptotic_var_s2", "start_deficit_s"):
        with pytest.raises(NoSteadyState, match=f"rate {rate}/s"):
            getattr(MG1(rate, 0.005, 2.0, 6.0, 24.0), name)


@pytest.mark.parametrize("queue", [MM1, DD1, lambda rate, service_s: MG1(rate, service_s, 2.0)])
@pytest.mark.parametrize(("rate", "service_s", "wrong"), [(0, 1, "rate_per_s=0"), (1, math.nan, "service_s=nan")])
def test_what_is_no_queue_is_refused(queue: Callable[..., Any], rate: float, service_s: float, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        queue(rate, service_s)


@pytest.mark.parametrize("cv", [0.3, 1.0, 2.0])
def test_moments_of_lognormal_service_are_integrals_of_its_density(cv: float) -> None:
    sigma = math.sqrt(math.log1p(cv**2))
    z = np.linspace(-20, 20, 40_001)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    integrals = [np.trapezoid(np.exp(k * (sigma * z - sigma**2 / 2)) * density, z) for k in (2, 3, 4)]
    assert service_times(f"lognormal:{cv}").moments == pytest.approx(integrals, rel=1e-9)


def test_moments_of_every_kind_of_service_are_moments_that_m_g_1_takes(tmp_path: Any) -> None:
    file = tmp_path / "times.csv"
    file.write_text("service_s\n" + "0.0017\n" * 7)
    for kind in ("deterministic", "exponential", "lognormal:100", f"empirical:{file}"):
        moments = Workload(service=kind, messages=1).service_moments
        assert MG1(1, 0.005, *moments).latency_asymptotic_var_s2 > 0
    assert Workload(service=f"empirical:{file}", messages=1).service_moments == pytest.approx((1, 1, 1), rel=1e-12)
    # Rounded, E[S⁴]E[S²] of these is less than E[S³]², which it cannot be and is by 4e-16.
    file.write_text("service_s\n" + "0.009875352\n" * 37 + "0.009875353\n")
    assert MG1(1, 0.005, *Workload(service=f"empirical:{file}", messages=1).service_moments).wait_var_s2 > 0
    file.write_text("service_s\n0.001\n0.003\n")
    halves = Workload(service=f"empirical:{file}", messages=1).service_moments  # ratios 1/2 and 3/2 of the mean
    assert halves == pytest.approx((1.25, 1.75, 2.5625), rel=1e-12)


# D/D/1


@pytest.mark.parametrize("rate", [1, 199, 200])
def test_nobody_waits_for_a_constant_server_up_to_its_capacity(rate: float) -> None:
    dd1 = DD1(rate, 0.005)
    assert dd1.stable
    assert (dd1.wait_mean_s, dd1.latency_mean_s) == (0.0, 0.005)
    assert np.array_equal(dd1.wait_of(np.arange(5)), np.zeros(5))


def test_above_capacity_waits_follow_the_recursion_of_single_messages() -> None:
    gap, service, wait, waits = Fraction(1, 320), Fraction(1, 200), Fraction(0), []
    for _ in range(1000):
        waits.append(float(wait))
        wait = max(Fraction(0), wait + service - gap)
    assert DD1(320, 0.005).wait_of(np.arange(1000)) == pytest.approx(np.array(waits), rel=1e-13)


def test_d_d_1_above_capacity_has_no_mean_but_a_wait_for_every_message() -> None:
    for name in ("wait_mean_s", "latency_mean_s"):
        with pytest.raises(NoSteadyState, match="rate 250/s"):
            getattr(DD1(250, 0.005), name)
    assert DD1(250, 0.005).wait_of(1_000_000) == pytest.approx(1000.0)
    for wrong in (-1, 0.5, math.inf):
        with pytest.raises(ValueError, match="index="):
            DD1(250, 0.005).wait_of(wrong)


# Priority


def test_two_classes_as_computed_by_hand() -> None:
    # 2/s exponential and, more urgent, 1/s constant, both of 1/4 s: W₀ = (2·2/16 + 1/16)/2 = 5/32 s.
    queue = Priority((PriorityClass(1.0, 0.25), PriorityClass(2.0, 0.25, 2.0)))
    assert queue.residual_s == 5 / 32
    assert queue.wait_mean_s == pytest.approx((5 / 24, 5 / 6), rel=1e-14)
    assert queue.latency_mean_s == pytest.approx((11 / 24, 13 / 12), rel=1e-14)
    assert queue.fifo_wait_mean_s == 5 / 8


def test_three_classes_the_longest_first_in_fractions() -> None:
    # 8 jobs a minute, of which 10 % take 1 minute, 10 % take 1/12 and 80 % take 1/60: utilization 73/75.
    jobs = [(Fraction(4, 5), Fraction(1)), (Fraction(4, 5), Fraction(1, 12)), (Fraction(32, 5), Fraction(1, 60))]
    residual = sum(rate * time**2 for rate, time in jobs) / 2
    loads = [Fraction(0), Fraction(4, 5), Fraction(13, 15), Fraction(73, 75)]
    expected = [float(residual / ((1 - a) * (1 - b))) for a, b in itertools.pairwise(loads)]
    queue = Priority(tuple(PriorityClass(float(rate), float(time)) for rate, time in jobs))
    assert queue.utilization == pytest.approx(73 / 75)
    assert queue.wait_mean_s == pytest.approx(expected, rel=1e-12)
    assert queue.fifo_wait_mean_s == pytest.approx(float(residual * 75 / 2), rel=1e-12)


def test_alone_a_class_is_m_g_1_and_next_to_a_rare_one_nearly() -> None:
    common, rare = PriorityClass(150.0, 0.005, 1.7), PriorityClass(1e-7, 0.005)
    alone = MG1(150.0, 0.005, 1.7).wait_mean_s
    assert Priority((common,)).wait_mean_s == pytest.approx((alone,), rel=1e-12)
    assert Priority((common, rare)).wait_of(0) == pytest.approx(alone, rel=1e-6)
    assert Priority((rare, common)).wait_of(1) == pytest.approx(alone, rel=1e-6)


def test_one_stream_split_in_two_waits_as_before_on_average() -> None:
    queue = Priority((PriorityClass(60.0, 0.005), PriorityClass(90.0, 0.005)))
    urgent, other = queue.wait_mean_s
    whole = MD1(150.0, 0.005).wait.mean()
    assert urgent < whole < other
    assert 0.4 * urgent + 0.6 * other == pytest.approx(whole, rel=1e-12)
    assert queue.fifo_wait_mean_s == pytest.approx(whole, rel=1e-12)


def test_work_that_waits_is_the_same_in_every_order_of_classes() -> None:
    classes = (PriorityClass(20.0, 0.01, 3.0), PriorityClass(300.0, 0.001), PriorityClass(1.0, 0.3, 2.0))
    for order in itertools.permutations(classes):
        queue = Priority(order)
        weighted = sum(one.utilization * wait for one, wait in zip(order, queue.wait_mean_s, strict=True))
        assert weighted == pytest.approx(queue.conserved_wait_s, rel=1e-12)


def simulated_waits(classes: tuple[PriorityClass, ...], horizon_s: float, draw: random.Random) -> list[float]:
    """Mean wait of every class, constant service, of those who come in a horizon: one event after another."""
    arrivals = []
    for index, one in enumerate(classes):
        at = draw.expovariate(one.rate_per_s)
        while at < horizon_s:
            arrivals.append((at, index))
            at += draw.expovariate(one.rate_per_s)
    arrivals.sort()
    waiting: list[deque[float]] = [deque() for _ in classes]
    waits: list[list[float]] = [[] for _ in classes]
    now, come = 0.0, 0
    while come < len(arrivals) or any(waiting):
        if not any(waiting):
            now = max(now, arrivals[come][0])
        while come < len(arrivals) and arrivals[come][0] <= now:
            at, index = arrivals[come]
            waiting[index].append(at)
            come += 1
        index = next(number for number, queue in enumerate(waiting) if queue)
        waits[index].append(now - waiting[index].popleft())
        now += classes[index].service_s
    return [sum(one) / len(one) for one in waits]


@pytest.mark.parametrize(
    ("classes", "stable"),
    [
        ((PriorityClass(0.4, 0.5), PriorityClass(0.25, 2.0)), 2),
        ((PriorityClass(0.3, 1.0), PriorityClass(0.2, 0.5), PriorityClass(1.0, 3.0), PriorityClass(0.1, 9.0)), 2),
    ],
    ids=["steady", "overloaded"],
)
def test_simulated_messages_wait_as_predicted(classes: tuple[PriorityClass, ...], stable: int) -> None:
    # 30 runs, so that the standard error is measured; the empty start is small beside it.
    queue, draw = Priority(classes), random.Random(7)
    runs = np.array([simulated_waits(classes, 10_000.0, draw)[:stable] for _ in range(30)])
    errors = runs.std(axis=0, ddof=1) / math.sqrt(len(runs))
    expected = np.array([queue.wait_of(index) for index in range(stable)])
    assert np.all(errors < 0.03 * expected)
    assert np.all(np.abs(runs.mean(axis=0) - expected) < 4 * errors)


def test_in_overload_the_first_classes_have_waits_and_the_last_ones_grow() -> None:
    queue = Priority((PriorityClass(50.0, 0.01), PriorityClass(100.0, 0.01), PriorityClass(10.0, 0.01)))
    assert not queue.stable
    # The second class fills the rest: whoever comes finds a message of 10 ms in service, half done on average.
    assert queue.residual_s == pytest.approx(0.005)
    assert queue.wait_of(0) == pytest.approx(0.01)
    assert queue.queue_growth_per_s == pytest.approx((0.0, 50.0, 10.0))
    with pytest.raises(NoSteadyState, match=r"class 1: utilization 1\.5 .*queue_growth_per_s"):
        queue.wait_of(1)
    for name in ("wait_mean_s", "latency_mean_s", "fifo_wait_mean_s", "conserved_wait_s"):
        with pytest.raises(NoSteadyState):
            getattr(queue, name)


def test_at_exactly_the_capacity_the_last_class_has_no_steady_state() -> None:
    queue = Priority((PriorityClass(50.0, 0.01), PriorityClass(50.0, 0.01)))
    assert not queue.stable
    assert queue.wait_of(0) == pytest.approx(0.01)
    assert queue.queue_growth_per_s == (0.0, 0.0)
    with pytest.raises(NoSteadyState, match="class 1"):
        queue.wait_of(1)


def test_what_is_no_class_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Priority(())
    with pytest.raises(ValueError, match=r"second=0\.9"):
        PriorityClass(1.0, 0.1, 0.9)
    with pytest.raises(ValueError, match="rate_per_s=-1"):
        PriorityClass(-1, 0.1)
    for index in (-1, 1, 0.5):
        with pytest.raises(ValueError, match=f"class {index}: there are 1"):
            Priority((PriorityClass(1.0, 0.1),)).wait_of(index)  # type: ignore[arg-type]


# Kingman


def gi_m_1_wait(transform: Callable[[float], float]) -> float:
    """Mean wait of GI/M/1 with services of mean 1: σ/(1 − σ) with σ = A*(1 − σ) (Kendall 1953), by bisection."""
    low, high = 0.0, 1.0 - 1e-9
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if transform(1.0 - middle) > middle else (low, middle)
    return low / (1.0 - low)


@pytest.mark.parametrize("rho", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("second", [1.0, 1.25, 2.0, 17.0])
def test_for_poisson_arrivals_kingmans_approximation_is_exact(rho: float, second: float) -> None:
    exact = MG1(rho, 1.0, second).wait_mean_s
    assert kingman_wait_s(rho, 1.0, 1.0, second - 1.0) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("ca2", [0.0, 4.0], ids=["even", "hyperexponential"])
def test_kingmans_bound_is_above_the_exact_wait_and_both_meet_it_as_load_grows(ca2: float) -> None:
    # A hyperexponential gap with balanced means: with p the phase of rate 2pλ, ca2 = 1/(2p(1 − p)) − 1.
    p = (1 + math.sqrt((ca2 - 1) / (ca2 + 1))) / 2 if ca2 else 0.5
    for rho in (0.2, 0.5, 0.9, 0.99, 0.999):
        fast, slow = 2 * p * rho, 2 * (1 - p) * rho

        def transform(s: float, rho: float = rho, fast: float = fast, slow: float = slow) -> float:
            return p * fast / (fast + s) + (1 - p) * slow / (slow + s) if ca2 else math.exp(-s / rho)

        exact = gi_m_1_wait(transform)
        about, bound = kingman_wait_s(rho, 1.0, ca2, 1.0), kingman_bound_s(rho, 1.0, ca2, 1.0)
        assert bound >= exact
        if rho == 0.999:
            assert (about / exact, bound / exact) == pytest.approx((1.0, 1.0), abs=0.01)


@pytest.mark.parametrize("formula", [kingman_wait_s, kingman_bound_s])
def test_kingman_outside_his_domain_is_refused(formula: Callable[..., float]) -> None:
    with pytest.raises(NoSteadyState, match="rate 200/s"):
        formula(200, 0.005, 1.0, 1.0)
    with pytest.raises(ValueError, match=r"ca2=-0\.1"):
        formula(100, 0.005, -0.1, 1.0)
    with pytest.raises(ValueError, match="cs2=inf"):
        formula(100, 0.005, 1.0, math.inf)
    with pytest.raises(ValueError, match="service_s=0"):
        formula(100, 0, 1.0, 1.0)


# Dispersion


def test_counts_by_hand() -> None:
    # After the first instant, windows of 1 s hold 2, 0, 1 and so on, of which one on an edge belongs before it.
    arrivals = [5.0, 5.5, 6.0, 7.5, *(9.5 + i for i in range(8)), 18.1]
    counts = np.array([2, 0, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0])
    assert dispersion_of_counts(arrivals, 1.0) == pytest.approx(counts.var(ddof=1) / counts.mean(), rel=1e-12)


def poisson(seed: int, messages: int = 20_001) -> Array:
    """Arrivals at 100/s."""
    return np.cumsum(np.random.default_rng(seed).exponential(0.01, messages))


def test_poisson_arrivals_look_like_poisson_for_nearly_every_seed() -> None:
    # 600 verdicts at three standard deviations: 1.6 wrong ones are expected, more than 8 once in ten thousand times.
    found = [dispersion(poisson(seed)) for seed in range(200)]
    assert {tuple(one.windows for one in row) for row in found} == {(2000, 200, 20)}
    assert sum(not one.is_poisson_like for row in found for one in row) <= 8
    # An index scatters by √(2/(windows − 1)), the mean of 200 of them by √200 less.
    for column, windows in enumerate((2000, 200, 20)):
        mean = sum(row[column].index for row in found) / len(found)
        assert mean == pytest.approx(1.0, abs=4 * math.sqrt(2 / (windows - 1) / len(found)))


@pytest.mark.parametrize(
    ("windows", "low", "high"),
    [(20, 0.29690, 2.25638), (100, 0.62683, 1.48062), (1000, 0.87109, 1.13958)],
)
def test_the_verdict_is_the_chi_square_test(windows: int, low: float, high: float) -> None:
    # The 0.135 % and 99.865 % points of χ² over its degrees of freedom, windows − 1, by the incomplete gamma function.
    for index, like in ((low * 0.97, False), (low * 1.03, True), (high * 0.99, True), (high * 1.01, False)):
        assert Dispersion(1.0, index, windows).is_poisson_like is like


@pytest.mark.parametrize("gap", [0.1, 1.0, 1 / 3])
def test_evenly_spaced_arrivals_have_no_dispersion(gap: float) -> None:
    arrivals = np.arange(3001) * gap
    assert gap_scv(arrivals) == pytest.approx(0.0, abs=1e-20)
    for one in dispersion(arrivals):
        assert one.index == 0.0
        assert not one.is_poisson_like


def test_bursts_show_more_the_longer_the_window() -> None:
    # Rates 500/3 and 100/3 for 1 s each on average: 1 + σ²/m · (1 − (1 − e^{−2t})/(2t)), σ² = (200/3)², m = 100.
    arrivals = Workload(rate_per_s=100, duration_s=4000, arrivals="bursty", seed=3).arrivals_s
    for window_s, tolerance in ((0.1, 0.05), (1.0, 0.1), (10.0, 0.3)):  # 4√(2/windows), and 40 s of fewer bursts
        expected = 1 + 400 / 9 * (1 + math.expm1(-2 * window_s) / (2 * window_s))
        assert dispersion_of_counts(arrivals, window_s) == pytest.approx(expected, rel=tolerance)
    assert not any(one.is_poisson_like for one in dispersion(arrivals))


def test_shuffled_the_gaps_of_bursts_keep_their_spread_and_lose_most_of_their_dispersion() -> None:
    # Independent gaps have over long windows the dispersion of a single one: within 4√(2/399) here.
    arrivals = np.array(Workload(rate_per_s=100, duration_s=4000, arrivals="bursty", seed=4).arrivals_s)
    shuffled = np.cumsum(np.random.default_rng(4).permutation(np.diff(arrivals)))
    assert gap_scv(shuffled) == pytest.approx(gap_scv(arrivals), rel=1e-3)
    assert dispersion_of_counts(shuffled, 10.0) == pytest.approx(gap_scv(arrivals), rel=0.3)
    assert dispersion_of_counts(arrivals, 10.0) > 10 * dispersion_of_counts(shuffled, 10.0)


def test_exponential_gaps_in_order_of_length_are_not_poisson_and_in_any_other_order_are() -> None:
    gaps = np.random.default_rng(5).exponential(0.01, (40, 500))
    sorted_in_blocks = np.cumsum(np.sort(gaps, axis=1))
    assert gap_scv(sorted_in_blocks) == pytest.approx(1.0, abs=4 * math.sqrt(8 / gaps.size))
    assert not any(one.is_poisson_like for one in dispersion(sorted_in_blocks)[:2])
    assert all(one.is_poisson_like for one in dispersion(np.cumsum(gaps)))


def test_dispersion_depends_neither_on_the_unit_of_time_nor_on_its_origin() -> None:
    arrivals = poisson(6, 2001)
    moved = 1e3 + 60 * arrivals
    assert gap_scv(moved) == pytest.approx(gap_scv(arrivals), rel=1e-9)
    assert dispersion_of_counts(moved, 6.0) == pytest.approx(dispersion_of_counts(arrivals, 0.1), rel=1e-9)


def test_of_windows_far_shorter_than_gaps_nearly_all_are_empty() -> None:
    # 1000 windows with one arrival, among 1e12: the variance is the mean.
    assert dispersion_of_counts(poisson(8, 1001), 1e-11) == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize(
    ("arrivals", "wrong"),
    [
        ([], "at least three"),
        ([1.0, 2.0], "at least three"),
        ([1.0, 3.0, 2.0], r"arrivals_s\[2\]=2\.0 comes after 3\.0"),
        ([1.0, 1.0, 1.0], "all 1.0"),
        ([1.0, math.nan, 2.0], "holds nan"),
        ([1.0, 2.0, math.inf], "holds inf"),
    ],
)
@pytest.mark.parametrize("measure", [gap_scv, dispersion, lambda arrivals: dispersion_of_counts(arrivals, 0.1)])
def test_what_is_no_recording_is_refused(measure: Callable[..., Any], arrivals: list[float], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        measure(arrivals)


@pytest.mark.parametrize("window_s", [101.0, 0.0, -1.0, math.nan, math.inf, 1e-320])
def test_a_window_that_does_not_fit_ten_times_is_refused(window_s: float) -> None:
    assert dispersion_of_counts(range(1001), 100.0) == 0.0
    with pytest.raises(ValueError, match=f"window_s={window_s!r}"):
        dispersion_of_counts(range(1001), window_s)


def test_windows_without_arrivals_and_short_recordings_are_refused() -> None:
    with pytest.raises(ValueError, match="all 10 windows are empty"):
        dispersion_of_counts([0.0, 0.0, 10.5], 1.0)
    with pytest.raises(ValueError, match="199 gaps"):
        dispersion(range(200))
    assert len(dispersion(range(201))) == 1


def test_several_exponential_servers_are_those_of_erlang() -> None:
    one, same = MM1(150, 0.005), MMc(150, 0.005, 1)
    assert same.wait.mean() == pytest.approx(one.wait.mean(), rel=1e-12)
    assert same.latency_mean_s == pytest.approx(one.latency.mean(), rel=1e-12)
    # Balance of births and deaths, added up to where nothing is left: λ p_{n−1} = min(n, c) μ p_n.
    for servers, offered in ((3, 2.4), (10, 9.5), (40, 12.0)):
        weights = [1.0]
        for n in range(1, 4000):
            weights.append(weights[-1] * offered / min(n, servers))
        total, waiting = math.fsum(weights), math.fsum(w * max(n - servers, 0) for n, w in enumerate(weights))
        queue = MMc(offered, 1.0, servers)
        assert queue.wait.sf(0.0) == pytest.approx(math.fsum(weights[servers:]) / total, rel=1e-10)
        assert queue.wait.mean() == pytest.approx(waiting / total / offered, rel=1e-10)
    with pytest.raises(NoSteadyState, match="keep the rate below 400/s"):
        _ = MMc(400, 0.005, 2).wait
    with pytest.raises(ValueError, match="servers=0"):
        MMc(1, 1, 0)
