"""Traffic that is not Poisson: one rate, and latencies that no formula knows of."""

import math
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compare.case import Case
from compare.experiment import Options, Run
from compare.experiments import arrivals
from compare.experiments.arrivals import BURSTY, CONSTANT, HEAVY, ON_OFF, POISSON, by_rate, by_spread, dispersion
from compare.measure import expected_s
from compare.metric import MEAN, P95, P99
from compare.run import drawn_again, write_entry
from compare.store import write_runs
from compare.verdict import AGREES, DIFFERS
from sim import Trajectory, Workload
from sim.units import seconds
from tests.compare.runs import compared, sentence_of

ROOT = Path(__file__).parents[2]


def on_off(messages: int, seed: int) -> list[float]:
    """Gaps (s) of a source that is Poisson while it is on; on and off last for Pareto times, alpha 1.5, mean 0.2 s."""
    draw = random.Random(seed).random
    gaps, left_s = [], 0.0  # of being on
    for _ in range(messages):
        owed_s = gap_s = -math.log(1.0 - draw()) / 280.0  # of being on, until the next message
        while owed_s > left_s:
            owed_s -= left_s
            gap_s += pareto_s(draw())
            left_s = pareto_s(draw())
        left_s -= owed_s
        gaps.append(gap_s)
    return gaps


def pareto_s(drawn: float) -> float:
    """A Pareto variate with alpha 1.5 and mean 0.2, whose least is a third of the mean."""
    return float(0.2 / 3.0 * (1.0 - drawn) ** (-1.0 / 1.5))


def evenly(messages: int, gap_s: float) -> Trajectory:
    at_s = [number * gap_s for number in range(messages)]
    return Trajectory.of(at_s, start_s=at_s, finish_s=at_s)


def case_of(label: str, options: Options | None = None) -> Case:
    return next(case for case in arrivals.cases(options or Options()) if case.label == label)


def test_the_recording_of_a_heavy_tailed_source_is_what_its_comment_says() -> None:
    lines = ON_OFF.read_text().splitlines()
    comment, header, values = lines[:3], lines[3], lines[4:]
    assert all(line.startswith("#") for line in comment)
    assert header == "gap_s"
    assert values == [f"{gap_s:.6f}" for gap_s in on_off(2000, seed=1)]


def test_times_on_and_off_have_the_mean_and_the_tail_that_they_should() -> None:
    draw = random.Random(9).random
    times = np.array([pareto_s(draw()) for _ in range(200_000)])
    # The median is the least times 2^(1/1.5); a hundredth is longer than the least times 100^(1/1.5).
    assert np.median(times) == pytest.approx(0.2 / 3 * 2 ** (2 / 3), rel=0.01)
    assert (times > 0.2 / 3 * 100 ** (2 / 3)).mean() == pytest.approx(0.01, rel=0.1)


def test_all_arrive_at_the_same_mean_rate_which_is_70_percent_of_the_limit() -> None:
    for service_s in (0.005, 0.001):
        made = arrivals.cases(Options(service_s=service_s))
        assert [case.label for case in made] == [CONSTANT, POISSON, BURSTY, HEAVY]
        assert [case.workload.offered_rate_per_s for case in made] == pytest.approx([0.7 / service_s] * 4)
    assert [case.label for case in arrivals.cases(Options(quick=True))] == [CONSTANT, BURSTY, HEAVY]


def test_bursts_last_for_so_many_service_times_whatever_these_are() -> None:
    slow, fast = (np.array(case_of(BURSTY, Options(service_s=of)).workload.arrivals_s) / of for of in (0.01, 0.001))
    assert slow == pytest.approx(fast, rel=1e-6)


@pytest.mark.parametrize(("quick", "most_s"), [(True, 8.0), (False, 60.0)])
def test_measuring_keeps_to_its_time(quick: bool, most_s: float) -> None:
    assert sum(map(expected_s, arrivals.cases(Options(quick=quick)))) <= most_s


