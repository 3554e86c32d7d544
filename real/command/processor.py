"""A processor ready to run, and what it can tell of itself meanwhile and afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from real.command.options import Options
from real.command.progress import Progress
from real.environment import Pauses
from real.http.prometheus import Counts, exposition
from real.http.server import HttpServer
from real.loop import Loop
from real.machine import NO_NUMBER, TOO_MANY_KEYS
from real.message import Message
from real.metrics import Record
from real.net import Intake
from real.recent import Recent
from real.running import Closable, Ended, run
from real.signals import Stop
from real.source import Plan
from real.stream import Stream


@dataclass(slots=True)
class Processor:
    """A processor ready to run: its loop, the record of its messages, and where they come in."""

    loop: Loop
    source: Plan[Message] | Intake
    rows: Record
    intakes: Sequence[Closable]
    pauses: Pauses
    begin_ns: int = 0
    http: HttpServer | None = None
    streams: list[Stream] = field(default_factory=list)

    def run(self, options: Options, stop: Stop, stderr: TextIO) -> Ended:
        """Run to the end, with a line on a terminal that says how it goes."""
        stop.lost = self.lost
        progress = Progress(self.loop, self.rows, self.begin_ns, stderr) if shows_progress(options, stderr) else None
        try:
            watches = [] if progress is None else [progress]
            return run(self.loop, stop, self.intakes, options.drain_s, watches, self.pauses)
        finally:
            if progress is not None:
                progress.end()

    @property
    def left(self) -> int:
        """How many messages were received and are not processed."""
        return self.source.received - self.rows.count

    def lost(self) -> str:
        """Return what is lost if the process ends now, and what is not."""
        for stream in self.streams:
            stream.flush()
        kept = f"; {', '.join(str(stream.partial) for stream in self.streams)} kept" if self.streams else ""
        done = self.rows.count
        return (
            f"ended at once; messages received and not processed: {self.left:,}; processed and not reported: {done:,}"
            f"{kept}"
        )

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
                places=self.loop.inbox.places,
                refused_ns=intake.refused_by(self.loop.clock.now_ns()) if intake else None,
                gc_pauses=self.pauses.count,
                gc_pauses_ns=self.pauses.total_ns,
                connections=self.http.connections.accepted if self.http else None,
                timed_out=self.http.connections.timed_out if self.http else None,
                requests=self.http.connections.requests if self.http else None,
            )
        )


def shows_progress(options: Options, stderr: TextIO) -> bool:
    """Return whether somebody watches: a terminal, on which nothing else is to be read."""
    return stderr.isatty() and not options.as_json


def counts(processor: Processor, asked: Recent) -> dict[str, Any]:
    """Return what was received, and what became of it."""
    router = processor.loop.router
    failed = sum(machine.failed for machine in router.machines.values())
    over_full = sum(machine.over_full for machine in router.machines.values())
    connections = processor.http.connections if processor.http else None
    return {
        "received": processor.source.received,
        "processed": processor.rows.count,
        "left": processor.left,
        "failed": failed,
        "failed_by": {TOO_MANY_KEYS: over_full, NO_NUMBER: failed - over_full},
        "workers": len(router.machines),
        "asked": asked.count,
        "asked_left": 0 if processor.http is None else processor.http.asked - asked.count,
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
        "crowded_out": intake.crowded_out,
        "bytes": intake.bytes,
        "refused_s": intake.refused_ns / 1e9,
    }
