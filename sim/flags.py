"""The workload's flags, the same in every package: parsed once, with errors in the flag's own words.

Standard library only, so that the real processor's edges can use it too. Flags arrive as text and become typed values
here; what a value may be is `Workload`'s business, and its complaint is told in the flag's own words.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from sim.checks import InvalidWorkload
from sim.command import UsageError
from sim.recording import RecordingError
from sim.values import whole
from sim.workload import Workload

LEAST_RATE = 1e-100  # far below, products of what a formula needs are no numbers any more


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag: the workload's field it sets, how its text becomes a value, and what to write instead of a bad one."""

    field: str
    convert: Callable[[str], Any]
    metavar: str
    help: str
    remedy: str


def _milliseconds(text: str) -> float:
    return float(text) / 1000.0


FLAGS = {
    "--rate": Flag(
        "rate_per_s",
        float,
        "R",
        "messages/s on average [100]",
        "messages/s: more than 0, at most 1e6, as in --rate 100",
    ),
    "--service-ms": Flag(
        "service_s",
        _milliseconds,
        "MS",
        "work per message, ms [5]",
        "milliseconds from 1e-3 to 1e5, as in --service-ms 5",
    ),
    "--duration": Flag(
        "duration_s",
        float,
        "S",
        "seconds in which messages arrive [10]",
        "seconds: more than 0, at most 1e6, as in --duration 10",
    ),
    "--messages": Flag(
        "messages",
        whole,
        "N",
        "how many messages, instead of --duration",
        "a whole number from 1 to 1e9, as in --messages 2000",
    ),
    "--arrivals": Flag(
        "arrivals",
        str,
        "KIND",
        "poisson, deterministic, bursty[:RATIO[:DWELL_S]], or a recording: trace:FILE[:COLUMN] of instants, "
        "gaps:FILE[:COLUMN] of seconds between them [poisson]",
        "",
    ),
    "--service": Flag(
        "service",
        str,
        "KIND",
        "deterministic, exponential, lognormal:CV, or empirical:FILE[:COLUMN] of seconds, stretched to --service-ms if "
        "that is given [deterministic]",
        "",
    ),
    "--workers": Flag(
        "workers", whole, "N", "state machines, w0 … [10]", "a whole number from 1 to 100000, as in --workers 10"
    ),
    "--popularity": Flag("popularity", str, "KIND", "which worker a message is for: uniform or zipf:S [uniform]", ""),
    "--query-rate": Flag(
        "query_rate_per_s",
        float,
        "R",
        "questions about a worker's state, per second [0]",
        "queries/s from 0 to 1e6, as in --query-rate 20",
    ),
    "--query-ms": Flag(
        "query_service_s",
        _milliseconds,
        "MS",
        "time that sim lets an answer take, ms [0.3]",
        "milliseconds from 1e-3 to 1e5, as in --query-ms 0.3",
    ),
    "--query-policy": Flag(
        "query_policy",
        str,
        "P",
        "first: before the next message; fifo: behind every message due when it is seen; idle: when nothing is due "
        "[first]",
        "",
    ),
    "--order": Flag("order", str, "O", "fifo, round-robin (over workers) or per-worker [fifo]", ""),
    "--inbox": Flag(
        "inbox",
        whole,
        "N",
        "places for messages taken but not started; when full, the source waits [unbounded]",
        "a whole number from 1 to 1e9, as in --inbox 100",
    ),
    "--seed": Flag(
        "seed", whole, "N", "of the random numbers [1]", "a whole number from 0 to 2^63 - 1, as in --seed 1"
    ),
}


def add_workload_flags(parser: argparse.ArgumentParser, names: Iterable[str] = tuple(FLAGS)) -> None:
    """Add these of the workload's flags to a parser; their values stay text until `workload_from`."""
    group = parser.add_argument_group("the workload")
    for name in names:
        flag = FLAGS[name]
        group.add_argument(name, dest=flag.field, metavar=flag.metavar, help=flag.help)


