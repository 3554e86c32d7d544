"""`python -m compare`: predict and measure the same workloads, and say whether they agree."""

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from sim.command import EXIT_INTERRUPTED

# One thread is enough for the arithmetic here, and the machine has better to do while the real thing runs.
os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), "1"))


def _interrupted_early(number: int, frame: FrameType | None) -> None:
    """End at once: what is loaded now takes a second or two, and nothing is begun yet."""
    os.write(2, b"compare: interrupted; nothing half-written is left\n")
    os._exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, _interrupted_early)

from rich.console import Console

from compare import experiments
from compare.bench import planned_s
from compare.experiment import Experiment, Options
from compare.inject import injection_from
from compare.point import POINT_FLAGS, WORKS, SinglePoint, point_of
from compare.progress import check_time, others_near
from compare.run import cases_of
from compare.screen import EXAMPLES, POINT_EXAMPLES, show_again, show_list, show_verdict
from compare.session import Session
from compare.summary import SUMMARY, report_again
from sim import InvalidWorkload, RecordingError
from sim.command import Parser, UsageError, as_typed, out_directory, run_command
from sim.files import json_text
from sim.flags import add_workload_flags, complaints, workload_from, workload_words
from sim.workload import Workload

ALL_FLAGS = ["--service-ms", "--arrivals", "--workers", "--popularity", "--seed"]
LASTING_FLAGS = ("--rate", "--service-ms", "--duration", "--messages", "--arrivals")


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    commands: dict[str, Callable[[Sequence[str]], None]] = {"list": _list, "report": _report, "point": _point}
    first = next(iter(argv), "")
    commands.get(first, _experiments)(argv)


def _experiments(argv: Sequence[str]) -> None:
    names = ", ".join(experiments.names())
    parser = _parser("python -m compare", EXAMPLES)
    parser.add_argument("experiment", help=f"all, list, point, report, or one of: {names}")
    add_workload_flags(parser, ALL_FLAGS)
    parser.add_argument("--trace", metavar="FILE[:COLUMN]", help="a recording that the experiment arrivals plays too")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    parser.add_argument("--resume", action="store_true", help="go on with a comparison that was interrupted")
    _add_ends(parser)
    args = parser.parse(argv)
    wanted = _wanted(args.experiment)
    options = replace(_options(workload_from(args), quick=args.quick), trace=_trace(args.trace, wanted))
    injection = injection_from(args.inject)
    if injection and "gil" in wanted:  # whose threads are no processor
        raise UsageError(f"--inject {injection.described} with {args.experiment}: not for gil; name another experiment")
    out = _out(args.out)
    _check_time(wanted, options, args)
    injection.check(case.workload for case in cases_of(wanted, options))
    session = Session(wanted, options, injection, as_typed("compare", argv), out, args.resume, not args.no_keep_awake)
    _run(session, as_json=args.json, check=args.check)


def _point(argv: Sequence[str]) -> None:
    parser = _parser("python -m compare point", POINT_EXAMPLES)
    parser.add_argument("point", help="compare a single workload of your choosing")
    add_workload_flags(parser, POINT_FLAGS)
    parser.add_argument("--work", metavar="KIND", default="sleep", help=f"{', '.join(WORKS)} [sleep]")
    parser.add_argument("--quick", action="store_true", help="a shorter calibration")
    _add_ends(parser)
    args = parser.parse(argv)
    workload = workload_from(args)
    wanted: dict[str, Experiment] = {"point": point_of(workload, args.work)}
    options, injection = _options(workload, quick=args.quick), injection_from(args.inject)
    out = _out(args.out, "point")
    _check_time(wanted, options, args)
    injection.check([workload])
    command = as_typed("compare", argv)
    session = Session(wanted, options, injection, command, out, keep_awake=not args.no_keep_awake)
    _run(session, as_json=args.json, check=args.check)


def _report(argv: Sequence[str]) -> None:
    parser = Parser("python -m compare report", "Draw figures and report again from the files, measuring nothing.", "")
    parser.add_argument("report", help="draw everything again")
    _add_output(parser)
    args = parser.parse(argv)
    out = _out(args.out)
    if not (out / SUMMARY).exists() and (out / "point" / SUMMARY).exists():
        raise UsageError(f"--out {out}: only a point was compared there; give --out {out / 'point'}")
    summary = report_again(out, _drawn)
    if args.json:
        print(json_text(summary), end="")
    else:
        show_verdict(Console(highlight=False), summary, out)


