"""Numbers of state machines: equal means that have to be shown, and what is not equal."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compare.calibrate import answering_case
from compare.case import Case
from compare.drawing.workers import held_s
from compare.experiment import Options, Run
from compare.experiments import workers
from compare.measure import asking_s, expected_s
from compare.predict import predict
from compare.store import read_runs, write_runs
from compare.verdict import AGREES, DIFFERS, INCONCLUSIVE, Numbers, Point
from sim import Trajectory
from sim.estimate import BATCHES, STUDENT
from tests.compare.runs import calibration, compared, sentence_of

ANSWERS_S = {"copied": 5e-6, "HTTP": 0.0004}
ALLOCATION = {"when": "lazy", "first_s": 3e-7, "later_s": 7e-8}


def run_of(case: Case, seed: int, slower: float = 1.0) -> Run:
    """A run of a machine that is as calibrated, or slower; the seed is that of what the machine does."""
    asked = case.label.rpartition(" ")[2]
    found = compared(case, answer_s=ANSWERS_S.get(asked), seed=seed, slower=slower)
    document = found.measurement.document
    told = document | {"instruments": document["instruments"] | {"allocation": ALLOCATION}}
    return replace(found, measurement=replace(found.measurement, document=told))


def runs_of(options: Options, **slower: float) -> list[Run]:
    return [
        run_of(case, seed, slower.get(case.label.replace(" ", "_").replace(",", ""), 1.0))
        for seed, case in enumerate(workers.cases(options), start=50)
    ]


def words(points: list[Point], metric: str) -> dict[str, str]:
    return {point.label: point.word for point in points if point.metric == metric}


@pytest.mark.parametrize(("quick", "most_s"), [(False, 70.0), (True, 8.0)])
def test_measuring_takes_no_longer_than_it_may(quick: bool, most_s: float) -> None:
    assert sum(map(expected_s, workers.cases(Options(quick=quick)))) <= most_s


def test_all_have_the_same_messages_at_the_same_instants_and_labels_tell_them_apart() -> None:
    cases = workers.cases(Options())
    assert len({case.label for case in cases}) == len(cases)
    assert [case.workload.workers for case in cases[:3]] == [10, 100, 1000]
    for case in cases:
        assert case.workload.arrivals_ns == cases[0].workload.arrivals_ns
    quick = workers.cases(Options(quick=True))
    assert [case.workload.workers for case in quick[:2]] == [10, 1000]


def test_the_flags_scale_the_runs() -> None:
    one = workers.cases(Options(workers=1, popularity="zipf:2"))
    assert [case.label for case in one[:3]] == ["1 worker", "10 workers", "100 workers"]
    assert {case.workload.popularity for case in one} == {"zipf:2", "uniform"}
    most = workers.cases(Options(workers=50_000))
    assert max(case.workload.workers for case in most) == 100_000
    assert max(case.workload.workers for case in most if case.state_keys) == 100  # or memory would not hold them


def test_an_interval_is_that_of_ten_pairs_of_batches() -> None:
    # Latencies of 1 s against 1.1 and 0.9 s, batch by batch: a ratio of 1, from which batches are 0.1 off.
    arrival_s = np.arange(2.0 * BATCHES)
    theirs = Trajectory.of(arrival_s.tolist(), start_s=arrival_s.tolist(), finish_s=(arrival_s + 1.0).tolist())
    batch = np.repeat(np.arange(BATCHES), 2)
    other_s = arrival_s + np.where(batch % 2, 1.1, 0.9)
    mine = Trajectory.of(arrival_s.tolist(), start_s=arrival_s.tolist(), finish_s=other_s.tolist())
    reach = STUDENT * 0.1 * (BATCHES / (BATCHES - 1)) ** 0.5 / BATCHES**0.5
    assert workers.ratio_interval(mine, theirs) == pytest.approx((1 - reach, 1 + reach))
    assert workers.ratio_interval(theirs, theirs) == pytest.approx((1.0, 1.0))


def test_intervals_hold_the_true_ratio_about_as_often_as_they_say() -> None:
    # Two machines of one law on the same arrivals: the ratio is 1. Of 60 at 95 % fewer than 50 hold it less than once
    # in ten thousand times; and they are narrow enough to find the 5 % that matter.
    case, held, widths = workers.cases(Options(quick=True))[0], 0, []
    prediction = predict(case, calibration(), runs=120)
    played = [run.trajectory(prediction.trajectory.worker) for run in prediction.runs]
    for mine, theirs in zip(played[:60], played[60:], strict=True):
        low, high = workers.ratio_interval(mine, theirs)
        held += low <= 1.0 <= high
        widths.append(high - low)
    assert held >= 50
    assert max(widths) < 0.1


@pytest.mark.parametrize(
    ("low", "high", "adjusted", "word"),
    [
        (0.99, 1.02, None, AGREES),
        (0.95, 1.05, None, AGREES),
        (0.99, 1.06, None, INCONCLUSIVE),  # may be equal, but nobody has shown it
        (0.80, 1.20, None, INCONCLUSIVE),  # a failure to find a difference is none
        (0.93, 0.99, None, INCONCLUSIVE),
        (1.051, 1.09, None, DIFFERS),
        (0.90, 0.94, None, DIFFERS),
        (1.06, 1.10, 1.07, INCONCLUSIVE),  # the machine stalled, and that explains it
        (1.06, 1.10, 1.01, DIFFERS),  # it does not
    ],
)
def test_means_are_equal_only_where_the_whole_interval_says_so(
    low: float, high: float, adjusted: float | None, word: str
) -> None:
    numbers = Numbers(1.0, (0.99, 1.01), (low + high) / 2, 1.0, adjusted)
    assert workers.equivalence(low, high, numbers)[0] == word


def test_a_machine_that_is_as_calibrated_agrees() -> None:
    points = workers.judge_points(runs_of(Options()))
    assert [(point.label, point.reason) for point in points if point.word != AGREES] == []
    assert set(words(points, "latency_ratio.mean")) == {
        *("100 workers", "1,000 workers", "1,000, eager", "1,000, zipf:1.1", "1,000 keys, copied")
    }
    assert len({(point.label, point.metric) for point in points}) == len(points)


def test_a_thousand_workers_that_cost_5_percent_more_are_found() -> None:
    # At a utilization of 0.62, 5 % of hold are more than 10 % of latency.
    points = workers.judge_points(runs_of(Options(quick=True), **{"1000_workers": 1.05}))
    assert words(points, "latency_ratio.mean") == {"1,000 workers": DIFFERS, "1,000, zipf:1.1": AGREES}
    assert words(points, "latency_s.mean")["1,000 workers"] == DIFFERS


def test_what_a_large_state_costs_is_compared_with_what_a_small_one_does() -> None:
    made = runs_of(Options())
    (point,) = [point for point in workers.judge_points(made) if point.metric == "latency_ratio.state_size"]
    assert (point.label, point.predicted) == ("1,000 keys, HTTP", pytest.approx(1.0, abs=0.02))  # as calibrated here
    made[-1] = run_of(made[-1].case, 3, slower=1.04)
    (point,) = [point for point in workers.judge_points(made) if point.metric == "latency_ratio.state_size"]
    assert point.word == DIFFERS


def test_what_a_worker_gets_is_its_part_of_one_throughput() -> None:
    points = [point for point in workers.judge_points(runs_of(Options())) if point.metric.startswith("throughput")]
    gets = {point.label: point.measured for point in points}
    assert gets["10 workers"] == pytest.approx(100 * gets["1,000 workers"], rel=1e-3)
    assert points[0].nominal == pytest.approx(12.0)  # 120 messages/s for ten


def test_memory_is_counted_and_in_proportion() -> None:
    case = workers.cases(Options(quick=True))[1]
    point = workers.in_proportion(run_of(case, 1))
    assert (point.label, point.word) == ("1,000 workers", AGREES)
    # A dictionary of ten keys alone takes 300 bytes or more, and each key some 50.
    assert 600 < point.measured < 3000


def test_what_questions_cost_is_calibrated_on_states_that_are_there() -> None:
    asked = [case for case in workers.cases(Options()) if case.state_keys]
    planned = [answering_case(case, seed=1) for case in asked]
    assert [(one.allocate, one.state_keys) for one in planned] == [("eager", case.state_keys) for case in asked]


def test_as_many_questions_are_predicted_as_there_is_time_to_ask() -> None:
    case = workers.cases(Options())[-1]
    queries = predict(case, calibration(), 0.0004, runs=3).trajectory.queries
    assert queries is not None
    expected = workers.QUESTIONS_PER_S * asking_s(case)
    assert len(queries) == pytest.approx(expected, abs=4 * expected**0.5)  # a Poisson number, to four deviations
    assert asking_s(case) < 0.9 * case.workload.horizon_s  # or nobody could tell


def test_an_answer_is_counted_from_the_end_of_what_the_thread_did_before() -> None:
    # A message of 5 ms from 0 s on, and a question at 1 ms, answered from 6 to 7 ms: 2 ms. At 20 ms another, which had
    # to wake the thread, and does not count.
    run = run_of(workers.cases(Options(quick=True))[-1], 1)
    asked = Trajectory.of([0.001, 0.020], start_s=[0.006, 0.0205], finish_s=[0.007, 0.0215])
    played = Trajectory.of([0.0], start_s=[0.0], finish_s=[0.005], queries=asked)
    run = replace(run, measurement=replace(run.measurement, trajectory=played))
    assert held_s(run) == pytest.approx(0.002)


@pytest.mark.parametrize("quick", [True, False])
def test_figures_and_answer_are_made_of_any_runs_and_of_their_files_alone(quick: bool, tmp_path: Path) -> None:
    runs = runs_of(Options(quick=quick))
    points = workers.judge_points(runs)
    write_runs(tmp_path, runs)
    again = read_runs(tmp_path)
    captions = workers.figures(tmp_path, again, points)
    assert set(captions) == {"number.png", "popularity.png", "size.png"}
    assert all((tmp_path / name).stat().st_size > 10_000 for name in captions)
    told = workers.answer(again, points)
    assert sentence_of(told).startswith("No, since all wait for the one thread: mean latency was ")
    changed = [replace(one, word=DIFFERS) if one.label == "1,000 workers" else one for one in points]
    assert sentence_of(workers.answer(again, changed)).startswith("It does: mean latency was ")
    noisy = [replace(one, word=INCONCLUSIVE) for one in points]
    assert sentence_of(workers.answer(again, noisy)).startswith("Too noisy to say: mean latency was ")
    assert told == workers.answer(runs, points)
    assert f"{2 if quick else 5} of {2 if quick else 5} shown to be within ±5 %" in told
    assert "300 ns" in told or "0.3 µs" in told
    assert "400 µs and " in told  # an answer, as calibrated
    facts = workers.facts(again)
    assert facts["throughput_per_worker_per_s"] == facts["10.throughput_per_worker_per_s"]
    assert workers.hypothesis([run.prediction for run in again]).startswith("A message waits for the thread")
