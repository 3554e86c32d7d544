"""Judge a run: its numbers against its prediction, under the rules of `compare.verdict`."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from compare.experiment import Run
from compare.explain.ensemble import controlled
from compare.explain.pace import pace
from compare.machine.noise import Stall
from compare.metric import GROWTH, LATENCY, LEAST_MESSAGES, MEAN, THROUGHPUT, Metric
from compare.verdict import (
    DIFFERS,
    GROWTH_TOLERANCE,
    INCONCLUSIVE,
    LIMIT_TOLERANCE,
    NEAR_THE_LIMIT,
    Numbers,
    Point,
    controlled_document,
    latency_tolerance,
    word_of,
)
from sim.bands import band_of
from sim.recording import NS
from sim.units import percent, seconds

LEAST_SLOWED = 0.01  # of processor time for the same computation: less is no other machine


def judge(run: Run, metric: Metric, tolerance: float | None, scale: float = 0.0) -> Point:
    """Compare one metric of a run; errors are shares of `scale`, or of the prediction where that is 0."""
    predicted, measured = run.values(metric)
    band = run.prediction.band(metric)
    adjusted = None if run.adjusted is None else metric.of(run.adjusted)
    numbers = Numbers(
        predicted, (band[0], band[1]), measured, scale or predicted, adjusted, _in_words(run.measurement.noise.stalls)
    )
    theory = run.theory(metric)
    judged = point(run, metric, numbers, tolerance, theory, _ensemble(run, metric, theory), by_share=not scale)
    return _at_its_pace(run, judged, metric, numbers) if judged.word == DIFFERS else judged


def point(
    run: Run,
    metric: Metric,
    numbers: Numbers,
    tolerance: float | None,
    theory: float | None = None,
    ensemble: dict[str, float] | None = None,
    *,
    by_share: bool = True,
) -> Point:
    """Return a point of numbers that may come from anywhere, under the same rules."""
    word, reason = word_of(numbers, tolerance, run.utilization)
    return Point(
        run.label,
        run.workload.describe(),
        metric.name,
        theory,
        numbers.predicted,
        list(numbers.band),
        numbers.measured,
        numbers.error,
        (numbers.measured - theory) / (theory if by_share else numbers.scale) if theory else None,
        tolerance,
        word,
        reason,
        metric.title,
        metric.unit,
        run.utilization,
        numbers.adjusted,
        ensemble,
        run.case.work,
    )


def _at_its_pace(run: Run, judged: Point, metric: Metric, numbers: Numbers) -> Point:
    """Return a point that DIFFERS as INCONCLUSIVE where the machine computed the same at another pace, as was measured.

    The support is the processor's time of each message for as many rounds of a loop as in the calibration.
    """
    found = pace(run)
    if found is None or abs(found.slowed) < LEAST_SLOWED or judged.tolerance is None:
        return judged
    dispatch, _, wakeup, _ = run.prediction.holds
    processing = np.rint(found.processing_s * NS).astype(np.int64)
    computed = run.prediction.scene.replay((dispatch, processing, wakeup, processing))
    adjusted = metric.of(computed.trajectory(run.predicted.worker))
    left = (numbers.measured - adjusted) / (adjusted if numbers.scale == numbers.predicted else numbers.scale)
    if abs(left) > judged.tolerance:
        return judged
    reason = (
        f"{judged.reason}; {percent(left, signed=True)} with that in the prediction: the machine needed "
        f"{percent(found.slowed, signed=True)} processor time for the same computation"
    )
    return replace(judged, word=INCONCLUSIVE, reason=reason)


def _in_words(stalls: Sequence[Stall]) -> str:
    """Say how long the machine stalled, and when for the longest."""
    if not stalls:
        return ""
    longest = max(stalls, key=lambda stall: stall.lasting_s)
    more = len(stalls) - 1
    others = f", and {'once' if more == 1 else f'{more} times'} more" if more else ""
    return f"the machine stalled {seconds(longest.lasting_s)} at {longest.at_s:.3g} s{others}"


def _ensemble(run: Run, metric: Metric, theory: float | None) -> dict[str, float] | None:
    if theory is None or metric not in LATENCY:
        return None
    name = metric.name.rpartition(".")[2]
    found = controlled(run.measured.latency_s, run.prediction.nominal_path.latency_s, theory, name)
    return controlled_document(found)


def ratio_of_means(run: Run, to: Run) -> Numbers:
    """Return the ratio of two runs' mean latencies: predicted, where it would scatter, and measured."""
    # Both predictions draw alike; shifted by one, their draws have nothing to do with each other, as the runs have not.
    others = [*to.prediction.runs[1:], *to.prediction.runs[:1]]
    pairs = zip(run.prediction.runs, others, strict=True)
    low, high = band_of([float(one.latency_s.mean() / other.latency_s.mean()) for one, other in pairs]) or (0.0, 0.0)
    predicted = MEAN.of(run.predicted) / MEAN.of(to.predicted)
    measured = MEAN.of(run.measured) / MEAN.of(to.measured)
    adjusted = MEAN.of(run.adjusted or run.predicted) / MEAN.of(to.adjusted or to.predicted)
    known = adjusted if run.adjusted or to.adjusted else None
    stalls = f"the machine stalled during {run.label} or {to.label}"
    return Numbers(predicted, (low, high), measured, predicted, known, stalls)


def judge_latency(run: Run) -> list[Point]:
    """Return mean and percentiles, each within the tolerance for this utilization."""
    tolerance = latency_tolerance(run.utilization)
    metrics = [metric for metric in LATENCY if len(run.workload) >= LEAST_MESSAGES[metric.name]]
    return [judge(run, metric, tolerance) for metric in metrics]


def judge_growth(run: Run) -> Point:
    """Return the growth of a queue above the limit, within a share of capacity."""
    return judge(run, GROWTH, GROWTH_TOLERANCE, scale=run.prediction.theory.capacity_per_s)


def judge_limit(run: Run) -> Point:
    """Return the throughput of a run in which there is always something to do."""
    return judge(run, THROUGHPUT, LIMIT_TOLERANCE)


def judge_run(run: Run) -> list[Point]:
    """Return latency while there is a steady state, growth when there is none."""
    return judge_latency(run) if run.utilization < NEAR_THE_LIMIT[1] else [judge_growth(run)]
