"""The same mean rate in five manners: evenly, at random, in bursts, in heavy-tailed ones, and as recorded."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from compare.case import Case
from compare.experiment import Options, Run
from compare.figures import draw
from compare.judge import judge_run
from compare.metric import LEAST_MESSAGES, MEAN, P95, P99, Metric
from compare.predict import Prediction
from compare.verdict import Point
from sim import MD1, Trajectory, Workload
from sim.palette import CALIBRATED, CYCLE, MEASURED, NOMINAL
from sim.theory import dispersion_of_counts, gap_scv, kingman_wait_s
from sim.units import percent, seconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUESTION = "What if traffic is not Poisson?"
TRIED = (
    "Messages at the same mean rate, 70 % of the nominal limit: evenly spaced, Poisson, in bursts (five times as many "
    "while they last), from a source that is on and off for heavy-tailed times, and as recorded if a recording is "
    "given. A formula knows the rate, or the spread of the gaps too; the recursion every instant."
)
RULES = "Latency mean, p50, p95, p99: 5 % up to a utilization of 0.8, 10 % up to 0.95, no verdict up to 1.05."

LOAD = 0.7
MESSAGES, QUICK_MESSAGES = 1900, 250  # of each run,
EVEN = 3  # and this part of as many where gaps are constant: they are all alike
BURST = 40  # service times that a burst lasts on average, and what is between two
CONSTANT, POISSON, BURSTY, HEAVY, RECORDED = "constant gaps", "Poisson", "bursty", "heavy-tailed on/off", "recording"
NOT_QUICK = POISSON  # of which other experiments tell enough
# Made once, as its comment says; as a file it can be played to anything. Its gaps are stretched to the rate.
ON_OFF = Path(__file__).parent / "on_off.csv"
SHOWN = 400  # messages around the longest latency
WINDOWS, LEAST_WINDOWS = 20, 10  # in which messages are counted for a run's dispersion, and from which it can be told


def cases(options: Options) -> list[Case]:
    """Return the runs: one for each manner of arriving, and one for each that the user asks for besides."""
    kinds = {
        CONSTANT: "deterministic",
        POISSON: "poisson",
        BURSTY: f"bursty:5:{BURST * options.service_s:g}",
        HEAVY: f"gaps:{os.path.relpath(ON_OFF)}",
    }
    left = {label: kind for label, kind in kinds.items() if not (options.quick and label == NOT_QUICK)}
    chosen = {label: replace(options, arrivals=kind, recorded=None) for label, kind in left.items()}
    if options.arrivals not in kinds.values():
        chosen["as asked"] = options
    if options.trace:
        arrivals = f"trace:{options.trace}"
        chosen[RECORDED] = replace(options, arrivals=arrivals, recorded=len(Workload(arrivals=arrivals)))
    messages, rate = QUICK_MESSAGES if options.quick else MESSAGES, LOAD / options.service_s
    counts = {CONSTANT: messages // EVEN}
    return [Case(label, asking.workload(rate, counts.get(label, messages))) for label, asking in chosen.items()]


def judge_points(runs: Sequence[Run]) -> list[Point]:
    """Return latency, which the recursion predicts from the instants whatever they are like."""
    return [point for run in runs for point in judge_run(run)]


# -- what formulas say ------------------------------------------------------------------------------------------------


def by_rate(run: Run, metric: Metric) -> float:
    """Return what M/D/1 says of a run, s: of what arrives, it knows the rate."""
    latency = MD1(run.rate_per_s, run.workload.service_s or 0.0).latency
    if metric is MEAN:
        return latency.mean()
    return float(latency.isf({P95: 0.05, P99: 0.01}[metric]))


def by_spread(run: Run) -> float | None:
    """Return Kingman's mean latency, s: it knows the rate, and how much single gaps scatter; None for too few."""
    service_s = run.workload.service_s or 0.0
    try:
        spread = gap_scv(run.predicted.arrival_s)
    except ValueError:
        return None
    return service_s + kingman_wait_s(run.rate_per_s, service_s, spread, 0.0)