def workload_words(args: argparse.Namespace) -> list[str]:
    """Return those of the words typed that describe the workload, without what else was asked for."""
    typed = ((name, getattr(args, flag.field, None)) for name, flag in FLAGS.items())
    return [word for name, text in typed if text is not None for word in (name, text)]


def flags_of(workload: Workload) -> list[str]:
    """Return the flags that describe a workload: `workload_from` makes it of them again."""
    words = []
    for name, flag in FLAGS.items():
        value = getattr(workload, flag.field)
        if value is None or (name == "--duration" and workload.messages is not None):
            continue
        if flag.convert is _milliseconds:
            value = Decimal(repr(value)) * 1000
        words += [name, str(value)]
    return words


def workload_from(args: argparse.Namespace, *, stored: bool = True, quiet: bool = False) -> Workload:
    """Return the workload that the flags describe; UsageError names flag, value and remedy.

    `stored`: it is generated, and must fit into memory. What the sources have to tell (rows that were out of order)
    goes to stderr, unless `quiet`.
    """
    given = {name: getattr(args, flag.field, None) for name, flag in FLAGS.items()}
    if given["--duration"] is not None and given["--messages"] is not None:
        raise UsageError(
            f"--duration {given['--duration']} and --messages {given['--messages']}: give one of them, not both"
        )
    fields = {FLAGS[name].field: _value(name, text) for name, text in given.items() if text is not None}
    with complaints(args):
        workload = Workload(**fields)
        if stored:
            len(workload)  # what only generating shows
    for note in () if quiet else workload.notes:
        print(note, file=sys.stderr)
    return workload


@contextmanager
def complaints(args: argparse.Namespace) -> Iterator[None]:
    """Turn what is wrong with a workload into a UsageError in the flag's own words."""
    try:
        yield
    except InvalidWorkload as error:
        name = next(name for name, flag in FLAGS.items() if flag.field == error.field)
        text = getattr(args, error.field, None)
        raise UsageError(f"{name} {text or _default_text(error)}: {_remedy(name, error)}") from None
    except RecordingError as error:
        remedy = "" if ";" in str(error) else "; give another file"
        raise UsageError(f"{_by_flag(args, str(error))}{remedy}") from None


def _by_flag(args: argparse.Namespace, error: str) -> str:
    """Return what is wrong with a recording, after the flag that names it."""
    for flag in ("--arrivals", "--service"):
        kind, _, rest = (getattr(args, FLAGS[flag].field, None) or "").partition(":")
        if kind and error.startswith(f"{kind}:"):
            return f"{flag} {error}"
        files = [Path(name) for name in (rest, rest.rpartition(":")[0]) if name]
        if any(error.startswith(f"{file}:") for file in files):
            return f"{flag} {kind}:{error}"
    return error


def check_predictable(workload: Workload, servers: int) -> None:
    """Refuse what only one thread has, and rates with which formulas cannot reckon."""
    if (workload.rate_per_s or 1.0) < LEAST_RATE:
        raise UsageError(f"--rate {workload.rate_per_s:g}: too low for any formula; give at least {LEAST_RATE:g}")
    one_thread_only = {
        "--order": workload.order != "fifo",
        "--inbox": workload.inbox is not None,
        "--query-rate": bool(workload.query_rate_per_s),
    }
    flag = next((flag for flag, given in one_thread_only.items() if given), None)
    if servers > 1 and flag is not None:
        raise UsageError(f"--servers {servers} with {flag}: several servers are first come, first served; leave it out")


def _value(name: str, text: str) -> Any:
    try:
        return FLAGS[name].convert(text)
    except (ValueError, OverflowError):
        raise UsageError(f"{name} {text}: must be {FLAGS[name].remedy}") from None


def _default_text(error: InvalidWorkload) -> str:
    return f"{error.value} (the default)"


def _remedy(name: str, error: InvalidWorkload) -> str:
    """Return the complaint in the flag's unit where it is about the flag's range."""
    flag = FLAGS[name]
    return f"must be {flag.remedy}" if error.remedy.startswith("must be") and flag.remedy else error.remedy
