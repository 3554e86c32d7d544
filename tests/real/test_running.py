"""A run: to its end, or until someone asks for it; looked at meanwhile, and leaving nothing of it behind."""

import gc
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from real.clock import FakeClock
from real.environment import Pauses
from real.inbox import Inbox
from real.loop import Loop
from real.message import Message
from real.metrics import Rows
from real.query import Queries
from real.router import Router
from real.running import measuring_s, run
from real.signals import Abandoned, Stop
from real.source import Plan

MS = 1_000_000
SERVICE_NS = 5 * MS


def looped(clock: FakeClock, count: int, every_ns: int, during: Callable[[int], object] = lambda number: None) -> Loop:
    """Return a loop on so many messages, evenly spaced; `during` gets each one's number while it is processed."""

    def work(message: Message, began_ns: int | None) -> None:
        during(message.payload[0]["value"])
        clock.sleep(SERVICE_NS)

    items = [Message("w0", ({"op": "set", "key": "k", "value": number},)) for number in range(count)]
    planned = Plan(items, [number * every_ns for number in range(count)], clock.now_ns())
    router = Router(work)
    return Loop(planned, (), Inbox(), router, Queries(router), clock)


def finished(loop: Loop) -> int:
    """How many messages are processed."""
    return sum(machine.messages for machine in loop.router.machines.values())


@dataclass(slots=True)
class Closes:
    """Somewhere that something comes in; closing it is remembered."""

    closed: int = 0

    def close(self) -> None:
        self.closed += 1


@dataclass(slots=True)
class Looks:
    """A watch that looks every so often, and remembers when it did and what it saw."""

    every_ns: int
    see: Callable[[], Any] = lambda: None
    next_ns: int = 0
    seen: list[tuple[int, int, Any]] = field(default_factory=list)

    def look(self, now_ns: int) -> None:
        self.seen.append((self.next_ns, now_ns, self.see()))
        self.next_ns = now_ns + self.every_ns


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    """Afterwards the collector is as it was before, and nobody listens to it any more."""
    callbacks = list(gc.callbacks)
    yield
    assert gc.callbacks == callbacks
    assert gc.get_freeze_count() == 0  # some version begins with more


def test_a_run_that_nobody_stops_processes_all_there_is() -> None:
    loop, intake = looped(FakeClock(), 20, 10 * MS), Closes()
    with nothing_left_behind():
        ended = run(loop, Stop(), [intake], drain_s=0.0)
    assert finished(loop) == 20
    assert not ended.stopped
    assert not intake.closed


@pytest.mark.parametrize(("drain_s", "processed"), [(0.0, 3), (0.001, 4), (0.012, 6), (1.0, 11), (float("inf"), 11)])
def test_a_stop_finishes_the_message_closes_the_intakes_and_drains_for_as_long_as_it_may(
    drain_s: float, processed: int
) -> None:
    def during(number: int) -> None:
        if number == 2:
            signal.raise_signal(signal.SIGTERM)

    loop, intake = looped(FakeClock(), 50, MS, during), Closes()
    with nothing_left_behind(), Stop() as stop:
        ended = run(loop, stop, [loop.messages, intake], drain_s)
    assert ended.stopped
    assert intake.closed
    assert finished(loop) == processed
    # Messages are due every ms and taken when one of 5 ms begins: when the third does, at 10 ms, that is 0 to 10.
    assert loop.messages.received == 11
    assert len(loop.inbox) == 11 - processed


def test_the_second_signal_ends_a_run_wherever_it_is_and_cleans_up_behind_it() -> None:
    def during(number: int) -> None:
        if number == 3:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    loop = looped(FakeClock(), 50, MS, during)
    callbacks, before = list(gc.callbacks), signal.getsignal(signal.SIGINT)
    with pytest.raises(Abandoned), Stop() as stop:
        run(loop, stop, [loop.messages], float("inf"))
    gc.unfreeze()  # a process that is ended so has no use for it
    assert gc.callbacks == callbacks
    assert signal.getsignal(signal.SIGINT) is before
    assert loop.messages.rows.finished() == [0, 1, 2]


def test_who_watches_looks_when_it_is_due_and_between_messages() -> None:
    clock = FakeClock()
    loop = looped(clock, 40, 2 * MS)
    watch, other = Looks(12 * MS, lambda: finished(loop)), Looks(10**9)
    run(loop, Stop(), [], 0.0, [watch, other])
    assert all(due_ns <= looked_ns for due_ns, looked_ns, _ in watch.seen)
    # A message takes 5 ms, so between two of them it is every 15 ms that 12 have passed.
    assert [looked_ns for _, looked_ns, _ in watch.seen] == [5 * MS + 15 * MS * k for k in range(14)]
    assert [done for *_, done in watch.seen] == [1 + 3 * k for k in range(14)]
    assert len(other.seen) == 1


def test_what_was_made_before_a_run_is_not_looked_through_during_it() -> None:
    frozen: list[int] = []
    loop = looped(FakeClock(), 1, MS, lambda number: frozen.append(gc.get_freeze_count()))
    with nothing_left_behind():
        run(loop, Stop(), [], 0.0)
    assert frozen[0] > 1_000


def test_collections_during_a_run_are_told() -> None:
    loop = looped(FakeClock(), 3, MS, lambda number: gc.collect())
    ended = run(loop, Stop(), [], 0.0)
    assert ended.pauses.count >= 3
    assert ended.happened["garbage_collections"] >= 3
    assert ended.happened["threads"] is None or ended.happened["threads"] >= 1


def pauses_of(lengths_ns: list[int]) -> Pauses:
    """Return what is kept of collections that took so long, one every ms."""
    instants = [0, *(at for k, length in enumerate(lengths_ns) for at in ((k + 1) * MS, (k + 1) * MS + length))]
    readings = iter(instants)
    gc.disable()  # none but those that are asked for
    try:
        with Pauses(lambda: next(readings)) as pauses:
            for _ in lengths_ns:
                gc.collect(0)
        gc.collect(0)  # heard by nobody
    finally:
        gc.enable()
    assert not list(readings)
    return pauses


def test_pauses_are_counted_and_the_longest_told_first() -> None:
    told = pauses_of([300, 5_000, 20]).told(origin_ns=MS)
    assert (told["count"], told["total_s"], told["longest_s"]) == (3, 5_320 / 1e9, 5e-6)
    assert told["longest"] == [
        {"at_s": 1e-3, "pause_s": 5e-6},
        {"at_s": 0.0, "pause_s": 3e-7},
        {"at_s": 2e-3, "pause_s": 2e-8},
    ]


def test_of_many_pauses_the_longest_are_kept_and_all_are_counted() -> None:
    lengths_ns = [(k * 7_919) % 150 + 1 for k in range(150)]  # 1 to 150 in some order
    told = pauses_of(lengths_ns).told(origin_ns=0)
    assert told["count"] == 150
    assert told["total_s"] == sum(lengths_ns) / 1e9
    assert [pause["pause_s"] for pause in told["longest"]] == [length / 1e9 for length in range(150, 50, -1)]


def test_no_pauses_are_none() -> None:
    assert pauses_of([]).told(0) == {"count": 0, "total_s": 0.0, "longest_s": 0.0, "longest": []}


def test_what_measuring_costs_is_what_passes_on_the_clock_meanwhile() -> None:
    class Ticking(FakeClock):
        def now_ns(self) -> int:
            self.sleep(1_000)
            return super().now_ns()

    # Two looks a message, and one more for each 200 of them.
    assert measuring_s(Ticking(), lambda count: Rows([0] * count)) == pytest.approx(2.005e-6)
