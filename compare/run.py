"""Run an experiment: predict, measure, judge, draw; its files are written when it ends."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from compare.calibrate import Calibration
from compare.experiment import Options, Run
from compare.files import write_csv, write_json
from compare.measure import expected_s, measure
from compare.predict import predict
from compare.progress import Watch
from compare.screen import experiment_table
from compare.verdict import Point
from sim import Workload


def run_experiment(
    name: str, experiment: ModuleType, options: Options, calibration: Calibration, watch: Watch, out: Path
) -> dict[str, Any]:
    """Compare all runs of an experiment and write its files; return its entry in the summary."""
    runs = list(_runs(name, experiment.workloads(options), calibration, watch))
    points = [point for run in runs for point in experiment.judge_points(run)]
    directory = out / name
    directory.mkdir(parents=True, exist_ok=True)
    _write_runs(directory, runs)
    figures = experiment.figures(directory, runs)
    entry = {
        "name": name,
        "question": experiment.QUESTION,
        "answer": experiment.answer(runs, points),
        "points": [point.document() for point in points],
        "attribution": [],
        "figures": [f"{name}/{figure}" for figure in figures],
    }
    write_json(directory / "points.json", entry)
    _write_points(directory, points)
    watch.console.print(f"\n[bold]{name}[/bold]: {experiment.QUESTION}\n")
    watch.console.print(experiment_table(runs, points))
    return entry


def _runs(name: str, workloads: dict[str, Workload], calibration: Calibration, watch: Watch) -> Iterator[Run]:
    for label, workload in workloads.items():
        watch.begin(f"{name}: {label}", expected_s(workload))
        # The order matters: nothing of the run is known when it is predicted.
        prediction = predict(workload, calibration)
        measurement = measure(workload, watch.passed)
        watch.end()
        yield Run(label, prediction, measurement)


def _write_runs(directory: Path, runs: list[Run]) -> None:
    for run in runs:
        stem = run.label.replace("/", "-per-").replace(" ", "-")
        run.prediction.trajectory.write_csv(directory / f"{stem}-predicted.csv")
        run.measurement.trajectory.write_csv(directory / f"{stem}-measured.csv")


def _write_points(directory: Path, points: list[Point]) -> None:
    columns = ("label", "metric", "nominal", "predicted", "measured", "path_error", "tolerance", "word", "reason")
    write_csv(directory / "points.csv", columns, ([getattr(point, column) for column in columns] for point in points))
