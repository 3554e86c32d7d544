"""Kinds of work: what each takes beyond the time asked for, and whether the thread computes meanwhile."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compare.attribution import attribute
from compare.case import Case
from compare.experiment import Options, Run
from compare.experiments import work
from compare.measure import expected_s
from compare.run import drawn_again, write_entry
from compare.store import write_runs
from compare.verdict import AGREES, DIFFERS, INCONCLUSIVE, Point
from sim import Trajectory
from sim.summary import summary
from sim.units import digits
from tests.compare.runs import calibration, compared, sentence_of

KINDS = ("sleep", "cpu", "mixed", "precise")
# Of a message: a precise one ends when it is told to, the others later.
TAKES_S = {"sleep": 0.00513, "cpu": 0.00508, "mixed": 0.00511, "precise": 0.00499}
SHARES = {"sleep": 0.012, "cpu": 0.999, "mixed": 0.49, "precise": 0.999}
QUICK, FULL = Options(quick=True), Options()


def ran(case: Case, *, share: float | None = None, ready_s: float = 0.0, **other: Any) -> Run:
    """Predict a case, and let the model play the real thing."""
    run = compared(case, calibrated=calibration(service_s=TAKES_S[case.work], work=case.work), **other)
    measured = run.measured
    dispatch_s = summary(measured.dispatch_s)
    instruments = {
        "cpu_share": SHARES[case.work] if share is None else share,
        "dispatch_s": dispatch_s,
        "hold_s": float(measured.processing_s.mean()) + (dispatch_s["mean"] or 0.0),
    }
    document = run.measurement.document | {"instruments": instruments}
    noise = replace(run.measurement.noise, run_delay_s=ready_s)
    return replace(
        run,
        measurement=replace(run.measurement, document=document, noise=noise),
        attributions=attribute(run.prediction.scene, 0.005, measured, (), run.prediction.theory.latency_s),
    )


def runs_of(options: Options, kinds: Sequence[str] = KINDS, **other: Any) -> list[Run]:
    return [ran(case, **other) for case in work.cases(options) if case.work in kinds]


def words(points: Sequence[Point], metric: str) -> list[str]:
    return [point.word for point in points if point.metric == metric]


@pytest.mark.parametrize(("options", "budget_s"), [(QUICK, 8.0), (FULL, 60.0)])
def test_measuring_takes_no_longer_than_planned(options: Options, budget_s: float) -> None:
    assert sum(map(expected_s, work.cases(options))) <= budget_s


@pytest.mark.parametrize("service_s", [0.001, 0.005, 0.05])
def test_each_kind_is_run_at_three_quarters_of_the_limit_and_beyond_it(service_s: float) -> None:
    cases = work.cases(Options(service_s=service_s))
    assert [case.work for case in cases] == [kind for kind in KINDS for _ in range(2)]
    loads = [(case.workload.offered_rate_per_s or 0.0) * service_s for case in cases]
    assert loads == pytest.approx([0.75, 5.0] * 4, rel=0.1)
    assert {case.work for case in work.cases(QUICK)} == {"sleep", "cpu", "precise"}


@pytest.mark.parametrize("options", [QUICK, replace(FULL, seed=7)])
def test_work_that_takes_as_long_as_calibrated_agrees(options: Options) -> None:
    points = work.judge_points(runs_of(options))
    assert [(point.label, point.metric, point.reason) for point in points if point.word != AGREES] == []
    assert words(points, "throughput_per_s") == words(points, "cpu_share")


@pytest.mark.parametrize("kind", ["sleep", "precise"])
def test_work_that_takes_5_percent_longer_than_calibrated_differs(kind: str) -> None:
    points = work.judge_points(runs_of(FULL, [kind], slower=1.05))
    assert words(points, "latency_s.mean") == words(points, "throughput_per_s") == [DIFFERS]


@pytest.mark.parametrize("kind", ["cpu", "mixed"])
def test_a_machine_that_computes_more_slowly_than_it_was_calibrated_differs(kind: str) -> None:
    points = work.judge_points(runs_of(FULL, [kind], slower=1.05))
    assert words(points, "latency_s.mean") == words(points, "throughput_per_s") == [DIFFERS]


@pytest.mark.parametrize("kind", KINDS)
def test_a_loop_that_costs_more_than_calibrated_differs_whatever_the_pace(kind: str) -> None:
    points = work.judge_points(runs_of(FULL, [kind], delay_ns=300_000, slower=1.02))
    assert words(points, "latency_s.mean") == words(points, "throughput_per_s") == [DIFFERS]


@pytest.mark.parametrize(
    ("kind", "share", "word"),
    [
        ("sleep", 0.3, DIFFERS),  # computes where it should wait
        ("cpu", 0.5, DIFFERS),  # waits where it should compute
        ("precise", 0.5, DIFFERS),
        ("mixed", 0.95, DIFFERS),
        ("mixed", 0.45, AGREES),
        ("sleep", 0.06, AGREES),
    ],
)
def test_work_that_computes_another_share_of_its_time_differs(kind: str, share: float, word: str) -> None:
    assert words(work.judge_points(runs_of(QUICK if kind != "mixed" else FULL, [kind], share=share)), "cpu_share") == [
        word
    ]


def test_a_thread_that_had_no_processor_computed_less_and_that_is_said() -> None:
    # 70 messages of 5 ms are 0.35 s; without a processor for a fifth of that, 0.8 is what is left.
    points = work.judge_points(runs_of(QUICK, ["precise"], share=0.8, ready_s=0.07))
    (computing,) = (point for point in points if point.metric == "cpu_share")
    assert computing.word == INCONCLUSIVE
    assert "for 70 ms the thread stood ready and had no processor" in computing.reason


@pytest.mark.parametrize("options", [QUICK, FULL, replace(QUICK, arrivals="deterministic")])
def test_figures_and_answer_are_made_of_any_runs_and_again_from_their_files(options: Options, tmp_path: Path) -> None:
    runs = runs_of(options)
    hypothesis = work.hypothesis([run.prediction for run in runs])
    assert "so 194.6/s at most" in hypothesis  # sleep: 1/(5.13 + 0.008 ms)
    write_runs(tmp_path, runs)
    entry = write_entry(tmp_path, "work", work, hypothesis, runs, work.judge_points(runs))
    assert {"work/hold.png", "work/waterfalls.svg"} <= set(entry["figures"])
    assert all((tmp_path / name.removeprefix("work/")).stat().st_size > 1000 for name in entry["figures"])
    limits = ", ".join(f"{kind} {digits(facts['limit_per_s'], 4)}/s" for kind, facts in entry["facts"].items())
    assert sentence_of(entry["answer"]) == (
        f"Throughput is 1/(processing + dispatch), not 1/D = 200/s: {limits}; CPU-bound with cpu and precise."
    )
    assert "with D = 5 ms: sleep 5.1" in entry["answer"]
    assert "CPU-bound with cpu and precise, waiting with sleep." in entry["answer"]
    assert entry["facts"]["precise"]["cpu_share"] == 0.999
    assert entry["facts"]["sleep"]["hold_s"] == pytest.approx(1 / entry["facts"]["sleep"]["limit_per_s"], rel=0.01)
    again = drawn_again(tmp_path, "work", work, entry)
    assert again["answer"] == entry["answer"]
    assert again["figures"] == entry["figures"]


def test_the_answer_says_what_is_so_when_nothing_computes() -> None:
    runs = runs_of(QUICK, ["sleep", "cpu"], share=0.02)
    answer = work.answer(runs, work.judge_points(runs))
    assert "CPU-bound with none, waiting with sleep and cpu." in answer


# -- questions beside messages --------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [QUICK, FULL])
def test_only_the_steady_runs_are_asked_and_every_kind_of_them(options: Options) -> None:
    cases = work.cases(options)
    asked = [case.workload.query_rate_per_s for case in cases]
    assert asked == [20.0, 0.0] * (len(cases) // 2)
    assert {case.workload.query_policy for case in cases} == {"first"}
    assert min(len(case.workload.queries_ns) for case in cases[::2]) >= 10


def test_questions_leave_arrivals_and_theory_as_they_were() -> None:
    asked = ran(work.cases(FULL)[0])
    unasked = Case(asked.label, replace(asked.workload, query_rate_per_s=0.0))
    assert asked.workload.arrivals_ns == unasked.workload.arrivals_ns
    points = {point.metric: point for point in work.judge_points([asked, *runs_of(FULL, ["sleep"])[1:]])}
    theory = compared(unasked).prediction.theory.latency_s or {}
    for name in ("mean", "p50", "p95", "p99"):
        judged = points[f"latency_s.{name}"]
        assert judged.nominal == theory[name]
        assert judged.ensemble is not None
        # What nobody asked for moves the steady state by nothing that could be told.
        assert judged.ensemble["estimate"] == pytest.approx(judged.measured, rel=0.5)


def test_the_attribution_of_an_asked_run_has_a_part_for_questions() -> None:
    run = ran(work.cases(FULL)[0], answer_s=2e-3)
    (mean,) = (one for one in run.attributions if one.statistic == "mean")
    parts = {part.cause: part.value_s for part in mean.parts}
    # 20/s × 2 ms are 4 % of the thread, at three quarters of its limit.
    assert parts["queries"] > 2e-4
    assert abs(parts["rest"]) < 1e-6


def test_questions_are_counted_by_what_the_thread_did_as_they_came_and_as_they_were_answered() -> None:
    # Messages from 0 to 1, 2 to 3, 3 to 4 s. Questions come at 0.5 (waits for 1), at 1.5 (waits for nothing), at 2.5
    # (waits for 3, and is answered late, in the third message), and at 3, when a message has just begun.
    messages = Trajectory.of([0, 2, 2.5], start_s=[0, 2, 3], finish_s=[1, 3, 4])
    asked = Trajectory.of([0.5, 1.5, 2.5, 3.0], start_s=[1.0, 1.5, 3.5, 4.0], finish_s=[1.1, 1.6, 3.6, 4.1])
    assert work.answered(replace(messages, queries=asked)) == {
        "questions": 4,
        "came": 3,
        "meanwhile": 1,
        "longest_wait_s": 1.0,
    }
    assert work.answered(messages)["questions"] == 0


@pytest.mark.parametrize("options", [QUICK, FULL])
def test_facts_and_answer_tell_of_questions_for_each_kind(options: Options) -> None:
    runs = runs_of(options)
    facts = work.facts(runs)
    for kind in facts:
        asked = next(run for run in runs if run.case.work == kind)
        assert facts[kind]["questions"] == len(asked.workload.queries_ns)
        assert 0 < facts[kind]["came"] <= facts[kind]["questions"]
        assert facts[kind]["meanwhile"] == 0
        assert 0 < facts[kind]["longest_wait_s"] < 0.0055  # a message and an answer or two
    told = work.answer(runs, work.judge_points(runs))
    assert f"Of {sum(found['questions'] for found in facts.values())} questions " in told
    assert "none of them was answered before that had ended" in told