def dispersion(run: Trajectory, windows: float = WINDOWS) -> float | None:
    """Return the index of dispersion of a run's arrivals, counted in so many windows; None where these are more."""
    if len(run) <= max(windows, LEAST_WINDOWS):
        return None
    return dispersion_of_counts(run.arrival_s, float(np.ptp(run.arrival_s)) / windows)


# -- in words ---------------------------------------------------------------------------------------------------------


def hypothesis(predictions: Sequence[Prediction]) -> str:
    """Return what is expected: of each manner of arriving a latency of its own, at one and the same rate."""
    known = predictions[0]
    formula_s = MD1(known.offered_per_s, known.workload.service_s or 0.0).latency.mean()
    means = (f"{seconds(MEAN.of(one.trajectory))} for {_named(one.case.label, one.trajectory)}" for one in predictions)
    return (
        f"M/D/1 knows the rate alone, and says {seconds(formula_s)} of mean latency for all of them. The recursion, "
        f"which knows the instants, says {', '.join(means)} (dispersion: how much more than Poisson's the counts in "
        f"{WINDOWS} windows vary)."
    )


def _named(label: str, run: Trajectory) -> str:
    index = dispersion(run)
    return label if index is None else f"{label} (dispersion {index:.1f})"


def answer(runs: Sequence[Run], points: Sequence[Point]) -> str:
    """Return the answer in a few sentences, with the numbers of these runs."""
    means = (f"{seconds(MEAN.of(run.measured))} for {_named(run.label, run.measured)}" for run in runs)
    known = [run for run in runs if by_spread(run)]
    kingman = f" Kingman's formula, which knows how single gaps scatter, says {_range(known, by_spread)} of it."
    (low_s, least), *_, (high_s, most) = sorted((MEAN.of(run.measured), run.label) for run in runs)
    return (
        f"At one mean rate mean latency was {seconds(low_s)} ({least}) to {seconds(high_s)} ({most}); M/D/1 says "
        f"{_range(runs, lambda run: by_rate(run, MEAN))} of it, the recursion "
        f"{_range(runs, lambda run: MEAN.of(run.predicted))}.\n"
        f"It was {', '.join(means)}. M/D/1 knows the rate alone, the recursion each instant.{kingman if known else ''}"
    )


def _range(runs: Sequence[Run], told_s: Callable[[Run], float | None]) -> str:
    """Say between which shares of the measured mean latency lies what is told of each run."""
    shares = [(told_s(run) or 0.0) / MEAN.of(run.measured) for run in runs]
    return f"{percent(min(shares))} to {percent(max(shares))}" if shares else ""


def facts(runs: Sequence[Run]) -> dict[str, float | None]:
    """Return for each run its dispersion and spread of gaps, and mean latency by both formulas and as measured, s."""
    found: dict[str, float | None] = {}
    for run in runs:
        told = {"dispersion": dispersion(run.measured), "M/D/1, s": by_rate(run, MEAN), "Kingman, s": by_spread(run)}
        found |= {f"{run.label}: {name}": value for name, value in told.items()}
        found[f"{run.label}: predicted, s"], found[f"{run.label}: measured, s"] = run.values(MEAN)
    return found


# -- figures ----------------------------------------------------------------------------------------------------------


def figures(directory: Path, runs: Sequence[Run], points: Sequence[Point]) -> dict[str, str]:
    """Draw latency by manner of arriving, each run over time, and how arrivals are dispersed."""
    drawn = draw(
        directory,
        "latency",
        "Where they agree, each measured point lies on the calibrated prediction, wherever the formulas are.",
        lambda figure: _latency(figure, runs),
        (10.0, 4.2),
    )
    drawn |= draw(
        directory,
        "over-time",
        f"{SHOWN} messages around the longest latency. Where they agree, measured points lie on the predicted line.",
        lambda figure: _over_time(figure, runs),
        (max(10.0, 2.8 * len(runs)), 4.2),
    )
    return drawn | draw(
        directory,
        "dispersion",
        "Poisson stays near 1 whatever the window. A curve that rises is a warning: busy times come in runs, and no "
        "formula here knows of them.",
        lambda figure: _dispersion(figure, runs),
        (10.0, 4.2),
    )


