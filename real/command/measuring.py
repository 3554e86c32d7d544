"""A run from beginning to end: everything is made, then the loop runs, then what it recorded is collected."""

import gc
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address
from typing import Any, TextIO

from real.clock import WallClock
from real.command.assembly import allocation, loop_of, messages, plans, router_for
from real.command.options import Options
from real.command.outcome import Outcome, columns_of, merged
from real.command.progress import Progress
from real.http.prometheus import Counts, exposition
from real.http.server import HttpServer
from real.loop import Loop
from real.message import Message
from real.metrics import Record, Rows
from real.net import Intake
from real.recent import Recent
from real.running import Closable, Ended, measuring_s, run
from real.signals import Abandoned, Stop
from real.sockets import Sockets
from real.source import Plan
from real.stream import Stream
from sim.command import UsageError
from sim.workload import Workload

# From when everything is made to second 0: time to stamp each message with its planned instant.
LEAD_NS, LEAD_A_MESSAGE_NS = 20_000_000, 3_000
# The textbook's server wakes at once: it stays awake for as long as messages may be apart.
AWAKE_NS = {"precise": 50_000_000}


@dataclass(slots=True)
class Processor:
    """A processor ready to run: its loop, the record of its messages, and where they come in."""

    loop: Loop
    source: Plan[Message] | Intake
    rows: Record
    intakes: Sequence[Closable]
    http: HttpServer | None = None
    begin_ns: int = field(default=0)

    def run(self, options: Options, stderr: TextIO) -> Ended:
        """Run to the end, with a line on a terminal that says how it goes."""
        progress = Progress(self.loop, self.rows, self.begin_ns, stderr)
        shown = stderr.isatty() and not options.as_json
        if isinstance(self.rows, Rows):
            self.rows.watched = shown or self.http is not None
        with Stop() as stop:
            try:
                return run(self.loop, stop, self.intakes, options.drain_s, [progress] if shown else [])
            except Abandoned:
                raise Abandoned(f"ended at once; {self.lost}") from None
            finally:
                if shown:
                    progress.end()

    @property
    def left(self) -> int:
        """How many messages were received and are not processed."""
        return self.source.received - self.rows.count

    @property
    def lost(self) -> str:
        """What is lost with the process."""
        done = self.rows.count
        return f"messages received and not processed: {self.left:,}; processed and not reported: {done:,}"

    def exposition(self) -> str:
        """Return the text under /metrics."""
        intake = self.source if isinstance(self.source, Intake) else None
        return exposition(
            Counts(
                received=self.source.received,
                processed=self.rows.count,
                queue_length=len(self.loop.inbox),
                workers=len(self.loop.router.machines),
                cpu_ns=self.loop.clock.cpu_ns(),
                latency=self.rows.latency,
                processing=self.rows.processing,
                query_latency=self.http.rows.latency if self.http else None,
                rejected=intake.rejected if intake else {},
                foreign_timestamps=intake.foreign_timestamps if intake else None,
                refused_ns=intake.refused_ns if intake else None,
                connections=self.http.connections.accepted if self.http else None,
                timed_out=self.http.connections.timed_out if self.http else None,
                requests=self.http.connections.requests if self.http else None,
            )
        )


def measured_run(workload: Workload, options: Options, clock: WallClock, stderr: TextIO) -> Outcome:
    """Run a workload at its own instants."""
    made = messages(workload)
    _ = workload.queries_ns, workload.query_workers  # all that is random is made before the clock counts
    router = router_for(workload, options.work, clock, eager=options.eager)
    sockets = Sockets(clock, AWAKE_NS.get(options.work, 0)) if options.http else None
    asked = Recent()
    cost_s = measuring_s(clock, lambda count: Rows([0] * count))
    gc.collect()
    origin_ns = clock.now_ns() + LEAD_NS + LEAD_A_MESSAGE_NS * len(made)
    planned = plans(workload, made, origin_ns)
    loop = loop_of(workload, planned.messages, [planned.queries], router, sockets or clock)
    processor = Processor(
        loop, planned.messages, planned.messages.rows, [planned.messages, planned.queries], begin_ns=origin_ns
    )
    if sockets is not None:
        serve_http(processor, sockets, asked, options, stderr)
    ended = processor.run(options, stderr)
    if sockets is not None:
        sockets.close()
    numbers = workload.worker_numbers
    queries = columns_of(planned.queries.rows, workload.query_workers)
    return Outcome(
        workload.describe(),
        workload.service_s if workload.service == "deterministic" else None,
        origin_ns,
        columns_of(planned.messages.rows, numbers),
        merged(queries, asked.columns()) if options.http or workload.query_rate_per_s else None,
        ended,
        {"planned": len(workload), **counts(processor)},
        cost_s,
        allocation(router, eager=options.eager),
    )


