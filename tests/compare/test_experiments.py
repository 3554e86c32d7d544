"""From workload to figures: real runs in processes of their own, files as promised, one file an experiment."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from compare import experiments
from compare.experiment import Options, Run
from compare.measure import Measurement, MeasurementError, measure
from compare.predict import predict
from sim import Trajectory, Workload, simulate
from sim.flags import flags_of
from tests.compare.test_verdict import calibration

ROOT = Path(__file__).parents[2]


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "compare", *words], capture_output=True, text=True, cwd=ROOT, check=False
    )


def test_every_experiment_asks_a_question_and_plans_runs_of_its_own_length() -> None:
    assert "throughput" in experiments.names()
    for name in experiments.names():
        module = experiments.load(name)
        assert module.QUESTION.endswith("?")
        assert len(module.workloads(Options(quick=True))) < len(module.workloads(Options()))
        assert name in command("list").stdout


def test_throughput_spans_10_to_1000_messages_per_second_at_5_ms() -> None:
    for quick in (True, False):
        rates = [run.rate_per_s for run in experiments.load("throughput").workloads(Options(quick=quick)).values()]
        assert (min(rates), max(rates)) == (10.0, 1000.0)
        assert 150.0 in rates


def test_a_comparison_from_end_to_end(tmp_path: Path) -> None:
    result = command("throughput", "--quick", "--service-ms", "0.5", "--out", str(tmp_path), "--json")
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary == json.loads((tmp_path / "summary.json").read_text())
    assert set(summary) == {"schema_version", "command", "environment", "calibration", "experiments", "verdict"}
    (entry,) = summary["experiments"]
    assert set(entry) == {"name", "question", "answer", "points", "attribution", "figures"}
    keys = {"label", "workload", "metric", "nominal", "predicted", "band", "measured", "path_error", "tolerance"}
    assert all(keys | {"word", "reason"} <= set(point) for point in entry["points"])
    assert sum(summary["verdict"].values()) == len(entry["points"])
    for figure in entry["figures"]:
        content = (tmp_path / figure).read_bytes()
        assert content.startswith(b"\x89PNG" if figure.endswith("png") else b"<?xml")
    for path in (tmp_path / "throughput").glob("*-measured.csv"):
        predicted = Trajectory.read_csv(path.with_name(path.name.replace("measured", "predicted")))
        assert np.array_equal(predicted.arrival_s, Trajectory.read_csv(path).arrival_s)
        assert np.array_equal(predicted.worker, Trajectory.read_csv(path).worker)
    assert not list(tmp_path.rglob("*.partial"))


def test_the_flags_that_are_sent_describe_the_workload(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text("\n".join(map(str, range(20))))
    for workload in (
        Workload(rate_per_s=1 / 3 * 1e3, service_s=0.0007, messages=5, seed=4),
        Workload(duration_s=0.05, workers=3, popularity="zipf:1.1"),
        Workload(
            messages=9, order="round-robin", inbox=2, query_rate_per_s=40.0, query_policy="idle", rate_per_s=200.0
        ),
        Workload(arrivals=f"trace:{trace}", rate_per_s=300.0),
        Workload(arrivals=f"trace:{trace}", rate_per_s=300.0, service_s=0.0001, messages=9),
    ):
        measurement = measure(workload)  # which compares the digests
        assert len(measurement.trajectory) == len(workload)
        assert "--rate" in flags_of(workload)


def test_a_run_that_fails_is_an_error_that_says_why(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text("1\n2\n")
    workload = Workload(arrivals=f"trace:{trace}", rate_per_s=100)
    trace.unlink()
    with pytest.raises(MeasurementError, match="no such file"):
        measure(workload)


def test_another_workload_than_was_predicted_is_noticed(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text("1\n2\n")
    workload = Workload(arrivals=f"trace:{trace}", rate_per_s=100)
    trace.write_text("1\n2\n4\n")
    with pytest.raises(MeasurementError, match="another workload"):
        measure(workload)


def test_a_part_of_a_recording_is_stretched_to_the_rate_asked_for(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text("\n".join(str(k**1.5) for k in range(100)))  # slower and slower
    options = Options(arrivals=f"trace:{trace}", recorded=100)
    for messages in (30, 100, 500):
        run = options.workload(40.0, messages)
        assert len(run) == min(messages, 100)
        assert run.offered_rate_per_s == pytest.approx(40.0)


@pytest.mark.parametrize("arrivals", ["poisson", "deterministic"])
def test_figures_and_answer_are_made_of_any_runs(arrivals: str, tmp_path: Path) -> None:
    module = experiments.load("throughput")
    options = Options(quick=True, arrivals=arrivals)
    runs = []
    for label, workload in module.workloads(options).items():
        trajectory = simulate(workload, hold=calibration(5).hold_times(len(workload), np.random.default_rng(4)))
        measurement = Measurement(trajectory, trajectory.metrics(), {}, "")
        runs.append(Run(label, predict(workload, calibration()), measurement))
    points = [point for run in runs for point in module.judge_points(run)]
    assert [point for point in points if point.word != "AGREES"] == []
    assert all((tmp_path / name).stat().st_size > 1000 for name in module.figures(tmp_path, runs))
    assert "messages every second" in module.answer(runs, points)
