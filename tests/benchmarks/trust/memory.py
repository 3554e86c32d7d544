"""How many bytes a message takes while it waits in the inbox: measured on a few, before many do."""

import gc
import socket
import tracemalloc
from collections.abc import Callable
from itertools import islice

from real.clock import FakeClock
from real.command.assembly import messages, plans
from real.inbox import Inbox
from real.net import Intake
from real.recent import Recent
from real.router import Router
from real.send.__main__ import lines
from real.send.sending import complete, stamped
from real.sockets import Sockets
from sim import Workload

ALIGNED, SMALL = 16, 512  # CPython's allocator hands out multiples of it, up to so many bytes
TRIED = 2_048
_NOW_NS = 10_000 * 10**9


def bytes_each(make: Callable[[], object], count: int) -> float:
    """Return what is kept of what a function made, per one of `count`, as CPython's allocator rounds it."""
    gc.collect()  # objects that CPython keeps for the next ones would be free
    tracemalloc.start()
    try:
        kept = make()
        traces = tracemalloc.take_snapshot().traces
        del kept
    finally:
        tracemalloc.stop()
    return sum(rounded(trace.size) for trace in traces) / count


def rounded(size: int) -> int:
    """Return what is taken for so many bytes.

    >>> rounded(1), rounded(16), rounded(17), rounded(1001)
    (16, 16, 32, 1001)
    """
    return -(-size // ALIGNED) * ALIGNED if size <= SMALL else size


def planned_bytes(workload: Workload) -> float:
    """Return what one takes whose message was made before the run: its ticket."""
    first = messages(workload)[:TRIED]
    small = Workload(rate_per_s=workload.rate_per_s, messages=TRIED, arrivals="deterministic", seed=workload.seed)
    source, inbox = plans(small, first, _NOW_NS).messages, Inbox()

    def queue() -> object:
        now_ns = _NOW_NS
        for number in range(TRIED):
            # Ten are taken at a time by a thread that is ten times too slow, with one and the same instant.
            now_ns = now_ns if number % 10 else _NOW_NS + number
            inbox.put(source.take(now_ns))
        return inbox

    return bytes_each(queue, TRIED)


def received_bytes(workload: Workload) -> float:
    """Return what one takes that has come over TCP: all that its line spells, and its ticket."""
    heads = list(islice(lines(workload), TRIED))
    planned = zip(stamped(heads, workload.arrivals_ns[:TRIED], _NOW_NS), workload.arrivals_ns, strict=False)
    wire = [complete(line, _NOW_NS + at_ns) for line, at_ns in planned]
    sockets = Sockets(FakeClock(_NOW_NS + workload.arrivals_ns[TRIED]))
    router = Router(lambda message, began_ns: None, [f"w{number}" for number in range(workload.workers)])
    inbox = Inbox()
    intake = Intake(sockets, router, Recent(1), inbox)

    def queue() -> object:
        for line in wire:
            client.sendall(line)
            while not intake.next_ns < sockets.now_ns():
                sockets.poll()
            inbox.put(intake.take(sockets.now_ns()))
        return inbox

    try:
        with socket.create_connection(intake.listen(("127.0.0.1", 0))) as client:
            client.sendall(wire[0])
            while not intake.received:
                sockets.poll()
            intake.take(sockets.now_ns())
            return bytes_each(queue, TRIED)
    finally:
        sockets.close()
