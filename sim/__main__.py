"""`python -m sim`: predict what a workload does to one thread, by theory and by simulation."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from sim.checks import MOST_SERVERS
from sim.command import Parser, UsageError, as_typed, out_directory, run_command
from sim.files import attempted, json_text, write_text
from sim.flags import add_workload_flags, check_predictable, complaints, workload_from, workload_words
from sim.size import planned_messages
from sim.units import digits
from sim.values import whole_number

EXAMPLES = """examples:
  python -m sim --rate 300 --service-ms 5            more than one thread can do
  python -m sim --rate 150 --service-ms 5            a load it can sustain
  python -m sim --rate 150 --service-ms 5 --plot queue.png
  python -m sim --rate 190 --messages 1e9            a billion, by Monte Carlo
  python -m sim --arrivals trace:requests.csv --rate 140 --json
  python -m sim --sweep-rate 10:400:10 --plot curve.png
  python -m sim --rate 300 --servers 2               two processes, one queue

also: python -m sim plan      how many processes, or what service time, would do
      python -m sim coverage  how often the intervals hold what they promise
"""
PLOT_FORMATS = (".png", ".svg", ".pdf")


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    if argv[:1] == ["plan"]:
        from sim.planning import main as plan  # noqa: PLC0415 - each command loads its own

        return plan(argv[1:])
    if argv[:1] == ["coverage"]:
        from sim.coverage import main as coverage  # noqa: PLC0415

        return coverage(argv[1:])
    args = _parser().parse(argv)
    plot, out = _plot_path(args.plot), out_directory(args.out)
    servers = whole_number("--servers", args.servers, 1, MOST_SERVERS)
    if args.sweep_rate is not None or args.sweep_service_ms is not None:
        from sim.sweep import main as sweep  # noqa: PLC0415

        return sweep(args, argv, servers=servers, plot=plot, out=out)
    return predict_one(args, argv, servers=servers, plot=plot, out=out)


def _parser() -> Parser:
    parser = Parser("python -m sim", "Predict how one thread behaves under a load: theory beside simulation.", EXAMPLES)
    add_workload_flags(parser)
    what_if = parser.add_argument_group("what if")
    what_if.add_argument("--servers", default="1", metavar="N", help="so many such processes, fed from one queue [1]")
    what_if.add_argument(
        "--sweep-rate", metavar="FROM:TO:STEP", help="a curve over these rates, or over a list such as 50,100,150"
    )
    what_if.add_argument(
        "--sweep-service-ms",
        metavar="MS,MS,…",
        help="a curve over these service times; with --sweep-rate, one for each",
    )
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    output.add_argument("--plot", metavar="FILE", help="draw queue length and latency over time (png, svg or pdf)")
    output.add_argument("--out", metavar="DIR", help="write prediction.json there, and trajectory.csv if stored")
    return parser


def predict_one(
    args: argparse.Namespace, argv: Sequence[str], *, servers: int, plot: Path | None, out: Path | None
) -> None:
    """Predict one workload, and show or write what came of it."""
    workload = workload_from(args, stored=False)
    # What follows takes a moment to load, so bad input has been refused before.
    from sim.prediction import MONTE_CARLO, effort, engine_for, predict  # noqa: PLC0415

    check_predictable(workload, servers)
    with complaints(args):
        engine = engine_for(workload, servers)
        if engine != MONTE_CARLO:
            len(workload)  # what only generating shows
    if engine == MONTE_CARLO and plot:
        raise UsageError(
            f"--plot {plot}: nothing is stored of more than 1e6 messages; ask for fewer, as in --messages 1e6"
        )
    says = effort(workload, engine)
    if says is not None:
        print(says, file=sys.stderr)
    with _progress(f"{digits(planned_messages(workload))} messages", shown=engine == MONTE_CARLO) as advance:
        prediction = predict(workload, servers, engine=engine, on_progress=advance)
    document = json_text({"schema_version": 1, "command": as_typed("sim", argv), **prediction.document()})

    def write() -> None:
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            if prediction.trajectory is not None:
                prediction.trajectory.write_csv(out / "trajectory.csv")
            write_text(out / "prediction.json", document)
        if plot is not None and prediction.trajectory is not None:
            from sim.plot import draw  # noqa: PLC0415 - matplotlib only where something is drawn

            draw(plot, workload, prediction.theory, prediction.trajectory)

    failed = attempted(write)
    if args.json:
        print(document, end="")
    else:
        from rich.console import Console  # noqa: PLC0415

        from sim.screen import show  # noqa: PLC0415

        show(Console(highlight=False), prediction, workload_words(args))
    if failed is not None:
        raise failed
    if plot is not None and not args.json:
        print(f"\nDrawn: {plot}")


def _progress(what: str, *, shown: bool) -> AbstractContextManager[Callable[[float], object]]:
    """Return a bar where there is something to wait for."""
    if not shown:
        return nullcontext(lambda share: None)
    from sim.terminal import progress  # noqa: PLC0415 - rich's bars take a moment to load

    return progress(what)


def _plot_path(text: str | None) -> Path | None:
    if text is None:
        return None
    path = Path(text)
    if path.suffix.lower() not in PLOT_FORMATS:
        raise UsageError(f"--plot {text}: must end in .png, .svg or .pdf, as in --plot queue.png")
    try:
        if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
            raise UsageError(f"--plot {text}: nothing can be written in {path.parent}; give another directory")
        if path.is_dir():
            raise UsageError(f"--plot {text}: is a directory; give a file")
    except OSError as error:  # a name that is too long
        raise UsageError(f"--plot {text}: {error.strerror}; give another name") from None
    return path


if __name__ == "__main__":
    run_command("sim", main)
