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
from sim.summary import summary
from sim.units import digits
from tests.compare.runs import calibration, compared

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
    assert f"sleep {digits(entry['facts']['sleep']['limit_per_s'], 4)}/s (5.1" in entry["answer"]
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
