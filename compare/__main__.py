"""`python -m compare`: predict and measure the same workloads, and say whether they agree."""

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

# One thread is enough for the arithmetic here, and the machine has better to do while the real thing runs.
os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), "1"))

from compare import experiments
from sim.flags import Parser, UsageError, add_workload_flags, fail, out_directory, workload_from
from sim.workload import Workload

EXAMPLES = """examples:
  python -m compare list                  the experiments
  python -m compare all                   every experiment, about 3 minutes
  python -m compare throughput --quick    one experiment, about half a minute
  python -m compare throughput --arrivals trace:requests.csv
"""
CALIBRATION_S, QUICK_CALIBRATION_S = 8.0, 3.0


def main() -> None:
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
    args = parser.parse(sys.argv[1:])
    if args.experiment == "list":
        for name in experiments.names():
            print(f"{name:<12} {experiments.load(name).QUESTION}")
        return
    try:
        wanted = _wanted(args.experiment)
        out = out_directory(args.out)
        workload = workload_from(args)
    except UsageError as error:
        fail("compare", str(error))
    assert out is not None
    summary = _run(wanted, workload, out, quick=args.quick, as_json=args.json)
    if args.check and summary["verdict"]["differs"]:
        raise SystemExit(1)


def _wanted(experiment: str) -> list[str]:
    if experiment == "all":
        return experiments.names()
    if experiment not in experiments.names():
        raise UsageError(f"{experiment}: no such experiment; give all, list or one of {', '.join(experiments.names())}")
    return [experiment]


def _run(names: list[str], workload: Workload, out: Path, *, quick: bool, as_json: bool) -> dict[str, Any]:
    # Loading all this takes a second; bad input has been refused before.
    from rich.console import Console  # noqa: PLC0415

    from compare.calibrate import calibrate, workloads  # noqa: PLC0415
    from compare.experiment import Options  # noqa: PLC0415
    from compare.files import write_json  # noqa: PLC0415
    from compare.measure import MeasurementError, expected_s  # noqa: PLC0415
    from compare.progress import Watch  # noqa: PLC0415
    from compare.run import run_experiment  # noqa: PLC0415
    from compare.screen import calibration_line, verdict_lines  # noqa: PLC0415

    service_s = workload.service_s or 0.0
    options = Options(quick, service_s, workload.arrivals, workload.workers, workload.popularity, workload.seed)
    modules = {name: experiments.load(name) for name in names}
    length_s = QUICK_CALIBRATION_S if quick else CALIBRATION_S
    calibration_s = sum(expected_s(run) for run in workloads(service_s, length_s, workload.seed))
    planned_s = sum(expected_s(run) for module in modules.values() for run in module.workloads(options).values())
    console = Console(stderr=as_json, highlight=False)
    out.mkdir(parents=True, exist_ok=True)
    try:
        with Watch(console, calibration_s + planned_s) as watch:
            watch.begin("calibrating", calibration_s)
            calibration = calibrate(service_s, length_s, workload.seed, watch.passed)
            watch.end()
            console.print(calibration_line(calibration, service_s))
            entries = [
                run_experiment(name, module, options, calibration, watch, out) for name, module in modules.items()
            ]
    except MeasurementError as error:
        print(f"compare: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("compare: interrupted; what had been written before stands as it was", file=sys.stderr)
        raise SystemExit(130) from None
    summary = _summary(entries, calibration.document())
    write_json(out / "summary.json", summary)
    if as_json:
        print((out / "summary.json").read_text(encoding="utf-8"), end="")
        return summary
    for entry in entries:
        console.print(f"\n[bold]Answer[/bold]  {entry['answer']}")
        console.print(
            "Figures " + "\n        ".join(f"{out}/{name}" for name in entry["figures"] if name.endswith("png"))
        )
    console.print("\n[bold]Verdict[/bold] " + "\n".join(verdict_lines(summary)))
    return summary


def _summary(entries: list[dict[str, Any]], calibration: dict[str, Any]) -> dict[str, Any]:
    from real.environment import environment  # noqa: PLC0415

    words = [point["word"] for entry in entries for point in entry["points"]]
    packages = ("simpy", "numpy", "numba", "matplotlib")
    return {
        "schema_version": 1,
        "command": "python -m compare " + " ".join(sys.argv[1:]),
        "environment": environment() | {"packages": {name: version(name) for name in packages}},
        "calibration": calibration,
        "experiments": entries,
        "verdict": {word.lower(): words.count(word) for word in ("AGREES", "DIFFERS", "INCONCLUSIVE")},
    }


if __name__ == "__main__":
    main()
