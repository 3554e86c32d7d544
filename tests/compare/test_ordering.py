"""The order of service: one mean, other tails, and a thread that keeps another order than was predicted."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compare.case import Case
from compare.experiment import Options, Run
from compare.experiments import ordering
from compare.machine.noise import Stall
from compare.measure import Measurement, expected_s
from compare.metric import MEAN
from compare.run import drawn_again, write_entry
from compare.scene import Scene
from compare.store import write_runs
from compare.verdict import AGREES, DIFFERS, INCONCLUSIVE, Point
from sim import Trajectory, Workload
from tests.compare.runs import compared, measured, sentence_of


def runs_of(cases: list[Case]) -> list[Run]:
    """As calibrated, but no two runs alike."""
    return [compared(case, seed=50 + number) for number, case in enumerate(cases)]


def word(points: list[Point], label: str, metric: str) -> str:
    (found,) = [point.word for point in points if (point.label, point.metric) == (label, metric)]
    return found


@pytest.fixture(scope="module")
def steady() -> list[Run]:
    return runs_of(ordering.cases(Options())[:3])


def test_measuring_keeps_to_its_budget() -> None:
    assert sum(map(expected_s, ordering.cases(Options()))) <= 35
    assert sum(map(expected_s, ordering.cases(Options(quick=True)))) <= 6


def test_every_order_gets_the_same_messages() -> None:
    for first in (0, 3):
        fifo, *others = (case.workload for case in ordering.cases(Options())[first : first + 3])
        assert [other.digest for other in others] == [fifo.digest] * 2
        assert [other.order for other in (fifo, *others)] == list(ordering.ORDERS)


def test_a_popularity_that_is_given_takes_the_place_of_the_skewed_one() -> None:
    assert {case.workload.popularity for case in ordering.cases(Options())} == {"zipf:1.1"}
    assert {case.workload.popularity for case in ordering.cases(Options(popularity="zipf:2"))} == {"zipf:2"}


def test_the_busiest_worker_is_held_against_the_rarest_who_have_a_tenth_of_the_messages() -> None:
    # w0 has six messages of 3 s, w1 three of 2 s, w2 one of 1 s: a tenth of ten messages is w2's.
    latency_s, worker = [3.0] * 6 + [2.0] * 3 + [1.0], ["w0"] * 6 + ["w1"] * 3 + ["w2"]
    run = Trajectory.of([0.0] * 10, start_s=[0.0] * 10, finish_s=latency_s, worker=worker)
    assert ordering.UNEQUAL.of(run) == 3.0
    # Of eleven it takes w1 too: (3 × 2 + 1) / 4 = 1.75 s.
    more = Trajectory.of([0.0] * 11, start_s=[0.0] * 11, finish_s=[3.0, *latency_s], worker=["w0", *worker])
    assert ordering.UNEQUAL.of(more) == pytest.approx(3.0 / 1.75)
    alone = Trajectory.of([0.0, 0.0], start_s=[0.0, 0.0], finish_s=[1.0, 2.0])
    assert ordering.UNEQUAL.of(alone) == 1.0


def test_four_messages_at_once_by_hand() -> None:
    # All at 1 s, for w0, w0, w0, w1; 2 s each. In turns w1 is second, otherwise last.
    scene = Scene.of(Workload(rate_per_s=1, messages=4, workers=2))
    scene = replace(scene, arrival_ns=np.full(4, 10**9), worker=np.array([0, 0, 0, 1]))
    finished = {
        order: scene.ruled(order=order).replay(scene.constant(2.0)).messages[2] / 1e9 for order in ordering.ORDERS
    }
    assert finished["fifo"].tolist() == [3, 5, 7, 9]
    assert finished["per-worker"].tolist() == [3, 5, 7, 9]
    assert finished["round-robin"].tolist() == [3, 7, 9, 5]


def test_with_constant_service_the_mean_is_the_same_to_the_last_bit() -> None:
    for first in (0, 3):
        cases = ordering.cases(Options())[first : first + 3]
        scenes = [Scene.of(case.workload) for case in cases]
        totals = {int(scene.replay(scene.constant(0.005)).messages[2].sum()) for scene in scenes}
        assert len(totals) == 1


def test_a_thread_as_calibrated_agrees(steady: list[Run]) -> None:
    points = ordering.judge_points([*steady, *runs_of(ordering.cases(Options())[3:])])
    assert len(points) == 2 * (3 * 5 + 2)
    assert [point for point in points if point.word == DIFFERS] == []
    assert sum(point.word == INCONCLUSIVE for point in points) <= 2


def test_a_quick_comparison_agrees_too() -> None:
    points = ordering.judge_points(runs_of(ordering.cases(Options(quick=True))))
    assert [point for point in points if point.word == DIFFERS] == []
    assert sum(point.word == AGREES for point in points) >= 0.75 * len(points)


@pytest.mark.parametrize(("label", "kept"), [("round-robin", "fifo"), ("per-worker", "round-robin")])
def test_another_order_than_was_predicted_differs_in_who_gains_and_not_in_the_mean(
    steady: list[Run], label: str, kept: str
) -> None:
    runs = [_served(run, kept) if run.label == label else run for run in steady]
    points = ordering.judge_points(runs)
    assert word(points, label, ordering.UNEQUAL.name) == DIFFERS
    assert word(points, label, "latency_s.p99") == DIFFERS
    assert word(points, label, MEAN.name) == word(points, label, ordering.CONSERVED.name) == AGREES


def _served(run: Run, order: str) -> Run:
    """The same run by a thread that keeps another order."""
    prediction = replace(run.prediction, scene=run.prediction.scene.ruled(order=order))
    return replace(run, measurement=measured(prediction, seed=7))


def test_an_order_that_costs_time_does_not_conserve_the_mean(steady: list[Run]) -> None:
    fifo, turns, _ = steady
    slower = compared(turns.case, delay_ns=150_000)  # to find out whose turn it is
    points = ordering.judge_points([fifo, slower, fifo])
    assert word(points, "round-robin", ordering.CONSERVED.name) == DIFFERS


def test_stalls_that_were_logged_explain_a_mean_that_is_not_conserved(steady: list[Run]) -> None:
    fifo, turns, _ = steady
    stalled = compared(turns.case, stalls=tuple(Stall(at_s, 0.06) for at_s in (1.0, 2.0, 3.0, 4.0, 5.0)))
    points = ordering.judge_points([fifo, stalled, fifo])
    assert word(points, "round-robin", ordering.CONSERVED.name) == INCONCLUSIVE
    (reason,) = [point.reason for point in points if point.metric == ordering.CONSERVED.name][:1]
    assert "the machine stalled during round-robin or fifo" in reason


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(quick=True, workers=1, arrivals="deterministic"),
        Options(quick=True, workers=300, popularity="zipf:2", service_s=0.001),
    ],
)
def test_figures_and_answer_are_made_of_any_runs_and_again_of_their_files(options: Options, tmp_path: Path) -> None:
    runs = runs_of(ordering.cases(options))
    points = ordering.judge_points(runs)
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    write_runs(first, runs)
    hypothesis = ordering.hypothesis([run.prediction for run in runs])
    entry = write_entry(first, "ordering", ordering, hypothesis, runs, points)
    pictures = {path.name: path.read_bytes() for path in first.glob("*.png")}
    both = {"tails-burst.png", "workers-burst.png"}
    assert set(pictures) == (both if options.quick else both | {"tails.png", "workers.png"})
    assert all(len(content) > 10_000 for content in pictures.values())
    shutil.copytree(first, second)
    assert drawn_again(second, "ordering", ordering, entry) == entry
    assert {path.name: path.read_bytes() for path in second.glob("*.png")} == pictures


def test_the_answer_has_the_numbers_of_the_runs_and_of_the_burst() -> None:
    # Every message takes as long as its run says: whoever reads the answer reads just that.
    runs = [_made(case, (number + 1) / 100) for number, case in enumerate(ordering.cases(Options()))]
    steady, burst = ordering.answer(runs, []).split(" In the burst ")
    # All of a run take as long, and of three runs at one load from 10 to 30 ms.
    assert sentence_of(ordering.answer(runs, [])) == (
        "It changes who waits: the busiest worker's messages took 1 (fifo) to 1 (fifo) times as long as the rarest's; "
        "mean latency differs by 200 %."
    )
    assert "At a steady load mean latency was 10 ms (fifo), 20 ms (round-robin), 30 ms (per-worker), 200 %" in steady
    assert "p99 was 10 ms (fifo), 20 ms (round-robin), 30 ms (per-worker)" in steady
    assert "mean latency was 40 ms (fifo), 50 ms (round-robin), 60 ms (per-worker), 50 %" in burst
    assert "took 1 (fifo), 1 (round-robin), 1 (per-worker) times as long" in burst
    assert ordering.facts(runs)["busiest_over_rarest, fifo"] == pytest.approx(1)


def _made(case: Case, latency_s: float) -> Run:
    run = compared(case)
    arrival_s = run.measured.arrival_s
    trajectory = replace(run.measured, start_s=arrival_s, finish_s=arrival_s + latency_s)
    measurement: Measurement = replace(run.measurement, trajectory=trajectory)
    return replace(run, measurement=measurement)
