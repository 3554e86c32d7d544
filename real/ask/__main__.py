"""`python -m real.ask`: ask a running processor for workers' states at planned instants, and tell how long it took.

An instrument must not report its own delays as the processor's: it asks when the plan says so, however many answers
are still to come, counts from the planned instant, and measures its own floor.
"""

import argparse
import gc
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from real.ask.answers import Asked
from real.ask.asking import Asker
from real.ask.floor import IDLE_PROCESSOR, floor_rate_per_s, idle_processor
from real.ask.questions import Manner, Peer, Question, plan
from real.clients import allow_descriptors
from real.clock import WallClock
from real.signals import Stop
from sim.command import CommandError, Parser, UsageError, as_typed, out_directory, run_command
from sim.files import attempted
from sim.values import host_and_port, whole_number

EXAMPLES = """examples:
  python -m real --listen 127.0.0.1:9000 --http 127.0.0.1:8080  # first
  python -m real.ask --to 127.0.0.1:8080 --rate 20 --duration 10
  python -m real.ask --to 127.0.0.1:8080 --rate 200 --queries 2000 --keep-alive
"""
MOST_QUESTIONS, MOST_WORKERS = 1_000_000, 100_000
LEAD_NS = 20_000_000  # from when everything is made to second 0
_CONNECT_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What the flags say."""

    to: str
    rate_per_s: float
    workers: int
    seed: int
    manner: Manner
    duration_s: float | None
    count: int | None
    floor: int
    as_json: bool
    out: Path | None


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    settings = settings_from(parser().parse(argv))
    questions = plan(
        *(settings.rate_per_s, settings.workers, settings.seed),
        duration_s=settings.duration_s,
        count=settings.count,
    )
    peer = reachable(settings.to)
    allow_descriptors()  # each question that stands has a connection
    with Stop() as stop:
        floor: list[Asked] = []
        if settings.floor:
            _tell(settings, f"the floor: {settings.floor} questions to an idle processor …")
            floor = ask_idle(IDLE_PROCESSOR, settings, lambda: stop.requested)
        _tell(settings, f"{len(questions)} questions …")
        asked, origin_ns = ask(peer, questions, settings.manner, lambda: stop.requested)
    report(settings, as_typed("real.ask", argv), asked, floor, origin_ns, planned=len(questions))


def ask(
    peer: Peer, questions: Sequence[Question], manner: Manner, stopped: Callable[[], bool]
) -> tuple[list[Asked], int]:
    """Ask in real time; return what became of each question asked, and second 0 on the clock (ns)."""
    clock = WallClock()
    gc.collect()
    gc.freeze()  # what was made before the run is not looked through during it
    origin_ns = clock.now_ns() + LEAD_NS
    asker = Asker(peer, questions, origin_ns, clock.now_ns, manner)
    asker.run(stopped)
    gc.unfreeze()
    return asker.asked, origin_ns


def ask_idle(command: Sequence[str], settings: Settings, stopped: Callable[[], bool]) -> list[Asked]:
    """Start an idle processor, ask it in the same manner, and end it; CommandError if none of it is answered."""
    rate_per_s = floor_rate_per_s(settings.rate_per_s, settings.floor)
    questions = plan(rate_per_s, settings.workers, settings.seed, count=settings.floor)
    with idle_processor(command, stopped) as address:
        if address is None:
            return []
        asked, _ = ask(reachable(at(*address)), questions, settings.manner, stopped)
    if not stopped() and all(row.failed for row in asked):
        raise CommandError(f"the idle processor for the floor did not answer ({asked[0].failed}); give --floor 0")
    return asked


def at(host: str, port: int) -> str:
    """Return an address as HOST:PORT."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reachable(to: str) -> Peer:
    """Return whom to ask, after having been there once; CommandError if nobody lets us in."""
    try:
        with socket.create_connection(host_and_port("--to", to), timeout=_CONNECT_WITHIN_S) as made:
            return Peer(made.family, made.getpeername(), to)
    except socket.gaierror as error:
        raise UsageError(f"--to {to}: {error.strerror}; give an address, as in --to 127.0.0.1:8080") from None
    except UnicodeError:
        raise UsageError(f"--to {to}: is no name of a host; give an address, as in --to 127.0.0.1:8080") from None
    except OSError as error:
        why = "connection refused" if isinstance(error, ConnectionRefusedError) else str(error).lower()
        start = f"python -m real --listen 127.0.0.1:9000 --http {to}"
        raise CommandError(f"--to {to}: {why}; start the processor first: {start}") from None


