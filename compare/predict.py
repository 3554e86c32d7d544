"""Predict one run, three times: from the flags, from a calibration, and how far runs of the calibrated model scatter.

The calibrated prediction and its band keep the arrivals: they are about this very run, not about runs like it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from compare.calibrate import Calibration
from compare.case import Case
from compare.machine.buffers import Buffers
from compare.measure import asking_s
from compare.metric import STANDARD, Metric
from compare.scene import Holds, Replayed, Scene, columns_of
from sim import HoldTimes, Trajectory, Workload, simulate
from sim.bands import RUNS, band_of
from sim.engine import Nanoseconds
from sim.nominal import Nominal, nominal
from sim.recording import NS


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What was predicted before the run was measured."""

    case: Case
    theory: Nominal
    scene: Scene
    nominal_path: Trajectory  # these arrivals, service times as asked for
    trajectory: Trajectory  # these arrivals, hold times from the calibration
    holds: Holds  # of that
    utilization: float  # calibrated
    hold_s: float
    bands: dict[str, list[float]]  # of the standard metrics, by name
    runs: Sequence[Replayed] = ()  # which the bands are made of; none where the prediction was read from a file

    @property
    def workload(self) -> Workload:
        """What is to be run."""
        return self.case.workload

    @property
    def offered_per_s(self) -> float:
        """Messages that arrive, per second."""
        return self.workload.offered_rate_per_s or 0.0

    def band(self, metric: Metric) -> list[float]:
        """Return where 95 % of runs would be if the calibrated model were true, [low, high]."""
        if metric.name in self.bands:
            return self.bands[metric.name]
        return self.band_of(metric.of)

    def band_of(self, number: Callable[[Trajectory], float]) -> list[float]:
        """Return the same of any number of a trajectory; only before the prediction was written to a file."""
        workers = self.trajectory.worker
        return band_of([number(run.trajectory(workers)) for run in self.runs]) or []

    def without_runs(self) -> "Prediction":
        """Return the same without what the bands are made of, which is large."""
        return replace(self, runs=())


def predict(
    case: Case,
    calibration: Calibration,
    answer_s: float | None = None,
    runs: int = RUNS,
    buffers: Buffers | None = None,
) -> Prediction:
    """Return the three predictions; the seed of the workload fixes all that is drawn.

    `answer_s`: how long a question holds the thread. Of the runs that make the band, the one with the median mean
    latency is the prediction, run once more in SimPy. Questions over HTTP come at instants that nobody knows
    beforehand, so each run of the band has its own. `buffers`: of a run over TCP, what they hold; its messages then
    have instants at which they are sent, too.
    """
    workload = _as_asked(case, answer_s)
    rng = np.random.default_rng([workload.seed, len(workload)])
    scene = Scene.of(workload)
    if buffers is not None:
        scene = replace(scene, room=np.full(len(workload), (workload.inbox or 0) + buffers.mean))
    drawn, replays = [], []
    for _ in range(runs):
        hold = calibration.samples.redrawn(rng).hold_times(len(workload), rng)
        at = scene.asked_at(_anew(scene, rng)) if case.asking else scene
        if buffers is not None:
            at = replace(at, room=(workload.inbox or 0) + buffers.drawn(len(workload), rng))
        drawn.append(hold)
        replays.append(at.replay(columns_of(hold), case.servers))
    bands = _bands(workload, replays)
    middle = int(np.argsort([replay.latency_s.mean() for replay in replays])[runs // 2])
    return Prediction(
        case,
        nominal(case.workload, case.servers),
        scene,
        _simulated(case.workload, None, case.servers),
        _sent(_simulated(workload, drawn[middle], case.servers), scene),
        columns_of(drawn[middle]),
        (workload.offered_rate_per_s or 0.0) * calibration.hold_s / case.servers,
        calibration.hold_s,
        bands,
        replays,
    )


def _simulated(workload: Workload, hold: HoldTimes | None, servers: int) -> Trajectory:
    return simulate(workload, "simpy" if servers == 1 else "compiled", hold, servers)


def _sent(trajectory: Trajectory, scene: Scene) -> Trajectory:
    """Return a trajectory with the instants at which a sender could hand its messages over."""
    return replace(trajectory, sent_s=scene.sent_s(trajectory.start_s))


def _as_asked(case: Case, answer_s: float | None) -> Workload:
    """Return the workload with questions as they come, and with answers as long as they were found to be."""
    changes: dict[str, Any] = {} if answer_s is None else {"query_service_s": max(answer_s, 1e-6)}
    if case.asking:
        share = min(asking_s(case) / case.workload.horizon_s, 1.0)  # of the run: the asker has to start
        changes["query_rate_per_s"] = case.asking.rate_per_s * share
    return replace(case.workload, **changes) if changes else case.workload


def _anew(scene: Scene, rng: np.random.Generator) -> Nanoseconds:
    """Return as many instants within the run as there are questions, each as likely as any other: a Poisson process."""
    last_ns = int(scene.arrival_ns[-1]) if len(scene.arrival_ns) else 0
    return rng.integers(0, last_ns + 1, size=len(scene.query_ns))


def _bands(workload: Workload, replays: Sequence[Replayed]) -> dict[str, list[float]]:
    nobody = np.full(len(workload), "", dtype=np.str_)
    played = [replay.trajectory(nobody) for replay in replays]
    bands = {metric.name: band_of([metric.of(run) for run in played]) or [] for metric in STANDARD}
    # A queue is counted in whole messages, so one more or less is no difference that could be told.
    step = NS / workload.arrivals_ns[-1] if len(workload) and workload.arrivals_ns[-1] else 0.0
    low, high = bands["queue_growth_per_s"]
    return bands | {"queue_growth_per_s": [low - step, high + step]}
