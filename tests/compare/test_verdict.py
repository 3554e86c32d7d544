"""The rules: what agrees, what differs, and that a check can fail."""

import math
from dataclasses import replace
from typing import Any

import pytest

from compare.case import Case
from compare.judge import judge, judge_growth, judge_latency
from compare.machine.noise import Stall
from compare.metric import GROWTH, LATENCY, MEAN, P99
from compare.verdict import (
    AGREES,
    DIFFERS,
    INCONCLUSIVE,
    Numbers,
    Point,
    drifted,
    latency_tolerance,
    word_of,
)
from sim import Workload
from tests.compare.runs import calibration, compared


def points_of(workload: Workload, **other: Any) -> list[Point]:
    return judge_latency(compared(Case("run", workload), **other))


def words(points: list[Point]) -> set[str]:
    return {point.word for point in points}


@pytest.mark.parametrize("rate", [20.0, 100.0, 150.0, 170.0, 180.0])
def test_a_server_that_is_as_calibrated_agrees(rate: float) -> None:
    for seed in range(20, 25):
        assert words(points_of(Workload(rate_per_s=rate, messages=1500, seed=seed), seed=seed)) == {AGREES}


@pytest.mark.parametrize("rate", [160.0, 175.0])
def test_a_server_made_5_percent_slower_differs(rate: float) -> None:
    for seed in range(20, 25):
        mean = points_of(Workload(rate_per_s=rate, messages=2500, seed=seed), slower=1.05)[0]
        assert mean.metric == "latency_s.mean"
        assert mean.word == DIFFERS
        assert mean.path_error > (mean.tolerance or 0.0)


def test_a_delay_that_nobody_told_the_model_about_differs() -> None:
    assert points_of(Workload(rate_per_s=165, messages=2500), delay_ns=300_000)[0].word == DIFFERS


def test_near_the_limit_there_is_no_verdict_and_the_reason_is_given() -> None:
    point = points_of(Workload(rate_per_s=192, messages=800))[0]
    assert point.word == INCONCLUSIVE
    assert "close to 1: shown, no verdict" in point.reason
    assert point.tolerance is None


def test_by_the_rules_of_words() -> None:
    # Predicted 100: within the band, within the tolerance, beyond both, and a band that could not have told.
    narrow = Numbers(100.0, (99.0, 101.0), 104.0, 100.0)
    assert word_of(narrow, 0.05)[0] == AGREES
    assert word_of(replace(narrow, measured=106.0), 0.05)[0] == DIFFERS
    assert word_of(replace(narrow, measured=106.0, band=(97.0, 106.5)), 0.05)[0] == AGREES
    assert word_of(replace(narrow, band=(94.0, 105.0)), 0.05)[0] == INCONCLUSIVE
    # Outside of the widest band is outside.
    assert word_of(replace(narrow, measured=150.0, band=(60.0, 140.0)), 0.05)[0] == DIFFERS


@pytest.mark.parametrize(
    ("numbers", "word"),
    [({"measured": math.nan}, DIFFERS), ({"measured": math.inf}, DIFFERS), ({"predicted": math.nan}, INCONCLUSIVE)],
)
def test_what_is_no_number_does_not_agree(numbers: dict[str, float], word: str) -> None:
    assert word_of(replace(Numbers(100.0, (99.0, 101.0), 100.0, 100.0), **numbers), 0.05)[0] == word


def test_stalls_that_were_logged_and_explain_a_miss_make_it_inconclusive() -> None:
    missed = Numbers(100.0, (99.0, 101.0), 120.0, 100.0, 118.0, "the machine stalled 41 ms at 3.2 s")
    word, reason = word_of(missed, 0.05)
    assert word == INCONCLUSIVE
    assert "+20 % off" in reason
    assert "the machine stalled 41 ms at 3.2 s" in reason
    # They do not explain it, or there were none: it differs.
    assert word_of(replace(missed, adjusted=110.0), 0.05)[0] == DIFFERS
    # Where stalls are the most of it, what is left is a share of the prediction with them.
    assert word_of(replace(missed, measured=1031.0, adjusted=998.0), 0.05)[0] == INCONCLUSIVE
    assert word_of(replace(missed, adjusted=None), 0.05)[0] == DIFFERS


def test_a_stalled_run_is_inconclusive_with_the_stall_in_its_reason_and_a_slow_one_that_stalled_too_differs() -> None:
    case = Case("run", Workload(rate_per_s=150, messages=1500, seed=3))
    stall = (Stall(4.0, 0.3),)
    mean = judge(compared(case, stalls=stall), MEAN, 0.05)
    assert mean.word == INCONCLUSIVE
    assert "the machine stalled 300 ms at 4 s" in mean.reason
    assert mean.adjusted == pytest.approx(mean.measured, rel=0.02)
    assert mean.measured > 1.05 * mean.predicted
    assert judge(compared(case, stalls=stall, slower=1.05), MEAN, 0.05).word == DIFFERS


