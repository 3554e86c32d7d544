"""What is compared: one number of a trajectory, the same function for the predicted and the measured one."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sim import Trajectory
from sim.nominal import Nominal
from sim.summary import Seconds, ratio

TIME, RATE, SHARE = "s", "/s", ""  # units of a metric


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of a trajectory. `name` as results have it, `title` for people; `nominal` is what theory says of it."""

    name: str
    title: str
    of: Callable[[Trajectory], float]
    unit: str = TIME
    nominal: Callable[[Nominal, float], float | None] = lambda theory, offered_per_s: None


def _latency(name: str, title: str, number: Callable[[Seconds], float]) -> Metric:
    return Metric(
        f"latency_s.{name}",
        title,
        lambda run: float(number(run.latency_s)),
        nominal=lambda theory, offered_per_s: (theory.latency_s or {}).get(name),
    )


def _asked(name: str, title: str, number: Callable[[Seconds], float]) -> Metric:
    return Metric(
        f"queries.latency_s.{name}",
        title,
        lambda run: float(number(run.queries.latency_s)) if run.queries is not None else np.nan,
    )


MEAN = _latency("mean", "mean latency", np.mean)
P50 = _latency("p50", "p50", lambda values: float(np.percentile(values, 50)))
P95 = _latency("p95", "p95", lambda values: float(np.percentile(values, 95)))
P99 = _latency("p99", "p99", lambda values: float(np.percentile(values, 99)))
LATENCY = (MEAN, P50, P95, P99)
QUERY_MEAN = _asked("mean", "mean query latency", np.mean)
QUERY_P99 = _asked("p99", "p99 of queries", lambda values: float(np.percentile(values, 99)))


def _growth(run: Trajectory) -> float:
    last_s = float(run.arrival_s[-1])
    return ratio(int((run.start_s > last_s).sum()), last_s) or 0.0


GROWTH = Metric(
    "queue_growth_per_s",
    "queue growth",
    _growth,
    RATE,
    lambda theory, offered_per_s: theory.queue_growth_per_s,
)
THROUGHPUT = Metric(
    "throughput_per_s",
    "throughput",
    lambda run: ratio(len(run), float(run.finish_s.max())) or 0.0,
    RATE,
    lambda theory, offered_per_s: min(theory.capacity_per_s, offered_per_s),
)
STANDARD = (*LATENCY, GROWTH, THROUGHPUT)
# A percentile is judged where at least three messages are to be expected beyond it.
LEAST_MESSAGES = {MEAN.name: 1, P50.name: 6, P95.name: 60, P99.name: 300}
