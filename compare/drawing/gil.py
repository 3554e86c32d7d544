"""The figures of threads: what they gain, whose turn it is, and what one queue for two of them does to latency."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from compare.experiment import Run
from compare.figures import draw
from compare.metric import MEAN, THROUGHPUT
from compare.verdict import LIMIT_TOLERANCE
from sim import Trajectory
from sim.palette import CALIBRATED, MEASURED, NOMINAL
from sim.summary import Seconds
from sim.theory import MDc
from sim.units import seconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TURNS = 12  # service times that are shown
WORDS = {"sleep": "sleeping", "cpu": "computing", "mixed": "half of each"}


def drawn(
    directory: Path,
    limits: Sequence[Run],
    steady: Sequence[Run],
    most_per_s: Mapping[str, float],
    paced_per_s: Mapping[str, float],
) -> dict[str, str]:
    """Draw all of them: of runs that have always something to do, and of steady ones.

    By label, of runs that compute: `most_per_s`, the throughput that is the most they are predicted to have;
    `paced_per_s`, the one that they would have had at the processor time a message of one thread.
    """
    most = [max((run for run in limits if run.case.work == work), key=_threads) for work in ("sleep", "cpu")]
    return (
        draw(
            directory,
            "throughput",
            "Where they agree, sleeping, each orange dot lies in its blue square. Where threads compute, squares are "
            "the most, from one thread as measured,\nand dots lie in them or below: only more is judged, as nobody has "
            "calibrated what threads lose by getting in each other's way.\nHollow: had the machine computed a message "
            "as fast as with one thread.",
            lambda figure: _throughput(figure, limits, most_per_s, paced_per_s),
            (10.0, 4.4),
        )
        | draw(
            directory,
            "turns",
            "A bar is a message, from start to finish. Where they agree, sleeping looks alike. Computing, the model "
            "has one at a time:\nof threads that share an interpreter one computes, or several, and each takes longer.",
            lambda figure: _turns(figure, most),
            (10.0, 4.6),
        )
        | draw(
            directory,
            "latency",
            "Where they agree, the orange dots lie on the blue line. Dashed: a steady state's, about which short runs "
            "scatter.",
            lambda figure: _latency(figure, steady),
            (10.0, 4.2),
        )
    )


def _threads(run: Run) -> int:
    return run.case.threads or 1


def _throughput(
    figure: "Figure", limits: Sequence[Run], most_per_s: Mapping[str, float], paced_per_s: Mapping[str, float]
) -> None:
    works = list(dict.fromkeys(run.case.work for run in limits))
    panels = figure.subplots(1, len(works))
    for axes, work in zip(panels, works, strict=True):
        runs = [run for run in limits if run.case.work == work]
        threads = [_threads(run) for run in runs]
        flags = [run.prediction.theory.capacity_per_s for run in runs]
        measured = [THROUGHPUT.of(run.measured) for run in runs]
        predicted = [most_per_s.get(run.label, THROUGHPUT.of(run.predicted)) for run in runs]
        bands = [run.prediction.band(THROUGHPUT) for run in runs if run.label not in most_per_s]
        axes.plot(threads, flags, "--", color=NOMINAL, lw=1.2, label="from the flags")
        for count, (low, high) in zip(threads, bands, strict=False):
            axes.vlines(count, low, high, color=CALIBRATED, lw=6, alpha=0.3)
        axes.plot(threads, predicted, "s", color=CALIBRATED, ms=9, label="predicted")
        axes.plot(threads, measured, "o", color=MEASURED, ms=5, label="measured")
        for count, run, per_s in zip(threads, runs, measured, strict=True):
            at_its_pace = paced_per_s.get(run.label, per_s)
            if abs(at_its_pace / per_s - 1) > LIMIT_TOLERANCE:
                axes.plot(count, at_its_pace, "o", color=MEASURED, mfc="none", ms=7)
        axes.set_title(WORDS[work], fontsize=10)
        axes.set_xticks(threads)
        axes.set_xlabel("threads")
        axes.set_ylim(0, 1.15 * max(*predicted, *measured, *flags))
    panels[0].set_ylabel("messages/s")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)


def _turns(figure: "Figure", most: Sequence[Run]) -> None:
    panels = figure.subplots(2, len(most), sharex=True, sharey="col", squeeze=False)
    for column, run in zip(panels.T, most, strict=True):
        width_s = TURNS * (run.workload.service_s or 0.0)
        for axes, path, color, word in (
            (column[0], run.predicted, CALIBRATED, "predicted"),
            (column[1], run.measured, MEASURED, "measured"),
        ):
            _lanes(axes, path, float(path.finish_s[len(path) // 2]), width_s, color)
            axes.set_ylim(_threads(run) + 0.5, 0.5)
            axes.set_yticks(range(1, _threads(run) + 1))
            axes.set_ylabel(f"{word},\nat once")
        column[0].set_title(f"{_threads(run)} threads, {WORDS[run.case.work]}", fontsize=10)
        column[1].set_xlabel("time in the middle of the run, ms")
        column[1].set_xlim(0, width_s * 1e3)


def _lanes(axes: "Axes", path: Trajectory, from_s: float, width_s: float, color: str) -> None:
    """Paint the messages that are processed in a stretch of time."""
    shown = (path.finish_s > from_s) & (path.start_s < from_s + width_s)
    start_s, finish_s = path.start_s[shown], path.finish_s[shown]
    lanes = np.array(lanes_of(start_s, finish_s)) + 1
    left, width = (start_s - from_s) * 1e3, (finish_s - start_s) * 1e3
    axes.barh(lanes, width, 0.7, left=left, color=color, edgecolor="white", lw=1.5)


def lanes_of(start_s: Seconds, finish_s: Seconds) -> list[int]:
    """Return a lane for each message, in order of start: the first that nobody is in, as a trajectory names no thread.

    >>> lanes_of(np.array([0.0, 1.0, 2.0, 2.5]), np.array([2.0, 3.0, 4.0, 3.5]))
    [0, 1, 0, 2]
    """
    free_s: list[float] = []
    lanes = []
    for began_s, ended_s in zip(start_s.tolist(), finish_s.tolist(), strict=True):
        lane = next((lane for lane, at_s in enumerate(free_s) if at_s <= began_s), len(free_s))
        free_s[lane : lane + 1] = [ended_s]
        lanes.append(lane)
    return lanes


def _latency(figure: "Figure", steady: Sequence[Run]) -> None:
    panels = np.atleast_1d(figure.subplots(1, len(steady), sharey=True, sharex=True))
    for axes, run in zip(panels, steady, strict=True):
        if run.workload.arrivals == "poisson":
            _theory(axes, run)
        for path, style, label in (
            (run.predicted, {"ls": "-", "lw": 3.0, "color": CALIBRATED}, "predicted (calibrated)"),
            (run.measured, {"ls": "", "marker": ".", "ms": 4, "color": MEASURED}, "measured"),
        ):
            at_s, share = _longer(path.latency_s)
            axes.plot(at_s * 1e3, share, label=label, **style)
        predicted, measured = run.values(MEAN)
        axes.set_title(f"{run.label}: mean {seconds(measured)}, predicted {seconds(predicted)}", fontsize=10)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_ylim(0.7 / max(len(run.measured) for run in steady), 1.3)
        axes.set_xlim(0, 1.02e3 * max(_longest_s(run) for run in steady))
        axes.set_xlabel("latency, ms")
    panels[0].set_ylabel("share of messages that took longer")
    handles, labels = panels[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))


def _theory(axes: "Axes", run: Run) -> None:
    """Paint the latency of one queue for these threads, and of one thread at the same load, for comparison."""
    service_s, rate = run.workload.service_s or 0.0, run.prediction.theory.utilization or 0.0
    at_s = np.linspace(0.0, _longest_s(run), 200)
    for servers, style, label in (
        (_threads(run), "--", "theory for so many threads (M/D/c)"),
        (1, ":", "for one, at the same load (M/D/1)"),
    ):
        queue = MDc(rate * servers / service_s, service_s, servers)
        share = [float(queue.latency.sf(float(at))) for at in at_s]
        axes.plot(at_s * 1e3, share, style, color=NOMINAL, lw=1.2, label=label)


def _longest_s(run: Run) -> float:
    return float(max(run.predicted.latency_s.max(), run.measured.latency_s.max()))


def _longer(latency_s: Seconds) -> tuple[Seconds, Seconds]:
    """Return latencies in order, and the share of messages that took longer than each; the longest is left out."""
    in_order = np.sort(latency_s)
    return in_order[:-1], 1.0 - np.arange(1, len(in_order)) / len(in_order)
