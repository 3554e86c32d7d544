"""How the parts make a processor: one on a plan, for a run that ends, or one that serves until it is stopped."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from real.clock import Clock
from real.inbox import Inbox
from real.loop import Loop
from real.machine import StateMachine, Work
from real.message import Message, parse
from real.metrics import Timer
from real.query import Queries
from real.router import Router
from real.source import Asking, Plan, Source
from real.ticket import Ticket
from real.work import work_of
from sim.workload import Workload

_ALLOCATIONS, _TRIALS = 1000, 9
_KEYS_A_TRIAL = 100_000  # a few MB, so that the instrument is not what takes the memory


def router_for(
    workload: Workload,
    work: str,
    clock: Clock,
    *,
    eager: bool = False,
    dispatch_s: float = 0.0,
    state_keys: int = 0,
    pace_per_s: float | None = None,
) -> Router:
    """Return a router whose state machines do that kind of work; `eager`: all of the workload's workers are made.

    Their states begin with `state_keys` keys. `dispatch_s` is what the inbox makes a message cost beforehand: work that
    ends at an instant ends so much later. `pace_per_s`: so many rounds of `compute` are a second's work.
    """
    does = work_of(work, clock, round((workload.service_s or 0.0) * 1e9), pace_per_s and pace_per_s / 1e9)
    if dispatch_s:
        does = later(does, round(dispatch_s * 1e9))
    return router_of(does, [f"w{number}" for number in range(workload.workers)] if eager else None, state_keys)


def router_of(work: Work, worker_ids: Iterable[str] | None = None, state_keys: int = 0) -> Router:
    """Return a router; only one that fills states pays for it."""
    return FillingRouter(work, worker_ids, state_keys) if state_keys else Router(work, worker_ids)


def later(work: Work, dispatch_ns: int) -> Work:
    """Return the same work, counted from the end of so long a dispatch; else a `precise` message would swallow it."""
    return lambda message, began_ns: work(message, None if began_ns is None else began_ns + dispatch_ns)


def inbox_of(workload: Workload, clock: Clock, dispatch_s: float = 0.0) -> Inbox:
    """Return an inbox with the workload's order and places, which makes each message cost `dispatch_s` more."""
    places = workload.inbox or float("inf")
    if dispatch_s:
        return SlowInbox(workload.order, places, clock, round(dispatch_s * 1e9))
    return Inbox(workload.order, places)


def loop_of(
    workload: Workload,
    messages: Source[Message],
    asked: Iterable[Asking],
    router: Router,
    clock: Clock,
    inbox: Inbox | None = None,
) -> Loop:
    """Return a loop with the workload's order, inbox and query policy."""
    queries = Queries(router, workload.query_policy)
    inbox = inbox_of(workload, clock) if inbox is None else inbox
    return Loop(messages, tuple(asked), inbox, router, queries, clock)


@dataclass(frozen=True, slots=True)
class Plans:
    """A workload's messages and questions at their instants on the clock."""

    messages: Plan[Message]
    queries: Plan[str]


def plans(workload: Workload, made: list[Message], origin_ns: int, *, watched: bool = False) -> Plans:
    """Return the plans of a workload whose second 0 is `origin_ns`; `watched`: messages are counted as they finish."""
    planned = zip(made, workload.arrivals_ns, strict=True)
    stamped = [Message(m.worker_id, m.payload, (origin_ns + at) / 1e9, m.service_ns) for m, at in planned]
    asked = [f"w{worker}" for worker in workload.query_workers]
    queries = Plan(asked, workload.queries_ns, origin_ns)
    return Plans(Plan(stamped, workload.arrivals_ns, origin_ns, watched=watched), queries)


def messages(workload: Workload) -> list[Message]:
    """Return the workload's messages, each parsed as if it had come over the wire."""
    made = []
    for number, (worker, service_ns) in enumerate(zip(workload.worker_numbers, workload.service_ns, strict=True)):
        message = parse({"worker_id": f"w{worker}", "payload": workload.payload(number)})
        made.append(Message(message.worker_id, message.payload, None, service_ns))
    return made


def allocation(eager: bool, state_keys: int = 0) -> dict[str, Any]:
    """Return when state machines are made, and what a worker's first message costs for it (s; medians of trials).

    `first_s` is routing to a worker that has none, `later_s` to one that has; the difference is what eager allocation
    takes out of the run. Measured on others, and many: one alone takes less than the clock can tell.
    """
    count = min(_ALLOCATIONS, _KEYS_A_TRIAL // max(state_keys, 1))
    made = [Message(f"w{number}", ()) for number in range(count)]
    first, again = Timer("first"), Timer("again")
    for _ in range(_TRIALS):
        tried = router_of(lambda message, began_ns: None, None, state_keys)
        for timer in (first, again):
            with timer:
                for message in made:
                    tried.route(message)
    first_s, later_s = (sorted(timer.times)[_TRIALS // 2] / count for timer in (first, again))
    return {"when": "eager" if eager else "lazy", "first_s": first_s, "later_s": later_s}


class SlowInbox(Inbox):
    """An inbox from which a message comes late, and the thread is kept meanwhile: a loop that costs more."""

    def __init__(self, order: str, places: float, clock: Clock, dispatch_ns: int) -> None:
        super().__init__(order, places)
        self._clock, self._dispatch_ns = clock, dispatch_ns

    def next(self) -> Ticket[Message]:
        """Take the message whose turn it is, and let the time pass."""
        until_ns = self._clock.now_ns() + self._dispatch_ns
        ticket = super().next()
        self._clock.spin_until(until_ns)
        return ticket


class FillingRouter(Router):
    """A router whose state machines begin with so many keys: s0, s1 … are 0."""

    def __init__(self, work: Work, worker_ids: Iterable[str] | None, state_keys: int) -> None:
        super().__init__(work, worker_ids)
        self._beginning = {f"s{number}": 0 for number in range(state_keys)}
        for machine in self.machines.values():
            machine.state.update(self._beginning)

    def route(self, message: Message) -> StateMachine:
        """Return the machine that a message is for, filled if it was made for it."""
        known = len(self.machines)
        machine = super().route(message)
        if len(self.machines) > known:
            machine.state.update(self._beginning)
        return machine
