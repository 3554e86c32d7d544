"""Whose turn it is: first come, first served, in turns, or all of one worker's messages first."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from compare.case import Case
from compare.experiment import Options, Run
from compare.figures import draw
from compare.judge import judge, judge_latency, point, ratio_of_means
from compare.metric import LATENCY, LEAST_MESSAGES, MEAN, P99, Metric
from compare.predict import Prediction
from compare.verdict import Point, latency_tolerance
from sim import MD1, Trajectory
from sim.palette import CALIBRATED, MEASURED, NOMINAL
from sim.summary import Seconds
from sim.units import digits, percent, seconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUESTION = "All of one worker's messages first, or round-robin: what does the order change?"
TRIED = (
    "The same messages in three orders, a few workers having most of them (zipf:1.1 unless another popularity is "
    "given): at a steady load, and in a burst of three times the limit."
)
RULES = (
    "Latency mean, p50, p95, p99: 5 % up to a utilization of 0.8, 10 % up to 0.95; in the burst 5 %. Mean latency over "
    "that of fifo: the same tolerance, about 1. The busiest worker's mean latency over that of the rarest: 10 %."
)

ORDERS = ("fifo", "round-robin", "per-worker")
SKEWED = "zipf:1.1"
LOAD, BURST = 0.82, 3.0  # shares of the nominal limit; with what a sleep takes longer, the first is about 0.85
SERVICE_TIMES = 1250  # length of a steady run; a quick comparison has none: a short one hangs on microseconds
BURST_MESSAGES, QUICK_BURST_MESSAGES = 600, 230
BURST_TOLERANCE = 0.05  # waits grow in proportion to time there, and hang on nothing
UNEQUAL_TOLERANCE = 0.10
RARE = 0.1  # of all messages are those of the rarest workers


def cases(options: Options) -> list[Case]:
    """Return the runs: the same arrivals, workers and operations in each order."""
    loads = {} if options.quick else {"": (LOAD, round(LOAD * SERVICE_TIMES))}
    loads[" burst"] = (BURST, QUICK_BURST_MESSAGES if options.quick else BURST_MESSAGES)
    popularity = SKEWED if options.popularity == "uniform" else options.popularity
    return [
        Case(
            f"{order}{name}",
            options.workload(load / options.service_s, messages, order=order, popularity=popularity),
        )
        for name, (load, messages) in loads.items()
        for order in ORDERS
    ]


def _unequal(run: Trajectory) -> float:
    """Return the mean latency of the busiest worker over that of the rarest, who have RARE of the messages together."""
    _, which, counts = np.unique(run.worker, return_inverse=True, return_counts=True)
    rarest_first = np.argsort(counts, kind="stable")
    few = int(np.searchsorted(np.cumsum(counts[rarest_first]), RARE * len(run))) + 1
    rare = np.isin(which, rarest_first[:few])
    return float(run.latency_s[which == rarest_first[-1]].mean() / run.latency_s[rare].mean())


UNEQUAL = Metric("latency_s.busiest_over_rarest", "busy / rare", _unequal, "")
CONSERVED = Metric("latency_s.mean_over_fifo", "mean / fifo", lambda run: 1.0, "")


def hypothesis(predictions: Sequence[Prediction]) -> str:
    """Return what is expected: one mean in every order, other tails, and who gains."""
    first = predictions[: len(ORDERS)]
    return (
        f"No order makes the thread faster or slower, so mean latency is {seconds(MEAN.of(first[0].trajectory))} in "
        f"each. p99 is not: {_each(first, lambda found: seconds(P99.of(found.trajectory)))}. The busiest worker's "
        f"mean latency over that of the rarest: {_each(first, lambda found: digits(_unequal(found.trajectory)))}."
    )


def _each[T](three: Sequence[T], said: Callable[[T], str]) -> str:
    return ", ".join(f"{said(one)} ({order})" for one, order in zip(three, ORDERS, strict=True))


def judge_points(runs: Sequence[Run]) -> list[Point]:
    """Return latency and inequality of each run, and each mean over that of fifo on the same arrivals."""
    points = []
    for fifo, *others in _by_load(runs):
        for run in (fifo, *others):
            points += _latency(run)
            points += [] if run is fifo else [_conserved(run, fifo)]
            points.append(judge(run, UNEQUAL, UNEQUAL_TOLERANCE))
    return points


def _by_load(runs: Sequence[Run]) -> list[Sequence[Run]]:
    """Return the runs in threes, the orders of one load together."""
    return [runs[first : first + len(ORDERS)] for first in range(0, len(runs), len(ORDERS))]


def _in_burst(run: Run) -> bool:
    return run.label.endswith("burst")


def _latency(run: Run) -> list[Point]:
    if not _in_burst(run):
        return judge_latency(run)
    judged = [metric for metric in LATENCY if len(run.workload) >= LEAST_MESSAGES[metric.name]]
    return [judge(run, metric, BURST_TOLERANCE) for metric in judged]


def _conserved(run: Run, fifo: Run) -> Point:
    """Compare two runs' means: as long as messages take the same time, no order changes the mean (Kleinrock 1965)."""
    numbers = ratio_of_means(run, fifo)
    tolerance = BURST_TOLERANCE if _in_burst(run) else latency_tolerance(run.utilization)
    return point(run, CONSERVED, numbers, tolerance, 1.0)


