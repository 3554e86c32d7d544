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

_ALLOCATIONS = 1000


def router_for(workload: Workload, work: str, clock: Clock, *, eager: bool = False) -> Router:
    """Return a router whose state machines do that kind of work; `eager`: all of the workload's workers are made."""
    does = KINDS[work](clock, round((workload.service_s or 0.0) * 1e9))
    return Router(does, [f"w{number}" for number in range(workload.workers)] if eager else None)


def loop_of(
    workload: Workload, messages: Source[Message], asked: Iterable[Asking], router: Router, clock: Clock
) -> Loop:
    """Return a loop with the workload's order, inbox and query policy."""
    inbox = Inbox(workload.order, workload.inbox or float("inf"))
    return Loop(messages, tuple(asked), inbox, router, Queries(router, workload.query_policy), clock)


@dataclass(frozen=True, slots=True)
class Plans:
    """A workload's messages and questions at their instants on the clock."""

    messages: Plan[Message]
    queries: Plan[str]


def plans(workload: Workload, made: list[Message], origin_ns: int) -> Plans:
    """Return the plans of a workload whose second 0 is `origin_ns`."""
    planned = zip(made, workload.arrivals_ns, strict=True)
    stamped = [Message(m.worker_id, m.payload, (origin_ns + at) / 1e9, m.service_ns) for m, at in planned]
    asked = [f"w{worker}" for worker in workload.query_workers]
    return Plans(Plan(stamped, workload.arrivals_ns, origin_ns), Plan(asked, workload.queries_ns, origin_ns))


def messages(workload: Workload) -> list[Message]:
    """Return the workload's messages, each parsed as if it had come over the wire."""
    made = []
    for number, (worker, service_ns) in enumerate(zip(workload.worker_numbers, workload.service_ns, strict=True)):
        message = parse({"worker_id": f"w{worker}", "payload": workload.payload(number)})
        made.append(Message(message.worker_id, message.payload, None, service_ns))
    return made


def allocation(router: Router, *, eager: bool) -> dict[str, Any]:
    """Return when the state machines were made, and what making one costs (s): before the run, or in its first message.

    Measured on others, and many: one alone takes less than the clock can tell.
    """
    with Timer("allocation") as timer:
        Router(lambda message, began_ns: None, (f"w{number}" for number in range(_ALLOCATIONS)))
    return {
        "when": "eager" if eager else "lazy",
        "machines": len(router.machines),
        "each_s": timer.times[0] / _ALLOCATIONS,
    }
