"""Processing time and throughput: limits, and one curve for all latencies."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from compare.calibrate import Calibration
from compare.case import Case
from compare.experiment import Options, Run
from compare.experiments import service
from compare.measure import expected_s
from compare.predict import predict
from compare.store import read_runs, write_runs
from compare.verdict import AGREES, DIFFERS
from sim import Trajectory, Workload
from tests.compare.runs import compared, samples, sentence_of

LONGER_S, DISPATCH_S = 0.00013, 8e-6  # by so much does a sleep exceed what it was asked for, and the loop takes
ALL_LOADS = (0.4, 0.6, 0.75)


def calibration(service_s: float) -> Calibration:
    return Calibration("sleep", service_s, samples(17, service_s + LONGER_S), 0, 0.0)


def runs_of(options: Options, slower: Mapping[float, float] | None = None) -> list[Run]:
    """The runs of a machine that is as calibrated, but for those processing times (s) that are `slower`."""
    found = []
    for case in service.cases(options):
        service_s = case.calibration[1]
        found.append(compared(case, calibrated=calibration(service_s), slower=(slower or {}).get(service_s, 1.0)))
    return found


def service_times(options: Options) -> list[float]:
    return list(dict.fromkeys(case.calibration[1] for case in service.cases(options)))


@pytest.mark.parametrize(("quick", "most_s"), [(False, 90.0), (True, 10.0)])
def test_measuring_takes_no_longer_than_it_may(quick: bool, most_s: float) -> None:
    assert sum(map(expected_s, service.cases(Options(quick=quick)))) <= most_s


def test_the_processing_times_are_those_of_the_question_and_scale_with_the_flag() -> None:
    assert service_times(Options()) == pytest.approx([0.001, 0.005, 0.01, 0.05])
    assert service_times(Options(service_s=0.02)) == pytest.approx([0.004, 0.02, 0.04, 0.2])
    assert service_times(Options(quick=True)) == pytest.approx([0.001, 0.005, 0.01])


def test_each_has_a_saturated_run_and_labels_tell_all_apart() -> None:
    for quick in (False, True):
        cases = service.cases(Options(quick=quick))
        assert len({case.label for case in cases}) == len(cases)
        saturated = [case for case in cases if (case.workload.rate_per_s or 0.0) * case.calibration[1] > 2]
        assert [case.calibration[1] for case in saturated] == service_times(Options(quick=quick))


def test_the_steady_runs_have_the_same_arrivals_in_units_of_the_processing_time() -> None:
    steady = [case for case in service.cases(Options()) if not case.label.endswith("2.5")]
    assert len(steady) == 4 * len(ALL_LOADS)
    # In units of the mean gap they are the same at every load, too; a gap is rounded to a nanosecond of some 10^5.
    units = [np.asarray(case.workload.arrivals_ns) * case.workload.rate_per_s for case in steady]
    for other in units[1:]:
        np.testing.assert_allclose(other, units[0], rtol=1e-4)


def test_a_machine_that_is_as_calibrated_agrees() -> None:
    points = service.judge_points(runs_of(Options()))
    assert [point.reason for point in points if point.word != AGREES] == []
    assert [point.label for point in points if point.metric == "throughput_per_s"] == [
        *("1 ms at 2.5", "5 ms at 2.5", "10 ms at 2.5", "50 ms at 2.5")
    ]


def test_one_processing_time_that_costs_2_percent_more_is_found() -> None:
    points = service.judge_points(runs_of(Options(quick=True), {0.01: 1.02}))
    limits = {point.label: point.word for point in points if point.metric == "throughput_per_s"}
    assert limits == {"1 ms at 2.5": AGREES, "5 ms at 2.5": AGREES, "10 ms at 2.5": DIFFERS}


def test_a_limit_counts_from_the_first_start() -> None:
    # Two messages in 3 s, whatever passed before anything came.
    run = Trajectory.of([10.0, 10.0], start_s=[10.0, 11.0], finish_s=[11.0, 13.0])
    assert service.highest_per_s(run) == pytest.approx(2 / 3)


def test_the_curve_is_that_of_a_server_whose_holds_are_all_the_same() -> None:
    # One message a second, each of 2 s: latencies 2, 3 and 4 s, which is 1.5 holds on average; of 0.5 s: one hold.
    case = Case("run", Workload(rate_per_s=1.0, service_s=0.5, messages=3, arrivals="deterministic"))
    run = compared(case, calibrated=calibration(0.5))
    assert service.on_the_curve(run, 2.0) == pytest.approx(1.5)
    assert service.on_the_curve(run, 0.5) == pytest.approx(1.0)


def test_in_units_of_hold_all_processing_times_are_on_one_curve_and_one_that_is_not_is_seen() -> None:
    options = Options(quick=True)
    honest = [run for run in runs_of(options) if run.utilization < 1]
    curve = [service.on_the_curve(honest[-1], run.utilization) for run in honest]
    # A hold that varies by 3 % and a wake-up of 2 % of the shortest processing time: that much off, and twice as much
    # where messages wait.
    assert [service.in_holds(run) for run in honest] == pytest.approx(curve, rel=0.04)
    slower = [run for run in runs_of(options, {0.01: 1.05}) if run.utilization < 1]
    assert service.in_holds(slower[-1]) > 1.1 * service.on_the_curve(slower[-1], slower[-1].utilization)


@pytest.mark.parametrize("arrivals", ["poisson", "deterministic"])
def test_figures_and_answer_are_made_of_any_runs_and_of_their_files_alone(arrivals: str, tmp_path: Path) -> None:
    options = Options(quick=True, arrivals=arrivals)
    runs = runs_of(options)
    points = service.judge_points(runs)
    write_runs(tmp_path, runs)
    again = read_runs(tmp_path)
    for given in (runs, again):
        captions = service.figures(tmp_path, given, points)
        assert set(captions) == {"limit.png", "curve.png"}
        assert all((tmp_path / name).stat().st_size > 10_000 for name in captions)
        assert service.answer(given, points) == service.answer(runs, points)
    limits = [1 / (service_s + LONGER_S + DISPATCH_S) for service_s in service_times(options)]
    told = service.answer(again, points)
    for limit, service_s in zip(limits, service_times(options), strict=True):
        assert service.facts(again)[f"{service_s * 1e3:g}ms.limit_per_s"] == pytest.approx(limit, rel=0.01)
    assert sentence_of(told).startswith("What gets through falls nearly as 1/D: 8")  # of 879/s at 1 ms
    assert "of one curve" in told


def test_what_is_expected_is_said_with_the_limits_that_were_predicted() -> None:
    cases = service.cases(Options(quick=True))
    said = service.hypothesis([predict(case, calibration(case.calibration[1]), runs=5) for case in cases])
    assert said.startswith("The limit is 1/hold: 8")
    assert "/s at 1 ms, 19" in said


def test_where_no_run_is_steady_there_is_an_answer_all_the_same(tmp_path: Path) -> None:
    # Sleeps of 10 to 100 µs take more than ten times as long: every load is beyond the limit.
    options = Options(quick=True, service_s=0.00005)
    runs = [compared(case, calibrated=calibration(case.calibration[1])) for case in service.cases(options)]
    points = service.judge_points(runs)
    assert {point.metric for point in points} == {"queue_growth_per_s", "throughput_per_s"}
    assert set(service.figures(tmp_path, runs, points)) == {"limit.png"}
    assert "curve" not in service.answer(runs, points)