def test_a_machine_that_drifted_is_no_difference_if_the_calibration_afterwards_agrees() -> None:
    case = Case("run", Workload(rate_per_s=170, messages=2500, seed=5))
    slow = {"slower": 1.03}
    before = judge(compared(case, **slow), MEAN, 0.05)
    after = judge(compared(case, calibrated=calibration(18, 0.00515 * 1.03)), MEAN, 0.05)
    assert (before.word, after.word) == (DIFFERS, AGREES)
    found = drifted(before, after, 0.00515, 0.00515 * 1.03)
    assert found.word == INCONCLUSIVE
    assert "drifted" in found.reason
    assert drifted(before, before, 0.00515, 0.0053).word == DIFFERS  # it did, but that explains nothing
    assert drifted(after, before, 0.00515, 0.0053) == after


def test_a_machine_that_computes_the_same_more_slowly_is_inconclusive_and_one_with_more_to_compute_differs() -> None:
    case = Case("run", Workload(rate_per_s=150, messages=1500, seed=3), "cpu", pace_per_s=9e6, computes_s=0.00515)
    slower = judge(compared(case, slower=1.05), MEAN, 0.05)
    assert slower.word == INCONCLUSIVE
    assert "the machine needed +5" in slower.reason
    assert judge(compared(case, slower=1.05, given=1.05), MEAN, 0.05).word == DIFFERS
    assert judge(compared(replace(case, work="sleep", pace_per_s=None), slower=1.05), MEAN, 0.05).word == DIFFERS
    # A machine that is a little slower explains no server that was given far more.
    assert judge(compared(case, slower=1.015 * 1.05, given=1.05), MEAN, 0.05).word == DIFFERS
    # Three bursts of a second, 1.8 times slower: 16 % in the mean, which alone would explain no such tail.
    bursts = ((200, 350, 1.8), (600, 750, 1.8), (1000, 1150, 1.8))
    for metric in (MEAN, P99):
        assert judge(compared(case, bursts=bursts), metric, 0.05).word == INCONCLUSIVE
        assert judge(compared(case, bursts=bursts, slower=1.05, given=1.05), metric, 0.05).word == DIFFERS
    # It does not explain a server that waits in the middle of its work, nor a loop that costs more.
    assert judge(compared(case, waits_ns=300_000), MEAN, 0.05).word == DIFFERS
    assert judge(compared(case, slower=1.02, waits_ns=300_000), MEAN, 0.05).word == DIFFERS
    assert judge(compared(case, slower=1.02, delay_ns=400_000), MEAN, 0.05).word == DIFFERS


def test_the_tolerance_grows_with_utilization_and_ends_at_the_limit() -> None:
    assert [latency_tolerance(rho) for rho in (0.05, 0.8, 0.81, 0.95, 0.96)] == [0.05, 0.05, 0.10, 0.10, None]


def test_growth_is_judged_in_shares_of_capacity() -> None:
    run = compared(Case("run", Workload(rate_per_s=400, messages=800)))
    point = judge_growth(run)
    assert point.word == AGREES
    predicted, measured = run.values(GROWTH)
    assert point.path_error == pytest.approx((measured - predicted) / 200)
    assert point.nominal == 200.0
    assert point.unit == "/s"


def test_both_errors_are_told_and_the_steady_state_as_this_run_tells_it() -> None:
    run = compared(Case("run", Workload(rate_per_s=150, messages=3000, seed=8)))
    mean = judge_latency(run)[0]
    assert mean.nominal == pytest.approx(0.0125)
    assert mean.ensemble_error == pytest.approx(mean.measured / 0.0125 - 1)
    assert mean.ensemble is not None
    controlled = 0.0125 + mean.measured - float(run.prediction.nominal_path.latency_s.mean())
    assert mean.ensemble["estimate"] == pytest.approx(controlled)
    assert mean.ensemble["low"] < controlled < mean.ensemble["high"]


def test_percentiles_of_too_few_messages_are_not_judged() -> None:
    run = compared(Case("run", Workload(rate_per_s=100, messages=100)))
    assert [point.title for point in judge_latency(run)] == ["mean latency", "p50", "p95"]
    assert len(LATENCY) == 4


def test_a_point_is_read_back_as_it_was_written() -> None:
    point = points_of(Workload(rate_per_s=150, messages=400))[0]
    assert Point.of_document(point.document()) == point
