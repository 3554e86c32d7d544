"""Predict one run, three times: from the flags, from a calibration, and how far runs of the calibrated model scatter.

The calibrated prediction and its band keep the arrivals: they are about this very run, not about runs like it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from compare.calibrate import Calibration
from sim import Trajectory, Workload, simulate
from sim.nominal import Nominal, nominal

BAND_RUNS = 200


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
    found: Any = metrics
    for key in METRICS[name]:
        found = found[key]
    return float(found)


def predict(workload: Workload, calibration: Calibration) -> Prediction:
    """Return the three predictions; the seed of the workload fixes all that is drawn."""
    rng = np.random.default_rng([workload.seed, len(workload)])
    trajectory = simulate(workload, hold=calibration.hold_times(len(workload), rng))
    runs = [_redrawn(workload, calibration, rng) for _ in range(BAND_RUNS)]
    band = {name: np.percentile([value(run, name) for run in runs], [2.5, 97.5]).tolist() for name in METRICS}
    utilization = (workload.rate_per_s or 0.0) * calibration.hold_s
    return Prediction(
        workload, nominal(workload), simulate(workload), trajectory, trajectory.metrics(), band, utilization
    )


def _redrawn(workload: Workload, calibration: Calibration, rng: np.random.Generator) -> dict[str, Any]:
    hold = calibration.redrawn(rng).hold_times(len(workload), rng)
    return simulate(workload, engine="compiled", hold=hold).metrics()


def nominal_value(prediction: Prediction, name: str) -> float | None:
    """Return what theory says from the flags alone; None where it says nothing."""
    theory = prediction.theory
    if name == "queue_growth_per_s":
        return theory.queue_growth_per_s
    if name == "throughput_per_s":
        return min(theory.capacity_per_s, prediction.workload.rate_per_s or theory.capacity_per_s)
    return (theory.latency_s or {}).get(METRICS[name][1])
