"""`python -m compare`: predict and measure the same workloads, and say whether they agree."""

import os
import signal
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

# One thread is enough for the arithmetic here, and the machine has better to do while the real thing runs.
os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), "1"))

from rich.console import Console

from compare import experiments
from compare.calibrate import calibrate, workloads
from compare.experiment import Options
from compare.measure import expected_s
from compare.progress import Watch
from compare.run import run_experiment
from compare.screen import calibration_line, show_answers
from real.environment import environment
from sim import InvalidWorkload, RecordingError
from sim.command import Parser, UsageError, as_typed, out_directory, run_command
from sim.files import json_text, write_text
from sim.flags import add_workload_flags, workload_from
from sim.workload import Workload

EXAMPLES = """examples:
  python -m compare list                  the experiments
  python -m compare all                   every experiment, about 3 minutes
  python -m compare throughput --quick    one experiment, about half a minute
  python -m compare throughput --arrivals trace:requests.csv
"""
CALIBRATION_S, QUICK_CALIBRATION_S = 8.0, 3.0


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    parser = Parser(
        "python -m compare", "Hold the prediction against the measurement, on the same workloads.", EXAMPLES
    )
    names = ", ".join(experiments.names())
    parser.add_argument("experiment", help=f"all, list, or one of: {names}")
    add_workload_flags(parser, ["--service-ms", "--arrivals", "--workers", "--popularity", "--seed"])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    parser.add_argument("--check", action="store_true", help="exit with 1 if any point DIFFERS")
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print summary.json and nothing else")
    output.add_argument("--out", metavar="DIR", default="results", help="where files go [results]")
    args = parser.parse(argv)
    if args.experiment == "list":
        for name in experiments.names():
            print(f"{name:<12} {experiments.load(name).QUESTION}")
        return
    wanted = _wanted(args.experiment)
    out = out_directory(args.out) or Path()
    options = _options(workload_from(args), quick=args.quick)
    # SIGTERM ends it as Ctrl-C does: with the child that measures, and nothing half-written.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    summary = _run(wanted, options, out, as_typed("compare", argv), as_json=args.json)
    if args.check and summary["verdict"]["differs"]:
        raise SystemExit(1)


def _wanted(experiment: str) -> dict[str, ModuleType]:
    known = experiments.names()
    if experiment not in (*known, "all"):
        raise UsageError(f"{experiment}: no such experiment; give all, list or one of {', '.join(known)}")
    return {name: experiments.load(name) for name in (known if experiment == "all" else [experiment])}


def _options(workload: Workload, *, quick: bool) -> Options:
    recorded = len(workload) if workload.arrivals_kind == "trace" else None
    return Options(
        quick=quick,
        service_s=workload.service_s or 0.0,
        arrivals=workload.arrivals,
        workers=workload.workers,
        popularity=workload.popularity,
        seed=workload.seed,
        recorded=recorded,
    )


def _planned_s(modules: dict[str, ModuleType], options: Options) -> tuple[float, float]:
    """Return how long calibrating and measuring will take, s; UsageError for what could not run."""
    try:
        runs = [run for module in modules.values() for run in module.workloads(options).values()]
        calibration = workloads(options.service_s, _calibration_s(options), options.seed)
        return sum(map(expected_s, calibration)), sum(map(expected_s, runs))
    except (InvalidWorkload, RecordingError) as error:
        raise UsageError(str(error)) from None


def _calibration_s(options: Options) -> float:
    return QUICK_CALIBRATION_S if options.quick else CALIBRATION_S


def _run(modules: dict[str, ModuleType], options: Options, out: Path, command: str, *, as_json: bool) -> dict[str, Any]:
    calibration_s, measuring_s = _planned_s(modules, options)
    console = Console(stderr=as_json, highlight=False)
    out.mkdir(parents=True, exist_ok=True)
    with Watch(console, calibration_s + measuring_s) as watch:
        watch.begin("calibrating", calibration_s)
        calibration = calibrate(options.service_s, _calibration_s(options), options.seed, watch.passed)
        watch.end()
        console.print(calibration_line(calibration, options.service_s))
        entries = [run_experiment(name, module, options, calibration, watch, out) for name, module in modules.items()]
    summary = _summary(entries, calibration.document(), command)
    write_text(out / "summary.json", json_text(summary))
    if as_json:
        print(json_text(summary), end="")
    else:
        show_answers(console, summary, out)
    return summary


def _summary(entries: list[dict[str, Any]], calibration: dict[str, Any], command: str) -> dict[str, Any]:
    words = [point["word"] for entry in entries for point in entry["points"]]
    packages = ("simpy", "numpy", "numba", "matplotlib")
    return {
        "schema_version": 1,
        "command": command,
        "environment": environment() | {"packages": {name: version(name) for name in packages}},
        "calibration": calibration,
        "experiments": entries,
        "verdict": {word.lower(): words.count(word) for word in ("AGREES", "DIFFERS", "INCONCLUSIVE")},
    }


if __name__ == "__main__":
    run_command("compare", main)
