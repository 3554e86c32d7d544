"""The figures of questions: how long they took at each load, what they cost the messages, and the policies."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from compare.experiment import Run
from compare.figures import draw
from compare.metric import MEAN, QUERY_MEAN, QUERY_P99
from sim import MD1
from sim.palette import CALIBRATED, MEASURED, NOMINAL
from sim.summary import Seconds
from sim.theory import Priority, PriorityClass
from sim.units import digits, seconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (10.0, 4.2)
NORMAL = 1.96  # standard deviations either side, between which 95 % are


def asked_s(run: Run) -> Seconds:
    """Return how long each question took as its client saw it, s; of those that were answered."""
    latency_s = run.measurement.tables["asked"]["latency_s"]
    return latency_s[np.isfinite(latency_s)]


def shared(run: Run, questions_per_s: float | None = None) -> Priority:
    """Return the queue of questions, answered first, and messages, from the flags; alone where nobody asks.

    `questions_per_s` are those that were asked unless others are given.
    """
    own = run.case.asking.rate_per_s if run.case.asking else run.workload.query_rate_per_s
    rate = own if questions_per_s is None else questions_per_s
    messages = PriorityClass(run.rate_per_s, run.workload.service_s or 0.0)
    return Priority((PriorityClass(rate, run.answer_s), messages) if rate and run.answer_s else (messages,))


def residual_s(tail: float, utilization: float, hold_s: float) -> float:
    """Return what is left of the message in service, as a question finds it at any instant, in all but `tail` cases, s.

    With probability ρ there is one, and what is left of a constant hold is uniform (Cox 1962, Renewal Theory, ch. 5).

    >>> [residual_s(0.01, utilization, 0.005) for utilization in (0.5, 3.0, 0.005)]
    [0.0049, 0.00495, 0.0]
    """
    return hold_s * max(0.0, 1.0 - tail / min(utilization, 1.0))


def draw_all(directory: Path, asked: Sequence[Run], beside: Sequence[Run], policies: Sequence[Run]) -> dict[str, str]:
    """Draw questions over HTTP at each load, the same messages beside more and fewer questions, and the policies."""
    drawn: dict[str, str] = {}
    if asked:
        caption = (
            "Where they agree, measured lies within the band, which is that of as many questions; but the floor, here "
            "its median, scatters. Dotted: 99 %."
        )
        drawn |= draw(directory, "questions", caption, partial(_questions, asked=asked), SIZE)
    if len(beside) > 1:
        caption = (
            "Where they agree, each measured point lies on the predicted one. Theory: a steady state's, about which "
            "short runs scatter."
        )
        drawn |= draw(directory, "cost", caption, partial(_cost, runs=beside), SIZE)
    caption = "Where they agree, measured lies on predicted: these very questions, on the same messages."
    return drawn | draw(directory, "policies", caption, partial(_policies, runs=policies), SIZE)


def _questions(figure: "Figure", asked: Sequence[Run]) -> None:
    panels = np.atleast_1d(figure.subplots(1, len(asked), sharex=True, sharey=True))
    for axes, run in zip(panels, asked, strict=True):
        seen_s, floor_s = np.sort(asked_s(run)), run.floor_s
        theory, service_s = run.prediction.theory, run.workload.service_s or 0.0
        hold_s, busy = run.prediction.hold_s, _busy_while_asked(run)
        at_s = np.linspace(0.0, 1.3 * hold_s + floor_s, 300)
        predicted = _within(at_s - floor_s, busy, hold_s)
        reach = NORMAL * np.sqrt(predicted * (1 - predicted) / max(len(seen_s), 1))
        low, high = np.clip([predicted - reach, predicted + reach], 0, 1)
        axes.fill_between(at_s * 1e3, low, high, color=CALIBRATED, alpha=0.25, lw=0)
        axes.plot(at_s * 1e3, predicted, color=CALIBRATED, lw=2, label="predicted (calibrated hold, client's floor)")
        nominal = _within(at_s - floor_s, min(theory.utilization or 0.0, 1.0), service_s)
        axes.plot(at_s * 1e3, nominal, "--", color=NOMINAL, lw=1.2, label="residual service from the flags, floor")
        share = np.arange(1, len(seen_s) + 1) / max(len(seen_s), 1)
        axes.step(seen_s * 1e3, share, where="post", color=MEASURED, lw=1.4, label="measured, as the client saw it")
        axes.axhline(0.99, color="#999999", lw=0.8, ls=":")
        p99 = f"\np99 {seconds(float(np.percentile(seen_s, 99)))}" if len(seen_s) else ""
        axes.set_title(f"{run.label}, utilization {run.utilization:.2f}{p99}", fontsize=9)
        axes.set_xlabel("query latency, ms")
    panels[0].set_xlim(0, (1.3 * asked[0].prediction.hold_s + asked[0].floor_s) * 1e3)
    panels[0].set_ylim(0, 1.02)
    panels[0].set_ylabel("share of questions answered")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)


def _busy_while_asked(run: Run) -> float:
    """Return the share of the time from the first question to the last in which there was a message in service."""
    asked = run.measured.queries
    if asked is None or len(asked) < 2:
        return min(run.utilization, 1.0)
    begin_s, end_s = float(asked.arrival_s[0]), float(asked.arrival_s[-1])
    served_s = np.minimum(run.predicted.finish_s, end_s) - np.maximum(run.predicted.start_s, begin_s)
    return float(np.maximum(served_s, 0.0).sum()) / (end_s - begin_s)


def _within(waited_s: Seconds, busy: float, hold_s: float) -> Seconds:
    """Return the share of questions that wait no longer: none below 0, those that find the thread idle at 0."""
    return np.where(waited_s < 0, 0.0, 1 - busy * np.clip(1 - waited_s / hold_s, 0, 1))


def _cost(figure: "Figure", runs: Sequence[Run]) -> None:
    axes = figure.subplots()
    rates = [run.case.asking.rate_per_s if run.case.asking else 0.0 for run in runs]
    _theory_of_cost(axes, runs[int(np.argmax(rates))], 1.2 * max(rates))
    bands = np.array([run.prediction.band(MEAN) for run in runs]) * 1e3
    predicted, measured = np.array([run.values(MEAN) for run in runs]).T * 1e3
    reach = np.abs(bands.T - predicted)
    axes.errorbar(
        rates,
        predicted,
        reach,
        fmt="s",
        color=CALIBRATED,
        ms=7,
        capsize=5,
        label="predicted for these runs (calibrated)",
    )
    axes.plot(rates, measured, "o", color=MEASURED, ms=5, label="measured")
    axes.set_title(f"{digits(runs[0].rate_per_s)} messages/s, beside more and fewer questions")
    axes.set_xlabel("questions/s over HTTP")
    axes.set_ylabel("mean latency of messages, ms")
    axes.set_ylim(bottom=0)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=4)


def _theory_of_cost(axes: "Axes", run: Run, most_per_s: float) -> None:
    if run.workload.arrivals != "poisson" or not run.answer_s or not most_per_s:
        return
    rates = np.linspace(0.0, most_per_s, 60)
    queues = [queue for rate in rates if (queue := shared(run, float(rate))).stable]
    service_s = run.workload.service_s or 0.0
    cobham, mixed = [queue.latency_mean_s[-1] * 1e3 for queue in queues], [queue.fifo_wait_mean_s for queue in queues]
    rates = rates[: len(queues)]
    axes.plot(rates, cobham, "--", color=NOMINAL, lw=1.2, label="theory: answered first (Cobham)")
    axes.plot(rates, [(wait_s + service_s) * 1e3 for wait_s in mixed], ":", color=NOMINAL, lw=1.5, label="fifo mix")


def _policies(figure: "Figure", runs: Sequence[Run]) -> None:
    panels = np.atleast_1d(figure.subplots(1, len(runs), sharex=True, sharey=True))
    for axes, run in zip(panels, runs, strict=True):
        _theory_of_policy(axes, run)
        for trajectory, color, width, label in (
            (run.predicted.queries, CALIBRATED, 3.0, "predicted (calibrated)"),
            (run.measured.queries, MEASURED, 1.2, "measured"),
        ):
            if trajectory is None or not len(trajectory):
                continue
            latency_s = np.sort(trajectory.latency_s)
            longer = 1.0 - np.arange(len(latency_s)) / len(latency_s)
            axes.step(latency_s * 1e3, longer, where="post", color=color, lw=width, label=label)
        mean, p99 = QUERY_MEAN.of(run.measured), QUERY_P99.of(run.measured)
        axes.set_title(f"{run.label}: mean {seconds(mean)}, p99 {seconds(p99)}")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("query latency, ms")
    panels[0].set_ylabel("share of questions that took longer")
    panels[0].set_ylim(1e-3, 1.2)
    panels[0].set_xlim(left=0)  # only now that all have been painted: the axis is shared
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)


def _theory_of_policy(axes: "Axes", run: Run) -> None:
    """Paint the share of questions that wait longer, where a formula knows it: not of those that wait for idleness."""
    rate, service_s, policy = run.rate_per_s, run.workload.service_s or 0.0, run.workload.query_policy
    if run.workload.arrivals != "poisson" or rate * service_s >= 1 or policy == "idle":
        return
    shares = np.geomspace(rate * service_s, 1e-3, 60)
    wait = MD1(rate, service_s).wait
    waits_s = [
        service_s * (1 - share / (rate * service_s)) if policy == "first" else float(wait.isf(float(share)))
        for share in shares
    ]
    label = "theory of waiting from the flags (steady state)"
    axes.plot(np.array(waits_s) * 1e3, shares, "--", color=NOMINAL, lw=1.2, label=label)
