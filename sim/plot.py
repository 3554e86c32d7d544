"""The figure of `--plot`: queue length and latency over time, with what theory expects of them."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sim.files import write_figure
from sim.nominal import Nominal
from sim.palette import CALIBRATED as SIMULATED
from sim.palette import NOMINAL, STYLE
from sim.trajectory import Trajectory
from sim.units import digits, seconds
from sim.workload import Workload

_MOST_POINTS = 20_000


def draw(path: Path, workload: Workload, theory: Nominal, trajectory: Trajectory) -> None:
    """Write the figure of one run to `path`; the suffix names the format."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.0, 6.0), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        _queue(above, theory, trajectory)
        _latency(below, workload, theory, trajectory)
        thread = "one thread" if theory.servers == 1 else f"{theory.servers} processes"
        load = "" if theory.utilization is None else f", utilization {digits(theory.utilization)}"
        figure.suptitle(
            f"{digits(workload.offered_rate_per_s)} messages/s ({workload.arrivals_kind}) × "
            f"{seconds(workload.service_s)} on {thread}{load}"
        )
        write_figure(path, figure, dpi=150)


def _highest(values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the places of at most _MOST_POINTS values, of each stretch the highest: peaks must not be thinned away."""
    stretch = -(-len(values) // _MOST_POINTS)
    if stretch <= 1:
        return np.arange(len(values))
    whole = values[: len(values) // stretch * stretch].reshape(-1, stretch)
    return whole.argmax(axis=1) + np.arange(len(whole)) * stretch


def _legend(axes: Axes) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, borderaxespad=0.2)


def _queue(axes: Axes, theory: Nominal, trajectory: Trajectory) -> None:
    instants, waiting = trajectory.queue_steps()
    last_s = float(trajectory.arrival_s[-1]) if len(trajectory) else 0.0
    instants, waiting = instants[instants <= last_s], waiting[instants <= last_s]
    shown = _highest(waiting)
    axes.step(instants[shown], waiting[shown], where="post", color=SIMULATED, lw=1, label="simulated")
    if theory.queue_growth_per_s:
        growth = theory.queue_growth_per_s
        label = f"predicted: +{digits(growth)} messages/s"
        axes.plot([0, last_s], [0, growth * last_s], "--", color=NOMINAL, lw=1.2, label=label)
    elif theory.queue_length:
        mean = theory.queue_length["mean"]
        axes.axhline(mean, ls="--", color=NOMINAL, lw=1.2, label=f"theory: mean {digits(mean)}")
    axes.set_ylabel("messages waiting")
    axes.set_ylim(0, max(axes.get_ylim()[1], 1.0))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(axes)


def _latency(axes: Axes, workload: Workload, theory: Nominal, trajectory: Trajectory) -> None:
    unit, name = (1.0, "s") if len(trajectory) and np.max(trajectory.latency_s) >= 1.0 else (1e3, "ms")
    shown = _highest(trajectory.latency_s)
    axes.plot(
        trajectory.arrival_s[shown],
        trajectory.latency_s[shown] * unit,
        ".",
        ms=2.5,
        color=SIMULATED,
        label="each message",
    )
    if theory.latency_growth_s_per_s and len(trajectory):
        last_s, slope = float(trajectory.arrival_s[-1]), theory.latency_growth_s_per_s
        start_s = workload.service_s or 0.0
        label = f"predicted: +{digits(slope)} s every second"
        axes.plot(
            [0, last_s], [start_s * unit, (start_s + slope * last_s) * unit], "--", color=NOMINAL, lw=1.2, label=label
        )
    elif theory.latency_s:
        for key, style in (("mean", "--"), ("p99", ":")):
            value = theory.latency_s[key]
            if value is not None:
                label = f"theory: {key} {seconds(value)}"
                axes.axhline(value * unit, ls=style, color=NOMINAL, lw=1.2, label=label)
    axes.set_xlabel("time of arrival, s")
    axes.set_ylabel(f"latency, {name}")
    axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
    axes.set_xlim(left=0)
    _legend(axes)
