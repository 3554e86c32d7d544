"""From workload to report: experiments as one file each, files as promised, and what is finished stays finished."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compare import experiments
from compare.calibrate import Calibration
from compare.case import Case
from compare.experiment import Options, Run
from compare.judge import judge_run
from compare.run import drawn_again, write_entry
from compare.store import ResultsError, kept_calibration, read_calibration, read_runs, stem_of, write_runs
from compare.summary import accuracy, beside, counted, inside
from compare.verdict import AGREES
from sim import Trajectory, Workload
from tests.compare.runs import calibration, compared

ROOT = Path(__file__).parents[2]


def command(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "compare", *words], capture_output=True, text=True, cwd=cwd, check=False
    )


@pytest.mark.parametrize("name", experiments.names())
def test_every_experiment_asks_a_question_and_plans_fewer_and_shorter_runs_if_time_is_short(name: str) -> None:
    module = experiments.load(name)
    assert module.QUESTION.endswith("?")
    assert module.TRIED.endswith(".")
    assert module.RULES.endswith(".")
    quick, full = module.cases(Options(quick=True)), module.cases(Options())
    assert sum(len(case.workload) for case in quick) < sum(len(case.workload) for case in full)
    for cases in (quick, full):
        labels = [stem_of(case.label) for case in cases]
        assert len(set(labels)) == len(labels), "each run has files of its own"


def test_the_list_prints_every_experiment_at_80_columns() -> None:
    shown = command("list").stdout
    assert all(name in shown for name in experiments.names())
    assert max(map(len, shown.splitlines())) <= 80


def test_throughput_spans_10_to_1000_messages_per_second_at_5_ms() -> None:
    for quick in (True, False):
        rates = [case.workload.rate_per_s for case in experiments.load("throughput").cases(Options(quick=quick))]
        assert (min(rates), max(rates)) == (10.0, 1000.0)  # type: ignore[type-var]
        assert 150.0 in rates


@pytest.mark.measuring
def test_a_comparison_from_end_to_end(tmp_path: Path) -> None:
    result = command("throughput", "--quick", "--service-ms", "0.5", "--out", str(tmp_path), "--json")
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary == json.loads((tmp_path / "summary.json").read_text())
    (entry,) = summary["experiments"]
    keys = {"label", "workload", "metric", "nominal", "predicted", "band", "measured", "path_error", "tolerance"}
    assert all(keys | {"word", "reason"} <= set(point) for point in entry["points"])
    assert {"name", "question", "answer", "points", "attribution", "figures"} <= set(entry)
    assert sum(summary["verdict"].values()) == len(entry["points"])
    (calibration,) = summary["calibrations"]
    assert (calibration["work"], calibration["service_s"]) == ("sleep", 0.0005)
    assert calibration["drift"] == pytest.approx(calibration["afterwards"]["hold_s"] / calibration["hold_s"] - 1)
    for attribution in entry["attribution"]:
        parts = sum(part["value_s"] for part in attribution["parts"])
        assert attribution["nominal_s"] + parts == pytest.approx(attribution["measured_s"], abs=1e-12)
    for figure in entry["figures"]:
        content = (tmp_path / figure).read_bytes()
        assert content.startswith(b"\x89PNG" if figure.endswith("png") else b"<?xml")
    for path in (tmp_path / "throughput").glob("*-measured.csv"):
        predicted = Trajectory.read_csv(path.with_name(path.name.replace("measured", "predicted")))
        assert np.array_equal(predicted.arrival_s, Trajectory.read_csv(path).arrival_s)
        assert np.array_equal(predicted.worker, Trajectory.read_csv(path).worker)
    assert not list(tmp_path.rglob("*.partial"))
    assert not (tmp_path / ".unfinished.json").exists()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    for path in before:
        path.unlink()
    again = command("report", "--out", str(tmp_path), "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout) == summary
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.png")} == before
    assert (tmp_path / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("arrivals", ["poisson", "deterministic"])
def test_figures_and_answer_are_made_of_any_runs_and_again_of_their_files(arrivals: str, tmp_path: Path) -> None:
    module = experiments.load("throughput")
    options = Options(quick=True, arrivals=arrivals)
    runs = [compared(case) for case in module.cases(options)]
    points = module.judge_points(runs)
    assert [point for point in points if point.word != AGREES] == []
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    write_runs(first, runs)
    entry = write_entry(first, "throughput", module, "It will.", runs, points)
    pictures = {path.name: path.read_bytes() for path in first.glob("*.png")}
    assert set(pictures) == {Path(figure).name for figure in entry["figures"] if figure.endswith("png")}
    assert "messages every second" in entry["answer"]
    shutil.copytree(first, second)
    assert drawn_again(second, "throughput", module, entry) == entry
    assert {path.name: path.read_bytes() for path in second.glob("*.png")} == pictures


def test_runs_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    runs = [compared(Case("150/s", Workload(rate_per_s=150, messages=200), "precise"))]
    write_runs(tmp_path, runs)
    (run,) = read_runs(tmp_path)
    assert run.case == runs[0].case
    assert run.workload.describe() == runs[0].workload.describe()
    assert run.prediction.bands == runs[0].prediction.bands
    assert run.prediction.theory == runs[0].prediction.theory
    for name in ("predicted", "measured"):
        assert np.array_equal(getattr(run, name).finish_s, getattr(runs[0], name).finish_s)
    assert np.array_equal(run.prediction.nominal_path.finish_s, runs[0].prediction.nominal_path.finish_s)
    assert run.pairing == runs[0].pairing
    assert run.measurement.noise == runs[0].measurement.noise
    assert run.utilization == runs[0].utilization


def test_what_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="measure first"):
        read_runs(tmp_path)
    (tmp_path / "runs.json").write_text('{"runs": [{}]}')
    with pytest.raises(ResultsError, match="measure again"):
        read_runs(tmp_path)


def test_a_part_of_a_recording_is_stretched_to_the_rate_asked_for(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text("\n".join(str(k**1.5) for k in range(100)))  # slower and slower
    options = Options(arrivals=f"trace:{trace}", recorded=100)
    for messages in (30, 100, 500):
        run = options.workload(40.0, messages)
        assert len(run) == min(messages, 100)
        assert run.offered_rate_per_s == pytest.approx(40.0)
    assert len(options.workload(40.0, 500, arrivals="poisson")) == 500


def test_a_recording_need_not_be_there_any_more_when_figures_are_drawn_again(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text("\n".join(str(k * 0.008) for k in range(100)))
    workload = Workload(arrivals=f"trace:{trace}", rate_per_s=150)
    write_runs(tmp_path, [compared(Case("recorded", workload))])
    trace.unlink()
    (run,) = read_runs(tmp_path)
    assert run.rate_per_s == pytest.approx(150)
    assert len(run.predicted) == 100


def entry_of(runs: list[Run], name: str = "made") -> dict[str, Any]:
    points = [point for run in runs for point in judge_run(run)]
    return {
        "name": name,
        "points": [point.document() for point in points],
        "pairing": [{"label": run.label} | run.pairing.document() for run in runs if run.pairing],
    }


def test_accuracy_is_the_median_path_error_up_to_a_utilization_of_90_percent() -> None:
    runs = [
        compared(Case(f"{rate}/s", Workload(rate_per_s=rate, messages=900), "precise")) for rate in (100, 150, 185, 300)
    ]
    entry = entry_of(runs)
    found = accuracy([entry])["precise"]
    quiet = [
        abs(point["path_error"])
        for point in entry["points"]
        if point["metric"] == "latency_s.mean" and point["label"] in ("100/s", "150/s")
    ]
    assert found["mean"] == pytest.approx(sum(quiet) / 2)
    assert found["runs"] == 2
    assert found["correlation"] > 0.99
    assert sum(counted([entry]).values()) == len(entry["points"])
    assert accuracy([entry | {"name": "gil"}]) == {}, "threads are no processor"


def test_it_is_counted_how_many_latencies_lay_inside_their_band() -> None:
    def point(metric: str, measured: float, band: tuple[float, float] = (0.010, 0.011)) -> dict[str, Any]:
        return {"metric": metric, "measured": measured, "band": list(band)}

    points = [
        point("latency_s.mean", 0.0105),
        point("latency_s.p50", 0.011),
        point("latency_s.p95", 0.0111),
        point("latency_s.p99", 0.0099),
        point("latency_s.mean", 0.005, (0.005, 0.005)),  # which is no band
        point("throughput_per_s", 0.0105),
    ]
    assert inside([{"points": points}]) == {"inside": 2, "of": 4}


# -- interrupted and gone on with -------------------------------------------------------------------------------------


ONE_MORE = '''"""How long is nothing at all?"""

from compare.case import Case
from compare.figures import draw, message_by_message
from compare.judge import judge_run
from sim.units import seconds

QUESTION = "Is a message of a millisecond as fast as it should be?"
TRIED = "One short run."
RULES = "The usual ones."


def cases(options):
    return [Case("slow", options.workload(100.0, 30 if options.quick else 60, service_s=0.001))]


def hypothesis(predictions):
    return "It is."


def judge_points(runs):
    return judge_run(runs[0])


def figures(directory, runs, points):
    return draw(directory, "own", "A caption.", lambda figure: message_by_message(figure, runs[0]), (6.0, 4.0))


def answer(runs, points):
    return f"It took {seconds(points[0].measured)}."
'''


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the lab with two more experiments, each a file of its own, and nothing else touched."""
    for package in ("sim", "real", "compare"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in experiments.names():
        (tmp_path / "compare" / "experiments" / f"{name}.py").unlink()
    for name in ("first", "second"):
        (tmp_path / "compare" / "experiments" / f"{name}.py").write_text(ONE_MORE)
    return tmp_path


@pytest.mark.measuring
def test_one_more_experiment_is_one_more_file(copied: Path) -> None:
    assert "second" in command("list", cwd=copied).stdout
    result = command("second", "--quick", cwd=copied)
    assert result.returncode == 0, result.stderr
    assert "It took" in result.stdout
    entry = json.loads((copied / "results" / "second" / "points.json").read_text())
    assert entry["figures"][:2] == ["second/own.png", "second/own.svg"]
    assert "Is a message of a millisecond as fast as it should be?" in (copied / "results" / "report.html").read_text()


@pytest.mark.measuring
def test_what_is_finished_when_it_is_interrupted_is_kept_and_not_run_again(copied: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "compare", "all", "--quick"],
        cwd=copied,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while not (copied / "results" / ".unfinished.json").exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "1 of 2 experiments are finished and kept in results; go on with --resume" in complaint
    assert not list(copied.rglob("*.partial"))
    summary = json.loads((copied / "results" / "summary.json").read_text())
    assert summary["unfinished"] == ["second"]
    (before,) = summary["calibrations"]
    kept = (copied / "results" / "first" / "runs.json").read_bytes()
    other = command("all", "--quick", "--seed", "5", "--resume", cwd=copied)
    assert other.returncode == 2
    assert "another comparison was interrupted" in other.stderr
    result = command("all", "--quick", "--resume", "--json", cwd=copied)
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert [entry["name"] for entry in summary["experiments"]] == ["first", "second"]
    assert summary["unfinished"] == []
    assert summary["command"] == "python -m compare all --quick --json"
    (calibration,) = summary["calibrations"]
    assert calibration["made"][: len(before["made"])] == before["made"], "what was calibrated is not lost"
    assert (copied / "results" / "first" / "runs.json").read_bytes() == kept
    nothing = command("all", "--quick", "--resume", cwd=copied)
    assert nothing.returncode == 2
    assert "no comparison was interrupted" in nothing.stderr


def test_an_experiment_that_is_measured_again_takes_nothing_away_from_the_summary_of_all(tmp_path: Path) -> None:
    calibrations = [{"work": work, "service_s": 0.005, "hold_s": 0.00515} for work in ("sleep", "cpu")]
    before = {
        "command": "python -m compare all",
        "inject": None,
        "awake": {"processors": 2, "why_not": None},
        "experiments": [{"name": "throughput"}, {"name": "work", "command": "python -m compare work"}],
        "calibrations": calibrations,
    }
    (tmp_path / "summary.json").write_text(json.dumps(before))
    awake = before["awake"]
    entries, known = beside(tmp_path, {"throughput": None}, None, calibrations[:1], awake)
    assert entries == [{"name": "work", "command": "python -m compare work"}]
    assert known == calibrations[1:]
    entries, _ = beside(tmp_path, {"work": None}, None, [], awake)
    assert entries == [{"name": "throughput", "command": "python -m compare all"}]
    assert beside(tmp_path, {"throughput": None, "work": None}, None, [], awake) == ([], [])
    assert beside(tmp_path, {"throughput": None}, "service=1.05", [], awake) == ([], [])
    assert beside(tmp_path, {"throughput": None}, None, [], {"processors": 0, "why_not": "because"}) == ([], [])
    (tmp_path / "summary.json").write_text("{}")
    assert beside(tmp_path, {"throughput": None}, None, [], awake) == ([], [])
    assert beside(tmp_path / "nothing", {"throughput": None}, None, [], awake) == ([], [])


def test_a_calibration_is_read_back_as_it_was_kept() -> None:
    made = Calibration.of([calibration()])
    again = read_calibration(json.loads(json.dumps(kept_calibration(made))))
    assert again.document() == made.document()
    assert (again.at_s, again.stalled, again.pace_per_s) == (made.at_s, made.stalled, made.pace_per_s)
    assert np.array_equal(again.samples.wakeup_s, made.samples.wakeup_s)


@pytest.mark.measuring
def test_no_process_is_left_behind_when_a_comparison_is_killed(copied: Path) -> None:
    process = subprocess.Popen([sys.executable, "-m", "compare", "all", "--quick"], cwd=copied, stdout=subprocess.PIPE)
    children: list[int] = []
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not listed.exists():
        pytest.skip("only Linux lists a process's children")
    try:
        while len(children) < 2:  # the canary, and the processor
            assert process.poll() is None
            children = [int(pid) for pid in listed.read_text().split()]
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    finally:
        process.kill()
    for pid in children:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


# -- one point, and servers made otherwise ----------------------------------------------------------------------------


@pytest.mark.measuring
def test_a_single_workload_is_compared_and_a_server_made_slower_is_seen(tmp_path: Path) -> None:
    words = ["point", "--rate", "800", "--service-ms", "1", "--work", "precise", "--messages", "1500", "--quick"]
    slower = command(*words, "--inject", "service=1.15", "--check", "--json", "--out", str(tmp_path))
    assert slower.returncode == 1, slower.stderr
    summary = json.loads(slower.stdout)
    assert summary["inject"] == "service=1.15"
    assert summary["verdict"]["differs"] >= 1
    mean = next(one for one in summary["experiments"][0]["attribution"] if one["statistic"] == "mean")
    parts = {part["cause"]: part["value_s"] for part in mean["parts"]}
    assert parts["service overshoot"] == max(parts.values())


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["point", "--work", "none"], "--work none: must be one of"),
        (["point", "--inject", "speed=2"], "--inject speed=2: write service=1.05"),
        (["everything"], "everything: no such experiment; give all, list, point, report or one of"),
        (["report", "--out", "/nowhere/at/all"], ""),
        (["throughput", "--rate", "5"], "--rate"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(words: list[str], complaint: str, tmp_path: Path) -> None:
    result = command(*words, *([] if "--out" in words else ["--out", str(tmp_path / "out")]))
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert complaint in result.stderr
    assert not (tmp_path / "out").exists()