def report(
    settings: Settings, command: str, asked: list[Asked], floor: list[Asked], origin_ns: int, *, planned: int
) -> None:
    """Turn the recorded instants into numbers, and show or write them."""
    # Only now: importing numpy takes longer than many an answer.
    from real.ask.asked import document, write  # noqa: PLC0415
    from real.ask.screen import show  # noqa: PLC0415
    from sim.files import json_text  # noqa: PLC0415

    told: dict[str, Any] = {
        "to": settings.to,
        "rate_per_s": settings.rate_per_s,
        "queries": len(asked),
        "seed": settings.seed,
        "keep_alive": settings.manner.keep_alive,
        "workers": settings.workers,
        "planned": planned,
        "timeout_s": settings.manner.timeout_ns / 1e9,
        "origin_monotonic_s": origin_ns / 1e9,
    }
    made = document(command, told, asked, floor)
    failed = attempted(lambda: write(settings.out, asked, origin_ns, made))
    if settings.as_json:
        print(json_text(made), end="")
    else:
        show(made)
    if failed is not None:
        raise failed


def _tell(settings: Settings, text: str) -> None:
    if not settings.as_json and sys.stderr.isatty():
        print(text, file=sys.stderr)


def parser() -> Parser:
    """Return the parser of the flags."""
    made = Parser("python -m real.ask", "Ask a running processor for workers' states, at planned instants.", EXAMPLES)
    what = made.add_argument_group("the questions")
    what.add_argument("--to", metavar="HOST:PORT", help="where the processor answers HTTP (its --http)")
    what.add_argument("--rate", metavar="R", default="20", help="questions/s on average, at Poisson instants [20]")
    what.add_argument("--duration", metavar="S", help="seconds in which questions are asked [10]")
    what.add_argument("--queries", metavar="N", help="how many questions, instead of --duration")
    what.add_argument("--workers", metavar="N", default="10", help="asked about, w0 …, each as often [10]")
    what.add_argument("--seed", metavar="N", default="1", help="of the random numbers [1]")
    how = made.add_argument_group("how")
    how.add_argument("--keep-alive", action="store_true", help="keep connections, and make one only if all are busy")
    how.add_argument("--timeout-s", metavar="S", default="10", help="wait so long for an answer [10]")
    how.add_argument("--floor", metavar="N", default="200", help="first ask an idle processor so often [200]")
    output = made.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    output.add_argument("--out", metavar="DIR", help="write asked.csv and asked.json there")
    return made


def settings_from(args: argparse.Namespace) -> Settings:
    """Return what the flags say; UsageError names flag, value and remedy."""
    if args.to is None:
        raise UsageError("--to is missing: say where the processor answers HTTP, as in --to 127.0.0.1:8080")
    host, port = host_and_port("--to", args.to)
    if not port:
        raise UsageError(f"--to {args.to}: nobody answers at port 0; give the port of the processor's --http")
    if args.duration is not None and args.queries is not None:
        raise UsageError(f"--duration {args.duration} and --queries {args.queries}: give one of them, not both")
    rate_per_s = _above_0("--rate", args.rate, 1e5, "questions/s", "20")
    duration_s = _above_0("--duration", "10" if args.duration is None else args.duration, 1e6, "seconds", "10")
    count = None if args.queries is None else whole_number("--queries", args.queries, 1, MOST_QUESTIONS)
    if count is None and rate_per_s * duration_s > MOST_QUESTIONS:
        words = f"--rate {args.rate} for --duration {args.duration or 10}"
        raise UsageError(f"{words}: more than {MOST_QUESTIONS:,} questions; give less of one")
    return Settings(
        at(host, port),
        rate_per_s,
        whole_number("--workers", args.workers, 1, MOST_WORKERS),
        whole_number("--seed", args.seed, 0, 2**63 - 1),
        Manner(args.keep_alive, round(_above_0("--timeout-s", args.timeout_s, 3600.0, "seconds", "10") * 1e9)),
        duration_s if count is None else None,
        count,
        whole_number("--floor", args.floor, 0, 10_000),
        args.json,
        out_directory(args.out),
    )


def _above_0(flag: str, text: str, most: float, unit: str, example: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value <= most:
        raise UsageError(f"{flag} {text}: must be {unit}: more than 0, at most {most:g}, as in {flag} {example}")
    return value


if __name__ == "__main__":
    run_command("real.ask", main)
