"""From 10 to 1000 messages/s: where one thread keeps up, where it stops, and how fast it falls behind."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from compare.experiment import Options, Run
from compare.figures import draw, message_by_message
from compare.predict import nominal_value, value
from compare.verdict import NEAR_THE_LIMIT, Point, judge, latency_tolerance
from sim import MD1, Workload
from sim.palette import CALIBRATED, MEASURED, NOMINAL
from sim.summary import Seconds
from sim.units import digits, seconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUESTION = "From 10 to 1000 messages/s at 5 ms each: what happens near the limit of one thread, and what beyond it?"

# Offered load as a share of the nominal limit, so that another service time asks the same questions.
LOADS = (0.05, 0.25, 0.5, 0.625, 0.75, 0.825, 0.875, 0.95, 1.1, 1.5, 2.5, 5.0)
QUICK_LOADS = (0.05, 0.5, 0.75, 0.875, 1.5, 5.0)
# Messages a run: enough service times for the tail to show, few enough to be patient for.
SERVICE_TIMES, QUICK_SERVICE_TIMES = 3000, 600  # length of a run below the limit
OVERLOADED, QUICK_OVERLOADED = 1600, 400  # messages of a run above it, and at least so many service times of arrivals:
GROWING, QUICK_GROWING = 320, 240  # growth is counted in whole messages, which a shorter run could not tell apart

# A percentile is judged where at least three messages are to be expected beyond it.
LATENCY = {"latency_s.mean": 1, "latency_s.p50": 6, "latency_s.p95": 60, "latency_s.p99": 300}
GROWTH_TOLERANCE = 0.01  # of capacity
LIMIT_TOLERANCE = 0.01
LIMIT_LOAD = 5.0


def workloads(options: Options) -> dict[str, Workload]:
    """Return the runs, by label: one rate each, the same seed."""
    runs = {}
    for load in QUICK_LOADS if options.quick else LOADS:
        rate = load / options.service_s
        spans = QUICK_SERVICE_TIMES if options.quick else SERVICE_TIMES
        least, growing = (QUICK_OVERLOADED, QUICK_GROWING) if options.quick else (OVERLOADED, GROWING)
        above = max(least, round(load * growing))
        runs[f"{rate:g}/s"] = options.workload(rate, max(round(load * spans), 20) if load < 1 else above)
    return runs


def judge_latency(run: Run) -> list[Point]:
    """Return mean and percentiles, each within the tolerance for this utilization."""
    tolerance = latency_tolerance(run.prediction.utilization)
    metrics = [metric for metric, least in LATENCY.items() if len(run.workload) >= least]
    return [judge(run.label, run.prediction, run.measurement.metrics, metric, tolerance) for metric in metrics]


def judge_points(run: Run) -> list[Point]:
    """Return the points of a run: latency while there is a steady state, growth when there is none."""
    if run.prediction.utilization < NEAR_THE_LIMIT[1]:
        return judge_latency(run)
    measured, prediction = run.measurement.metrics, run.prediction
    capacity = run.prediction.theory.capacity_per_s
    points = [judge(run.label, prediction, measured, "queue_growth_per_s", GROWTH_TOLERANCE, scale=capacity)]
    if prediction.theory.utilization and prediction.theory.utilization >= LIMIT_LOAD:
        points.append(judge(run.label, prediction, measured, "throughput_per_s", LIMIT_TOLERANCE))
    return points


def answer(runs: list[Run], points: list[Point]) -> str:
    """Return the answer in two sentences, with the numbers of these runs."""
    steady = [run for run in runs if run.prediction.utilization < 1] or runs[:1]
    first, last = steady[0], steady[-1]
    limit = max(run.measurement.metrics["throughput_per_s"] for run in runs)
    fastest = runs[-1].measurement.metrics
    return (
        f"Mean latency rises from {seconds(value(first.measurement.metrics, 'latency_s.mean'))} at {first.label} to "
        f"{seconds(value(last.measurement.metrics, 'latency_s.mean'))} at {last.label}; no rate got more than "
        f"{digits(limit)}/s out of the thread. Beyond that the queue has no end: at {runs[-1].label} it grew by "
        f"{digits(fastest['queue_growth_per_s'])} messages every second."
    )


# -- figures --------------------------------------------------------------------------------------------------------


def figures(directory: Path, runs: list[Run]) -> list[str]:
    """Draw latency against rate, queue and throughput over time, and one run message by message."""
    steady = [run for run in runs if run.prediction.utilization < 1] or runs[:1]
    growing = [run for run in runs if run.prediction.utilization >= NEAR_THE_LIMIT[1]]
    closest = min(steady, key=lambda run: abs((run.prediction.theory.utilization or 0.0) - 0.75))
    names = draw(
        directory,
        "latency",
        "Where they agree, each measured point lies on the calibrated prediction. "
        "Theory: a steady state's, about which short runs scatter.",
        lambda figure: _latency_by_rate(figure, steady),
        (10.0, 4.2),
    )
    names += draw(
        directory,
        "queue",
        "Where they agree, measured and predicted queue cannot be told apart. Dashed: growth from the flags.",
        lambda figure: _queue_over_time(figure, growing),
        (max(10.0, 3.0 * len(growing)), 4.2),
    )
    names += draw(
        directory,
        "throughput",
        "Where they agree, measured follows predicted; no offered rate gets more than the limit out of one thread.",
        lambda figure: _throughput(figure, runs, closest, growing[0] if growing else closest),
        (10.0, 4.2),
    )
    names += draw(
        directory,
        "messages",
        "Where they agree, the two upper curves are one, and the difference below stays near 0.",
        lambda figure: message_by_message(figure, closest),
        (10.0, 5.2),
    )
    return names


def _rate(run: Run) -> float:
    return run.workload.offered_rate_per_s or 0.0


def _latency_by_rate(figure: "Figure", steady: list[Run]) -> None:
    rates = [_rate(run) for run in steady]
    panels = figure.subplots(1, 3, sharey=True)
    for axes, name in zip(panels, ("p50", "p95", "p99"), strict=True):
        _theory_curve(axes, steady[0], name)
        metric = f"latency_s.{name}"
        bands = np.array([run.prediction.band[metric] for run in steady]) * 1e3
        predicted = [value(run.prediction.metrics, metric) * 1e3 for run in steady]
        measured = [value(run.measurement.metrics, metric) * 1e3 for run in steady]
        axes.fill_between(rates, bands[:, 0], bands[:, 1], color=CALIBRATED, alpha=0.25, lw=0)
        axes.plot(rates, predicted, "s-", color=CALIBRATED, ms=7, lw=1.2, label="predicted for these runs (calibrated)")
        axes.plot(rates, measured, "o", color=MEASURED, ms=4, label="measured")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_title(f"{name} of latency")
        axes.set_xlabel("messages/s offered")
    panels[0].set_ylabel("latency, ms")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)


def _theory_curve(axes: "Axes", run: Run, name: str) -> None:
    capacity = run.prediction.theory.capacity_per_s
    axes.axvline(capacity, color=NOMINAL, lw=1, ls=":")
    axes.annotate(
        f"limit {digits(capacity)}/s ", (capacity, 0.03), xycoords=("data", "axes fraction"), ha="right", va="bottom"
    )
    if run.workload.arrivals != "poisson":
        return
    service_s = run.workload.service_s or 0.0
    rates = np.concatenate([np.linspace(0.01, 0.9, 60), np.linspace(0.905, 0.995, 19)]) * capacity
    tail = {"p50": 0.5, "p95": 0.05, "p99": 0.01}[name]
    curve = [float(MD1(float(rate), service_s).latency.isf(tail)) * 1e3 for rate in rates]
    axes.plot(rates, curve, "--", color=NOMINAL, lw=1.2, label="theory from the flags (M/D/1, steady state)")


def _queue_over_time(figure: "Figure", growing: list[Run]) -> None:
    if not growing:
        return
    panels = np.atleast_1d(figure.subplots(1, len(growing)))
    for axes, run in zip(panels, growing, strict=True):
        last_s = float(run.prediction.trajectory.arrival_s[-1])
        growth = run.prediction.theory.queue_growth_per_s or 0.0
        axes.plot([0, last_s], [0, growth * last_s], "--", color=NOMINAL, lw=1.2, label="theory from the flags")
        for trajectory, color, width, label in (
            (run.prediction.trajectory, CALIBRATED, 3.0, "predicted (calibrated)"),
            (run.measurement.trajectory, MEASURED, 1.0, "measured"),
        ):
            instants, waiting = trajectory.queue_steps()
            axes.step(instants, waiting, where="post", color=color, lw=width, label=label, rasterized=True)
        end_s = float(run.measurement.trajectory.finish_s.max())
        axes.axvline(last_s, color="#999999", lw=0.8, ls=":")
        axes.set_xlim(0, end_s)
        axes.set_ylim(bottom=0)
        axes.set_title(f"{run.label}: +{digits(run.measurement.metrics['queue_growth_per_s'])} a second")
        axes.set_xlabel("time, s (dotted: arrivals end)")
    panels[0].set_ylabel("messages waiting")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)


def _throughput(figure: "Figure", runs: list[Run], below: Run, above: Run) -> None:
    left, right = figure.subplots(1, 2)
    for run in (below, above):
        width_s = max(float(run.measurement.trajectory.finish_s.max()) / 16, 0.2)
        left.axhline(nominal_value(run.prediction, "throughput_per_s") or 0.0, ls="--", color=NOMINAL, lw=1.2)
        for trajectory, color, width in (
            (run.prediction.trajectory, CALIBRATED, 3.0),
            (run.measurement.trajectory, MEASURED, 1.2),
        ):
            at_s, per_s = _per_second(trajectory.finish_s, width_s)
            left.step(at_s, per_s, where="mid", color=color, lw=width)
    left.set_title(f"over time: {above.label} offered (upper), {below.label} (lower)", fontsize=10)
    left.set_xlabel("time, s")
    left.set_ylabel("messages finished per second")
    left.set_ylim(bottom=0)
    right.set_title("whole runs", fontsize=10)
    rates = [_rate(run) for run in runs]
    capacity = runs[0].prediction.theory.capacity_per_s
    offered = np.geomspace(min(rates), max(rates), 200)
    right.plot(offered, np.minimum(offered, capacity), "--", color=NOMINAL, lw=1.2, label="theory from the flags")
    for source, marker, color, size, label in (
        ("prediction", "s", CALIBRATED, 7, "predicted (calibrated)"),
        ("measurement", "o", MEASURED, 4, "measured"),
    ):
        reached = [value(getattr(run, source).metrics, "throughput_per_s") for run in runs]
        right.plot(rates, reached, marker, color=color, ms=size, label=label)
    right.set_xscale("log")
    right.xaxis.set_major_formatter("{x:g}")
    right.set_xlabel("messages/s offered")
    right.set_ylabel("messages finished per second")
    right.set_ylim(bottom=0)
    figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=3)


def _per_second(finish_s: Seconds, width_s: float) -> tuple[Seconds, Seconds]:
    edges = np.arange(0.0, float(finish_s.max()) + width_s, width_s)
    counts, _ = np.histogram(finish_s, edges)
    return (edges[:-1] + width_s / 2)[:-1], counts[:-1] / width_s  # the last slice is not a whole one
