"""The figures of the workers: whether means are equal, what a worker gets and takes, and what a state's size costs."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from compare.experiment import Run
from compare.explain.causes import as_ns, free_ns
from compare.figures import draw
from compare.metric import MEAN, THROUGHPUT
from compare.verdict import Point
from sim.nominal import nominal
from sim.palette import CALIBRATED, MEASURED, NOMINAL
from sim.population import zipf_exponent
from sim.recording import NS
from sim.units import seconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Whole = npt.NDArray[np.int64]
PREDICTED: Any = {"color": CALIBRATED, "marker": "s", "ms": 7, "lw": 1.2}
SEEN: Any = {"color": MEASURED, "marker": "o", "ms": 4, "ls": ""}
GROUPS = (1, 10, 100)  # the busiest, the next nine, …


def draw_number(directory: Path, numbers: Sequence[Run], ratios: Sequence[Point]) -> dict[str, str]:
    """Draw the ratios of mean latencies with their intervals, and what one of many workers gets."""

    def paint(figure: "Figure") -> None:
        left, right = figure.subplots(1, 2, width_ratios=(1.4, 1))
        _ratios(left, ratios)
        _share(right, numbers)
        figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=3)

    caption = (
        "Where means are equal, all of every bar (95 % interval) is within the grey ±5 %. "
        "Where workers share one thread, what one gets falls as 1/n."
    )
    return draw(directory, "number", caption, paint, (10.0, 4.2))


def _ratios(axes: "Axes", ratios: Sequence[Point]) -> None:
    rows = range(len(ratios))
    tolerance = 100 * (ratios[0].tolerance or 0.0)
    axes.axvspan(-tolerance, tolerance, color="#eeeeee", lw=0)
    axes.axvline(0, ls="--", color=NOMINAL, lw=1.2)
    for row, one in zip(rows, ratios, strict=True):
        told = one.ensemble or {}
        axes.plot([100 * (end - 1) for end in one.band], [row, row], color=CALIBRATED, lw=7, alpha=0.25)
        axes.plot(100 * (one.predicted - 1), row, **PREDICTED)
        axes.plot([100 * (told["low"] - 1), 100 * (told["high"] - 1)], [row, row], "-|", color=MEASURED, lw=1.5, ms=9)
        axes.plot(100 * (one.measured - 1), row, **SEEN)
    axes.set_yticks(rows, [one.label for one in ratios])
    axes.set_ylim(len(ratios) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("mean latency against the first run's, %")


def _share(axes: "Axes", numbers: Sequence[Run]) -> None:
    workers = np.array([run.workload.workers for run in numbers])
    theory = [run.theory(THROUGHPUT) or 0.0 for run in numbers]
    predicted, measured = np.array([run.values(THROUGHPUT) for run in numbers]).T
    axes.plot(workers, theory / workers, "--", color=NOMINAL, lw=1.2, label="theory")
    axes.plot(workers, predicted / workers, **PREDICTED, label="predicted")
    axes.plot(workers, measured / workers, **SEEN, label="measured")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(float(workers.min()) / 2, float(workers.max()) * 2)
    axes.minorticks_off()
    axes.set_xticks(workers, [f"{count:,}" for count in workers])
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.set_xlabel("workers")
    axes.set_ylabel("messages/s that one of them gets")


def draw_popularity(directory: Path, run: Run) -> dict[str, str]:
    """Draw how many messages workers get, and how long these take, of a run in which some are popular."""

    def paint(figure: "Figure") -> None:
        left, right = figure.subplots(1, 2)
        workers = run.workload.workers
        edges = [0, *(count for count in GROUPS if count < workers), workers]
        place = np.digitize([int(name[1:]) for name in run.measured.worker.tolist()], edges) - 1
        names = [f"{low + 1:,}–{high:,}" if high > low + 1 else f"{high:,}" for low, high in pairwise(edges)]
        _shares(left, run, edges, place)
        _groups(right, run, place)
        for axes in (left, right):
            axes.set_xticks(range(len(names)), names)
            axes.set_xlim(-0.5, len(names) - 0.5)
            axes.set_xlabel(f"workers by popularity ({run.label})")
        figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=3)

    caption = (
        "Where all share one queue, it makes no difference whose message it is: "
        "on the right, each group's measured mean lies on the predicted one."
    )
    return draw(directory, "popularity", caption, paint, (10.0, 4.2))


def _shares(axes: "Axes", run: Run, edges: Sequence[int], place: Whole) -> None:
    law = np.arange(1, run.workload.workers + 1) ** -zipf_exponent(run.workload.popularity)
    expected = [100 * float(law[low:high].sum() / law.sum()) for low, high in pairwise(edges)]
    counts = np.bincount(place, minlength=len(expected))
    axes.plot(expected, "--_", color=NOMINAL, lw=1.2, ms=16)
    axes.plot(100 * counts / counts.sum(), **SEEN)
    axes.set_ylim(0, 1.15 * max([*expected, 100 * float(counts.max() / counts.sum())]))
    axes.set_ylabel("their part of all messages, %")


def _groups(axes: "Axes", run: Run, place: Whole) -> None:
    groups, most_s = np.unique(place), 0.0
    theory = run.theory(MEAN)
    if theory is not None:
        axes.axhline(theory * 1e3, ls="--", color=NOMINAL, lw=1.2, label="theory")
    for trajectory, look, label in ((run.predicted, PREDICTED, "predicted"), (run.measured, SEEN, "measured")):
        means = [float(trajectory.latency_s[place == number].mean()) * 1e3 for number in groups]
        axes.plot(groups, means, **look, label=label)
        most_s = max(most_s, *means)
    axes.set_ylim(0, most_s * 1.15)
    axes.set_ylabel("mean latency of their messages, ms")


def held_s(run: Run) -> float:
    """Return how long an answer held the thread on average, s: from the end of what was done before it to its own.

    Of questions that came while the thread was busy: for the others it had to wake up first.
    """
    asked = run.measured.queries
    assert asked is not None  # of a run in which somebody asks
    before_ns = free_ns(replace(asked, queries=replace(run.measured, queries=None)))
    lasting_ns = as_ns(asked.finish_s) - np.maximum(before_ns, as_ns(asked.arrival_s))
    waited = before_ns > as_ns(asked.arrival_s)
    return float(lasting_ns[waited].mean() if waited.any() else lasting_ns.mean()) / NS


def draw_size(directory: Path, asked: Sequence[Run], alone: Run) -> dict[str, str]:
    """Draw what an answer costs the thread, and what that costs the messages; of `alone` nobody asks."""
    comparable = [alone] if len(alone.workload) == len(asked[0].workload) else []

    def paint(figure: "Figure") -> None:
        left, right = figure.subplots(1, 2)
        _answers(left, asked)
        _latencies(right, [*comparable, *asked])
        figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=3)

    caption = (
        "Where they agree, on the right measured lies on predicted: the size of a state costs messages what copying "
        "and writing it holds the\nthread for. On the left, not judged, predicted is what an answer takes a "
        "processor that has nothing else to do."
    )
    return draw(directory, "size", caption, paint, (10.0, 4.2))


def _answers(axes: "Axes", asked: Sequence[Run]) -> None:
    places, calibrated = range(len(asked)), [run.answer_s * 1e6 for run in asked]
    held = [held_s(run) * 1e6 for run in asked]
    axes.plot(places, calibrated, **PREDICTED | {"ls": ""})
    axes.plot(places, held, **SEEN)
    for place, value in zip(places, held, strict=True):
        axes.annotate(seconds(value / 1e6), (place, value), (10, -4), textcoords="offset points")
    axes.set_xticks(places, [run.label.replace(", ", ",\n") for run in asked])
    axes.set_xlim(-0.5, len(asked) - 0.5)
    axes.set_ylim(0, 1.15 * max(calibrated + held))
    axes.set_ylabel("an answer holds the thread, µs")


def _latencies(axes: "Axes", runs: Sequence[Run]) -> None:
    places = range(len(runs))
    bands = np.array([run.prediction.band(MEAN) for run in runs]) * 1e3
    axes.vlines(places, bands[:, 0], bands[:, 1], color=CALIBRATED, lw=7, alpha=0.25)
    predicted, measured = np.array([run.values(MEAN) for run in runs]).T * 1e3
    axes.plot(places, predicted, **PREDICTED | {"ls": ""}, label="predicted")
    axes.plot(places, measured, **SEEN, label="measured")
    # Of the same messages: theory of those that are asked beside would count copies as long as the flags say.
    alone = nominal(replace(runs[0].workload, query_rate_per_s=0.0)).latency_s
    if alone and alone["mean"] is not None:
        axes.axhline(alone["mean"] * 1e3, ls="--", color=NOMINAL, lw=1.2, label="theory (nobody asks)")
    axes.set_xticks(places, [run.label.replace(", ", ",\n") for run in runs])
    axes.set_xlim(-0.5, len(runs) - 0.5)
    axes.set_ylabel("mean latency of messages, ms")
