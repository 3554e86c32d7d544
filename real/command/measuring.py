"""A run from beginning to end: everything is made, then the loop runs, then what it recorded is collected."""

import fcntl
import gc
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from io import BytesIO
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TextIO

from real.clients import allow_descriptors
from real.clock import Clock, WallClock
from real.command.assembly import allocation, inbox_of, loop_of, messages, plans, router_for
from real.command.options import Options
from real.command.outcome import Outcome, columns_of, merged
from real.command.processor import Processor, came_in, counts, shows_progress
from real.environment import Pauses
from real.http.server import HttpServer
from real.metrics import KEPT, Rows
from real.net import Intake
from real.recent import Recent
from real.router import Router
from real.running import measuring_s
from real.signals import Stop
from real.sockets import Sockets
from real.source import lead_ns
from real.stream import Stream
from real.work import PACED, calibrated
from sim.command import UsageError
from sim.workload import Workload

# The textbook's server wakes at once: it stays awake for as long as messages may be apart.
AWAKE_NS = {"precise": 50_000_000}


def measured_run(
    workload: Workload, options: Options, clock: WallClock, stderr: TextIO, until_told: ExitStack
) -> Outcome:
    """Run a workload at its own instants. From its beginning, until the stack is left, signals only ask for an end."""
    made = messages(workload)
    _ = workload.queries_ns, workload.query_workers  # all that is random is made before the clock counts
    options = paced(options, clock)
    router = router_wanted(workload, options, clock)
    sockets = Sockets(clock, AWAKE_NS.get(options.work, 0)) if options.http else None
    watched, asked = shows_progress(options, stderr) or sockets is not None, Recent()
    cost_s = measuring_s(clock, lambda count: Rows([0] * count, watched=watched))
    allocated = allocation(options.eager, options.state_keys)
    gc.collect()
    stop = until_told.enter_context(Stop())
    origin_ns = clock.now_ns() + lead_ns(len(made))
    planned = plans(workload, made, origin_ns, watched=watched)
    inbox = inbox_of(workload, sockets or clock, options.dispatch_s)
    loop = loop_of(workload, planned.messages, [planned.queries], router, sockets or clock, inbox)
    rows, pauses = planned.messages.rows, Pauses(clock.now_ns)
    processor = Processor(loop, planned.messages, rows, [planned.messages, planned.queries], pauses, origin_ns)
    where = [] if sockets is None else [("http on http://", serve_http(processor, sockets, asked, options))]
    if options.out is not None:  # the address is known to be free
        options.out.mkdir(parents=True, exist_ok=True)  # if that fails, now rather than when all is done
    if where:
        say(stderr, where)
    ended = processor.run(options, stop, stderr)
    if sockets is not None:
        sockets.close()
    queries = columns_of(planned.queries.rows, workload.query_workers)
    return Outcome(
        workload.describe(),
        workload.service_s if workload.service == "deterministic" else None,
        origin_ns,
        columns_of(rows, workload.worker_numbers),
        merged(queries, asked.columns()) if options.http or workload.query_rate_per_s else None,
        ended,
        {"planned": len(workload), **wanted(options), **counts(processor, asked)},
        cost_s,
        allocated,
        all_queries=asked.latency if asked.count > KEPT else None,
    )


def served_run(
    workload: Workload, options: Options, clock: WallClock, stderr: TextIO, until_told: ExitStack
) -> Outcome:
    """Serve whoever sends messages, until someone asks for the end; as `measured_run` otherwise."""
    options = paced(options, clock)
    allow_descriptors()
    router = router_wanted(workload, options, clock)
    sockets, rows = Sockets(clock, AWAKE_NS.get(options.work, 0)), Recent()
    asked = Recent(listeners=[rows.busy_with])
    cost_s = measuring_s(clock, scratch_streamed if options.out else Recent)
    allocated = allocation(options.eager, options.state_keys)
    inbox = inbox_of(workload, sockets, options.dispatch_s)
    intake = Intake(sockets, router, rows, inbox)
    loop = loop_of(workload, intake, [], router, sockets, inbox)
    stop = until_told.enter_context(Stop())
    processor = Processor(loop, intake, rows, [intake], Pauses(clock.now_ns), clock.now_ns())
    where = [("listening on ", listen(intake, "--listen", options.listen))]
    if options.http:
        where.append(("http on http://", serve_http(processor, sockets, asked, options)))
    processor.streams = streams_to(options, lambda: rows.first_arrival_ns)  # the addresses are known to be free
    for record, stream in zip((rows, asked), processor.streams, strict=False):
        record.listeners.append(stream.append)
    say(stderr, where)
    ended = processor.run(options, stop, stderr)
    sockets.close()
    for stream in processor.streams:
        stream.finish(rows.first_arrival_ns)
    kept = rows.columns()
    return Outcome(
        described(workload, intake.received),
        workload.service_s,
        rows.first_arrival_ns,
        kept,
        asked.columns() if options.http else None,
        ended,
        wanted(options) | counts(processor, asked) | came_in(intake),
        cost_s,
        allocated,
        all_metrics=rows.metrics() if rows.count > len(kept.arrival_ns) else None,
        all_queries=asked.latency if asked.count > KEPT else None,
        streamed=bool(processor.streams),
        broken="; ".join(
            f"{stream.complaint}; {stream.unwritten:,} rows are missing"
            for stream in processor.streams
            if stream.complaint
        ),
    )


