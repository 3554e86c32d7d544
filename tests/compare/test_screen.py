"""What a person sees: first of all what will be done, and never a line that a narrow terminal breaks."""

import io
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from compare import experiments
from compare.bench import planned_s
from compare.calibrate import Calibration
from compare.case import Case
from compare.experiment import Options
from compare.judge import judge_run
from compare.run import cases_of
from compare.screen import (
    calibration_lines,
    experiment_table,
    plan_lines,
    show_again,
    show_experiment,
    show_list,
    show_plan,
    show_verdict,
)
from compare.verdict import AGREES, DIFFERS, Point
from sim import Workload
from sim.bands import HoldSamples
from sim.units import digits
from tests.compare.runs import compared

OUT = Path("results")


def case(messages: int) -> Case:
    return Case("made", Workload(rate_per_s=100, messages=messages))


def printed(width: int = 80) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, width=width, highlight=False), file


def test_the_plan_says_what_will_be_done_how_long_it_takes_where_it_goes_and_how_to_stop() -> None:
    assert plan_lines(["first", "second"], [case(700), case(800), case(5)], 130.0, OUT) == [
        "Plan    2 experiments: 3 runs, 1,505 messages, about 2:10 min",
        "Files   results, as each experiment ends",
        "Ctrl-C  keeps the experiments that are finished; --resume goes on from there",
    ]


def test_of_a_single_experiment_nothing_is_kept_and_none_is_promised() -> None:
    first, _, last = plan_lines(["point"], [case(1)], 9.0, OUT / "point")
    assert first == "Plan    point: 1 run, 1 message, about 0:09 min"
    assert "--resume" not in last
    assert "keeps" not in last


def test_a_plan_that_goes_on_tells_what_is_finished_and_that_it_is_kept() -> None:
    first, _, last = plan_lines(["second"], [case(20)], 60.0, OUT, finished=1)
    assert first == "Plan    second (1 done): 1 run, 20 messages, about 1:00 min"
    assert "--resume" in last
    first, *_ = plan_lines(["second", "third"], [case(20), case(20)], 60.0, OUT, finished=1)
    assert first == "Plan    2 more experiments (1 done): 2 runs, 40 messages, about 1:00 min"


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("names", [experiments.names(), *([name] for name in experiments.names())], ids=len)
def test_the_plan_of_every_command_fits_into_80_columns(names: list[str], quick: bool) -> None:
    cases = cases_of({name: experiments.load(name) for name in names}, Options(quick=quick))
    lines = plan_lines(names, cases, planned_s(cases, quick=quick, seed=1), OUT, finished=9 - len(names))
    assert max(map(len, lines)) <= 80
    assert f"{sum(len(case.workload) for case in cases):,} messages" in lines[0]


def test_a_path_is_neither_broken_nor_taken_for_markup() -> None:
    out = Path("a [bold]directory[/bold] of a very long name, that is longer than the terminal is wide by far")
    console, file = printed(width=40)
    show_plan(console, ["point"], [case(1)], 9.0, out)
    show_again(console, out)
    assert file.getvalue().splitlines()[1] == f"Files   {out}, when it ends"
    assert len(file.getvalue().splitlines()) == 4


def test_what_draws_it_again_can_be_typed() -> None:
    console, file = printed()
    show_again(console, Path("my results") / "point")
    label, *words = shlex.split(file.getvalue())
    assert label == "Again"
    assert words == ["python", "-m", "compare", "report", "--out", "my results/point"]


def test_the_list_sets_questions_in_below_their_names() -> None:
    console, file = printed(width=30)
    show_list(console, [("first", "Is a question of some length broken where it should be?"), ("second", "Why?")])
    assert file.getvalue().splitlines() == [
        "first",
        "  Is a question of some length",
        "  broken where it should be?",
        "second",
        "  Why?",
    ]


@pytest.mark.parametrize(("work", "service_s"), [("precise", 0.00123456), ("sleep", 0.005), ("precise", 1.2345e-5)])
def test_a_calibration_is_told_in_one_line_of_80_columns(work: str, service_s: float) -> None:
    hold_s = 1.03173 * service_s
    samples = HoldSamples(np.zeros(300), np.full(300, hold_s), np.zeros(300), np.full(300, hold_s))
    (line,) = calibration_lines([Calibration(work, service_s, samples, 0, 0.0)])
    assert len(line) <= 80
    assert line.startswith(f"Calibrated: {work} ")
    assert f"not {digits(1 / service_s)}/s" in line


def point(metric: str, word: str, reason: str = "") -> Point:
    """A number of a run that was 7 % off, whatever that is called."""
    made = judge_run(compared(Case("150/s", Workload(rate_per_s=150, messages=300))))[0]
    title = metric.rpartition(".")[2]
    return replace(made, metric=metric, title=title, predicted=0.01, measured=0.0107, word=word, reason=reason)


def test_a_percentile_that_agrees_is_left_out_and_one_that_does_not_is_shown() -> None:
    console, file = printed()
    console.print(
        experiment_table(
            [point("latency_s.mean", AGREES), point("latency_s.p50", AGREES), point("latency_s.p95", DIFFERS)]
        )
    )
    _, *rows = file.getvalue().splitlines()
    assert [row.split()[-1] for row in rows] == [AGREES, DIFFERS]
    assert "p95" in rows[1]
    assert "10.7 ms" in rows[1]


def test_what_is_long_hangs_below_its_label_and_brackets_are_no_markup() -> None:
    console, file = printed(width=40)
    answer = "The limit was 194/s [measured] and not the 200/s of the flags, as was predicted."
    show_experiment(console, {"name": "made", "question": "Is it?", "answer": answer}, [])
    assert file.getvalue().splitlines()[-3:] == [
        "Answer  The limit was 194/s [measured]",
        "        and not the 200/s of the flags,",
        "        as was predicted.",
    ]


def test_the_reason_of_what_differs_hangs_below_it() -> None:
    console, file = printed(width=40)
    differing = point("latency_s.mean", DIFFERS, "+7 % off, tolerance 5 %").document()
    entry = {"name": "made", "points": [differing]}
    counts = {"agrees": 0, "differs": 1, "inconclusive": 0}
    show_verdict(console, {"verdict": counts, "experiments": [entry]}, OUT)
    assert file.getvalue().splitlines() == [
        "",
        "Verdict 0 agree, 1 differ, 0",
        "        inconclusive.",
        "  DIFFERS made, 150/s (mean): +7 %",
        "    off, tolerance 5 %",
        "Report  results/report.html",
    ]
