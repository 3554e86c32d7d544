"""How large a workload is, told before anything is generated: whether it can be stored, drawn, or not even waited for.

Standard library only.
"""

import math
from typing import TYPE_CHECKING

from sim.arrivals import Bursty, Recorded
from sim.checks import InvalidWorkload

if TYPE_CHECKING:
    from sim.workload import Workload

MOST = 1_000_000_000  # of anything that a workload may ask for
MOST_STORED = 10_000_000  # of what is generated and held in memory
TOO_LONG = "that would take too long: at most"
IN_MEMORY = "a workload is held in memory: at most"


def planned_messages(workload: "Workload") -> float:
    """Return how many messages to expect: exact where a number was asked for, of a recording at most what it holds."""
    asked, arriving = workload.messages or math.inf, math.inf
    if isinstance(workload.arrival_process, Recorded):
        arriving = len(workload.arrival_process.recorded_ns)
    elif workload.duration_s is not None:
        arriving = (workload.rate_per_s or 0.0) * workload.duration_s
    return min(asked, arriving)


def planned_queries(workload: "Workload") -> float:
    """Return how many queries to expect."""
    lasts_s = workload.duration_s or planned_messages(workload) / (workload.rate_per_s or math.inf)
    return workload.query_rate_per_s * lasts_s


def check_size(workload: "Workload", most: int, why: str) -> None:
    """Raise InvalidWorkload where more than `most` of anything is asked for, naming the field that asks for it."""
    process, expected = workload.arrival_process, planned_messages(workload)
    lasts_s = workload.duration_s or expected / (workload.rate_per_s or math.inf)
    sizes = [("messages" if workload.messages is not None else "duration_s", expected, "messages")]
    if isinstance(process, Bursty):
        sizes.append(("arrivals", lasts_s / process.dwell_s, "changes of state"))
    sizes.append(("query_rate_per_s", planned_queries(workload), "queries"))
    for field, number, what in sizes:
        if number > most:
            raise InvalidWorkload(field, getattr(workload, field), f"would be {number:.3g} {what}; {why} {most:.0e}")


def drawing_s(workload: "Workload") -> float:
    """Return about how long it takes to draw a workload by Monte Carlo, s, on a machine of 2023."""
    constant = workload.arrivals == "poisson" and workload.service == "deterministic"
    return planned_messages(workload) * (8e-9 if constant else 1e-7)


def is_drawable(workload: "Workload") -> bool:
    """Whether the process can be simulated without being stored: no recording, fifo, no inbox, nobody asks."""
    plain = workload.order == "fifo" and workload.inbox is None and not workload.query_rate_per_s
    return plain and not isinstance(workload.arrival_process, Recorded)
