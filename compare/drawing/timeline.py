"""Pictures over time: what the one thread did in a fraction of a second, and how queues grow and are worked off."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from compare.experiment import Run
from sim import Trajectory
from sim.palette import CALIBRATED, CYCLE, MEASURED, NOMINAL
from sim.summary import Seconds
from sim.units import digits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_S = 0.2
Spans = npt.NDArray[np.float64]  # (begin, end) in rows, s
# What takes microseconds would not be seen at all: it is drawn as wide as this share of the picture.
_LEAST_SHARE = 0.0015
_COLORS = {"working": MEASURED, "dispatch": CYCLE[3], "answering": CYCLE[2], "idle": "#bbbbbb"}


def spans(trajectory: Trajectory) -> dict[str, Spans]:
    """Return when the thread was working, dispatching, answering and idle, s; each of shape (n, 2).

    Idle is from the end of the last thing to the arrival of the next, where that comes later.
    """
    questions = trajectory.queries
    start_s, finish_s, arrival_s = trajectory.start_s, trajectory.finish_s, trajectory.taken_s
    answered = np.zeros(len(start_s), bool)
    if questions is not None and len(questions):
        start_s = np.concatenate([start_s, questions.start_s])
        finish_s = np.concatenate([finish_s, questions.finish_s])
        arrival_s = np.concatenate([arrival_s, questions.taken_s])
        answered = np.concatenate([answered, np.ones(len(questions), bool)])
    order = np.argsort(start_s, kind="stable")
    start_s, finish_s, arrival_s, answered = start_s[order], finish_s[order], arrival_s[order], answered[order]
    free_s = np.concatenate([[0.0], finish_s[:-1]])
    woken_s = np.minimum(np.maximum(arrival_s, free_s), start_s)
    done = np.column_stack([start_s, finish_s])
    return {
        "working": done[~answered],
        "dispatch": np.column_stack([woken_s, start_s]),
        "answering": done[answered],
        "idle": np.column_stack([free_s, woken_s])[woken_s > free_s],
    }


def thread_picture(figure: "Figure", run: Run) -> None:
    """Paint the busiest fraction of a second: messages waiting above, what the thread did below."""
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    begin_s = _busiest_s(run.measured)
    for trajectory, color, width, label in (
        (run.predicted, CALIBRATED, 3.0, "predicted (calibrated)"),
        (run.measured, MEASURED, 1.2, "measured"),
    ):
        instants, waiting = trajectory.queue_steps()
        above.step((instants - begin_s) * 1e3, waiting, where="post", color=color, lw=width, label=label)
    above.set_ylabel("messages waiting")
    above.set_ylim(bottom=0)
    above.yaxis.get_major_locator().set_params(integer=True)  # nobody waits in halves
    above.set_title(f"{run.label}: {WIDTH_S * 1e3:g} ms of the thread, from {begin_s:.2f} s on")
    figure.legend(*above.get_legend_handles_labels(), loc="outside upper right", ncols=2)
    _paint_spans(below, spans(run.measured), begin_s)
    below.set_xlim(0, WIDTH_S * 1e3)
    below.set_xlabel("time, ms")


def _paint_spans(axes: "Axes", found: dict[str, Spans], begin_s: float) -> None:
    least_ms = _LEAST_SHARE * WIDTH_S * 1e3
    for place, (name, rows) in enumerate(found.items()):
        shown = rows[(rows[:, 1] > begin_s) & (rows[:, 0] < begin_s + WIDTH_S)]
        bars = [((begin - begin_s) * 1e3, max((end - begin) * 1e3, least_ms)) for begin, end in shown]
        axes.broken_barh(bars, (place - 0.4, 0.8), facecolors=_COLORS[name], edgecolor="white", lw=0.3)
    axes.set_yticks(range(len(found)), list(found))
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)


def _busiest_s(trajectory: Trajectory) -> float:
    """Return where to begin, so that the longest queue is in the last third, and how it came about in the first."""
    instants, waiting = trajectory.queue_steps()
    peak_s = float(instants[int(np.argmax(waiting))])
    return max(0.0, peak_s - WIDTH_S * 2 / 3)


def queues_over_time(figure: "Figure", growing: Sequence[Run]) -> None:
    """Paint the queue of each run until it is empty again, with the growth that theory predicts from the flags."""
    if not growing:
        return
    panels = np.atleast_1d(figure.subplots(1, len(growing)))
    for axes, run in zip(panels, growing, strict=True):
        last_s = float(run.predicted.arrival_s[-1])
        growth = run.prediction.theory.queue_growth_per_s or 0.0
        axes.plot([0, last_s], [0, growth * last_s], "--", color=NOMINAL, lw=1.2, label="theory from the flags")
        for trajectory, color, width, label in (
            (run.predicted, CALIBRATED, 3.0, "predicted (calibrated)"),
            (run.measured, MEASURED, 1.0, "measured"),
        ):
            instants, waiting = trajectory.queue_steps()
            axes.step(instants, waiting, where="post", color=color, lw=width, label=label, rasterized=True)
        end_s = float(run.measured.finish_s.max())
        axes.axvline(last_s, color="#999999", lw=0.8, ls=":")
        axes.set_xlim(0, end_s)
        axes.set_ylim(bottom=0)
        axes.set_title(f"{run.label}: +{digits(run.measurement.metrics['queue_growth_per_s'])} a second")
        axes.set_xlabel("time, s (dotted: arrivals end)")
    panels[0].set_ylabel("messages waiting")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)


def shares(trajectory: Trajectory) -> dict[str, float]:
    """Return which share of its time, up to its last finish, the thread did what."""
    last_s = float(trajectory.finish_s.max())
    return {name: _length_s(rows) / last_s for name, rows in spans(trajectory).items()}


def _length_s(rows: Spans) -> float:
    lengths: Seconds = rows[:, 1] - rows[:, 0]
    return float(lengths.sum())
