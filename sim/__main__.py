"""`python -m sim`: predict what a workload does to one thread, by theory and by simulation."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sim.command import Parser, UsageError, as_typed, out_directory, run_command
from sim.files import json_text, write_text
from sim.flags import add_workload_flags, workload_from, workload_words
from sim.nominal import Nominal, nominal
from sim.workload import Workload

EXAMPLES = """examples:
  python -m sim --rate 300 --service-ms 5            more than one thread can do
  python -m sim --rate 150 --service-ms 5            a load it can sustain
  python -m sim --rate 150 --service-ms 5 --plot queue.png
  python -m sim --arrivals trace:requests.csv --rate 140 --json
"""
PLOT_FORMATS = (".png", ".svg", ".pdf")


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    parser = Parser("python -m sim", "Predict how one thread behaves under a load: theory beside simulation.", EXAMPLES)
    add_workload_flags(parser)
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    output.add_argument("--plot", metavar="FILE", help="draw queue length and latency over time (png, svg or pdf)")
    output.add_argument("--out", metavar="DIR", help="write trajectory.csv and prediction.json there")
    args = parser.parse(argv)
    plot = _plot_path(args.plot)
    out = out_directory(args.out)
    workload = workload_from(args)
    run(workload, argv, workload_words(args), as_json=args.json, plot=plot, out=out)


def run(
    workload: Workload, argv: Sequence[str], asked: Sequence[str], *, as_json: bool, plot: Path | None, out: Path | None
) -> None:
    """Predict, and show or write what came of it."""
    # What follows takes a moment to load, so bad input has been refused before.
    from sim.bands import ensemble_band  # noqa: PLC0415
    from sim.run import simulate  # noqa: PLC0415

    theory = nominal(workload)
    trajectory = simulate(workload)
    simulated = trajectory.metrics()
    band = ensemble_band(workload)
    document = json_text(_document(workload, as_typed("sim", argv), theory, simulated | {"ensemble_band": band}))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        trajectory.write_csv(out / "trajectory.csv")
        write_text(out / "prediction.json", document)
    if plot is not None:
        from sim.plot import draw  # noqa: PLC0415 - matplotlib only where something is drawn

        draw(plot, workload, theory, trajectory)
    if as_json:
        print(document, end="")
    else:
        from rich.console import Console  # noqa: PLC0415

        from sim.result import Result  # noqa: PLC0415
        from sim.screen import show  # noqa: PLC0415

        show(Console(highlight=False), Result(workload, asked, theory, trajectory, simulated, band))
        if plot is not None:
            print(f"\nDrawn: {plot}")


def _document(workload: Workload, command: str, theory: Nominal, simulated: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "command": command,
        "workload": workload.describe(),
        "theory": theory.document(),
        "simulated": simulated,
    }


def _plot_path(text: str | None) -> Path | None:
    if text is None:
        return None
    path = Path(text)
    if path.suffix.lower() not in PLOT_FORMATS:
        raise UsageError(f"--plot {text}: must end in .png, .svg or .pdf, as in --plot queue.png")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(f"--plot {text}: nothing can be written in {path.parent}; give another directory")
    if path.is_dir():
        raise UsageError(f"--plot {text}: is a directory; give a file")
    return path


if __name__ == "__main__":
    run_command("sim", main)
