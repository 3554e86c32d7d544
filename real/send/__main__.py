"""`python -m real.send`: send a workload's messages to a processor that listens, each at its planned instant.

An edge, and a process of its own: what it does costs the processor's thread nothing. What it can make before the first
instant it makes before.
"""

import gc
import json
import socket
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from real.clock import Clock, WallClock
from real.send.sending import Asked, Sender, close, connect, stamped
from real.send.sent import complain, show, told, write
from real.signals import Stop
from real.source import lead_ns
from sim.command import CommandError, Parser, UsageError, as_typed, out_directory, run_command
from sim.files import attempted, json_text
from sim.flags import add_workload_flags, workload_from
from sim.values import host_and_port, whole_number
from sim.workload import Workload

EXAMPLES = """examples:
  python -m real.send --to 127.0.0.1:9000 --rate 150 --duration 10
  python -m real.send --to 127.0.0.1:9000 --rate 300 --messages 1000 --json
  python -m real.send --to 127.0.0.1:9000 --arrivals trace:requests.csv
  python -m real.send --to 127.0.0.1:9000 --inbox 20 --out results/tcp

Start the processor first: python -m real --listen 127.0.0.1:9000 --service-ms 5
With --inbox, as the processor has it, the kernel holds 4 KiB only: otherwise it
takes 21,000 messages that nobody reads, and no sender notices.
"""
FLAGS = ("--rate", "--duration", "--messages", "--arrivals", "--workers", "--popularity", "--inbox", "--seed")
MOST_CONNECTIONS = 1000  # fewer than select can wait for
_LOOK_EVERY_NS, _LOOK_TAKES_NS, _WIDTH = 500_000_000, 5_000_000, 76


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    args = _parser().parse(argv)
    address = host_and_port("--to", args.to)
    if not address[1]:
        raise UsageError(f"--to {args.to}: nobody listens on port 0; give the port that the processor says it has")
    connections = whole_number("--connections", args.connections, 1, MOST_CONNECTIONS)
    out = out_directory(args.out)
    workload = workload_from(args)
    clock = WallClock()
    with Stop() as stop:
        wires = _connect(args.to, address, connections, small_buffers=workload.inbox is not None)
        progress = Progress(clock, len(workload), sys.stderr if sys.stderr.isatty() and not args.json else None)
        sender, origin_ns = send(workload, wires, clock, stop, progress)
        progress.end()
        all_read = close(wires, clock)
        sent: dict[str, Any] = {"to": args.to, "connections": connections, **told(sender, workload, origin_ns)}
        sent |= {"stopped": stop.requested, "all_read": all_read}
        document = {
            "schema_version": 1,
            "command": as_typed("real.send", argv),
            "workload": workload.describe(),
            "sent": sent,
        }
        failed = attempted(lambda: write(out, workload, sender, origin_ns, document))
        if args.json:
            print(json_text(document), end="")
        else:
            show(workload, sent)
        if failed is not None:
            raise failed
    complain(sent)


def _connect(to: str, address: tuple[str, int], connections: int, *, small_buffers: bool) -> list[socket.socket]:
    try:
        return connect(address, connections, small_buffers=small_buffers)
    except ConnectionRefusedError:
        remedy = f"start the processor first: python -m real --listen {to}"
        raise CommandError(f"--to {to}: connection refused; {remedy}") from None
    except UnicodeError:
        raise UsageError(f"--to {to}: is no name of a host; write --to 127.0.0.1:{address[1]}") from None
    except socket.gaierror as error:
        raise UsageError(f"--to {to}: {error.strerror}; give an address, as in --to 127.0.0.1:{address[1]}") from None
    except OSError as error:
        raise CommandError(f"--to {to}: {error.strerror or error}") from None


def _parser() -> Parser:
    parser = Parser(
        "python -m real.send",
        "Send a workload over TCP, each message at its planned instant.",
        EXAMPLES,
    )
    group = parser.add_argument_group("the connection")
    group.add_argument("--to", metavar="HOST:PORT", required=True, help="where a processor listens")
    group.add_argument(
        "--connections",
        metavar="N",
        default="1",
        help="worker k's messages go over connection k mod N; one that blocks holds up all [1]",
    )
    add_workload_flags(parser, FLAGS)
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    output.add_argument("--out", metavar="DIR", help="write sent.csv and sent.json there")
    return parser


class Progress:
    """Says on a terminal twice a second how many are sent, when there is time for it; nothing where `file` is None."""

    def __init__(self, clock: Clock, messages: int, file: TextIO | None) -> None:
        self._clock, self._messages, self._file = clock, messages, file
        self._next_ns = 0

    def look(self, at_ns: int, sent: int) -> None:
        """Say it, if there is nothing to do until an instant that is far enough away."""
        if self._file is None:
            return
        now_ns = self._clock.now_ns()
        if now_ns >= self._next_ns and at_ns - now_ns >= _LOOK_TAKES_NS:
            self._next_ns = now_ns + _LOOK_EVERY_NS
            self._write(f"\r{f'{sent:,} of {self._messages:,} messages sent':<{_WIDTH}}")

    def end(self) -> None:
        """Take the line away."""
        self._write(f"\r{'':<{_WIDTH}}\r")

    def _write(self, text: str) -> None:
        if self._file is not None:
            try:
                self._file.write(text)
                self._file.flush()
            except OSError:  # the terminal has gone
                self._file = None


def send(
    workload: Workload, wires: Sequence[socket.socket], clock: Clock, stop: Asked, progress: Progress
) -> tuple[Sender, int]:
    """Send a workload; return its sender and its second 0 on the clock, ns."""
    heads = lines(workload)
    over = [worker % len(wires) for worker in workload.worker_numbers]
    sender = Sender(wires, clock, stop)
    stop.lost = lambda: f"ended at once; the kernel had taken {len(sender.sent_ns):,} messages ({sender.bytes:,} bytes)"
    gc.collect()
    origin_ns = clock.now_ns() + lead_ns(len(heads))
    made = stamped(heads, workload.arrivals_ns, origin_ns)
    gc.freeze()  # what was made before is not looked through while there are instants to keep
    sender.send_all(made, (origin_ns + at_ns for at_ns in workload.arrivals_ns), over, progress.look)
    gc.unfreeze()
    return sender, origin_ns


def lines(workload: Workload) -> list[bytes]:
    """Return each message as it goes over the wire, up to the value of `timestamp`."""
    return [
        f'{{"worker_id": "w{worker}", "payload": {json.dumps(workload.payload(number))}, "timestamp": '.encode()
        for number, worker in enumerate(workload.worker_numbers)
    ]


if __name__ == "__main__":
    run_command("real.send", main)
