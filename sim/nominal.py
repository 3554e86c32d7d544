"""The nominal prediction: what theory says about a workload, from its flags alone.

Where no formula exists, the numbers are None and the note names the nearest formula that does.
"""

from dataclasses import dataclass
from typing import Any

from sim.theory import MD1, MG1, MM1
from sim.theory.distribution import Distribution
from sim.workload import Workload

Numbers = dict[str, float | None]
# As tail probabilities: in floating point, 1 − 0.99 is not 0.01.
PERCENTILES = {"p50": 0.5, "p95": 0.05, "p99": 0.01}


@dataclass(frozen=True, slots=True)
class Nominal:
    """The `theory` object of the JSON documents, as attributes; times in seconds."""

    model: str
    utilization: float | None
    stable: bool | None
    capacity_per_s: float
    queue_growth_per_s: float | None
    latency_growth_s_per_s: float | None
    wait_s: Numbers | None
    latency_s: Numbers | None
    queue_length: dict[str, float] | None
    note: str | None

    @property
    def remark(self) -> str:
        """The note as a sentence; empty where there is none."""
        return f"{self.note[0].upper()}{self.note[1:]}." if self.note else ""

    def document(self) -> dict[str, Any]:
        """Return the object as JSON has it."""
        return {name: getattr(self, name) for name in self.__slots__}


def nominal(workload: Workload) -> Nominal:
    """Return what theory says about a workload.

    >>> nominal(Workload(rate_per_s=300, service_s=0.005)).queue_growth_per_s
    100.0
    >>> nominal(Workload(rate_per_s=100, service_s=0.005)).wait_s["mean"]
    0.0025
    """
    rate, service_s = workload.offered_rate_per_s, workload.service_s
    assert service_s is not None  # a workload fills it in
    free = 1.0 - _query_share(workload)
    capacity = max(free, 0.0) / service_s
    name = _model_name(workload)
    if rate is None:
        note = "all messages arrive in one instant: there is no rate, and no steady state to speak of"
        return Nominal(name, None, None, capacity, None, None, None, None, None, note)
    rho, stable = rate * service_s, rate < capacity or (name == "D/D/1" and rate == capacity)
    growth = max(0.0, rate - capacity)
    # Queries end with the arrivals and leave the thread to the backlog, so that waits no longer grow in proportion.
    latency_growth = max(0.0, rate / capacity - 1.0) if free == 1.0 else None
    if not stable:
        why = _why(workload, rate, growth)
        return Nominal(name, rho, False, capacity, growth, latency_growth, None, None, None, why)
    known, remark = _known(workload, rate, service_s)
    wait_s, latency_s = known or (None, None)
    queue = {"mean": rate * wait_s["mean"]} if wait_s and wait_s["mean"] is not None else None
    return Nominal(name, rho, True, capacity, 0.0, 0.0, wait_s, latency_s, queue, remark)


def _why(workload: Workload, rate: float, growth: float) -> str:
    """Say why there is no steady state."""
    service_s, asked = workload.service_s or 0.0, _query_share(workload)
    why = f"rate {rate:g}/s × service {service_s * 1e3:g} ms = utilization {rate * service_s:g}"
    if asked:
        why += f", and queries take another {asked:g}"
    growing = "growth shown instead" if growth else "at exactly the capacity a queue grows too, if more slowly"
    return f"{why}: no steady state; {growing}"


def _query_share(workload: Workload) -> float:
    """Share of the thread that queries take from messages: none where they have to wait until it is idle."""
    if workload.query_policy == "idle":
        return 0.0
    return workload.query_rate_per_s * workload.query_service_s


def _model_name(workload: Workload) -> str:
    arrivals = {"poisson": "M", "deterministic": "D"}.get(workload.arrivals, "G")
    service = {"deterministic": "D", "exponential": "M"}.get(workload.service, "G")
    return f"{arrivals}/{service}/1"


def _known(workload: Workload, rate: float, service_s: float) -> tuple[tuple[Numbers, Numbers] | None, str | None]:
    """Return (wait, latency) as far as they are known in steady state, and what is to be said about them."""
    if workload.arrivals == workload.service == "deterministic" and not workload.query_rate_per_s:
        names = ("mean", *PERCENTILES)
        return (dict.fromkeys(names, 0.0), dict.fromkeys(names, service_s)), None
    md1 = MD1(rate, service_s)
    nearest = f"the nearest that has one is M/D/1 at this rate: mean wait {md1.wait.mean() * 1e3:.3g} ms"
    if workload.query_rate_per_s:
        return None, f"no formula here for messages that share the thread with queries; {nearest}"
    if workload.arrivals != "poisson":
        what = f"{workload.arrivals.partition(':')[0]} arrivals with {workload.service.partition(':')[0]} service"
        return None, f"no closed form for {what}; {nearest}"
    queues: dict[str, MD1 | MM1] = {"deterministic": md1, "exponential": MM1(rate, service_s)}
    if workload.service in queues and workload.order == "fifo":
        exact = queues[workload.service]
        return (_numbers(exact.wait), _numbers(exact.latency)), None
    mean_s = MG1(rate, service_s, workload.service_moments[0]).wait_mean_s
    note = "M/G/1: the mean is exact (Pollaczek–Khinchine); percentiles have no closed form"
    if workload.order != "fifo":
        note = "the mean wait is that of fifo (conservation); percentiles are not"
    return (_mean_only(mean_s), _mean_only(mean_s + service_s)), note


def _numbers(times: Distribution) -> Numbers:
    return {"mean": times.mean(), **{name: float(times.isf(tail)) for name, tail in PERCENTILES.items()}}


def _mean_only(mean: float) -> Numbers:
    return {"mean": mean, **dict.fromkeys(PERCENTILES)}
