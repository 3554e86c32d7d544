"""How long a run has to be: to forget its empty start, to have intervals that hold, and to be as precise as wanted."""

import math

from sim.arrivals import Bursty, Poisson
from sim.estimate import NORMAL
from sim.service import Deterministic, Exponential
from sim.theory import MD1, MG1
from sim.workload import Workload

TRUSTED = 5000  # relaxation times
PRECISE = 0.1  # of the mean wait
LEAST = 1000  # messages
WILD = 5.0  # E[S²]/E[S]² of lognormal service with a coefficient of variation of 2


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
    """Return how many messages a run needs for its intervals to cover what they promise; None where nobody knows.

    TRUSTED relaxation times, and enough to tell the mean wait within PRECISE where theory says how many that are:
    relaxation knows nothing of how rare or how skewed waits are. That is measured for M/D/1 (`sim.coverage`) and was
    looked at for exponential and lognormal service up to a coefficient of variation of 2; of wilder service, and of
    recordings, it is not known.
    """
    relaxation = relaxation_s(workload, servers)
    if relaxation is None or workload.service_moments[0] > WILD:
        return None
    forgotten = math.ceil(TRUSTED * relaxation * (workload.rate_per_s or 0.0))
    known = isinstance(workload.arrival_process, Poisson) and not workload.query_rate_per_s and servers == 1
    if not known:
        return max(forgotten, LEAST)
    queue = _queue(workload)
    precise = PRECISE if isinstance(workload.service_times, Deterministic) else PRECISE / 2.0
    return max(forgotten, LEAST, _enough(queue.wait_asymptotic_var_s2, precise * queue.wait_mean_s))


def messages_for(workload: Workload, relative: float) -> int | None:
    """Return how many messages tell the mean latency within ± `relative` (95 %); None where no formula says.

    From the exact asymptotic variance of M/G/1 latencies, first come, first served.
    """
    known = isinstance(workload.arrival_process, Poisson) and not workload.query_rate_per_s
    same = workload.order == "fifo" or isinstance(workload.service_times, Deterministic)
    if not known or not same or relaxation_s(workload) is None:
        return None
    queue = _queue(workload)
    return _enough(queue.latency_asymptotic_var_s2, relative * queue.latency_mean_s)


def _queue(workload: Workload) -> MG1:
    return MG1(workload.rate_per_s or 0.0, workload.service_s or 0.0, *workload.service_moments)


def _enough(asymptotic_var_s2: float, half_width_s: float) -> int:
    """Return how many messages have a mean whose 95 % interval is so wide."""
    return math.ceil(asymptotic_var_s2 * (NORMAL / half_width_s) ** 2)
