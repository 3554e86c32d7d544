"""The figure of a sweep: latency, and beyond the limit the growth of the queue, against what was swept."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from sim.files import write_figure
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
    services = {point.workload.service_s for point in points}
    over_rates = len(services) == 1 or len({point.workload.offered_rate_per_s for point in points}) > 1
    curves = [_in_order(group) for _, group in groupby(points, key=lambda point: point.workload.service_s)]
    if not over_rates:
        curves = [_in_order(points)]
    colors = [(NOMINAL, SIMULATED)] if len(curves) == 1 else [(color, color) for color in CYCLE]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.0, 6.4), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1.0))
        for place, curve in enumerate(curves):
            theory, simulated = colors[place % len(colors)]
            at = _swept(curve, over_rates=over_rates)
            for name, line, marker in _SHOWN:
                x, expected = _smooth(curve, at, name, over_rates=over_rates)
                above.plot(x, np.array(expected) * 1e3, line, color=theory, lw=1.2)
                _latency(above, curve, at, name, marker, simulated)
            smooth = np.linspace(at.min(), at.max(), 400)
            below.plot(smooth, _growth(curve[0], smooth, over_rates=over_rates), "-", color=theory, lw=1.2)
            seen = [point.simulated["queue_growth_per_s"] or 0.0 for point in curve]
            below.plot(at, seen, "o", color=simulated, ms=3.5)
            if over_rates and curve[0].theory.capacity_per_s <= at.max():
                for axes in (above, below):
                    axes.axvline(curve[0].theory.capacity_per_s, color=theory, lw=0.8, ls=":")
        above.set_yscale("log")
        above.yaxis.set_major_formatter("{x:g}")
        _label_between(above)
        above.set_ylabel("latency, ms")
        below.set_ylabel("queue grows,\nmessages/s")
        below.set_xlabel("messages/s offered (dotted: the limit)" if over_rates else "service time, ms")
        highest = max(point.workload.offered_rate_per_s or 0.0 for point in points)
        below.set_ylim(0, max(1.05 * below.get_ylim()[1], 0.01 * highest))  # what grows by less is no growth to see
        below.set_xlim(0, 1.02 * max(_swept(curve, over_rates=over_rates).max() for curve in curves))
        figure.legend(handles=_legend(curves, colors), loc="outside upper center", ncols=4, fontsize=9)
        write_figure(path, figure, dpi=150)


def _label_between(axes: Axes) -> None:
    """Label what lies between powers of ten where hardly one of them is to be seen."""
    lowest, highest = axes.get_ylim()
    if highest < 1.2 * lowest:  # what differs by rounding only is shown as a level line
        lowest, highest = axes.set_ylim(lowest / 1.2, 1.2 * highest)
    if 10.0 <= highest / lowest < 100.0:
        axes.yaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))
    axes.yaxis.set_minor_formatter("{x:g}" if highest / lowest < 100.0 else NullFormatter())


def _in_order(points: Iterable[Prediction]) -> list[Prediction]:
    """Return the points of a curve from left to right, however they were asked for."""
    return sorted(points, key=lambda point: (point.workload.offered_rate_per_s or 0.0, point.workload.service_s))


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


def _latency(axes: Axes, curve: Sequence[Prediction], at: Seconds, name: str, marker: str, color: str) -> None:
    for x, point in zip(at, curve, strict=True):
        value = point.simulated["latency_s"][name]
        if not point.theory.stable or value is None:
            continue
        low, high = (point.interval or {}).get("latency_s", {}).get(name) or (value, value)
        # Without an upper end the bar ends where the run's own numbers do.
        upto = point.simulated["latency_s"]["max"] if high is None else high
        reach = [[max(value - low, 0.0) * 1e3], [max(upto - value, 0.0) * 1e3]]
        axes.errorbar(x, value * 1e3, yerr=reach, fmt=marker, color=color, ms=3.5, lw=0.8)


def _smooth(
    curve: Sequence[Prediction], at: Seconds, name: str, *, over_rates: bool
) -> tuple[list[float], list[float]]:
    """Return where theory is drawn and what it says, s: as a smooth curve where it is known exactly."""
    workload, servers = curve[0].workload, curve[0].servers
    constant = workload.arrivals == "poisson" and workload.service == "deterministic" and workload.order == "fifo"
    if not constant or workload.query_rate_per_s:
        known = [(x, (point.theory.latency_s or {}).get(name)) for x, point in zip(at, curve, strict=True)]
        there = [(float(x), value) for x, value in known if value is not None]
        return [x for x, _ in there], [value for _, value in there]
    rate, service_s = workload.rate_per_s or 0.0, workload.service_s or 0.0
    limit = curve[0].theory.capacity_per_s if over_rates else servers / rate * 1e3
    least = 0.0 if over_rates else at.min()
    places = [float(x) for x in sorted([*_SMOOTH * limit, *at]) if least <= x <= 1.02 * at.max() and x < limit]
    loads = [(x, service_s) if over_rates else (rate, x / 1e3) for x in places]
    queues = [MD1(*load) if servers == 1 else MDc(*load, servers) for load in loads]
    return places, [q.latency.mean() if name == "mean" else float(q.latency.isf(0.01)) for q in queues]


def _growth(first: Prediction, at: Seconds, *, over_rates: bool) -> Seconds:
    """Return how fast the queue grows, messages/s, along a curve that holds this point: what exceeds the capacity."""
    capacity = first.theory.capacity_per_s
    if over_rates:
        return np.maximum(at - capacity, 0.0)
    rate, service_ms = first.workload.offered_rate_per_s or 0.0, (first.workload.service_s or 0.0) * 1e3
    return np.maximum(rate - capacity * service_ms / at, 0.0)
