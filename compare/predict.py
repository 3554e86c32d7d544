"""Predict one run, three times: from the flags, from a calibration, and how far runs of the calibrated model scatter.

The calibrated prediction and its band keep the arrivals: they are about this very run, not about runs like it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim import Trajectory, Workload, simulate
from sim.bands import HoldSamples, predicted_runs, value_at
from sim.nominal import Nominal, nominal
from sim.recording import NS


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was predicted before the run was measured."""

    workload: Workload
    theory: Nominal
    nominal_path: Trajectory  # these arrivals, service times as asked for
    trajectory: Trajectory  # these arrivals, hold times from the calibration
    metrics: dict[str, Any]
    band: dict[str, list[float]]  # by metric, as in `value`
    utilization: float  # calibrated


METRICS = {
    "latency_s.mean": ("latency_s", "mean"),
    "latency_s.p50": ("latency_s", "p50"),
    "latency_s.p95": ("latency_s", "p95"),
    "latency_s.p99": ("latency_s", "p99"),
    "queue_growth_per_s": ("queue_growth_per_s",),
    "throughput_per_s": ("throughput_per_s",),
}


def value(metrics: dict[str, Any], name: str) -> float:
    """Return one number of a trajectory's metrics by its name, as in METRICS."""
    return value_at(metrics, *METRICS[name])


def predict(workload: Workload, calibration: HoldSamples) -> Prediction:
    """Return the three predictions; the seed of the workload fixes all that is drawn.

    Of the runs that make the band, the one with the median mean latency is the prediction, run once more in SimPy.
    """
    runs = predicted_runs(workload, calibration, np.random.default_rng([workload.seed, len(workload)]))
    band = {name: runs.band(*path) for name, path in METRICS.items()}
    # A queue is counted in whole messages, so one more or less is no difference that could be told.
    step = 1.0 / (workload.arrivals_ns[-1] / NS) if workload.arrivals_ns[-1] else 0.0
    band["queue_growth_per_s"] = [band["queue_growth_per_s"][0] - step, band["queue_growth_per_s"][1] + step]
    trajectory = simulate(workload, hold=runs.middle("latency_s", "mean"))
    utilization = (workload.offered_rate_per_s or 0.0) * calibration.hold_s
    nominal_path = simulate(workload)
    return Prediction(workload, nominal(workload), nominal_path, trajectory, trajectory.metrics(), band, utilization)


def nominal_value(prediction: Prediction, name: str) -> float | None:
    """Return what theory says from the flags alone; None where it says nothing."""
    theory = prediction.theory
    if name == "queue_growth_per_s":
        return theory.queue_growth_per_s
    if name == "throughput_per_s":
        return min(theory.capacity_per_s, prediction.workload.offered_rate_per_s or theory.capacity_per_s)
    return (theory.latency_s or {}).get(METRICS[name][1])
