"""Threads: what they gain by sleeping, and that computing gains nothing while one may compute at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from compare.case import Case
from compare.experiment import Options, Run
from compare.experiments import gil
from compare.machine.noise import Noise, Stall, noise_of
from compare.machine.threads import WORKS, document_of, run, trajectory_of
from compare.measure import Measurement, expected_s
from compare.predict import predict
from compare.run import drawn_again, write_entry
from compare.scene import Scene, columns_of
from compare.store import write_runs
from compare.verdict import AGREES, DIFFERS, INCONCLUSIVE, Point
from real.clock import FakeClock
from sim import Trajectory, Workload
from tests.compare.runs import calibration, samples, sentence_of

QUICK, FULL = Options(quick=True), Options()
TAKES_S = 0.00512


@dataclass(frozen=True, slots=True)
class Free(Case):
    """A case on an interpreter that has no lock: as many compute as there are threads and cores, here four."""

    @property
    def servers(self) -> int:
        return min(self.threads or 1, 4)


@dataclass(frozen=True, slots=True)
class Half(Case):
    """A case in which each thread computes half a message, one at a time, and sleeps the other."""

    @property
    def servers(self) -> int:
        return min(self.threads or 1, 2)


def ran(
    case: Case,
    *,
    seed: int = 99,
    servers: int | None = None,
    slower: float = 1.0,
    busy: float | None = None,
    stall_s: float = 0.0,
    apart: bool = False,
) -> Run:
    """Predict a case, and let the model play the threads: as many as there are, or `servers`.

    `busy` processors are told of, or as many as can compute. `apart`: each thread has a queue of its own.
    """
    prediction = predict(case, calibration(service_s=TAKES_S, work=case.work))
    n, several = len(case.workload), case.servers if servers is None else servers
    drawn = columns_of(samples(1000 + seed, TAKES_S).hold_times(n, np.random.default_rng(seed)))
    took = np.rint(drawn[1] * slower).astype(np.int64)
    scene = prediction.scene
    messages = _apart(scene, took, several) if apart else scene.replay((drawn[0], took, drawn[2], took), several)
    trajectory = messages if isinstance(messages, Trajectory) else messages.trajectory(prediction.trajectory.worker)
    trajectory = _stalled(trajectory, stall_s)
    end_s = float(trajectory.finish_s.max())
    cpu_s = end_s * (0.01 if case.work == "sleep" else several if busy is None else busy)
    document = {
        "command": "python -m compare.machine.threads",
        "measured": trajectory.metrics(case.threads or 1),
        "environment": {"gil": not isinstance(case, Free), "cpu_s": cpu_s},
        "run": {"cpu_s": cpu_s, "alone_s": {"before": TAKES_S, "after": TAKES_S}},
    }
    noise = Noise(end_s, (Stall(end_s / 2, stall_s),) if stall_s else ())
    return Run(
        case, prediction, Measurement(trajectory, document, noise, "python -m compare.machine.threads", 0.0, {}, {})
    )


def _apart(scene: Scene, took: np.ndarray, several: int) -> Trajectory:
    """Let each message go to the thread that its worker belongs to, busy or not.

    Not to the one whose turn it is: messages that all take as long would then never see that there are two queues.
    """
    columns = np.empty((3, len(took)), np.int64)
    for thread in range(several):
        own = np.flatnonzero(scene.worker % several == thread)
        alone = replace(scene, arrival_ns=scene.arrival_ns[own], worker=scene.worker[own])
        nothing = np.zeros_like(took[own])
        columns[:, own] = alone.replay((nothing, took[own], nothing, took[own])).messages
    taken, start, finish = columns / 1e9
    return Trajectory(scene.arrival_ns / 1e9, taken, start, finish, np.full(len(took), "w0"))


def _stalled(trajectory: Trajectory, stall_s: float) -> Trajectory:
    """Let everything stand still once, in the middle."""
    at_s = float(trajectory.finish_s.max()) / 2
    start_s, finish_s = (np.where(at > at_s, at + stall_s, at) for at in (trajectory.start_s, trajectory.finish_s))
    return replace(trajectory, start_s=start_s, taken_s=start_s, finish_s=finish_s)


def runs_of(options: Options, **changed: dict[str, object]) -> list[Run]:
    """Run all but half of each; what is `changed` is told by kind of work, and happens where there are more threads."""
    cases = [case for case in gil.cases(options) if case.work in ("sleep", "cpu")]
    return [ran(case, **(changed.get(case.work, {}) if case.threads != 1 else {})) for case in cases]  # type: ignore[arg-type]


def words(points: Sequence[Point], metric: str, work: str) -> set[str]:
    return {point.word for point in points if point.metric == metric and point.work == work}


@pytest.mark.parametrize(("options", "budget_s"), [(QUICK, 5.0), (FULL, 36.0)])
def test_measuring_takes_no_longer_than_planned(options: Options, budget_s: float) -> None:
    assert sum(map(expected_s, gil.cases(options))) <= budget_s


def test_the_runs_are_of_1_2_and_4_threads_that_sleep_and_that_compute() -> None:
    cases = [case for case in gil.cases(FULL) if case.work in ("sleep", "cpu")]
    limits = [case for case in cases if (case.workload.rate_per_s or 0.0) >= 1000]
    assert [(case.work, case.threads) for case in limits] == [(work, n) for work in ("sleep", "cpu") for n in (1, 2, 4)]
    steady = [case for case in cases if case not in limits]
    assert [(case.work, case.threads, case.workload.rate_per_s) for case in steady] == [
        ("sleep", 2, 300.0),
        ("sleep", 4, 600.0),
    ]


@pytest.mark.parametrize("options", [QUICK, FULL, replace(QUICK, service_s=0.005, seed=5)])
def test_threads_that_sleep_side_by_side_and_compute_one_at_a_time_agree(options: Options) -> None:
    points = gil.judge_points(runs_of(options))
    assert [(point.label, point.metric, point.reason) for point in points if point.word != AGREES] == []
    most = next(point for point in points if point.label == "sleep × 4")
    assert (most.metric, most.nominal) == ("throughput_per_s", 800.0)
    assert [point.predicted for point in points if point.metric == "gain"] == [1.0] * (1 if options.quick else 2)


def test_threads_that_sleep_one_after_the_other_differ() -> None:
    points = gil.judge_points(runs_of(QUICK, sleep={"servers": 1}))
    assert words(points, "throughput_per_s", "sleep") == words(points, "latency_s.mean", "sleep") == {DIFFERS}


def test_a_queue_for_each_thread_is_not_one_queue_for_both() -> None:
    points = gil.judge_points(runs_of(FULL, sleep={"apart": True}))
    assert words(points, "latency_s.mean", "sleep") == {DIFFERS}


def test_threads_that_compute_at_once_differ() -> None:
    points = gil.judge_points(runs_of(QUICK, cpu={"servers": 2}))
    assert words(points, "gain", "cpu") == words(points, "processors_busy", "cpu") == {DIFFERS}


def test_threads_that_lose_time_to_each_other_do_not_differ_and_it_is_said() -> None:
    points = gil.judge_points(runs_of(QUICK, cpu={"slower": 1.25, "busy": 0.9}))
    assert words(points, "gain", "cpu") == words(points, "processors_busy", "cpu") == {AGREES}
    (gain,) = (point for point in points if point.metric == "gain")
    assert gain.measured == pytest.approx(0.8, rel=0.01)  # 1/1.25
    assert gain.path_error == pytest.approx(-0.2, abs=0.01)
    assert "less than at most 1" in gain.reason


def test_a_machine_that_became_faster_is_not_a_gain_of_threads() -> None:
    # A tenth less time a message, one at a time still: 1/0.9 times as many.
    points = gil.judge_points(runs_of(QUICK, cpu={"slower": 0.9, "busy": 0.99}))
    assert words(points, "processors_busy", "cpu") == {AGREES}
    (gain,) = (point for point in points if point.metric == "gain")
    assert gain.word == INCONCLUSIVE
    assert gain.measured == pytest.approx(1.111, rel=0.01)
    assert "0.99 of the processors busy for 4.5" in gain.reason  # ms: 0.99 × 0.9 × 5.12
    assert "the machine has changed" in gain.reason


def test_one_thread_that_was_not_left_alone_is_no_gain_of_the_others() -> None:
    one, many = (case for case in gil.cases(QUICK) if case.work == "cpu")
    points = gil.judge_points([ran(one, slower=1.7, busy=0.6), ran(many, busy=0.99)])
    assert {point.metric: point.word for point in points} == {"gain": INCONCLUSIVE, "processors_busy": AGREES}


def test_a_stall_that_was_logged_explains_what_throughput_lost_by_it() -> None:
    # Of 0.28 s; without the log the run would be 5 % off for no reason.
    (case,) = (case for case in gil.cases(QUICK) if case.label == "sleep × 4")
    stalled = ran(case, stall_s=0.015)
    (point,) = gil.judge_points([stalled])
    assert point.word == INCONCLUSIVE
    assert "the machine stalled for 15 ms in all" in point.reason
    quiet = replace(stalled, measurement=replace(stalled.measurement, noise=Noise(0.3)))
    assert gil.judge_points([quiet])[0].word == DIFFERS


def test_without_a_gil_as_many_compute_as_there_are_threads_and_cores() -> None:
    cases = [Free(**{name: getattr(case, name) for name in Case.__slots__}) for case in gil.cases(QUICK)]
    runs = [ran(case) for case in cases]
    points = gil.judge_points(runs)
    assert [point.label for point in points if point.word != AGREES] == []
    assert {point.predicted for point in points if point.metric in ("gain", "processors_busy")} == {4.0}
    assert "that compute, 4 times as much" in gil.hypothesis([run.prediction for run in runs])
    assert "without a GIL with 4 of the processors busy" in gil.answer(runs, points)
    assert "for work that computes they gain something" in gil.answer(runs, points)


def test_what_the_machine_did_to_threads_is_told_as_far_as_anyone_knows() -> None:
    workload = Workload(rate_per_s=400, service_s=0.005, messages=3, arrivals="deterministic")
    ran_alone = run(workload, "sleep", 1, FakeClock())
    document = document_of(
        workload, trajectory_of(workload, ran_alone), ran_alone, "sleep", "python -m compare.machine.threads"
    )
    origin_s = document["run"]["origin_monotonic_s"]
    noise = noise_of([Stall(origin_s + 0.004, 0.002)], document, 0.0175)
    assert [round(stall.at_s, 9) for stall in noise.stalls] == [0.004]
    assert noise.run_delay_s is None  # of which thread? It is counted for one, and that only waits


# -- half of each ---------------------------------------------------------------------------------------------------


def halves(**more: object) -> list[Run]:
    """Return runs of half a message computed, on one thread and on four; what is told happens on four."""
    each = [FULL.workload(1000.0 * threads, 400, arrivals="deterministic") for threads in (1, 4)]
    one, four = (Half(f"mixed × {n}", workload, "mixed", threads=n) for n, workload in zip((1, 4), each, strict=True))
    return [ran(one, busy=0.49), ran(four, **{"busy": 0.98} | more)]  # type: ignore[arg-type]


def test_threads_that_compute_half_of_a_message_do_twice_as_much_at_most() -> None:
    gain, busy = gil.judge_points(halves())
    assert (gain.word, busy.word) == (AGREES, AGREES)
    assert (gain.nominal, busy.predicted) == (2.0, 1.0)
    # One thread holds a message for 5.12 ms and dispatch, and 2.5 ms of it are computed.
    assert gain.predicted == pytest.approx(5.128 / 2.5, rel=0.001)
    assert gain.measured == pytest.approx(2.0, rel=0.01)
    assert "less than at most 2.05" in gain.reason


def test_threads_that_do_more_than_half_a_message_at_once_differ() -> None:
    gain, busy = gil.judge_points(halves(servers=4, busy=1.96))
    assert (gain.word, busy.word) == (DIFFERS, DIFFERS)
    assert gain.measured == pytest.approx(4.0, rel=0.02)


def test_a_machine_that_became_faster_is_no_gain_of_threads_that_do_half_of_each() -> None:
    gain, busy = gil.judge_points(halves(slower=0.9, busy=0.98))
    assert (gain.word, busy.word) == (INCONCLUSIVE, AGREES)
    assert "the machine has changed" in gain.reason


def test_half_of_each_is_drawn_and_told_of_beside_the_others(tmp_path: Path) -> None:
    runs = [*runs_of(FULL), *halves()]
    points = gil.judge_points(runs)
    told = gil.answer(runs, points)
    assert sentence_of(told).endswith("computing, no: 1 times, under the GIL; half of each, 2 times.")
    assert "4 threads that do half of each processed 2 times as much as one, at most 2.05 times" in told
    assert gil.facts(runs)["mixed × 4"]["most_times_one_thread"] == pytest.approx(2.05, abs=0.01)
    assert "that do half of each, at most 2 times as much." in gil.hypothesis([run.prediction for run in runs])
    assert all((tmp_path / name).stat().st_size > 1000 for name in gil.figures(tmp_path, runs, points))


def test_threads_of_more_kinds_of_work_are_tried_on_one_and_on_four() -> None:
    others = [(case.work, case.threads) for case in gil.cases(FULL) if case.work not in ("sleep", "cpu")]
    assert others == [(work, threads) for work in WORKS[2:] for threads in (1, 4)]
    assert {case.work for case in gil.cases(QUICK)} == {"sleep", "cpu"}


@pytest.mark.parametrize("options", [QUICK, FULL, replace(QUICK, arrivals="deterministic")])
def test_figures_and_answer_are_made_of_any_runs_and_again_from_their_files(options: Options, tmp_path: Path) -> None:
    runs = runs_of(options)
    hypothesis = gil.hypothesis([run.prediction for run in runs])
    assert "4 threads that sleep process 4 times as much as one; that compute, as much as one." in hypothesis
    write_runs(tmp_path, runs)
    entry = write_entry(tmp_path, "gil", gil, hypothesis, runs, gil.judge_points(runs))
    assert {"gil/throughput.png", "gil/turns.png", "gil/latency.svg"} <= set(entry["figures"])
    assert all((tmp_path / name.removeprefix("gil/")).stat().st_size > 1000 for name in entry["figures"])
    assert sentence_of(entry["answer"]).startswith("Sleeping, yes: 4 threads process ")
    assert "4 threads that sleep processed 4" in entry["answer"]
    assert "under the GIL with 1 of the processors busy" in entry["answer"]
    assert "for work that computes they gain nothing" in entry["answer"]
    # 5 ms and a wait of 0.75/(2 × 0.25) times as much, where arrivals are Poisson's.
    assert entry["answer"].endswith("M/D/1 has 12.5 ms.") == (options.arrivals == "poisson")
    assert entry["facts"]["sleep × 4"]["throughput_per_s"] == pytest.approx(4 / TAKES_S, rel=0.01)
    assert entry["facts"]["cpu × 4"]["processors_busy"] == pytest.approx(1.0)
    again = drawn_again(tmp_path, "gil", gil, entry)
    assert again["answer"] == entry["answer"]
    assert again["figures"] == entry["figures"]