def served_run(workload: Workload, options: Options, clock: WallClock, stderr: TextIO) -> Outcome:
    """Serve whoever sends messages, until someone asks for the end."""
    router = router_for(workload, options.work, clock, eager=options.eager)
    sockets, rows = Sockets(clock, AWAKE_NS.get(options.work, 0)), Recent()
    asked = Recent(listeners=[rows.busy_with])
    cost_s = measuring_s(clock, Recent)
    intake = Intake(sockets, router, rows, bounded=workload.inbox is not None)
    loop = loop_of(workload, intake, [], router, sockets)
    processor = Processor(loop, intake, rows, [intake], begin_ns=clock.now_ns())
    host, port = listen(intake, "--listen", options.listen)
    say(stderr, f"listening on {host}:{port}", host)
    if options.http:
        serve_http(processor, sockets, asked, options, stderr)
    streams = streams_to(options)  # not before the addresses are known to be free
    for record, stream in zip((rows, asked), streams, strict=False):
        record.listeners.append(stream.append)
    ended = processor.run(options, stderr)
    sockets.close()
    for stream in streams:
        stream.finish()
        if stream.complaint:
            print(f"real: {stream.complaint}; {stream.unwritten:,} rows are missing", file=stderr)
    kept = rows.columns()
    return Outcome(
        described(workload, intake.received),
        workload.service_s,
        rows.first_arrival_ns,
        kept,
        asked.columns() if options.http else None,
        ended,
        counts(processor) | came_in(intake),
        cost_s,
        allocation(router, eager=options.eager),
        rows.metrics(asked.latency if options.http else None) if rows.count > len(kept.arrival_ns) else None,
        streamed=bool(streams),
    )


def streams_to(options: Options) -> list[Stream]:
    """Return where trajectories are written while they grow: of messages and, if any can be asked, of questions."""
    if options.out is None:
        return []
    options.out.mkdir(parents=True, exist_ok=True)
    streams, beside = [Stream(options.out / "trajectory.csv")], options.out / "trajectory.queries.csv"
    if options.http:
        return [*streams, Stream(beside, sent=False)]
    beside.unlink(missing_ok=True)  # of an earlier run
    return streams


def serve_http(processor: Processor, sockets: Sockets, asked: Recent, options: Options, stderr: TextIO) -> None:
    """Let a processor answer over HTTP."""
    http = HttpServer(sockets, processor.loop.router, asked, processor.exposition)
    processor.http = http
    processor.loop.asked = (*processor.loop.asked, http)
    host, port = listen(http, "--http", options.http)
    say(stderr, f"http on http://{host}:{port}", host)


def listen(server: Intake | HttpServer, flag: str, address: tuple[str, int] | None) -> tuple[str, int]:
    """Let a server's clients in; return the address they find. UsageError where it is taken."""
    host, port = address or ("127.0.0.1", 0)
    try:
        return server.listen((host, port))
    except OSError as error:
        raise UsageError(f"{flag} {host}:{port}: {error.strerror or error}; give another address") from None


def say(stderr: TextIO, what: str, host: str) -> None:
    """Say where it listens, and if others than this machine can reach it."""
    print(what, file=stderr, flush=True)
    if not ip_address(host).is_loopback:
        print("anyone who can reach this machine can reach this, too", file=stderr, flush=True)


def counts(processor: Processor) -> dict[str, Any]:
    """Return what was received, and what became of it."""
    router = processor.loop.router
    connections = processor.http.connections if processor.http else None
    return {
        "received": processor.source.received,
        "processed": processor.rows.count,
        "left": processor.left,
        "failed": sum(machine.failed for machine in router.machines.values()),
        "workers": len(router.machines),
        "http": connections and {"requests": dict(connections.requests), "connections": connections.accepted},
    }


def came_in(intake: Intake) -> dict[str, Any]:
    """Return what clients sent over TCP."""
    return {
        "rejected": dict(intake.rejected),
        "complaints": intake.complaints,
        "foreign_timestamps": intake.foreign_timestamps,
        "clients": intake.clients,
        "cut_off": intake.cut_off,
        "bytes": intake.bytes,
        "refused_s": intake.refused_ns / 1e9,
    }


def described(workload: Workload, received: int) -> dict[str, Any]:
    """Return the `workload` of a server's document: what the senders had planned nobody told it."""
    unknown = ("rate_per_s", "duration_s", "popularity", "query_rate_per_s", "query_service_s", "seed")
    known = asdict(workload) | dict.fromkeys(unknown)
    return known | {"arrivals": "network", "messages": received, "digest": None}