def _latency(figure: "Figure", runs: Sequence[Run]) -> None:
    judged = P99 if all(len(run.predicted) >= LEAST_MESSAGES[P99.name] for run in runs) else P95
    panels = figure.subplots(1, 2, sharey=True)
    for axes, metric in zip(panels, (MEAN, judged), strict=True):
        _numbers(axes, runs, metric)
    panels[0].set_ylabel("latency, ms")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)


def _numbers(axes: "Axes", runs: Sequence[Run], metric: Metric) -> None:
    from matplotlib.ticker import LogLocator  # noqa: PLC0415 - loaded where something is drawn

    at = np.arange(len(runs))
    formula = [by_rate(run, metric) * 1e3 for run in runs]
    axes.plot(at, formula, "_", color=NOMINAL, ms=30, mew=1.5, label="M/D/1 from the flags")
    if metric is MEAN:
        spread = [(by_spread(run) or np.nan) * 1e3 for run in runs]
        axes.plot(at, spread, "x", color=NOMINAL, ms=8, label="Kingman (knows the spread of gaps)")
    predicted, measured = np.array([run.values(metric) for run in runs]).T * 1e3
    low, high = np.array([run.prediction.band(metric) for run in runs]).T * 1e3
    axes.vlines(at, low, high, color=CALIBRATED, alpha=0.4, lw=10)
    axes.plot(at, predicted, "s", color=CALIBRATED, ms=9, label="predicted (calibrated)")
    axes.plot(at, measured, "o", color=MEASURED, ms=5, label="measured")
    axes.set_yscale("log")
    axes.yaxis.set(major_locator=LogLocator(subs=(1.0, 2.0, 5.0)), major_formatter="{x:g}", minor_formatter="")
    axes.set_xticks(at, [run.label.replace(" ", "\n", 1) for run in runs])
    axes.set_xlim(-0.5, len(runs) - 0.5)
    axes.set_title(f"{metric.title} of latency" if metric is not MEAN else "mean latency")


def _over_time(figure: "Figure", runs: Sequence[Run]) -> None:
    panels = np.atleast_1d(figure.subplots(1, len(runs)))
    for axes, run in zip(panels, runs, strict=True):
        axes.axhline(by_rate(run, MEAN) * 1e3, ls="--", color=NOMINAL, lw=1.2, label="M/D/1, mean")
        first = max(min(int(np.argmax(run.predicted.latency_s)) - SHOWN // 2, len(run.predicted) - SHOWN), 0)
        for found, look, color, size, label in (
            (run.predicted, "-", CALIBRATED, 1.5, "predicted (calibrated)"),
            (run.measured, ".", MEASURED, 3.0, "measured"),
        ):
            shown = slice(first, first + SHOWN)
            at_s, latency_ms = found.arrival_s[shown], found.latency_s[shown] * 1e3
            axes.plot(at_s, latency_ms, look, color=color, lw=size, ms=size, label=label)
        axes.set_ylim(bottom=0.0)
        axes.set_title(f"{run.label}\nmean {seconds(MEAN.of(run.measured))}")
        axes.set_xlabel("time of arrival, s")
    panels[0].set_ylabel("latency, ms")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)


def _dispersion(figure: "Figure", runs: Sequence[Run]) -> None:
    axes = figure.subplots()
    axes.axhline(1.0, ls="--", color=NOMINAL, lw=1.2, label="Poisson process")
    for run, color, marker in zip(runs, CYCLE, "osD^vP", strict=False):
        gaps = max(len(run.measured) - 1, LEAST_WINDOWS)
        windows = np.geomspace(1.0, gaps / LEAST_WINDOWS, 24)
        indices = np.array([dispersion(run.measured, gaps / window) for window in windows.tolist()], np.float64)
        axes.plot(windows, indices, f"{marker}-", color=color, ms=4, label=run.label)
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=1.0)
    axes.set_ylim(bottom=0.0)
    axes.set_yticks([tick for tick in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500) if tick <= axes.get_ylim()[1]])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("window, in mean gaps between messages")
    axes.set_ylabel("index of dispersion\nof counts")
    figure.legend(loc="outside right upper")
