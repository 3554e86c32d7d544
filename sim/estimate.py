"""How much a run of this length scatters: the ensemble band.

The band holds the middle 95 % of the runs of the same workload with the next `RUNS` seeds: anyone can check it by
running them.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from sim.recording import NS
from sim.trajectory import Seconds, slope, summary
from sim.workload import Workload

RUNS = 200
MOST_MESSAGES = 100_000
QUANTILES = ("mean", "p50", "p95", "p99")


def ensemble_band(workload: Workload, runs: int = RUNS) -> dict[str, Any] | None:
    """Return [2.5 %, 97.5 %] over `runs` runs of latency mean, p50, p95, p99 (s) and of both growths.

    None where a workload cannot be drawn again (a recording), is not first come, first served and without queries,
    or is longer than MOST_MESSAGES.
    """
    plain = workload.order == "fifo" and not workload.query_rate_per_s
    if workload.arrivals.startswith(("trace:", "gaps:")) or not plain or not 0 < len(workload) <= MOST_MESSAGES:
        return None
    rows = [_metrics(fifo(replace(workload, seed=(workload.seed + k) % 2**63))) for k in range(1, runs + 1)]
    low, high = np.nanpercentile(np.array(rows), [2.5, 97.5], axis=0).tolist()
    bands = [list(pair) for pair in zip(low, high, strict=True)]
    latency = dict(zip(QUANTILES, bands[:4], strict=True))
    return {"latency_s": latency, "queue_growth_per_s": bands[4], "latency_growth_s_per_s": bands[5]}


def fifo(workload: Workload) -> tuple[Seconds, Seconds, Seconds]:
    """Return (arrival, start, finish), s: the recursion as two cumulative operations over whole arrays.

    W_i = C_i − min(C_0 … C_i) with C_i the sum over j ≤ i of S_{j−1} − A_j and C_0 = 0 (Lindley 1952).
    """
    arrival_s = np.asarray(workload.arrivals_ns) / NS
    service_s = np.asarray(workload.service_ns) / NS
    steps = np.concatenate([[0.0], service_s[:-1] - np.diff(arrival_s)])[: len(arrival_s)]
    walk = np.cumsum(steps)
    start_s = arrival_s + (walk - np.minimum.accumulate(walk))
    return arrival_s, start_s, start_s + service_s


def _metrics(columns: tuple[Seconds, Seconds, Seconds]) -> list[float]:
    arrival_s, start_s, finish_s = columns
    if not len(arrival_s):
        return [np.nan] * 6
    latency_s = finish_s - arrival_s
    latency = summary(latency_s)
    growth = (start_s > arrival_s[-1]).sum() / arrival_s[-1]
    values = [latency[name] for name in QUANTILES] + [growth, slope(arrival_s, latency_s)]
    return [np.nan if value is None else value for value in values]
