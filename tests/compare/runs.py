"""Runs that nobody measured: the model plays the real thing, on a machine that was never calibrated."""

from dataclasses import replace
from typing import Any

import numpy as np

from compare.calibrate import Calibration
from compare.case import Case
from compare.experiment import Run, in_short
from compare.explain.pairing import paired
from compare.machine.noise import Noise, Stall
from compare.machine.vacations import with_stalls
from compare.measure import Measurement
from compare.predict import Prediction, predict
from compare.scene import columns_of
from sim.bands import HoldSamples


def samples(seed: int = 17, service_s: float = 0.00515, spread_s: float = 3e-5) -> HoldSamples:
    """What a quiet machine's calibration finds; another seed is another calibration of the same machine."""
    rng = np.random.default_rng(seed)
    return HoldSamples(
        np.abs(rng.normal(8e-6, 2e-6, 600)),
        rng.normal(service_s, spread_s, 600),
        np.abs(rng.normal(2e-5, 5e-6, 150)),
        rng.normal(service_s + 2e-5, spread_s, 150),
    )


def calibration(seed: int = 17, service_s: float = 0.00515, work: str = "sleep") -> Calibration:
    """A calibration of a message that should take 5 ms, and holds the thread for a little longer."""
    return Calibration(work, 0.005, samples(seed, service_s), 0, 0.0)


def measured(  # noqa: PLR0913 - the ways in which a run may differ are many
    prediction: Prediction,
    *,
    seed: int = 99,
    slower: float = 1.0,
    delay_ns: int = 0,
    stalls: tuple[Stall, ...] = (),
    given: float = 1.0,
    bursts: tuple[tuple[int, int, float], ...] = (),
    waits_ns: int = 0,
) -> Measurement:
    """A run of the model as if it had been measured: as calibrated, or slower, or with a delay, or stalled.

    A thread that computes was `given` so many times the work that was planned. `bursts`: from which message to which
    the machine was so many times slower. While it processed a message it waited for `waits_ns`, computing nothing.
    """
    n = len(prediction.workload)
    # Not from the samples that the prediction was made of: a calibration is a sample too.
    own = samples(1000 + seed, prediction.hold_s - 8e-6).hold_times(n, np.random.default_rng(seed))
    dispatch, processing, wakeup, woken = columns_of(own)
    times = np.full(n, slower)
    for first, last, much in bursts:
        times[first:last] *= much
    holds = (
        dispatch + delay_ns,
        np.rint(processing * times).astype(np.int64) + waits_ns,
        wakeup + delay_ns,
        np.rint(woken * times).astype(np.int64) + waits_ns,
    )
    holds = with_stalls(prediction.scene, holds, stalls, sleeps=True)
    trajectory = prediction.scene.replay(holds).trajectory(prediction.trajectory.worker)
    metrics = trajectory.metrics()
    computed_s = float(trajectory.processing_s.mean()) if prediction.case.work == "cpu" else 5e-5
    document: dict[str, Any] = {
        "command": "python -m real",
        "measured": metrics,
        "environment": {"cpu_s": 0.1},
        "workload": {"service_s": (prediction.workload.service_s or 0.0) * given},
        "instruments": {"cpu_s": {"mean": computed_s}, "cpu_share": 0.01, "hold_s": prediction.hold_s},
        "run": {},
    }
    noise = Noise(float(trajectory.finish_s.max()), stalls)
    tables = {"cpu": {"cpu_s": trajectory.processing_s - waits_ns / 1e9}} if prediction.case.tells_cpu_s else {}
    return Measurement(trajectory, document, noise, "python -m real", 0.0, tables, {})


def compared(case: Case, *, calibrated: Calibration | None = None, answer_s: float | None = None, **other: Any) -> Run:
    """Predict a case and run the model in place of the real thing."""
    prediction = predict(case, calibrated or calibration(), answer_s)
    found = measured(prediction, **other)
    run = Run(case, prediction, found, answer_s=answer_s or 0.0)
    stalls = found.noise.stalls
    adjusted = None
    if stalls:
        holds = with_stalls(prediction.scene, prediction.holds, stalls, sleeps=True)
        adjusted = prediction.scene.replay(holds).trajectory(prediction.trajectory.worker)
    return replace(run, adjusted=adjusted, pairing=paired(run.predicted, run.measured, stalls, ()))


def sentence_of(answer: str) -> str:
    """Return the one sentence that an answer begins with: short, with a number, and not all that is said."""
    found = in_short(answer)
    assert 20 < len(found) <= 160, found
    assert found.endswith("."), found
    assert any(letter.isdigit() for letter in found), found
    assert len(answer.splitlines()) == 2
    return found
