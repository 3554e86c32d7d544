"""Run an experiment: predict all, then measure, judge, explain, draw; its files are written when it ends."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from compare.attribution import Attribution, attribute
from compare.bench import Bench
from compare.case import Case
from compare.experiment import Experiment, Options, Run
from compare.explain.pairing import paired
from compare.figures import attribution_figure
from compare.machine.vacations import with_stalls
from compare.predict import Prediction
from compare.scene import Scene
from compare.screen import show_experiment, show_figures
from compare.store import read_runs, write_runs
from compare.verdict import NEAR_THE_LIMIT, Point
from sim import Trajectory
from sim.files import csv_text, json_text, write_text

COLUMNS = (
    *("label", "work", "utilization", "metric", "nominal", "predicted", "band", "adjusted", "measured", "path_error"),
    *("ensemble_error", "tolerance", "word", "reason"),
)
FILE = "points.json"
Entry = dict[str, Any]


def run_experiment(name: str, experiment: Experiment, options: Options, bench: Bench, out: Path) -> Entry:
    """Compare all cases of an experiment and write its files; return its entry in the summary."""
    cases = experiment.cases(options)
    # The order matters: nothing of any run is known when it is predicted.
    bench.watch.begin(f"{name}: predicting", 0.0)
    predictions = [bench.predicted(case) for case in cases]
    hypothesis = experiment.hypothesis(predictions)
    runs = [measured_run(name, prediction, bench) for prediction in predictions]
    points = experiment.judge_points(runs)
    runs = [replace(run, prediction=run.prediction.without_runs()) for run in runs]
    with _replaced(out / name) as directory:
        write_runs(directory, runs)
        entry = write_entry(directory, name, experiment, hypothesis, runs, points)
    show_experiment(bench.watch.console, entry, points)
    show_figures(bench.watch.console, entry, out)
    return entry


def measured_run(name: str, prediction: Prediction, bench: Bench) -> Run:
    """Measure what was predicted, and explain the difference."""
    case = prediction.case
    measurement = bench.measured(name, case)
    # What was really run, for the explanation only.
    scene = prediction.scene.ruled(order=bench.injection.order or case.workload.order)
    asking = bench.answering(case)
    run = Run(case, prediction, measurement, floor_s=asking.floor_s if asking else 0.0)
    return replace(
        run,
        answer_s=asking.answer_s if asking else 0.0,
        adjusted=_adjusted(run),
        attributions=() if case.threads else _attributed(run, scene),
        pairing=paired(run.predicted, run.measured, measurement.noise.stalls, measurement.noise.gc_pauses),
    )


def repredicted(run: Run, bench: Bench) -> Run:
    """Return a run as it would have been predicted from the calibration made at the end."""
    again = replace(run, prediction=bench.predicted(run.case, afterwards=True))
    return replace(again, adjusted=_adjusted(again))


def _adjusted(run: Run) -> Trajectory | None:
    """Return the prediction with the machine's logged stalls put in; None where there were none, or several threads."""
    stalls = run.measurement.noise.stalls
    if not stalls or run.case.threads:
        return None
    if run.case.work == "precise":  # it spins until an instant: of a wait before that nothing is lost
        stalls = tuple(replace(stall, waited=False) for stall in stalls)
    prediction = run.prediction
    holds = with_stalls(prediction.scene, prediction.holds, stalls, sleeps=run.case.work != "cpu")
    return prediction.scene.replay(holds).trajectory(run.predicted.worker)


def _attributed(run: Run, scene: Scene) -> list[Attribution]:
    # What questions cost is a part of its own.
    theory = run.alone.latency_s if run.utilization < NEAR_THE_LIMIT[1] else None
    service_s = run.workload.service_s or 0.0
    return attribute(scene, service_s, run.measured, run.measurement.noise.stalls, theory)


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


def write_entry(
    directory: Path, name: str, experiment: Experiment, hypothesis: str, runs: Sequence[Run], points: Sequence[Point]
) -> Entry:
    """Draw an experiment's figures, and write its points and its entry in the summary."""
    captions = experiment.figures(directory, runs, points) | attribution_figure(directory, runs)
    figures = [name for picture in captions for name in (picture, picture.replace(".png", ".svg"))]
    facts = getattr(experiment, "facts", None)
    entry = {
        "name": name,
        "question": experiment.QUESTION,
        "tried": experiment.TRIED,
        "rules": experiment.RULES,
        "hypothesis": hypothesis,
        "answer": experiment.answer(runs, points),
        "points": [point.document() for point in points],
        "attribution": [
            {"label": run.label} | attribution.document()
            for run in runs
            for attribution in run.attributions
            if attribution.statistic in ("mean", "p99")
        ],
        "pairing": [{"label": run.label} | run.pairing.document() for run in runs if run.pairing],
        "noise": [
            {"label": run.label, "repeated": list(run.measurement.repeated)} | run.measurement.noise.document()
            for run in runs
        ],
        "facts": facts(runs) if facts else {},
        "figures": [f"{name}/{figure}" for figure in figures],
        "captions": {f"{name}/{picture}": caption for picture, caption in captions.items()},
    }
    write_points(directory, entry)
    return entry


def write_points(directory: Path, entry: Entry) -> None:
    """Write an experiment's entry, and its points as CSV."""
    write_text(directory / FILE, json_text(entry))
    rows = ([point[column] for column in COLUMNS] for point in entry["points"])
    write_text(directory / "points.csv", csv_text(COLUMNS, rows))


def drawn_again(directory: Path, name: str, experiment: Experiment, entry: Entry) -> Entry:
    """Draw an experiment's figures again from its files, measuring nothing; return its entry."""
    runs = read_runs(directory)
    points = [Point.of_document(point) for point in entry["points"]]
    command = {"command": entry["command"]} if "command" in entry else {}
    return write_entry(directory, name, experiment, entry["hypothesis"], runs, points) | command


def cases_of(experiments: dict[str, Experiment], options: Options) -> list[Case]:
    """Return every case of these experiments."""
    return [case for experiment in experiments.values() for case in experiment.cases(options)]
