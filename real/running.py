"""A run: the loop until its end, or until someone asks for it, with an eye on the machine meanwhile."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from real.clock import Clock
from real.environment import Disturbance, Pauses, threads
from real.loop import Loop
from real.metrics import Record
from real.signals import Stop
from real.ticket import Ticket

_TRIALS, _CALLS = 15, 200


class Closable(Protocol):
    """Where something comes in, until it is closed."""

    def close(self) -> None:
        """Take nothing more in."""


class Watch(Protocol):
    """Whoever looks at the run from time to time, between two messages; `next_ns` says when next."""

    next_ns: int

    def look(self, now_ns: int) -> None:
        """Look."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: whether someone stopped it, and what the machine did meanwhile."""

    stopped: bool
    happened: dict[str, Any]
    pauses: Pauses


def run(
    loop: Loop,
    stop: Stop,
    intakes: Sequence[Closable],
    drain_s: float,
    watches: Sequence[Watch] = (),
    pauses: Pauses | None = None,
) -> Ended:
    """Run a loop to its end; once a stop is requested close the intakes, and give what is left `drain_s` seconds.

    `pauses` is for whoever wants to know of garbage collections while it runs.
    """
    pauses = Pauses(loop.clock.now_ns) if pauses is None else pauses
    gc.collect()
    gc.freeze()  # what was made before the run is not looked through during it
    before, last_ns, closed = Disturbance.read(), float("inf"), False
    with pauses:
        while loop.free_ns < last_ns and loop.turn():
            if stop.requested and not closed:
                closed, last_ns = True, loop.free_ns + drain_s * 1e9
                for intake in intakes:
                    intake.close()
            for watch in watches:
                if loop.free_ns >= watch.next_ns:
                    watch.look(loop.free_ns)
    happened = Disturbance.read().since(before) | {"threads": threads()}
    gc.unfreeze()
    return Ended(stop.requested, happened, pauses)


def measuring_s(clock: Clock, made: Callable[[int], Record]) -> float:
    """Return what measuring costs a message: reading the clocks, and keeping what they said (median of trials), s.

    `made` returns a record for so many messages, of the kind that the run has.
    """
    costs = []
    for _ in range(_TRIALS):
        rows = made(_CALLS)
        begin_ns = clock.now_ns()
        for number in range(_CALLS):
            ticket = Ticket(number, "", 0, 0)
            cpu_ns, ticket.start_ns = clock.cpu_ns(), clock.now_ns()
            ticket.finish_ns = clock.now_ns()
            ticket.cpu_ns = clock.cpu_ns() - cpu_ns
            rows.record(ticket)
        costs.append((clock.now_ns() - begin_ns) / 1e9 / _CALLS)
    return sorted(costs)[_TRIALS // 2]
