"""The nominal prediction: what theory says about a workload, from its flags alone.

Where no formula exists, the numbers are None and the note names the nearest formula that does.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sim.nearest import milliseconds, nearest, several
from sim.recording import NS
from sim.run_length import relaxation_s
from sim.theory import (
    MD1,
    MG1,
    MM1,
    Dispersion,
    MDc,
    MMc,
    Priority,
    PriorityClass,
    dispersion,
)
from sim.theory.distribution import Distribution
from sim.workload import Workload

Numbers = dict[str, float | None]
# As tail probabilities: in floating point, 1 − 0.99 is not 0.01.
PERCENTILES = {"p50": 0.5, "p95": 0.05, "p99": 0.01}


@dataclass(frozen=True, slots=True)
class Nominal:
    """The `theory` object of the JSON documents, as attributes; times in seconds, of the steady state.

    `queries` is the mean wait and latency of queries; `relaxation_s` about how long a run takes to forget its empty
    start; `dispersion` the index of dispersion of counts of a recording at several windows.
    """

    model: str
    servers: int
    utilization: float | None
    stable: bool | None
    capacity_per_s: float
    queue_growth_per_s: float | None = None
    latency_growth_s_per_s: float | None = None
    wait_s: Numbers | None = None
    latency_s: Numbers | None = None
    queue_length: dict[str, float] | None = None
    queries: dict[str, Numbers] | None = None
    relaxation_s: float | None = None
    dispersion: tuple[Dispersion, ...] | None = None
    note: str | None = None

    @property
    def remark(self) -> str:
        """The note as a sentence; empty where there is none."""
        return f"{self.note[0].upper()}{self.note[1:].strip().removesuffix('.')}." if self.note else ""

    def document(self) -> dict[str, Any]:
        """Return the object as JSON has it."""
        values = {name: getattr(self, name) for name in self.__slots__}
        indices = self.dispersion and [
            {"window_s": one.window_s, "index": one.index, "windows": one.windows} for one in self.dispersion
        ]
        return values | {"dispersion": indices}


def nominal(workload: Workload, servers: int = 1) -> Nominal:
    """Return what theory says about a workload on so many servers fed from one queue.

    >>> nominal(Workload(rate_per_s=300, service_s=0.005)).queue_growth_per_s
    100.0
    >>> nominal(Workload(rate_per_s=100, service_s=0.005)).wait_s["mean"]
    0.0025
    """
    rate, service_s = workload.offered_rate_per_s, workload.service_s
    assert service_s is not None  # a workload fills it in
    free = servers - _query_share(workload)
    capacity = max(free, 0.0) / service_s
    name = _model_name(workload, servers)
    if rate is None:
        note = "all messages arrive in one instant: there is no rate, and no steady state to speak of"
        return Nominal(name, servers, None, None, capacity, note=note)
    rho, stable = rate * service_s / servers, _is_stable(workload, rate, service_s, servers)
    found = Nominal(name, servers, rho, stable, capacity, dispersion=_dispersion(workload))
    if stable:
        return _steady(found, workload, rate, service_s)
    growth = max(0.0, rate - capacity)
    # Queries end with the arrivals and leave the thread to the backlog, so that waits no longer grow in proportion.
    latency_growth = max(0.0, rate / capacity - 1.0) if free == servers else None
    why = _why(workload, rate, growth, servers)
    return replace(found, queue_growth_per_s=growth, latency_growth_s_per_s=latency_growth, note=why)


def _is_stable(workload: Workload, rate: float, service_s: float, servers: int) -> bool:
    """Whether there is a steady state, with the very products that the formulas look at: near 1 they may differ."""
    if rate * service_s / servers >= 1.0:
        return workload.arrivals == workload.service == "deterministic" and rate * service_s == servers == 1
    if not _query_share(workload):
        return True
    return _shared(workload, rate, service_s)[0].stable


def _why(workload: Workload, rate: float, growth: float, servers: int) -> str:
    """Say why there is no steady state."""
    service_s, asked = workload.service_s or 0.0, _query_share(workload)
    why = f"rate {rate:g}/s × service {service_s * 1e3:g} ms"
    why += f" over {servers} servers" if servers > 1 else ""
    why += f" = utilization {rate * service_s / servers:g}"
    if asked:
        why += f", and queries take another {asked:g}"
    growing = "growth shown instead" if growth else "at exactly the capacity a queue grows too, if more slowly"
    return f"{why}: no steady state; {growing}"


def _query_share(workload: Workload) -> float:
    """Share of the thread that queries take from messages: none where they have to wait until it is idle."""
    if workload.query_policy == "idle":
        return 0.0
    return workload.query_rate_per_s * workload.query_service_s


def _model_name(workload: Workload, servers: int) -> str:
    arrivals = {"poisson": "M", "deterministic": "D"}.get(workload.arrivals, "G")
    service = {"deterministic": "D", "exponential": "M"}.get(workload.service, "G")
    return f"{arrivals}/{service}/{servers}"


def _dispersion(workload: Workload) -> tuple[Dispersion, ...] | None:
    """Return the index of dispersion of counts of a recording, whose arrivals need not be those of any formula."""
    if workload.arrivals_kind != "trace":
        return None
    try:
        return dispersion(np.asarray(workload.arrivals_ns) / NS)
    except ValueError:  # too few to tell
        return None


def _steady(found: Nominal, workload: Workload, rate: float, service_s: float) -> Nominal:
    """Add what is known of the steady state, and what is to be said about it."""
    wait_s, latency_s, remark = _known(workload, rate, service_s, found)
    return replace(
        found,
        queue_growth_per_s=0.0,
        latency_growth_s_per_s=0.0,
        wait_s=wait_s,
        latency_s=latency_s,
        queue_length={"mean": rate * wait_s["mean"]} if wait_s and wait_s["mean"] is not None else None,
        queries=_answers(workload, rate, service_s),
        relaxation_s=relaxation_s(workload, found.servers),
        note=remark,
    )


Known = tuple[Numbers | None, Numbers | None, str | None]


def _known(workload: Workload, rate: float, service_s: float, found: Nominal) -> Known:
    """Return wait and latency as far as they are known, and a remark where that is not all."""
    if found.model == "D/D/1" and not workload.query_rate_per_s:
        names = ("mean", *PERCENTILES)
        return dict.fromkeys(names, 0.0), dict.fromkeys(names, service_s), None
    if workload.arrivals != "poisson":
        return None, None, nearest(workload, rate, service_s, found.servers, found.dispersion)
    if found.servers > 1:
        return _together(workload, rate, service_s, found.servers)
    if workload.query_rate_per_s:
        return _beside_queries(workload, rate, service_s)
    return _alone(workload, rate, service_s)


def _together(workload: Workload, rate: float, service_s: float, servers: int) -> Known:
    """Return what is known of Poisson messages for several servers with one queue."""
    if workload.order == "fifo" and not workload.query_rate_per_s:
        if workload.service == "deterministic":
            exact = MDc(rate, service_s, servers)
            return _numbers(exact.wait), _numbers(exact.latency), None
        if workload.service == "exponential":
            erlang = MMc(rate, service_s, servers)
            note = "M/M/c (Erlang): waits are exact, and the mean latency; its percentiles are not worked out here"
            return _numbers(erlang.wait), _mean_only(erlang.latency_mean_s), note
    note = "several servers: known here for constant or exponential service, first come, first served"
    return None, None, f"{note}; {several(rate, service_s, servers)}"


def _alone(workload: Workload, rate: float, service_s: float) -> Known:
    """Return what is known of Poisson messages that have the thread to themselves."""
    queues: dict[str, type[MD1] | type[MM1]] = {"deterministic": MD1, "exponential": MM1}
    if workload.service in queues and workload.order == "fifo":
        queue = queues[workload.service](rate, service_s)
        return _numbers(queue.wait), _numbers(queue.latency), None
    mean_s = MG1(rate, service_s, *workload.service_moments).wait_mean_s
    note = "M/G/1: the mean is exact (Pollaczek–Khinchine); percentiles have no closed form"
    if workload.order != "fifo":
        note = "the mean wait is that of fifo (conservation); percentiles are not"
    return _mean_only(mean_s), _mean_only(mean_s + service_s), note


def _shared(workload: Workload, rate: float, service_s: float) -> tuple[Priority, int]:
    """Return the queue of messages and queries, and which class the messages are."""
    messages = PriorityClass(rate, service_s, workload.service_moments[0])
    queries = PriorityClass(workload.query_rate_per_s, workload.query_service_s)
    first = workload.query_policy != "idle"
    return Priority((queries, messages) if first else (messages, queries)), int(first)


def _beside_queries(workload: Workload, rate: float, service_s: float) -> Known:
    queue, place = _shared(workload, rate, service_s)
    if workload.query_policy == "fifo":
        note = (
            "queries go behind what is due when they are seen, nearly first come, first served, where the mean wait "
            f"would be {milliseconds(queue.fifo_wait_mean_s)} (Pollaczek–Khinchine)"
        )
        return None, None, note
    mean_s = queue.wait_of(place)
    note = "the mean is exact (Cobham, priority without interruption); percentiles have no closed form here"
    return _mean_only(mean_s), _mean_only(mean_s + service_s), note


def _answers(workload: Workload, rate: float, service_s: float) -> dict[str, Numbers] | None:
    """Return mean wait and latency of queries, where known and in steady state."""
    if not workload.query_rate_per_s or workload.query_policy == "fifo" or workload.arrivals != "poisson":
        return None
    queue, place = _shared(workload, rate, service_s)
    if workload.query_policy == "idle" and not queue.stable:
        return None
    wait_s = queue.wait_of(1 - place)
    return {"wait_s": {"mean": wait_s}, "latency_s": {"mean": wait_s + workload.query_service_s}}


def _numbers(times: Distribution) -> Numbers:
    return {"mean": times.mean(), **{name: float(times.isf(tail)) for name, tail in PERCENTILES.items()}}


def _mean_only(mean: float) -> Numbers:
    return {"mean": mean, **dict.fromkeys(PERCENTILES)}
