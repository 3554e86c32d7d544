"""The figures of kinds of work: what holds the thread, whether it computes, and the way from theory to measured."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from compare.drawing.waterfall import waterfall
from compare.experiment import Run
from compare.figures import draw
from compare.metric import MEAN, THROUGHPUT
from compare.verdict import Point
from sim import Trajectory
from sim.palette import CALIBRATED, MEASURED, NOMINAL
from sim.units import seconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 2  # of waterfalls


def drawn(directory: Path, limits: Sequence[Run], steady: Sequence[Run], points: Sequence[Point]) -> dict[str, str]:
    """Draw all of them: of runs that have always something to do, and of steady ones."""
    hold = draw(
        directory,
        "hold",
        "Where they agree, orange dots lie in their blue squares, orange bars are as long as blue ones, and wall time "
        "ends at the blue line.",
        lambda figure: _hold(figure, limits, points),
        (10.0, 4.4),
    )
    explained = [run for run in steady if run.attributions]
    if not explained:
        return hold
    return hold | draw(
        directory,
        "waterfalls",
        "From theory of messages alone to what was measured. Where they agree, what was predicted from the calibration "
        "is what was measured;\nwhere all is explained, the last bar (rest) has no width.",
        lambda figure: _waterfalls(figure, explained),
        (11.0, 4.2 * _rows(explained)),
    )


def _rows(explained: Sequence[Run]) -> int:
    return -(-len(explained) // COLUMNS)


def _waterfalls(figure: "Figure", explained: Sequence[Run]) -> None:
    panels = figure.subplots(_rows(explained), COLUMNS, squeeze=False).flatten()
    for run, axes in zip(explained, panels, strict=False):
        waterfall(axes, next(one for one in run.attributions if one.statistic == "mean"))
        predicted, measured = (seconds(value) for value in run.values(MEAN))
        told = f"{run.case.work}: predicted {predicted}, measured {measured}"
        axes.set_title(f"{told}\n{axes.get_title(loc='left')}", loc="left", fontsize=10)
    for axes in panels[len(explained) :]:
        axes.remove()


def _hold(figure: "Figure", limits: Sequence[Run], points: Sequence[Point]) -> None:
    throughput, beyond, computing = figure.subplots(1, 3)
    places = np.arange(len(limits))
    _throughput(throughput, limits, points)
    _beyond(beyond, limits)
    _computed(computing, points, limits)
    for axes in (throughput, beyond, computing):
        axes.set_xticks(places, [run.case.work for run in limits])
        axes.set_xlim(-0.6, len(limits) - 0.4)
    figure.legend(*throughput.get_legend_handles_labels(), loc="outside upper center", ncols=3)


def _throughput(axes: "Axes", limits: Sequence[Run], points: Sequence[Point]) -> None:
    judged = {one.label: one for one in points if one.metric == THROUGHPUT.name}
    shown = [judged[run.label] for run in limits]
    axes.axhline(limits[0].prediction.theory.capacity_per_s, ls="--", color=NOMINAL, lw=1.2, label="from the flags")
    predicted, (low, high) = [one.predicted for one in shown], np.array([one.band for one in shown]).T
    axes.vlines(range(len(shown)), low, high, color=CALIBRATED, lw=6, alpha=0.3)
    axes.plot(predicted, "s", color=CALIBRATED, ms=9, label="predicted (calibrated)")
    axes.plot([one.measured for one in shown], "o", color=MEASURED, ms=5, label="measured")
    axes.set_title("throughput at the limit", fontsize=10)
    axes.set_ylabel("messages/s")


def _beyond(axes: "Axes", limits: Sequence[Run]) -> None:
    """Paint what a message takes beyond the time asked for: dark its work, light the loop."""
    for place, run in enumerate(limits):
        for path, shift, color in ((run.predicted, -0.19, CALIBRATED), (run.measured, 0.19, MEASURED)):
            over_us = (_processing_s(path) - (run.workload.service_s or 0.0)) * 1e6
            dispatch_us = float((path.start_s[1:] - path.finish_s[:-1]).mean()) * 1e6
            axes.bar(place + shift, over_us, 0.36, color=color)
            axes.bar(place + shift, dispatch_us, 0.36, bottom=max(over_us, 0.0), color=color, alpha=0.4)
    axes.axhline(0, color="#333333", lw=0.8)
    axes.set_title("beyond D: work (dark), dispatch (light)", fontsize=10)
    axes.set_ylabel("µs a message")


def _computed(axes: "Axes", points: Sequence[Point], limits: Sequence[Run]) -> None:
    judged = {one.label: one for one in points if one.metric == "cpu_share"}
    for place, run in enumerate(limits):
        expected_ms, took_ms = _processing_s(run.predicted) * 1e3, _processing_s(run.measured) * 1e3
        axes.bar(place, took_ms, 0.6, color=MEASURED, alpha=0.25)
        axes.plot(place, expected_ms, "_", color=CALIBRATED, ms=24, mew=2)
        axes.plot(place, judged[run.label].predicted * expected_ms, "s", color=CALIBRATED, ms=9)
        axes.plot(place, judged[run.label].measured * took_ms, "o", color=MEASURED, ms=5)
    axes.set_title("wall time (bar) and CPU time (dot)", fontsize=10)
    axes.set_ylabel("ms of processing a message")


def _processing_s(path: Trajectory) -> float:
    return float(path.processing_s.mean())
