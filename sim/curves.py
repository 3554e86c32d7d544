"""The figure of a sweep: latency, and beyond the limit the growth of the queue, against what was swept."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sim.palette import CALIBRATED as SIMULATED
from sim.palette import CYCLE, NOMINAL, STYLE
from sim.prediction import Prediction
from sim.summary import Seconds
from sim.theory import MD1, MDc
from sim.units import seconds

_SMOOTH = np.concatenate([np.linspace(0.01, 0.9, 90), np.linspace(0.901, 0.998, 98)])  # shares of the limit
_SHOWN = (("mean", "-", "o"), ("p99", "--", "^"))


def draw(path: Path, points: Sequence[Prediction]) -> None:
    """Write the figure of a sweep to `path`; the suffix names the format."""
    over_rates = len({point.workload.offered_rate_per_s for point in points}) > 1
    curves = [list(group) for _, group in groupby(points, key=lambda point: point.workload.service_s)]
    if not over_rates:
        curves = [list(points)]
    colors = [(NOMINAL, SIMULATED)] if len(curves) == 1 else [(color, color) for color in CYCLE]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.0, 6.4), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1.0))
        for place, curve in enumerate(curves):
            theory, simulated = colors[place % len(colors)]
            at = _swept(curve, over_rates=over_rates)
            _latency(above, curve, at, theory, simulated)
            _growth(below, curve, at, theory, simulated)
            if over_rates and curve[0].theory.capacity_per_s <= at.max():
                for axes in (above, below):
                    axes.axvline(curve[0].theory.capacity_per_s, color=theory, lw=0.8, ls=":")
        above.set_yscale("log")
        above.yaxis.set_major_formatter("{x:g}")
        above.set_ylabel("latency, ms")
        below.set_ylabel("queue grows,\nmessages/s")
        below.set_xlabel("messages/s offered (dotted: the limit)" if over_rates else "service time, ms")
        below.set_ylim(bottom=0)
        below.set_xlim(0, 1.02 * max(_swept(curve, over_rates=over_rates).max() for curve in curves))
        figure.legend(handles=_legend(curves, colors), loc="outside upper center", ncols=4, fontsize=9)
        figure.savefig(path, dpi=150)


def _swept(curve: Sequence[Prediction], *, over_rates: bool) -> Seconds:
    """Return what was swept: rates per second, or service times in ms."""
    if over_rates:
        return np.array([point.workload.offered_rate_per_s or 0.0 for point in curve])
    return np.array([(point.workload.service_s or 0.0) * 1e3 for point in curve])


def _legend(curves: Sequence[Sequence[Prediction]], colors: Sequence[tuple[str, str]]) -> list[Line2D]:
    theory, simulated = colors[0] if len(curves) == 1 else (NOMINAL, NOMINAL)
    handles = [Line2D([], [], color=theory, ls=line, label=f"{name}, theory") for name, line, _ in _SHOWN]
    handles += [
        Line2D([], [], color=simulated, ls="", marker=marker, ms=4, label=f"{name}, simulated (95 %)")
        for name, _, marker in _SHOWN
    ]
    if len(curves) > 1:
        handles += [
            Line2D(
                [], [], color=colors[place % len(colors)][0], lw=4, label=f"{seconds(curve[0].workload.service_s)} each"
            )
            for place, curve in enumerate(curves)
        ]
    return handles


def _latency(axes: Axes, curve: Sequence[Prediction], at: Seconds, theory: str, simulated: str) -> None:
    for name, line, marker in _SHOWN:
        rates, expected = _smooth(curve, at, name)
        axes.plot(rates, np.array(expected) * 1e3, line, color=theory, lw=1.2)
        stable = [(x, point) for x, point in zip(at, curve, strict=True) if point.theory.stable]
        for x, point in stable:
            value = point.simulated["latency_s"][name]
            low, high = (point.interval or {}).get("latency_s", {}).get(name) or (value, value)
            reach = [[max(value - low, 0.0) * 1e3], [max(high - value, 0.0) * 1e3]]
            axes.errorbar(x, value * 1e3, yerr=reach, fmt=marker, color=simulated, ms=3.5, lw=0.8)


def _smooth(curve: Sequence[Prediction], at: Seconds, name: str) -> tuple[list[float], list[float]]:
    """Return where theory is drawn and what it says, s: as a smooth curve over rates where it is known exactly."""
    workload, servers, capacity = curve[0].workload, curve[0].servers, curve[0].theory.capacity_per_s
    exact = workload.arrivals == "poisson" and workload.service == "deterministic" and workload.order == "fifo"
    over_rates = len({point.workload.service_s for point in curve}) == 1
    if exact and over_rates and not workload.query_rate_per_s:
        service_s = workload.service_s or 0.0
        rates = [float(rate) for rate in _SMOOTH * capacity if rate <= 1.02 * at.max()]
        queues = [MD1(rate, service_s) if servers == 1 else MDc(rate, service_s, servers) for rate in rates]
        return rates, [q.latency.mean() if name == "mean" else float(q.latency.isf(0.01)) for q in queues]
    known = [(x, (point.theory.latency_s or {}).get(name)) for x, point in zip(at, curve, strict=True)]
    there = [(float(x), value) for x, value in known if value is not None]
    return [x for x, _ in there], [value for _, value in there]


def _growth(axes: Axes, curve: Sequence[Prediction], at: Seconds, theory: str, simulated: str) -> None:
    expected = np.array([point.theory.queue_growth_per_s or 0.0 for point in curve])
    if len({point.workload.service_s for point in curve}) == 1:
        smooth = np.linspace(at.min(), at.max(), 400)
        axes.plot(smooth, np.maximum(smooth - curve[0].theory.capacity_per_s, 0.0), "-", color=theory, lw=1.2)
    else:
        axes.plot(at, expected, "-", color=theory, lw=1.2)
    axes.plot(at, [point.simulated["queue_growth_per_s"] or 0.0 for point in curve], "o", color=simulated, ms=3.5)