def test_what_the_user_asks_for_is_run_besides(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text("\n".join(str(k**1.5) for k in range(50)))  # slower and slower
    made = arrivals.cases(Options(arrivals="bursty:9:0.5", trace=str(trace)))
    assert [case.label for case in made][-2:] == ["as asked", "recording"]
    assert made[-2].workload.arrivals == "bursty:9:0.5"
    assert len(made[-1].workload) == 50
    assert made[-1].workload.offered_rate_per_s == pytest.approx(140.0)
    both = Options(arrivals=f"trace:{trace}", recorded=50)
    assert len(case_of("as asked", both).workload) == 50
    assert len(case_of(HEAVY, both).workload) > 50, "what one recording holds is no limit to another"


def test_evenly_spaced_arrivals_have_no_dispersion_and_pairs_have_that_of_poisson() -> None:
    assert dispersion(evenly(201, 0.1), windows=20) == pytest.approx(0.0)
    # Two messages in every other second, none in between: mean 1, and each count is 1 off it.
    at_s = [0.0, *(second + part for second in range(0, 20, 2) for part in (0.3, 0.6)), 20.0]
    pairs = Trajectory.of(at_s, start_s=at_s, finish_s=at_s)
    # Of 20 windows the last holds the one message at its end: 21 in all, mean 1.05.
    assert dispersion(pairs, windows=20) == pytest.approx((10 * 0.95**2 + 9 * 1.05**2 + 0.05**2) / 19 / 1.05)
    assert dispersion(evenly(2, 0.1)) is None


def test_formulas_know_the_rate_and_the_spread_of_gaps() -> None:
    run = compared(Case("half", Workload(rate_per_s=100, messages=400, arrivals="deterministic")))
    # M/D/1 at a utilization of 0.5 waits half a service time; evenly spaced nobody waits.
    assert by_rate(run, MEAN) == pytest.approx(0.0075)
    assert by_rate(run, MEAN) < by_rate(run, P95) < by_rate(run, P99)
    assert by_spread(run) == pytest.approx(0.005)
    random_run = compared(Case("half", Workload(rate_per_s=100, messages=4000)))
    assert by_spread(random_run) == pytest.approx(0.0075, rel=0.05)
    assert by_spread(compared(Case("two", Workload(rate_per_s=100, messages=2)))) is None


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return [compared(case) for case in arrivals.cases(Options())]


def test_the_recursion_agrees_where_formulas_are_off_by_more_than_half(runs: list[Run]) -> None:
    points = arrivals.judge_points(runs)
    assert {point.word for point in points} == {AGREES}
    assert {point.metric for point in points} >= {MEAN.name, P99.name}
    for run in runs:
        off = by_rate(run, MEAN) / MEAN.of(run.measured) - 1
        assert (abs(off) > 0.5) == (run.label != POISSON), run.label


def test_a_prediction_for_other_arrivals_than_came_differs(runs: list[Run]) -> None:
    poisson, bursty = runs[1], runs[2]
    points = arrivals.judge_points([replace(poisson, measurement=bursty.measurement)])
    assert {point.word for point in points if point.metric in (MEAN.name, P99.name)} == {DIFFERS}


@pytest.mark.parametrize("label", [CONSTANT, POISSON, BURSTY, HEAVY])
def test_a_server_made_6_percent_slower_differs_whatever_the_traffic(label: str) -> None:
    points = arrivals.judge_points([compared(case_of(label), slower=1.06)])
    assert {point.word for point in points if point.metric == MEAN.name} == {DIFFERS}


def test_figures_and_answer_are_made_of_runs_and_again_of_their_files(runs: list[Run], tmp_path: Path) -> None:
    points = arrivals.judge_points(runs)
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    write_runs(first, runs)
    hypothesis = arrivals.hypothesis([run.prediction for run in runs])
    assert "M/D/1 knows the rate alone, and says 10.8 ms" in hypothesis
    entry = write_entry(first, "arrivals", arrivals, hypothesis, runs, points)
    for text in (hypothesis, entry["answer"]):
        assert "constant gaps (dispersion 0.0)" in text
        assert "heavy-tailed on/off (dispersion 34.1)" in text
    said = sentence_of(entry["answer"])
    assert said.startswith(
        f"At one mean rate mean latency was {seconds(MEAN.of(runs[0].measured))} (constant gaps) to "
    )
    assert "(heavy-tailed on/off); M/D/1 says " in said
    assert "Kingman's formula" in entry["answer"]
    assert entry["facts"]["bursty: M/D/1, s"] == pytest.approx(0.0108333, rel=1e-4)
    pictures = {path.name: path.read_bytes() for path in first.glob("*.png")}
    assert {"latency.png", "over-time.png", "dispersion.png"} <= set(pictures)
    assert min(map(len, pictures.values())) > 20_000
    shutil.copytree(first, second)
    assert drawn_again(second, "arrivals", arrivals, entry) == entry
    assert {path.name: path.read_bytes() for path in second.glob("*.png")} == pictures


def test_short_recordings_can_be_drawn(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text("0\n1\n3\n")
    quick = Options(quick=True, trace=str(trace))
    runs = [compared(case) for case in arrivals.cases(quick)]
    points = arrivals.judge_points(runs)
    assert all((tmp_path / name).exists() for name in arrivals.figures(tmp_path, runs, points))
    assert "for recording. M/D/1 knows" in arrivals.answer(runs, points), "and no dispersion"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["arrivals", "--trace", "nowhere.csv"], "--trace nowhere.csv: no such file"),
        (["arrivals", "--trace", "{dir}/words"], "words:2: 'soon' is not seconds or an ISO 8601 date"),
        (["arrivals", "--trace", "{dir}/once"], "all in one instant"),
        (["throughput", "--trace", "{dir}/once"], "only the experiment arrivals plays it; write --arrivals trace:"),
    ],
)
def test_a_bad_recording_is_one_line_and_nothing_is_run(words: list[str], complaint: str, tmp_path: Path) -> None:
    (tmp_path / "words").write_text("when\nsoon\n")
    (tmp_path / "once").write_text("5\n5\n")
    typed = [word.format(dir=tmp_path) for word in words]
    result = subprocess.run(
        [sys.executable, "-m", "compare", *typed, "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert complaint in result.stderr
    assert not (tmp_path / "out").exists()