def answer(runs: Sequence[Run], points: Sequence[Point]) -> str:
    """Return the answer in a few sentences, with the numbers of these runs."""
    loads = _by_load(runs)
    means = [[MEAN.of(run.measured) for run in three] for three in loads]
    ratios = {order: _unequal(run.measured) for order, run in zip(ORDERS, loads[-1], strict=True)}
    least, most = min(ratios, key=ratios.__getitem__), max(ratios, key=ratios.__getitem__)
    return (
        f"It changes who waits: the busiest worker's messages took {digits(ratios[least])} ({least}) to "
        f"{digits(ratios[most])} ({most}) times as long as the rarest's; mean latency differs by "
        f"{percent(max(max(three) / min(three) - 1 for three in means))}.\n{' '.join(map(_told, loads))}"
    )


def _told(three: Sequence[Run]) -> str:
    means = [MEAN.of(run.measured) for run in three]
    p99s = _each(three, lambda run: seconds(P99.of(run.measured)))
    unequal = _each(three, lambda run: digits(_unequal(run.measured)))
    return (
        f"{'In the burst' if _in_burst(three[0]) else 'At a steady load'} mean latency was {_each(means, seconds)}, "
        f"{percent(max(means) / min(means) - 1)} from the least to the most, on the same messages. p99 was {p99s}, and "
        f"the busiest worker's messages took {unequal} times as long as those of the rarest."
    )


def facts(runs: Sequence[Run]) -> dict[str, float]:
    """Return by run how much longer the busiest worker's messages took than those of the rarest."""
    return {f"busiest_over_rarest, {run.label}": _unequal(run.measured) for run in runs}


# -- figures --------------------------------------------------------------------------------------------------------


def figures(directory: Path, runs: Sequence[Run], points: Sequence[Point]) -> dict[str, str]:
    """Draw the tails of latency in each order, and every worker's mean."""
    tails = "Where they agree, measured lies on predicted in each order, and all means are one."
    workers = (
        "Where they agree, each measured point lies on the predicted one; the dotted line is the same in each order."
    )
    drawn: dict[str, str] = {}
    for three in _by_load(runs):
        name = "-burst" if _in_burst(three[0]) else ""
        drawn |= draw(directory, f"tails{name}", tails, partial(_tails, three=three), (10.0, 4.2))
        drawn |= draw(directory, f"workers{name}", workers, partial(_workers, three=three), (10.0, 4.2))
    return drawn


def _tails(figure: "Figure", three: Sequence[Run]) -> None:
    panels = figure.subplots(1, len(ORDERS), sharex=True, sharey=True)
    for axes, order, run in zip(panels, ORDERS, three, strict=True):
        _theory_of_fifo(axes, run)
        for trajectory, color, width, label in (
            (run.predicted, CALIBRATED, 3.0, "predicted for these runs (calibrated)"),
            (run.measured, MEASURED, 1.2, "measured"),
        ):
            latency_s = np.sort(trajectory.latency_s)
            longer = 1.0 - np.arange(1, len(latency_s) + 1) / len(latency_s)
            axes.step(latency_s * 1e3, longer, where="post", color=color, lw=width, label=label)
            axes.plot(MEAN.of(trajectory) * 1e3, 1.15, "v", color=color, ms=width + 4, clip_on=False)
        axes.set_title(f"{order}: p99 {seconds(P99.of(run.measured))}")
        axes.set_yscale("log")
        axes.set_ylim(1.5 / max(len(run.workload), 20), 1.15)
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("latency, ms (triangles: means)")
    panels[0].set_xlim(left=0)  # only now that all have been painted: the axis is shared
    panels[0].set_ylabel("share of messages that took longer")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)


def _theory_of_fifo(axes: "Axes", run: Run) -> None:
    rate, service_s = run.rate_per_s, run.workload.service_s or 0.0
    if run.workload.arrivals != "poisson" or rate * service_s >= 1:
        return
    latency = MD1(rate, service_s).latency
    shares = np.geomspace(1.0, 1.5 / max(len(run.workload), 20), 60)
    at_ms = [float(latency.isf(float(share))) * 1e3 for share in shares]
    axes.plot(
        at_ms,
        shares,
        "--",
        color=NOMINAL,
        lw=1.2,
        label="theory of fifo from the flags (M/D/1): about it short runs scatter",
    )


def _workers(figure: "Figure", three: Sequence[Run]) -> None:
    panels = figure.subplots(1, len(ORDERS), sharey=True)
    for axes, order, run in zip(panels, ORDERS, three, strict=True):
        mean_s = MEAN.of(run.predicted)
        axes.axhline(mean_s * 1e3, ls=":", color=CALIBRATED, lw=1.2, label="predicted mean of all messages")
        for trajectory, marker, color, size, label in (
            (run.predicted, "s-", CALIBRATED, 7, "predicted (calibrated)"),
            (run.measured, "o", MEASURED, 4, "measured"),
        ):
            means_s = _busiest_first(trajectory)
            axes.plot(np.arange(1, len(means_s) + 1), means_s * 1e3, marker, color=color, ms=size, lw=1, label=label)
        axes.set_title(f"{order}: busiest / rarest {digits(_unequal(run.measured))}")
        axes.set_xlabel("worker, the busiest first")
    if _in_burst(three[0]):
        panels[0].set_yscale("log")
        panels[0].yaxis.set_major_formatter("{x:g}")
        panels[0].yaxis.set_minor_formatter("{x:g}")
    else:
        panels[0].set_ylim(bottom=0)  # only now that all have been painted: the axis is shared
    panels[0].set_ylabel("mean latency, ms")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)


def _busiest_first(run: Trajectory) -> Seconds:
    """Return each worker's mean latency, s, in order of how many messages it had."""
    _, which, counts = np.unique(run.worker, return_inverse=True, return_counts=True)
    means_s: npt.NDArray[np.float64] = np.bincount(which, weights=run.latency_s) / counts
    return means_s[np.argsort(-counts, kind="stable")]
