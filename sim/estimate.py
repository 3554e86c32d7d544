"""How much a run of this length scatters: the ensemble band.

The band holds the middle 95 % of the runs of the same workload with the next `RUNS` seeds: anyone can check it by
running them.
"""

from typing import Any

import numpy as np

from sim.checks import InvalidWorkload
from sim.recording import NS
from sim.recursion import waits
from sim.trajectory import Trajectory
from sim.workload import Workload

RUNS = 200
MOST_MESSAGES = 30_000  # beyond, drawing it would take longer than anyone wants to look at a screen for
QUANTILES = ("mean", "p50", "p95", "p99")
GROWTHS = ("queue_growth_per_s", "latency_growth_s_per_s")


def ensemble_band(workload: Workload, runs: int = RUNS) -> dict[str, Any] | None:
    """Return [2.5 %, 97.5 %] over `runs` runs of latency mean, p50, p95, p99 (s) and of both growths.

    None where a workload cannot be drawn again (a recording), is not first come, first served and without queries,
    or is longer than MOST_MESSAGES; a pair is None where its number is undefined in every run.
    """
    plain = workload.order == "fifo" and not workload.query_rate_per_s
    if workload.arrivals.startswith(("trace:", "gaps:")) or not plain or not 0 < len(workload) <= MOST_MESSAGES:
        return None
    try:
        metrics = [_run(workload.reseeded((workload.seed + k) % 2**63)).metrics() for k in range(1, runs + 1)]
    except InvalidWorkload:  # messages so rare that another seed's do not fit into the range of time
        return None
    latency = {name: _middle([run["latency_s"][name] for run in metrics]) for name in QUANTILES}
    return {"latency_s": latency, **{name: _middle([run[name] for run in metrics]) for name in GROWTHS}}


def _run(workload: Workload) -> Trajectory:
    arrival_s = np.asarray(workload.arrivals_ns) / NS
    service_s = np.asarray(workload.service_ns) / NS
    start_s = arrival_s + waits(arrival_s, service_s)
    nobody = np.zeros(len(arrival_s), dtype=np.str_)
    return Trajectory(arrival_s, arrival_s, start_s, start_s + service_s, nobody)


def _middle(values: list[float | None]) -> list[float] | None:
    known = [value for value in values if value is not None]
    return np.percentile(known, [2.5, 97.5]).tolist() if known else None
