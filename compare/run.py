"""Run an experiment: predict, measure, judge, draw; its files are written when it ends."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from compare.experiment import Options, Run
from compare.measure import expected_s, measure
from compare.predict import predict
from compare.progress import Watch
from compare.screen import experiment_table
from compare.verdict import Point
from sim import Workload
from sim.bands import HoldSamples
from sim.files import csv_text, json_text, write_text

COLUMNS = (
    *("label", "metric", "nominal", "predicted", "band", "measured", "path_error", "ensemble_error", "tolerance"),
    *("word", "reason"),
)


def run_experiment(
    name: str, experiment: ModuleType, options: Options, calibration: HoldSamples, watch: Watch, out: Path
) -> dict[str, Any]:
    """Compare all runs of an experiment and write its files; return its entry in the summary."""
    runs = list(_runs(name, experiment.workloads(options), calibration, watch))
    points = [point for run in runs for point in experiment.judge_points(run)]
    with _replaced(out / name) as directory:
        entry = _write(directory, name, experiment, runs, points)
    watch.console.print(f"\n[bold]{name}[/bold]: {experiment.QUESTION}\n")
    watch.console.print(experiment_table(runs, points))
    return entry


@contextmanager
def _replaced(directory: Path) -> Iterator[Path]:
    """Give a new directory that takes the place of an old one when all is written: results are of one run, or none."""
    fresh = directory.with_name(f".{directory.name}.partial")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        yield fresh
        shutil.rmtree(directory, ignore_errors=True)
        fresh.rename(directory)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _runs(name: str, workloads: dict[str, Workload], calibration: HoldSamples, watch: Watch) -> Iterator[Run]:
    for label, workload in workloads.items():
        watch.begin(f"{name}: {label}", expected_s(workload))
        # The order matters: nothing of the run is known when it is predicted.
        prediction = predict(workload, calibration)
        measurement = measure(workload, watch.passed)
        watch.end()
        yield Run(label, prediction, measurement)


def _write(directory: Path, name: str, experiment: ModuleType, runs: list[Run], points: list[Point]) -> dict[str, Any]:
    for run in runs:
        stem = run.label.replace("/", "-per-")
        run.prediction.trajectory.write_csv(directory / f"{stem}-predicted.csv")
        run.measurement.trajectory.write_csv(directory / f"{stem}-measured.csv")
    figures = experiment.figures(directory, runs)
    entry = {
        "name": name,
        "question": experiment.QUESTION,
        "answer": experiment.answer(runs, points),
        "points": [point.document() for point in points],
        "attribution": [],
        "figures": [f"{name}/{figure}" for figure in figures],
    }
    write_text(directory / "points.json", json_text(entry))
    rows = ([getattr(point, column) for column in COLUMNS] for point in points)
    write_text(directory / "points.csv", csv_text(COLUMNS, rows))
    return entry
