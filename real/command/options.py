"""What `python -m real` can be told besides the workload: parsed at the door, refused in the flag's own words."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from real.machine import MOST_KEYS
from real.work import KINDS, PACED
from sim.command import UsageError, out_directory
from sim.values import host_and_port, whole_number

ALLOCATIONS = ("lazy", "eager")
# With --listen these are the sender's business.
_SENDERS = {
    "--rate": "rate_per_s",
    "--duration": "duration_s",
    "--messages": "messages",
    "--arrivals": "arrivals",
    "--popularity": "popularity",
    "--seed": "seed",
}
_LONGEST_DRAIN_S, _LONGEST_DISPATCH_MS, _FASTEST_PER_S = 1e6, 1e5, 1e12
_MOST_STATE_KEYS = MOST_KEYS - 10  # a workload's messages bring ten keys of their own


@dataclass(frozen=True, slots=True)
class Options:
    """Which work, when state machines are made, where it listens, how long it may take to end, and where files go.

    `dispatch_s`: so much more does the loop cost for each message. `state_keys`: so many keys a state begins with.
    `pace_per_s`: so many rounds of `compute` are a second's work, of work that computes.
    """

    work: str
    eager: bool
    dispatch_s: float
    state_keys: int
    pace_per_s: float | None
    listen: tuple[str, int] | None
    http: tuple[str, int] | None
    drain_s: float
    pin: int | None
    as_json: bool
    out: Path | None


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    group = parser.add_argument_group("the processor")
    group.add_argument(
        "--work",
        metavar="KIND",
        default="sleep",
        help="what processing is: sleep, cpu (computes as long), mixed (half and half), precise (keeps the thread for "
        "exactly that long: the textbook's server) or none [sleep]",
    )
    group.add_argument(
        "--allocate",
        metavar="WHEN",
        default="lazy",
        help="state machines are made on the first message (lazy), or all before the run (eager) [lazy]",
    )
    group.add_argument(
        "--listen", metavar="HOST:PORT", help="take messages from TCP clients, one JSON object a line, until stopped"
    )
    group.add_argument(
        "--http", metavar="HOST:PORT", help="answer /workers/ID, /workers, /metrics and /healthz between messages"
    )
    group.add_argument(
        "--drain-s", metavar="S", help="after Ctrl-C or SIGTERM, finish what is queued for at most so long [no limit]"
    )
    group.add_argument("--pin", metavar="CORE", help="run on this core only")
    group.add_argument(
        "--dispatch-ms", metavar="MS", default="0", help="make the loop cost so much more for each message, ms [0]"
    )
    group.add_argument(
        "--state-keys", metavar="N", default="0", help="state machines begin with so many keys, s0 … [0]"
    )
    group.add_argument(
        "--pace", metavar="R", help="rounds of compute that are a second of work: cpu and mixed [as measured at first]"
    )
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    output.add_argument(
        "--out",
        metavar="DIR",
        help="write trajectory.csv, cpu.csv and measurement.json there",
    )


def options_from(args: argparse.Namespace) -> Options:
    """Return the options that the flags describe; UsageError names flag, value and remedy."""
    _choice("--work", args.work, tuple(KINDS))
    _choice("--allocate", args.allocate, ALLOCATIONS)
    if args.listen is not None:
        for flag, field in _SENDERS.items():
            if getattr(args, field) is not None:
                raise UsageError(f"{flag} with --listen: give it to the sender, as in python -m real.send {flag} …")
        if args.service is not None:
            raise UsageError(
                f"--service {args.service} with --listen: all take --service-ms over a network; leave it out"
            )
        if args.query_rate_per_s is not None:
            raise UsageError("--query-rate with --listen: ask over HTTP, as in python -m real.ask --rate 20")
    return Options(
        args.work,
        args.allocate == "eager",
        _dispatch_s(args.dispatch_ms),
        whole_number("--state-keys", args.state_keys, 0, _MOST_STATE_KEYS),
        _pace_per_s(args.pace, args.work),
        None if args.listen is None else host_and_port("--listen", args.listen),
        None if args.http is None else host_and_port("--http", args.http),
        _drain_s(args.drain_s),
        _core(args.pin),
        args.json,
        out_directory(args.out),
    )


def _choice(flag: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"{flag} {value}: must be one of {', '.join(choices)}")


def _drain_s(text: str | None) -> float:
    if text is None:
        return float("inf")
    seconds = _number(text)
    if not 0.0 <= seconds <= _LONGEST_DRAIN_S:
        raise UsageError(f"--drain-s {text}: must be seconds from 0 to 1e6, as in --drain-s 5")
    return seconds


def _dispatch_s(text: str) -> float:
    milliseconds = _number(text)
    if not 0.0 <= milliseconds <= _LONGEST_DISPATCH_MS:
        raise UsageError(f"--dispatch-ms {text}: must be milliseconds from 0 to 1e5, as in --dispatch-ms 0.3")
    return milliseconds / 1e3


def _pace_per_s(text: str | None, work: str) -> float | None:
    if text is None:
        return None
    if work not in PACED:
        raise UsageError(f"--pace {text} with --work {work}: nothing is computed; give --work {' or '.join(PACED)}")
    pace_per_s = _number(text)
    if not 1.0 <= pace_per_s <= _FASTEST_PER_S:
        raise UsageError(f"--pace {text}: must be rounds a second from 1 to 1e12, as in --pace 9e6")
    return pace_per_s


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")  # which is in no range


def _core(text: str | None) -> int | None:
    if text is None:
        return None
    if not hasattr(os, "sched_getaffinity"):
        raise UsageError(f"--pin {text}: this system pins no process; leave it out")
    cores = sorted(os.sched_getaffinity(0))
    if text not in map(str, cores):
        raise UsageError(f"--pin {text}: must be one of the cores {', '.join(map(str, cores))}")
    return int(text)