def _drawn(name: str) -> Experiment:
    """Return what draws an experiment's figures; a single point's workload stands in its files."""
    if name == "point":
        return SinglePoint(Workload(), "sleep")
    if name not in experiments.names():
        raise UsageError(f"{name}: no experiment of this version; measure again, or give another --out")
    return experiments.load(name)


def _list(argv: Sequence[str]) -> None:
    parser = Parser("python -m compare list", "Print the experiments.", "")
    parser.add_argument("list", help="print the experiments")
    parser.parse(argv)
    show_list(Console(highlight=False), [(name, experiments.load(name).QUESTION) for name in experiments.names()])


def _parser(name: str, examples: str) -> Parser:
    return Parser(name, "Hold the prediction against the measurement, on the same workloads.", examples)


def _add_ends(parser: Parser) -> None:
    parser.add_argument("--check", action="store_true", help="exit with 1 if any point DIFFERS")
    parser.add_argument(
        "--no-keep-awake", action="store_true", help="let processors sleep in a run, which wakes sleepers late"
    )
    parser.add_argument(
        "--inject",
        metavar="WHAT",
        action="append",
        default=[],
        help="make the real thing differ from what was predicted: service=1.05, dispatch-ms=0.3, order=round-robin",
    )
    _add_output(parser)


def _add_output(parser: Parser) -> None:
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print summary.json and nothing else")
    output.add_argument("--out", metavar="DIR", default="results", help="where files go [results]")


def _wanted(experiment: str) -> dict[str, Experiment]:
    known = experiments.names()
    if experiment not in (*known, "all"):
        raise UsageError(
            f"{experiment or repr('')}: no such experiment; give all, list, point, report or one of {', '.join(known)}"
        )
    return {name: experiments.load(name) for name in (known if experiment == "all" else [experiment])}


def _trace(trace: str | None, wanted: Iterable[str]) -> str | None:
    """Return a recording that can be played at any rate; UsageError says what is wrong with it."""
    if trace is None:
        return None
    if "arrivals" not in wanted:
        raise UsageError(f"--trace {trace}: only the experiment arrivals plays it; write --arrivals trace:{trace}")
    try:
        notes = Workload(arrivals=f"trace:{trace}", rate_per_s=100.0).notes
    except RecordingError as error:
        raise UsageError(f"--trace {error}; give another file") from None
    for note in notes:
        print(note, file=sys.stderr)
    return trace


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


def _out(text: str, *below: str) -> Path:
    """Return where files go; UsageError where none can be made."""
    out_directory(text)  # which complains of what was typed, without what is below
    out = Path(text, *below)
    out_directory(str(out))
    return out


def _check_time(wanted: dict[str, Experiment], options: Options, args: argparse.Namespace) -> None:
    """Refuse what nobody would wait for, in the words that were typed."""
    words = workload_words(args)
    typed = [word for pair in zip(words[::2], words[1::2], strict=True) if pair[0] in LASTING_FLAGS for word in pair]
    what = next(iter(wanted)) if len(wanted) == 1 else "all"
    others = [] if "point" in wanted else others_near(options)

    def takes_s(asked: Options) -> float:
        return planned_s(cases_of(wanted, asked), quick=asked.quick, seed=asked.seed)

    with complaints(args):
        check_time(f"{shlex.join(typed) or '--service-ms 5 (the default)'}: {what}", takes_s, options, others)


def _run(session: Session, *, as_json: bool, check: bool) -> None:
    # SIGTERM, and a terminal that is closed, end it as Ctrl-C does: with the children, and nothing half-written.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) is not signal.SIG_IGN:  # as it is of a terminal that is to be outlived (nohup)
            signal.signal(ending, signal.default_int_handler)
    console = Console(stderr=as_json, highlight=False)
    try:
        summary = session.run(console)
    except (InvalidWorkload, RecordingError) as error:
        raise UsageError(str(error)) from None
    show_again(console, session.out)
    if as_json:
        print(json_text(summary), end="")
    if check and summary["verdict"]["differs"]:
        raise SystemExit(1)


if __name__ == "__main__":
    run_command("compare", main)