def router_wanted(workload: Workload, options: Options, clock: Clock) -> Router:
    """Return the router that the options ask for."""
    return router_for(workload, options.work, clock, eager=options.eager, **wanted(options))


def wanted(options: Options) -> dict[str, Any]:
    """Return what the processor was made to cost more than its own, and at which pace it expects to compute."""
    return {"dispatch_s": options.dispatch_s, "state_keys": options.state_keys, "pace_per_s": options.pace_per_s}


def paced(options: Options, clock: Clock) -> Options:
    """Return the options with a pace, for work that computes: the one given, or as it is measured now."""
    if options.work not in PACED or options.pace_per_s is not None:
        return options
    return replace(options, pace_per_s=calibrated(clock) * 1e9)


def scratch_streamed(count: int) -> Recent:
    """Return a record that is streamed, to nowhere."""
    return Recent(count, [Stream(Path(os.devnull), opened=lambda path: BytesIO()).append])


def streams_to(options: Options, origin_ns: Callable[[], int]) -> list[Stream]:
    """Return where trajectories are written while they grow: of messages and, if any can be asked, of questions."""
    if options.out is None:
        return []
    options.out.mkdir(parents=True, exist_ok=True)
    reserve(options.out)
    beside = options.out / "trajectory.queries.csv"
    for earlier in ("cpu.csv", *(() if options.http else (beside.name,))):
        (options.out / earlier).unlink(missing_ok=True)
    streams = [Stream(options.out / "trajectory.csv", origin_ns)]
    return [*streams, Stream(beside, origin_ns, sent=False)] if options.http else streams


def reserve(directory: Path) -> None:
    """Let no other server write into a directory for as long as this process lives: rows of two would be mixed.

    UsageError where another does. Where directories cannot be locked, nobody is kept from it.
    """
    opened = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(opened)
        raise UsageError(f"--out {directory}: another processor writes there; give another directory") from None
    except OSError:
        os.close(opened)


def serve_http(processor: Processor, sockets: Sockets, asked: Recent, options: Options) -> tuple[str, int]:
    """Let a processor answer over HTTP; return where."""
    http = HttpServer(sockets, processor.loop.router, asked, processor.exposition)
    processor.http = http
    processor.loop.asked = (*processor.loop.asked, http)
    return listen(http, "--http", options.http)


def listen(server: Intake | HttpServer, flag: str, address: tuple[str, int] | None) -> tuple[str, int]:
    """Let a server's clients in; return the address they find. UsageError where it is taken."""
    host, port = address or ("127.0.0.1", 0)
    try:
        return server.listen((host, port))
    except (OSError, TypeError, UnicodeError) as error:  # what is no name of a host has an error of its own
        why = error.strerror or error if isinstance(error, OSError) else "is no name of a host"
        raise UsageError(f"{flag} {_written(host, port)}: {why}; give another address") from None


def _written(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def say(stderr: TextIO, where: Sequence[tuple[str, tuple[str, int]]]) -> None:
    """Say where it listens, and if others than this machine can reach it."""
    lines = [f"{what}{_written(host, port)}" for what, (host, port) in where]
    if not all(ip_address(host).is_loopback for _, (host, _) in where):
        lines.append("anyone who can reach this machine can reach this, too")
    with suppress(OSError):  # nobody listens to what it says; it serves all the same
        print("\n".join(lines), file=stderr, flush=True)


def described(workload: Workload, received: int) -> dict[str, Any]:
    """Return the `workload` of a server's document: what the senders had planned nobody told it."""
    unknown = ("rate_per_s", "duration_s", "popularity", "query_rate_per_s", "query_service_s", "seed")
    known = asdict(workload) | dict.fromkeys(unknown)
    return known | {"arrivals": "network", "messages": received, "digest": None}
