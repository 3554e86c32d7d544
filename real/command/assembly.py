"""How the parts make a processor: one on a plan, for a run that ends, or one that serves until it is stopped."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from real.clock import Clock
from real.inbox import Inbox
from real.loop import Loop
from real.message import Message, parse
from real.metrics import Timer
from real.query import Queries
from real.router import Router
from real.source import Asking, Plan, Source
from real.work import KINDS
from sim.workload import Workload

_ALLOCATIONS, _TRIALS = 1000, 9


def router_for(workload: Workload, work: str, clock: Clock, *, eager: bool = False) -> Router:
    """Return a router whose state machines do that kind of work; `eager`: all of the workload's workers are made."""
    does = KINDS[work](clock, round((workload.service_s or 0.0) * 1e9))
    return Router(does, [f"w{number}" for number in range(workload.workers)] if eager else None)


def inbox_of(workload: Workload) -> Inbox:
    """Return an inbox with the workload's order and places."""
    return Inbox(workload.order, workload.inbox or float("inf"))


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
    inbox = inbox_of(workload) if inbox is None else inbox
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


def allocation(eager: bool) -> dict[str, Any]:
    """Return when state machines are made, and what a worker's first message costs for it (s; medians of trials).

    `first_s` is routing to a worker that has none, `later_s` to one that has; the difference is what eager allocation
    takes out of the run. Measured on others, and many: one alone takes less than the clock can tell.
    """
    made = [Message(f"w{number}", ()) for number in range(_ALLOCATIONS)]
    first, later = Timer("first"), Timer("later")
    for _ in range(_TRIALS):
        router = Router(lambda message, began_ns: None)
        for timer in (first, later):
            with timer:
                for message in made:
                    router.route(message)
    first_s, later_s = (sorted(timer.times)[_TRIALS // 2] / _ALLOCATIONS for timer in (first, later))
    return {"when": "eager" if eager else "lazy", "first_s": first_s, "later_s": later_s}
