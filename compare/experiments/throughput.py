"""From 10 to 1000 messages/s: where one thread keeps up, where it stops, and how fast it falls behind."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from compare.case import Case
from compare.drawing.timeline import queues_over_time, thread_picture
from compare.experiment import Options, Run
from compare.figures import draw, message_by_message
from compare.judge import judge_limit, judge_run
from compare.metric import LATENCY, MEAN, THROUGHPUT
from compare.predict import Prediction
from compare.verdict import NEAR_THE_LIMIT, Point
from sim import MD1
from sim.palette import CALIBRATED, MEASURED, NOMINAL
from sim.summary import Seconds
from sim.units import digits, seconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUESTION = (
    "From 10 to 1000 messages/s: what happens to latency as the limit nears, and at what rate does the queue grow "
    "without bound?"
)
TRIED = "The same thread at rising rates, from 5 % of its nominal limit to five times as much."
RULES = (
    "Latency mean, p50, p95, p99: 5 % up to a utilization of 0.8, 10 % up to 0.95, no verdict up to 1.05. Growth above "
    "the limit: 1 % of capacity. Throughput at five times the limit: 1 %."
)

# Offered load as a share of the nominal limit, so that another service time asks the same questions.
LOADS = (0.05, 0.25, 0.5, 0.625, 0.75, 0.825, 0.875, 0.95, 1.1, 1.5, 2.5, 5.0)
QUICK_LOADS = (0.05, 0.5, 0.75, 0.875, 1.5, 5.0)
# Messages a run: enough service times for the tail to show, few enough to be patient for.
SERVICE_TIMES, QUICK_SERVICE_TIMES = 1800, 480  # length of a run below the limit
OVERLOADED, QUICK_OVERLOADED = 1200, 400  # messages of a run above it, and at least so many service times of arrivals:
GROWING, QUICK_GROWING = 320, 130  # growth is counted in whole messages, which a shorter run could not tell apart
LIMIT_LOAD = 5.0
# One run that is asked too, for the picture of the thread: its load, questions in a service time, service times.
ASKED_LOAD, QUESTIONS, ASKED, QUICK_ASKED = 0.75, 0.2, 1200, 280


def cases(options: Options) -> list[Case]:
    """Return the runs: one rate each, the same seed."""
    spans = QUICK_SERVICE_TIMES if options.quick else SERVICE_TIMES
    least, growing = (QUICK_OVERLOADED, QUICK_GROWING) if options.quick else (OVERLOADED, GROWING)
    made = []
    for load in QUICK_LOADS if options.quick else LOADS:
        rate = load / options.service_s
        messages = max(round(load * spans), 20) if load < 1 else max(least, round(load * growing))
        made.append(Case(f"{rate:g}/s", options.workload(rate, messages)))
    rate, messages = ASKED_LOAD / options.service_s, round(ASKED_LOAD * (QUICK_ASKED if options.quick else ASKED))
    asked = options.workload(rate, messages, query_rate_per_s=QUESTIONS / options.service_s)
    return [*made, Case(f"{rate:g}/s, asked", asked)]


def hypothesis(predictions: Sequence[Prediction]) -> str:
    """Return what is expected: where latency goes, and how fast the queue grows beyond the limit."""
    limit = 1 / predictions[0].hold_s
    steady = [found for found in predictions if found.utilization < NEAR_THE_LIMIT[0]] or predictions[:1]
    first, last = steady[0], max(steady, key=lambda found: found.utilization)
    fastest = max(predictions, key=lambda found: found.utilization)
    growth = fastest.trajectory.metrics()["queue_growth_per_s"]
    return (
        f"Mean latency rises from {seconds(MEAN.of(first.trajectory))} at {first.case.label} to "
        f"{seconds(MEAN.of(last.trajectory))} at {last.case.label}, as 1/(1 − utilization) does. The limit is "
        f"1/hold = {digits(limit, 4)}/s; at {fastest.case.label} the queue grows by {digits(growth)} a second."
    )


def judge_points(runs: Sequence[Run]) -> list[Point]:
    """Return latency while there is a steady state and growth when there is none; and the limit itself."""
    points = [point for run in runs for point in judge_run(run)]
    return points + [judge_limit(run) for run in runs if _load(run) >= LIMIT_LOAD]


def _load(run: Run) -> float:
    return run.prediction.theory.utilization or 0.0


def answer(runs: Sequence[Run], points: Sequence[Point]) -> str:
    """Return the answer in a few sentences, with the numbers of these runs."""
    steady = _steady(runs)
    first, last = steady[0], steady[-1]
    fastest = max(runs, key=_load)
    limit = max(THROUGHPUT.of(run.measured) for run in runs)
    return (
        f"Mean latency rises from {seconds(MEAN.of(first.measured))} at {first.label} to "
        f"{seconds(MEAN.of(last.measured))} at {last.label}; above {digits(limit, 4)}/s the queue grows without bound, "
        f"at {fastest.label} by {digits(fastest.measurement.metrics['queue_growth_per_s'])} messages every second.\n"
        f"No rate got more than {digits(limit, 4)}/s out of the thread, and 1/hold of the calibration is "
        f"{digits(1 / runs[0].prediction.hold_s, 4)}/s; the flags alone say {digits(_capacity_per_s(runs))}/s."
    )


def facts(runs: Sequence[Run]) -> dict[str, float]:
    """Return the limit as measured, as 1/hold of the calibration, and as the flags have it; messages/s."""
    return {
        "limit_per_s": max(THROUGHPUT.of(run.measured) for run in runs),
        "calibrated_limit_per_s": 1 / runs[0].prediction.hold_s,
        "nominal_limit_per_s": _capacity_per_s(runs),
    }


def _capacity_per_s(runs: Sequence[Run]) -> float:
    return runs[0].prediction.theory.capacity_per_s


def _steady(runs: Sequence[Run]) -> list[Run]:
    """Return the runs that keep up, by their rates, but for the one that is asked too."""
    return [run for run in runs if run.utilization < 1 and not run.workload.query_rate_per_s] or list(runs[:1])


# -- figures --------------------------------------------------------------------------------------------------------


def figures(directory: Path, runs: Sequence[Run], points: Sequence[Point]) -> dict[str, str]:
    """Draw latency against rate, queue and throughput over time, and one run message by message."""
    steady = _steady(runs)
    growing = [run for run in runs if run.utilization >= NEAR_THE_LIMIT[1]]
    closest = min(steady, key=lambda run: abs(_load(run) - 0.75))
    drawn = draw(
        directory,
        "latency",
        "Where they agree, each measured point lies on the calibrated prediction (judged up to a utilization of 0.95). "
        "Theory:\na steady state's, about which short runs scatter. Dotted: the limits from the flags and calibrated.",
        lambda figure: _latency_by_rate(figure, steady),
        (10.0, 4.2),
    )
    drawn |= draw(
        directory,
        "queue",
        "Where they agree, measured and predicted queue cannot be told apart. Dashed: growth from the flags.",
        lambda figure: queues_over_time(figure, growing),
        (max(10.0, 3.0 * len(growing)), 4.2),
    )
    drawn |= draw(
        directory,
        "throughput",
        "Where they agree, measured follows predicted (on the right, judged at five times the limit); no offered rate "
        "gets more than\nthe limit out of one thread.",
        lambda figure: _throughput(figure, runs, closest, growing[0] if growing else closest),
        (10.0, 4.2),
    )
    drawn |= draw(
        directory,
        "messages",
        "Where they agree, the two upper curves are one, and the difference below stays near 0.",
        lambda figure: message_by_message(figure, closest),
        (10.0, 5.2),
    )
    drawn |= draw(
        directory,
        "thread",
        "Where they agree, the two curves are one. Below: dispatch and answers are drawn wider than the microseconds "
        "that they take.",
        lambda figure: thread_picture(figure, runs[-1]),
        (10.0, 4.6),
    )
    return drawn


def _latency_by_rate(figure: "Figure", steady: Sequence[Run]) -> None:
    rates = [run.rate_per_s for run in steady]
    panels = figure.subplots(1, 3, sharey=True)
    for axes, metric in zip(panels, LATENCY[1:], strict=True):
        _theory_curve(axes, steady[0], metric.title)
        bands = np.array([run.prediction.band(metric) for run in steady]) * 1e3
        predicted, measured = np.array([run.values(metric) for run in steady]).T * 1e3
        axes.fill_between(rates, bands[:, 0], bands[:, 1], color=CALIBRATED, alpha=0.25, lw=0)
        axes.plot(rates, predicted, "s-", color=CALIBRATED, ms=7, lw=1.2, label="predicted for these runs (calibrated)")
        axes.plot(rates, measured, "o", color=MEASURED, ms=4, label="measured")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_title(f"{metric.title} of latency")
        axes.set_xlabel("messages/s offered")
    panels[0].set_ylabel("latency, ms")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)


def _theory_curve(axes: "Axes", run: Run, name: str) -> None:
    capacity = run.prediction.theory.capacity_per_s
    # Both words on the left of both lines: between the two there is no room.
    limit = 1 / run.prediction.hold_s
    for per_s, color, height, word in ((capacity, NOMINAL, 0.97, "1/D"), (limit, CALIBRATED, 0.9, "1/hold")):
        axes.axvline(per_s, color=color, lw=1, ls=":")
        axes.annotate(
            f"{word} {digits(per_s, 4)}/s ",
            (min(capacity, limit), height),
            xycoords=("data", "axes fraction"),
            ha="right",
            va="top",
            color=color,
        )
    if run.workload.arrivals != "poisson":
        return
    service_s = run.workload.service_s or 0.0
    rates = np.concatenate([np.linspace(0.01, 0.9, 60), np.linspace(0.905, 0.995, 19)]) * capacity
    tail = {"p50": 0.5, "p95": 0.05, "p99": 0.01}[name]
    curve = [float(MD1(float(rate), service_s).latency.isf(tail)) * 1e3 for rate in rates]
    axes.plot(rates, curve, "--", color=NOMINAL, lw=1.2, label="theory from the flags (M/D/1, steady state)")


def _throughput(figure: "Figure", runs: Sequence[Run], below: Run, above: Run) -> None:
    left, right = figure.subplots(1, 2)
    for run in (below, above):
        width_s = max(float(run.measured.finish_s.max()) / 16, 0.2)
        left.axhline(run.theory(THROUGHPUT) or 0.0, ls="--", color=NOMINAL, lw=1.2)
        for trajectory, color, width in (
            (run.predicted, CALIBRATED, 3.0),
            (run.measured, MEASURED, 1.2),
        ):
            at_s, per_s = _per_second(trajectory.finish_s, width_s)
            left.step(at_s, per_s, where="mid", color=color, lw=width)
    left.set_title(f"over time: {above.label} offered (upper), {below.label} (lower)", fontsize=10)
    left.set_xlabel("time, s")
    left.set_ylabel("messages finished per second")
    left.set_ylim(bottom=0)
    right.set_title("whole runs", fontsize=10)
    rates = [run.rate_per_s for run in runs]
    capacity = runs[0].prediction.theory.capacity_per_s
    offered = np.geomspace(min(rates), max(rates), 200)
    right.plot(offered, np.minimum(offered, capacity), "--", color=NOMINAL, lw=1.2, label="theory from the flags")
    predicted, measured = zip(*(run.values(THROUGHPUT) for run in runs), strict=True)
    for reached, marker, color, size, label in (
        (predicted, "s", CALIBRATED, 7, "predicted (calibrated)"),
        (measured, "o", MEASURED, 4, "measured"),
    ):
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
