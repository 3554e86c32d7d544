"""Intervals for what one run says about the steady state, and how long a run has to be.

Successive waits are alike, so they are never treated as independent: a run is cut into ten long batches, whose means
are nearly so (batch means: Conway 1963, Management Science 10:47). How often such intervals cover the exact value is
measured by `python -m sim coverage`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sim.arrivals import Bursty, Poisson
from sim.service import Deterministic, Exponential
from sim.summary import Seconds
from sim.theory import MD1, MG1
from sim.workload import Workload

BATCHES = 10
STUDENT = 2.2621571627982053  # the 97.5 % quantile of Student's t with BATCHES − 1 degrees of freedom
NORMAL = 1.959963984540054  # the same of the normal distribution
TRUSTED = 5000  # relaxation times: a run of so many has intervals that cover what they promise
Edges = tuple[float, float]


class Batches(Protocol):
    """A run in equally long batches."""

    @property
    def means(self) -> Seconds:
        """The mean of each batch, s; shape (BATCHES,)."""

    def shares_above(self, t_s: float) -> Seconds:
        """Return the share above `t_s` of each batch; shape (BATCHES,)."""

    def quantile(self, p: float) -> float:
        """Return the p quantile of the whole run, s."""


@dataclass(frozen=True, slots=True)
class SampleBatches:
    """Batches of times held in memory, s, in order; shape (n,) with n ≥ BATCHES."""

    values_s: Seconds

    def _rows(self) -> Seconds:
        each = len(self.values_s) // BATCHES
        return self.values_s[len(self.values_s) - each * BATCHES :].reshape(BATCHES, each)

    @property
    def means(self) -> Seconds:
        """The mean of each batch, s."""
        return self._rows().mean(axis=1)

    def shares_above(self, t_s: float) -> Seconds:
        """Return the share above `t_s` of each batch."""
        return (self._rows() > t_s).mean(axis=1)

    def quantile(self, p: float) -> float:
        """Return the p quantile of the whole run, s."""
        return float(np.quantile(self.values_s, p))


def mean_interval(batches: Batches) -> Edges:
    """Return the 95 % interval of the mean, s."""
    return _around(batches.means)


def tail_interval(batches: Batches, t_s: float) -> Edges:
    """Return the 95 % interval of the probability of more than `t_s`."""
    return _around(batches.shares_above(t_s))


def quantile_interval(batches: Batches, tail: float) -> Edges:
    """Return the 95 % interval, s, of the time that a share `tail` is above.

    That of the share above the run's own quantile, read off the run's own distribution: so it needs no density.
    """
    share = batches.shares_above(batches.quantile(1.0 - tail))
    reach = STUDENT * float(share.std(ddof=1)) / math.sqrt(BATCHES)
    return batches.quantile(max(1.0 - tail - reach, 0.0)), batches.quantile(min(1.0 - tail + reach, 1.0))


def _around(values: Seconds) -> Edges:
    """Return Student's interval, symmetric on a logarithmic scale: what is positive scatters so."""
    mean = float(values.mean())
    if mean <= 0.0:
        return mean, mean
    reach = STUDENT * float(values.std(ddof=1)) / math.sqrt(BATCHES) / mean
    return mean * math.exp(-reach), mean * math.exp(reach)


def intervals(batches: Batches, tails: Sequence[tuple[str, float]]) -> dict[str, Edges]:
    """Return the intervals of the mean and of the quantiles named, s."""
    return {"mean": mean_interval(batches), **{name: quantile_interval(batches, tail) for name, tail in tails}}


# -- how long a run has to be -------------------------------------------------------------------------------------


def relaxation_s(workload: Workload, servers: int = 1) -> float | None:
    """Return about how long this queue takes to forget its start, s; None without a steady state or for a recording.

    Exact rates of decay for M/D/1, D/(ρ − 1 − ln ρ), and M/M/1, S/(1 − √ρ)² (Cohen 1982, The Single Server Queue,
    III.7); otherwise 2 (c_a² + c_s²) S/(1 − ρ)² of the diffusion that the queue looks like near the limit (Whitt 1989,
    Management Science 35:1341), with the index of dispersion of counts for c_a², queries as part of the work, and
    several servers as one so much faster; but never less than a service, nor than bursts last.
    """
    rate, service_s, scatter = workload.rate_per_s, workload.service_s, _arrival_scatter(workload)
    if rate is None or service_s is None or scatter is None:
        return None
    messages, queries = rate * service_s, workload.query_rate_per_s * workload.query_service_s
    rho = (messages + queries) / servers
    if rho >= 1.0:
        return None
    if isinstance(workload.arrival_process, Poisson) and not queries and servers == 1:
        if isinstance(workload.service_times, Deterministic):
            return MD1(rate, service_s).relaxation_s
        if isinstance(workload.service_times, Exponential):
            return service_s / (1.0 - math.sqrt(rho)) ** 2
    # E[S²]/E[S] = (1 + c_s²) S of whatever holds the thread.
    second_s = messages * service_s * workload.service_moments[0] + queries * workload.query_service_s
    second_s /= messages + queries
    near_limit_s = 2.0 * ((scatter - 1.0) * service_s + second_s) / servers / (1.0 - rho) ** 2
    # However idle the thread, bursts go on as they began for half a dwell: either state is left at a rate of 1/dwell.
    burst_s = workload.arrival_process.dwell_s / 2.0 if isinstance(workload.arrival_process, Bursty) else 0.0
    return max(near_limit_s, service_s, burst_s)


def _arrival_scatter(workload: Workload) -> float | None:
    """Return the index of dispersion of counts over long windows: 1 for Poisson, None for a recording.

    Bursty: 1 + (r₁ − r₂)² d/(4λ), rates r, mean dwell d (Fischer and Meier-Hellstern 1993, eq. 23).
    """
    process = workload.arrival_process
    if isinstance(process, Poisson):
        return 1.0
    if isinstance(process, Bursty):
        rate = workload.rate_per_s or 0.0
        apart = 2.0 * rate * (process.ratio - 1.0) / (process.ratio + 1.0)
        return 1.0 + apart**2 * process.dwell_s / (4.0 * rate)
    return None if workload.arrivals_kind == "trace" else 0.0


def trusted_messages(workload: Workload, servers: int = 1) -> int | None:
    """Return how many messages a run needs for its intervals to cover what they promise: TRUSTED relaxation times."""
    relaxation = relaxation_s(workload, servers)
    return None if relaxation is None else math.ceil(TRUSTED * relaxation * (workload.rate_per_s or 0.0))


def messages_for(workload: Workload, relative: float) -> int | None:
    """Return how many messages tell the mean latency within ± `relative` (95 %); None where no formula says.

    From the exact asymptotic variance of M/G/1 latencies.
    """
    known = isinstance(workload.arrival_process, Poisson) and not workload.query_rate_per_s
    if not known or relaxation_s(workload) is None:
        return None
    queue = MG1(workload.rate_per_s or 0.0, workload.service_s or 0.0, *workload.service_moments)
    variance = queue.latency_asymptotic_var_s2
    return math.ceil(variance * (NORMAL / (relative * queue.latency_mean_s)) ** 2)
