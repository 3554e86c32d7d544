"""Questions under load: the rest of one message, what they cost the messages, and a thread that does otherwise."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compare.case import Asking, Case
from compare.drawing.queries import asked_s, residual_s, shared
from compare.experiment import Options, Run
from compare.experiments import queries
from compare.machine.noise import Stall
from compare.machine.vacations import with_stalls
from compare.measure import expected_s
from compare.metric import GROWTH, MEAN, QUERY_MEAN, QUERY_P99
from compare.run import drawn_again, write_entry
from compare.scene import Scene
from compare.store import write_runs
from compare.verdict import AGREES, DIFFERS, INCONCLUSIVE
from sim import Workload
from sim.recording import NS
from sim.units import seconds
from tests.compare.runs import compared, measured, sentence_of

ANSWER_S, FLOOR_S = 0.0003, 0.0002


def run_of(case: Case, *, floor_s: float = FLOOR_S, policy: str = "first", seed: int = 99, **other: Any) -> Run:
    """A run as calibrated, asked at instants that nobody knew; its client sees its own floor, give or take a tenth."""
    if not case.asking:
        return compared(case, answer_s=2e-6 if case.workload.query_rate_per_s else None, seed=seed, **other)
    run = compared(case, answer_s=ANSWER_S, seed=seed, **other)
    rng = np.random.default_rng(seed)
    last_s = run.measured.finish_s.max()
    count = round(case.asking.rate_per_s * max(last_s - 1.2, 0.5))
    scene = run.prediction.scene.asked_at(rng.integers(0, round(last_s * NS), size=count)).ruled(policy=policy)
    holds = with_stalls(scene, run.prediction.holds, run.measurement.noise.stalls, sleeps=True)
    replay = scene.replay(holds)
    latency_s = (replay.queries[1] - scene.query_ns) / NS + rng.normal(floor_s, 0.1 * FLOOR_S, count)
    intended_s = scene.query_ns / NS - 0.4  # the client's second 0 is not the thread's
    tables = {"asked": {"intended_s": intended_s, "sent_s": intended_s, "latency_s": latency_s}}
    asked = replay.trajectory(run.measured.worker).queries
    measurement = replace(run.measurement, tables=tables, clients={"asked": {}})
    measurement = replace(measurement, trajectory=replace(measurement.trajectory, queries=asked))
    return replace(run, measurement=measurement, floor_s=FLOOR_S, answer_s=ANSWER_S)


def case_of(label: str, options: Options | None = None) -> Case:
    (found,) = [case for case in queries.cases(options or Options()) if case.label == label]
    return found


def words(runs: list[Run]) -> dict[tuple[str, str], str]:
    return {(point.label, point.metric): point.word for point in queries.judge_points(runs)}


def test_measuring_keeps_to_its_budget() -> None:
    assert sum(map(expected_s, queries.cases(Options()))) <= 110
    assert sum(map(expected_s, queries.cases(Options(quick=True)))) <= 13


def test_there_are_questions_enough_for_a_p99_and_they_take_less_than_2_percent_of_the_thread() -> None:
    for lasting_s, least in ((queries.SECONDS, 300), (queries.QUICK_SECONDS, 60)):
        assert queries.PER_S * (lasting_s - 1.2) >= 1.2 * least
    assert queries.PER_S * ANSWER_S < 0.02


def test_loads_are_shares_of_the_limit_whatever_a_message_takes() -> None:
    for service_s in (0.001, 0.005, 0.02):
        cases = [case for case in queries.cases(Options(service_s=service_s)) if case.asking]
        loads = [(case.workload.rate_per_s or 0.0) * service_s for case in cases]
        assert loads == pytest.approx([*queries.LOADS, queries.BESIDE_LOAD])


# -- theory -----------------------------------------------------------------------------------------------------------


def test_a_question_waits_for_the_rest_of_the_message_in_service_by_hand() -> None:
    # Messages at 1 and 2 s take 5 s each: 1 to 6, 6 to 11. Asked at 0.5, 1.5, 7 and 12 s.
    scene = Scene.of(Workload(rate_per_s=1, messages=2, arrivals="deterministic"), 1e-6)
    replay = scene.asked_at([500_000_000, 1_500_000_000, 7 * NS, 12 * NS]).replay(scene.constant(5.0))
    assert ((replay.queries[1] - replay.scene.query_ns) / NS).tolist() == pytest.approx([0, 4.5, 4, 0], abs=1e-5)


@pytest.mark.parametrize("load", [0.25, 0.75, 1.5])
def test_p99_of_the_rest_is_what_many_questions_find(load: float) -> None:
    workload = Workload(rate_per_s=load / 0.005, messages=30_000, seed=8)
    scene = Scene.of(workload)
    rng = np.random.default_rng(5)
    asked = scene.asked_at(rng.integers(0, scene.arrival_ns[-1], size=50_000), 1e-9)
    waits_s = (found := asked.replay(scene.constant(0.005))).queries[1] / NS - found.scene.query_ns / NS
    # 500 of them are beyond it: its standard error is 0.0004 s/√500 or less at each load.
    assert np.percentile(waits_s, 99) == pytest.approx(residual_s(0.01, load, 0.005), abs=5e-5)


def test_what_questions_cost_is_cobhams_by_hand() -> None:
    # 100/s of 5 ms and 100/s of 1 ms: W₀ = (0.5 × 5 + 0.1 × 1)/2 = 1.3 ms; messages wait 1.3/(0.9 × 0.4) ms.
    case = Case("made", Workload(rate_per_s=100, messages=50), asking=Asking(100.0))
    run = replace(compared(case, answer_s=0.001), answer_s=0.001)
    assert shared(run).latency_mean_s[1] == pytest.approx(0.0013 / 0.36 + 0.005)
    assert shared(run, 0.0).latency_mean_s == (pytest.approx(0.0075),)
    assert shared(run).fifo_wait_mean_s == pytest.approx(0.0013 / 0.4)


# -- verdicts ---------------------------------------------------------------------------------------------------------


def test_a_thread_as_calibrated_agrees() -> None:
    runs = [run_of(case, seed=30 + number) for number, case in enumerate(queries.cases(Options()))]
    found = words(runs)
    assert len(found) == 5 * 2 + 1 + 2 + 3 * 2
    off = {which: word for which, word in found.items() if word != AGREES}
    # With questions included that one is too close to the limit for a verdict.
    assert off in ({}, {("180/s", MEAN.name): INCONCLUSIVE})


def test_a_quick_comparison_agrees_too() -> None:
    runs = [run_of(case, seed=30 + number) for number, case in enumerate(queries.cases(Options(quick=True)))]
    assert set(words(runs).values()) == {AGREES}


def test_the_order_of_policies_is_that_of_theory() -> None:
    points = queries.judge_points([run_of(case) for case in queries.cases(Options()) if not case.asking])
    theory = [point.nominal for point in points if point.metric == QUERY_MEAN.name]
    # ρ = 0.5: half a message, and that over 1 − ρ, and over its square; an answer takes 2 µs.
    assert theory == pytest.approx([0.00125, 0.0025, 0.005], rel=0.01)
    assert [point.nominal for point in points if point.metric == QUERY_P99.name][2] is None


@pytest.mark.parametrize("label", ["50/s", "150/s", "300/s"])
def test_questions_that_go_behind_what_is_due_differ(label: str) -> None:
    assert words([run_of(case_of(label), policy="fifo")])[label, queries.SEEN_P99.name] == DIFFERS


def test_a_client_that_takes_a_millisecond_longer_than_its_floor_differs() -> None:
    for label in ("50/s", "300/s"):
        assert words([run_of(case_of(label), floor_s=FLOOR_S + 0.001)])[label, queries.SEEN_P99.name] == DIFFERS


def test_questions_count_where_tolerances_depend_on_utilization() -> None:
    points = queries.judge_points([run_of(case_of("150/s alone")), run_of(case_of("150/s often"))])
    # 150 × 5.158 ms is 0.774 of the thread, and 150 × 0.3 ms another 0.045.
    assert [point.tolerance for point in points if point.metric == MEAN.name] == [0.05, 0.10]


def test_answers_that_take_twice_as_long_cost_the_messages_more_than_was_predicted() -> None:
    alone, often = run_of(case_of("150/s alone")), run_of(case_of("150/s often"))
    assert words([alone, often])["150/s often", queries.COST.name] == AGREES
    prediction = replace(often.prediction, scene=often.prediction.scene.ruled(answer_ns=round(2 * ANSWER_S * NS)))
    trajectory = measured(prediction).trajectory
    longer = replace(often, measurement=replace(often.measurement, trajectory=trajectory))
    found = words([alone, longer])
    assert found["150/s often", queries.COST.name] == found["150/s often", MEAN.name] == DIFFERS


def test_above_the_limit_answers_leave_less_for_the_messages() -> None:
    run = run_of(case_of("300/s"))
    without = Scene.of(run.workload).replay(run.prediction.holds).trajectory(run.predicted.worker)
    # 60 × 0.3 ms are 1.8 % of the thread, and so of the 194 messages/s that it can process.
    assert GROWTH.of(run.predicted) - GROWTH.of(without) == pytest.approx(0.018 * 194, abs=0.5)
    unasked = replace(run, measurement=replace(run.measurement, trajectory=without))
    assert (words([run])["300/s", GROWTH.name], words([unasked])["300/s", GROWTH.name]) == (AGREES, DIFFERS)


@pytest.mark.parametrize(("asked", "kept"), [("first", "fifo"), ("fifo", "idle"), ("idle", "first")])
def test_another_policy_than_was_predicted_differs(asked: str, kept: str) -> None:
    run = run_of(case_of(asked))
    prediction = replace(run.prediction, scene=run.prediction.scene.ruled(policy=kept))
    found = words([replace(run, measurement=measured(prediction, seed=4))])
    assert found[asked, QUERY_MEAN.name] == found[asked, QUERY_P99.name] == DIFFERS


def test_a_stall_that_was_logged_explains_a_p99_and_one_that_was_not_does_not() -> None:
    stalls = tuple(Stall(at_s, 0.1) for at_s in (1.0, 2.5, 4.0, 6.0))
    stalled = run_of(case_of("150/s"), stalls=stalls)
    assert np.percentile(asked_s(stalled), 99) > 0.05
    point = next(found for found in queries.judge_points([stalled]) if found.metric == queries.SEEN_P99.name)
    assert point.word == INCONCLUSIVE
    assert "the machine stalled 400 ms in all, 100 ms at once" in point.reason
    quiet = replace(stalled.measurement, noise=replace(stalled.measurement.noise, stalls=()))
    assert words([replace(stalled, measurement=quiet)])["150/s", queries.SEEN_P99.name] == DIFFERS


def test_a_client_that_was_stalled_itself_is_put_into_the_prediction_with_the_stalls() -> None:
    run = run_of(case_of("150/s"), stalls=(Stall(0.01, 0.001),))
    table = run.measurement.tables["asked"]
    late_s = np.where(np.arange(len(table["sent_s"])) % 20 == 0, 0.05, 0.0)
    table |= {"sent_s": table["sent_s"] + late_s, "latency_s": table["latency_s"] + late_s}
    (point,) = [found for found in queries.judge_points([run]) if found.metric == queries.SEEN_P99.name]
    assert point.word == INCONCLUSIVE
    assert point.measured > 0.05
    assert point.adjusted == pytest.approx(point.measured, rel=0.02)


def test_the_fewer_the_questions_the_lower_the_percentile_that_is_judged() -> None:
    run = run_of(case_of("150/s"))
    for count, judged in ((300, [queries.SEEN_P99.name]), (299, [queries.SEEN_P95.name]), (59, [])):
        few = replace(run.measurement, tables={"asked": {"latency_s": asked_s(run)[:count]}})
        points = queries.judge_points([replace(run, measurement=few)])
        assert [point.metric for point in points] == [*judged, MEAN.name]


# -- what is told -----------------------------------------------------------------------------------------------------


def test_questions_without_an_answer_are_told_of() -> None:
    runs = [run_of(case) for case in queries.cases(Options(quick=True))]
    points = queries.judge_points(runs)
    put = sum(len(asked_s(run)) for run in runs if run.case.asking)
    assert f" {put} of {put} questions were answered." in queries.answer(runs, points)
    assert sentence_of(queries.answer(runs, points)).startswith("Both: a question waits for the rest of a message (p9")
    runs[0].measurement.tables["asked"]["latency_s"][3:5] = np.nan
    assert f" {put - 2} of {put} questions were answered." in queries.answer(runs, queries.judge_points(runs))
    assert queries.facts(runs)["questions"] - queries.facts(runs)["answers"] == 2


def test_the_answer_has_the_numbers_of_the_points() -> None:
    cases = [case for case in queries.cases(Options()) if case.label not in ("50/s", "100/s", "180/s")]
    runs = [run_of(case) for case in cases]
    points = queries.judge_points(runs)
    told_of = {("150/s", queries.SEEN_P99.name): 0.00611, ("300/s", queries.SEEN_P99.name): 0.00622}
    told_of["150/s often", queries.COST.name] = 1.25
    made = [replace(point, measured=told_of.get((point.label, point.metric), point.measured)) for point in points]
    told = queries.answer(runs, made)
    predicted = {point.label: point.predicted for point in points if point.metric == queries.SEEN_P99.name}
    p99s = f"6.11 ms at 150/s ({seconds(predicted['150/s'])}), 6.22 ms at 300/s ({seconds(predicted['300/s'])})"
    assert f"p99 of a question was {p99s}" in told
    assert "an answer keeps the thread for about 300 µs: asked 150 times a second, messages took 1.25 times" in told
    assert "instead of" in queries.hypothesis([run.prediction for run in runs])


@pytest.mark.parametrize(
    ("options", "pictures"),
    [
        (Options(quick=True), {"questions.png", "policies.png"}),
        (Options(quick=True, arrivals="deterministic", service_s=0.002), {"questions.png", "policies.png"}),
        (Options(), {"questions.png", "cost.png", "policies.png"}),
    ],
)
def test_figures_are_made_of_any_runs_and_again_of_their_files(
    options: Options, pictures: set[str], tmp_path: Path
) -> None:
    runs = [run_of(case) for case in queries.cases(options)]
    points = queries.judge_points(runs)
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    write_runs(first, runs)
    hypothesis = queries.hypothesis([run.prediction for run in runs])
    entry = write_entry(first, "queries", queries, hypothesis, runs, points)
    drawn = {path.name: path.read_bytes() for path in first.glob("*.png")}
    assert set(drawn) == pictures
    assert all(len(content) > 10_000 for content in drawn.values())
    shutil.copytree(first, second)
    assert drawn_again(second, "queries", queries, entry) == entry
    assert {path.name: path.read_bytes() for path in second.glob("*.png")} == drawn
