"""Ten times as many messages as can be processed, for a minute of a fake clock: all kept, all processed, in order.

In process, and over the network with a client in this very thread. Latency grows exactly as theory says, memory with
what waits and not beyond it.
"""

import gc
import json
import socket
import tracemalloc
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest

from real.clock import FakeClock
from real.inbox import Inbox
from real.loop import Loop
from real.message import Message
from real.net import SMALL_CHUNK, Intake
from real.query import Queries
from real.recent import Recent
from real.router import Router
from real.sockets import SMALL_BUFFER, Sockets
from real.source import NEVER_NS, Plan
from real.ticket import Ticket
from real.wire import decoded
from real.work import sleeping
from sim.summary import slope

NS = 10**9
ORIGIN_NS = 7_000 * NS
SERVICE_NS, GAP_NS = 50_000_000, 5_000_000  # ρ = 10
LOAD = SERVICE_NS / GAP_NS
SECONDS = 60
COUNT = SECONDS * NS // GAP_NS
WORKERS = 7
SAMPLED = 100  # messages between two looks at the memory
PLACES = 20


def instant_ns(number: int) -> int:
    return GAP_NS * (number + 1)


def operations(number: int) -> list[dict[str, object]]:
    """A worker's messages number its state, and are counted in it."""
    return [{"op": "set", "key": "last", "value": number // WORKERS}, {"op": "increment", "key": "count"}]


def line(number: int) -> bytes:
    message = {"worker_id": f"w{number % WORKERS}", "payload": operations(number)}
    return json.dumps(message | {"timestamp": (ORIGIN_NS + instant_ns(number)) / NS}).encode() + b"\n"


@dataclass(slots=True, eq=False)
class Seen:
    """Looks at each message as it finishes: the worker's next in its turn, or the run is wrong.

    `latency_s` of each message, and (waiting, bytes in use) now and then, once `source` is known.
    """

    loop: Loop | None = None
    next_of: list[int] = field(default_factory=lambda: [0] * WORKERS)
    latency_s: array[float] = field(default_factory=lambda: array("d", [-1.0]) * COUNT)
    memory: list[tuple[int, int]] = field(default_factory=list)
    finished: int = 0

    def __call__(self, ticket: Ticket[Message]) -> None:
        worker, number = int(ticket.item.worker_id[1:]), ticket.item.payload[0]["value"]
        assert number == self.next_of[worker]
        self.next_of[worker] += 1
        self.latency_s[number * WORKERS + worker] = (ticket.finish_ns - ticket.arrival_ns) / NS
        self.finished += 1
        if self.finished % SAMPLED == 0 and tracemalloc.is_tracing():
            assert self.loop is not None
            self.memory.append((len(self.loop.inbox), tracemalloc.get_traced_memory()[0]))


class Watched(Plan[Message]):
    """A plan that tells who finishes."""

    def __init__(self, seen: Seen) -> None:
        items = [Message(f"w{number % WORKERS}", tuple(operations(number))) for number in range(COUNT)]
        super().__init__(items, [instant_ns(number) for number in range(COUNT)], ORIGIN_NS)
        self._seen = seen

    def record(self, ticket: Ticket[Message]) -> None:
        self._seen(ticket)
        super().record(ticket)


class Fed(Sockets):
    """Sockets whose one client sends each line at its instant, or as soon after as the kernel takes it."""

    def __init__(self, clock: FakeClock, client: socket.socket) -> None:
        super().__init__(clock)
        self.sent = 0
        self._client, self._rest = client, b""

    def poll(self) -> None:
        self.feed()
        super().poll()

    def feed(self) -> None:
        while self.sent < COUNT and (self._rest or ORIGIN_NS + instant_ns(self.sent) <= self.now_ns()):
            data = self._rest or line(self.sent)
            try:
                self._rest = data[self._client.send(data) :]
            except BlockingIOError:
                self._rest = data
                return
            self.sent += not self._rest
        if self.sent == COUNT:
            self._client.close()

    def wait_until(self, at_ns: int) -> None:
        """Nothing is there: go to when there will be, without sleeping."""
        if self.sent < COUNT:
            self.spin_until(min(at_ns, ORIGIN_NS + instant_ns(self.sent)))


def run_in_process(seen: Seen) -> Loop:
    """Everything is planned beforehand; so what grows is what waits."""
    clock = FakeClock(ORIGIN_NS)
    router, inbox = Router(sleeping(clock, SERVICE_NS)), Inbox()
    loop = seen.loop = Loop(Watched(seen), (), inbox, router, Queries(router), clock)
    loop.run()
    return loop


@contextmanager
def fed(seen: Seen, places: float = float("inf")) -> Iterator[tuple[Loop, Fed]]:
    """A processor with a client, both in this thread; closed whatever happens."""
    clock, client = FakeClock(ORIGIN_NS), socket.socket()
    sockets = Fed(clock, client)
    router, inbox = Router(sleeping(clock, SERVICE_NS)), Inbox("fifo", places)
    intake = Intake(sockets, router, Recent(keep=COUNT, listeners=[seen]), inbox)
    seen.loop = Loop(intake, (), inbox, router, Queries(router), sockets)
    try:
        if places < COUNT:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
        client.connect(intake.listen(("127.0.0.1", 0)))
        client.setblocking(False)
        yield seen.loop, sockets
    finally:
        client.close()
        sockets.close()


def run_over_tcp(seen: Seen, places: float = float("inf")) -> Loop:
    """Run until everything that the client sent is processed; the inbox never has more than its places."""
    with fed(seen, places) as (loop, _):
        while seen.finished < COUNT:
            assert loop.turn()
            assert len(loop.inbox) <= places
        loop.messages.close()
        assert not loop.turn()
    return loop


Run = Callable[[Seen], Loop]
WHERE = pytest.mark.parametrize("run", [run_in_process, run_over_tcp], ids=["in process", "over TCP"])


def check(seen: Seen, loop: Loop) -> None:
    """Each message was processed once, in its worker's order (`Seen` looks), exactly when theory says; none is left."""
    assert seen.finished == loop.messages.received == COUNT
    assert not loop.inbox
    assert loop.messages.next_ns == NEVER_NS
    each = [len(range(worker, COUNT, WORKERS)) for worker in range(WORKERS)]
    assert seen.next_of == each
    states = {name: machine.state for name, machine in loop.router.machines.items()}
    assert states == {f"w{worker}": {"last": count - 1, "count": count} for worker, count in enumerate(each)}
    assert not sum(machine.failed for machine in loop.router.machines.values())
    # Evenly spaced: message n, from 0, finishes after n + 1 of 50 ms, and arrived n gaps of 5 ms after the first.
    expected_s = [((number + 1) * SERVICE_NS - number * GAP_NS) / NS for number in range(COUNT)]
    assert seen.latency_s.tolist() == expected_s
    arrivals_s = np.array([instant_ns(number) / NS for number in range(COUNT)])
    assert slope(arrivals_s, np.array(seen.latency_s)) == pytest.approx(LOAD - 1, rel=1e-9)


@WHERE
def test_of_ten_times_too_many_each_is_processed_once_in_order_and_exactly_when_theory_says(run: Run) -> None:
    seen = Seen()
    check(seen, run(seen))


def traced(run: Run) -> Seen:
    """Run with an eye on the memory."""
    seen = Seen()
    gc.collect()
    tracemalloc.start()
    try:
        run(seen)
    finally:
        tracemalloc.stop()
    return seen


def bytes_each(ticket: Callable[[int], Ticket[Message]]) -> float:
    """Return what one of many tickets in a queue takes."""
    numbers = range(1_000, 3_000)
    gc.collect()  # tuples that CPython keeps for the next ones would be free
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        kept = deque(map(ticket, numbers))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (after - before) / len(kept)


PLANNED = Message("w0", ())
# Planned: the instant was there before, and ten at a time are taken at one and the same. Received: all is new.
TICKETS: dict[Run, Callable[[int], Ticket[Message]]] = {
    run_in_process: lambda number: Ticket(number, PLANNED, NS),
    run_over_tcp: lambda number: Ticket(number, decoded(line(number)), ORIGIN_NS + number),
}


@WHERE
def test_memory_grows_with_what_waits_by_the_bytes_predicted_and_shrinks_with_it(run: Run) -> None:
    predicted = bytes_each(TICKETS[run])
    waiting, used = np.array(traced(run).memory, np.float64).T
    assert waiting.max() > 0.89 * COUNT  # of ten that come nine stay
    assert waiting[-1] == 0
    grows_by, empty = np.polyfit(waiting, used, 1)
    assert grows_by == pytest.approx(predicted, rel=0.05)
    # A line, up and down again: what is above it is what tables keep that have been larger.
    most = grows_by * waiting.max()
    assert np.abs(used - (empty + grows_by * waiting)).max() < 0.1 * most
    assert used[-1] - (used[0] - grows_by * waiting[0]) < 0.1 * most


def test_a_bounded_inbox_bounds_the_memory_and_the_rest_waits_at_the_senders() -> None:
    def run(seen: Seen) -> Loop:
        loop = run_over_tcp(seen, PLACES)
        check(seen, loop)
        return loop

    waiting, used = np.array(traced(run).memory, np.float64).T
    assert waiting.max() <= PLACES
    one_chunk = SMALL_CHUNK // len(line(0)) + 1  # is read at a time, and stands outside until there is room
    assert np.ptp(used) < 2 * (PLACES + one_chunk) * bytes_each(TICKETS[run_over_tcp])
