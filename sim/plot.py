"""The figure of `--plot`: queue length and latency over time, with what theory expects of them."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
        load = "" if theory.utilization is None else f", utilization {digits(theory.utilization)}"
        figure.suptitle(
            f"{digits(workload.rate_per_s)} messages/s ({workload.arrivals.partition(':')[0]}) × "
            f"{seconds(workload.service_s)} on one thread{load}"
        )
        figure.savefig(path, dpi=150)


def thinned(n: int) -> slice:
    """Return a slice that leaves at most _MOST_POINTS of n points: more cannot be seen, and make files large."""
    return slice(None, None, max(1, -(-n // _MOST_POINTS)))


def _queue(axes: Axes, theory: Nominal, trajectory: Trajectory) -> None:
    instants, waiting = trajectory.queue_steps()
    last_s = float(trajectory.arrival_s[-1]) if len(trajectory) else 0.0
    during = instants <= last_s
    shown = thinned(int(during.sum()))
    axes.step(
        instants[during][shown], waiting[during][shown], where="post", color=SIMULATED, lw=1, label="simulated (SimPy)"
    )
    if theory.queue_growth_per_s:
        growth = theory.queue_growth_per_s
        label = f"predicted: +{digits(growth)} messages/s"
        axes.plot([0, last_s], [0, growth * last_s], "--", color=NOMINAL, lw=1.2, label=label)
    elif theory.queue_length:
        mean = theory.queue_length["mean"]
        axes.axhline(mean, ls="--", color=NOMINAL, lw=1.2, label=f"theory: mean {digits(mean)}")
    axes.set_ylabel("messages waiting")
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper left")


def _latency(axes: Axes, workload: Workload, theory: Nominal, trajectory: Trajectory) -> None:
    unit, name = (1.0, "s") if len(trajectory) and np.max(trajectory.latency_s) >= 1.0 else (1e3, "ms")
    shown = thinned(len(trajectory))
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
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.legend(loc="upper left")
