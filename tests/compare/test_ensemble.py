"""The ensemble interval: how often it covers the truth, over seeds fixed beforehand, and how narrow it is."""

from functools import partial

import numpy as np
import pytest

from compare.explain.ensemble import Controlled, controlled
from compare.scene import Scene
from sim import Workload
from sim.estimate import SampleBatches, mean_interval
from sim.recording import NS
from sim.summary import Seconds
from sim.theory import MD1, MG1

ASKED_S, TOOK_S, SPREAD_S = 0.005, 0.00515, 0.0003
SEEDS = range(1, 81)


def run(rate_per_s: float, messages: int, seed: int, spread_s: float) -> tuple[Seconds, Seconds]:
    """Return latencies of a server that takes longer than asked for, and of the nominal recursion, s."""
    scene = Scene.of(Workload(rate_per_s=rate_per_s, service_s=ASKED_S, messages=messages, seed=seed))
    drawn_s = np.random.default_rng([seed, 77]).normal(TOOK_S, spread_s, messages)
    took, nothing = np.rint(drawn_s * NS).astype(np.int64), np.zeros(messages, np.int64)
    measured_s = scene.replay((nothing, took, nothing, took)).latency_s
    return measured_s, scene.replay(scene.constant(ASKED_S)).latency_s


def found_of(statistic: str, theory_s: float, rate_per_s: float, messages: int, spread_s: float) -> list[Controlled]:
    runs = (run(rate_per_s, messages, seed, spread_s) for seed in SEEDS)
    return [controlled(measured_s, recursion_s, theory_s, statistic) for measured_s, recursion_s in runs]


def covering(found: list[Controlled], value_s: float) -> float:
    """Return the share of intervals that cover a value."""
    inside = [c.low_s <= value_s <= c.high_s for c in found if c.low_s is not None and c.high_s is not None]
    return sum(inside) / len(found)


@pytest.mark.parametrize(("rate_per_s", "messages"), [(100.0, 2000), (150.0, 6000)])
def test_the_interval_of_the_mean_covers_the_true_mean_and_not_the_nominal_one(
    rate_per_s: float, messages: int
) -> None:
    nominal_s = MD1(rate_per_s, ASKED_S).latency.mean()
    truth_s = MG1(rate_per_s, TOOK_S, 1.0 + (SPREAD_S / TOOK_S) ** 2).wait_mean_s + TOOK_S
    found = found_of("mean", nominal_s, rate_per_s, messages, SPREAD_S)
    # Of 80 intervals that cover in 95 % of all cases fewer than 85 % do so once in a thousand times.
    assert covering(found, truth_s) >= 0.85
    assert covering(found, nominal_s) <= 0.05
    # No bias: the mean of all estimates is as near to the truth as a tenth of what is to be told apart.
    assert np.mean([c.estimate_s for c in found]) == pytest.approx(truth_s, abs=0.1 * (truth_s - nominal_s))


@pytest.mark.parametrize(("statistic", "share"), [("p95", 0.95), ("p99", 0.99)])
def test_the_interval_of_a_percentile_covers_the_true_one(statistic: str, share: float) -> None:
    nominal_s, truth_s = (float(MD1(100.0, service_s).latency.ppf(share)) for service_s in (ASKED_S, TOOK_S))
    found = found_of(statistic, nominal_s, 100.0, 4000, 0.0)
    assert covering(found, truth_s) >= 0.85
    assert covering(found, 1.5 * truth_s) == 0.0


def test_it_is_several_times_narrower_than_what_the_run_says_without_the_recursion() -> None:
    ratios = []
    for seed in SEEDS:
        measured_s, recursion_s = run(150.0, 6000, seed, SPREAD_S)
        plain = mean_interval(SampleBatches(measured_s))
        mean = controlled(measured_s, recursion_s, 0.0, "mean")
        ratios.append(((mean.high_s or 0.0) - (mean.low_s or 0.0)) / (plain[1] - plain[0]))
    assert np.median(ratios) < 1 / 3


def test_the_batches_of_a_timeline_worked_out_by_hand() -> None:
    # Ten batches of 20: nine where both are the same, one where measured is 1 s longer. Differences 0 (nine) and 1.
    recursion_s = np.full(200, 2.0)
    measured_s = recursion_s + np.where(np.arange(200) >= 180, 1.0, 0.0)
    mean = controlled(measured_s, recursion_s, 5.0, "mean")
    # Mean 0.1, variance (9 × 0.1² + 0.9²)/9 = 0.1, so Student's 2.262 × √(0.1/10).
    assert mean.estimate_s == pytest.approx(5.1)
    assert mean.high_s == pytest.approx(5.1 + 2.262157 * 0.1, rel=1e-6)
    assert mean.low_s == pytest.approx(5.1 - 2.262157 * 0.1, rel=1e-6)


@pytest.mark.parametrize(("statistic", "least"), [("mean", 200), ("p50", 200), ("p95", 200), ("p99", 1000)])
def test_a_run_that_is_too_short_has_an_estimate_and_no_interval(statistic: str, least: int) -> None:
    of = partial(controlled, theory_s=1.0, statistic=statistic)
    enough, short = np.full(least, 3.0), np.full(least - 1, 3.0)
    assert of(short, short - 1).document() == {"estimate_s": 2.0, "low_s": None, "high_s": None}
    assert of(enough, enough - 1).low_s == pytest.approx(2.0)


def test_other_messages_are_refused() -> None:
    with pytest.raises(ValueError, match="3 measured and 2 from the recursion"):
        controlled(np.ones(3), np.ones(2), 1.0, "mean")
