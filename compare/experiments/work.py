"""Sleeping, computing, half of each, or until an instant: what holds the thread for longer than was asked for."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from compare.case import COMPUTES, Case
from compare.drawing.work import drawn
from compare.experiment import Options, Run
from compare.judge import judge_latency, judge_limit, point
from compare.metric import SHARE, THROUGHPUT, Metric
from compare.predict import Prediction
from compare.verdict import NEAR_THE_LIMIT, Numbers, Point
from sim import Trajectory
from sim.summary import Seconds
from sim.units import digits, percent, seconds

QUESTION = (
    "Sleep, computation, mixture, precise: why is real throughput below 1/D, and is processing CPU-bound, as one hears?"
)
TRIED = (
    "The same messages with work that sleeps, computes, does half of each, or spins until its time is over (precise): "
    "once at three quarters of the nominal limit, once at five times as much as it. At the former the thread is asked "
    "for states 20 times a second meanwhile, in process, and answers before it takes the next message."
)
RULES = (
    "Latency mean, p50, p95, p99: 5 % up to a utilization of 0.8, 10 % up to 0.95; theory is of messages that nobody "
    "asks beside, and what questions cost them has a part of its own, cause by cause. Throughput at five times the "
    "limit: 1 %. Share of processing spent computing, of what the kind of work has it: 5 percentage points, and 0.1 "
    "ms a message for waking up. What is computed is as many rounds as in the calibration, however fast the machine is "
    "now."
)

QUICK_WORKS = ("sleep", "cpu", "precise")
STEADY_LOAD, LIMIT_LOAD = 0.75, 5.0  # as shares of the nominal limit
MESSAGES, QUICK_MESSAGES = 1300, 130  # of a run below the limit
AT_LIMIT, QUICK_AT_LIMIT = 550, 70  # and of one above it
SHARE_TOLERANCE, WAKING_S = 0.05, 1e-4
# Of a steady run: questions a second, and what theory takes a copy of a state for.
QUESTIONS_PER_S, COPY_S = 20.0, 5e-6
# What the processor's clock says is in no trajectory, but in what the real thing tells of the run.
CPU_SHARE = Metric("cpu_share", "computing", lambda run: np.nan, SHARE)


def cases(options: Options) -> list[Case]:
    """Return two runs for each kind of work: a steady one, and one that has always something to do."""
    steady, limit = (QUICK_MESSAGES, QUICK_AT_LIMIT) if options.quick else (MESSAGES, AT_LIMIT)
    rate, most = (load / options.service_s for load in (STEADY_LOAD, LIMIT_LOAD))
    made, asking = [], {"query_rate_per_s": QUESTIONS_PER_S, "query_service_s": COPY_S, "query_policy": "first"}
    for work in QUICK_WORKS if options.quick else COMPUTES:
        made.append(Case(f"{work} {rate:g}/s", options.workload(rate, steady, **asking), work))
        made.append(Case(f"{work} limit", options.workload(most, limit, arrivals="deterministic"), work))
    return made


def hypothesis(predictions: Sequence[Prediction]) -> str:
    """Return what is expected: how long each kind of work holds the thread, and how much of that is computing."""
    limits = [found for found in predictions if found.utilization >= NEAR_THE_LIMIT[1]]
    holds = [f"{one.case.work} {seconds(one.hold_s, 4)}, so {digits(1 / one.hold_s, 4)}/s at most" for one in limits]
    shares = [f"{percent(COMPUTES[one.case.work])} with {one.case.work}" for one in limits]
    return (
        f"A message holds the thread for more than the {seconds(limits[0].workload.service_s)} asked for: "
        f"{'; '.join(holds)}; not {digits(limits[0].theory.capacity_per_s)}/s. The thread computes for "
        f"{_listed(shares)} of the time that it processes."
    )


def judge_points(runs: Sequence[Run]) -> list[Point]:
    """Return latency below the limit; throughput, and the share of computing, above it."""
    points = []
    for run in runs:
        if run in _limits(runs):
            points += [judge_limit(run), _computing(run)]
        else:
            points += judge_latency(_unasked(run))
    return points


def _unasked(run: Run) -> Run:
    """Return a run with the theory of its messages alone: beside questions, percentiles have no closed form."""
    return replace(run, prediction=replace(run.prediction, theory=run.alone))


def _limits(runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if run.utilization >= NEAR_THE_LIMIT[1]]


def _computing(run: Run) -> Point:
    """Return which share of its processing the thread computed."""
    share, took_s = COMPUTES[run.case.work], float(run.measured.processing_s.mean())
    measured = _instruments(run)["cpu_share"] or 0.0
    ready_s = run.measurement.noise.run_delay_s or 0.0
    numbers = Numbers(
        share,
        (share, share),
        measured,
        1.0,
        share * (1 - ready_s / float(run.measured.processing_s.sum())),
        f"for {seconds(ready_s)} the thread stood ready and had no processor",
    )
    return point(run, CPU_SHARE, numbers, SHARE_TOLERANCE + WAKING_S / took_s, share, by_share=False)


def _instruments(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = run.measurement.document["instruments"]
    return found


def answer(runs: Sequence[Run], points: Sequence[Point]) -> str:
    """Return the answer in a few sentences, with the numbers of these runs."""
    limits = _limits(runs)
    asked_for = f"{digits(limits[0].prediction.theory.capacity_per_s)}/s"
    rates = ", ".join(f"{run.case.work} {digits(THROUGHPUT.of(run.measured), 4)}/s" for run in limits)
    reached = ", ".join(f"{run.case.work} {_held(run)}" for run in limits)
    shares = {run.case.work: round(_instruments(run)["cpu_share"] or 0.0, 3) for run in limits}
    computed = [f"{percent(share)} of it with {work}" for work, share in shares.items()]
    bound = _listed([work for work, share in shares.items() if share >= 0.9]) or "none"
    waits = _listed([work for work, share in shares.items() if share <= 0.1]) or "none"
    return (
        f"Throughput is 1/(processing + dispatch), not 1/D = {asked_for}: {rates}; CPU-bound with {bound}.\n"
        f"Processing and dispatch were, with D = {seconds(limits[0].workload.service_s)}: {reached}. While it "
        f"processed, the thread computed for {_listed(computed)}: CPU-bound with {bound}, waiting with {waits}."
        f"{_asked([run for run in runs if run not in limits])}"
    )


def _asked(steady: Sequence[Run]) -> str:
    """Say how many questions came while a message was processed, and whether any was answered meanwhile."""
    found = [answered(run.measured) for run in steady]
    questions, came, meanwhile = (sum(one[name] for one in found) for name in ("questions", "came", "meanwhile"))
    if not questions:
        return ""
    longest_s = max(one["longest_wait_s"] for one in found)
    return (
        f" Of {questions:,} questions {came:,} came while a message was processed, {meanwhile or 'none'} of them was "
        f"answered before that had ended, and the longest waited {seconds(longest_s)}."
    )


def answered(run: Trajectory) -> dict[str, Any]:
    """Return how many questions there were, how many `came` while a message was processed, and what became of them.

    `meanwhile` counts those whose answer began while a message was processed; `longest_wait_s` is of all of them.
    """
    asked = run.queries
    if asked is None or not len(asked):
        return {"questions": 0, "came": 0, "meanwhile": 0, "longest_wait_s": 0.0}
    order = np.argsort(run.start_s)
    start_s, finish_s = run.start_s[order], run.finish_s[order]

    def during(instant_s: Seconds) -> int:
        last = np.searchsorted(start_s, instant_s, side="right") - 1  # the message that began last
        return int(((last >= 0) & (instant_s < finish_s[last])).sum())

    longest_s = float((asked.start_s - asked.arrival_s).max())
    return {
        "questions": len(asked),
        "came": during(asked.arrival_s),
        "meanwhile": during(asked.start_s),
        "longest_wait_s": longest_s,
    }


def _held(run: Run) -> str:
    processing_s, dispatch_s = float(run.measured.processing_s.mean()), _instruments(run)["dispatch_s"]["mean"]
    return f"{seconds(processing_s, 4)} + {seconds(dispatch_s)}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def facts(runs: Sequence[Run]) -> dict[str, Any]:
    """Return by kind of work the limit (messages/s), the hold (s), the share of computing, and what questions met."""
    limits = _limits(runs)
    steady = {run.case.work: answered(run.measured) for run in runs if run not in limits}
    return {
        run.case.work: {
            "limit_per_s": THROUGHPUT.of(run.measured),
            "calibrated_limit_per_s": 1 / run.prediction.hold_s,
            "hold_s": _instruments(run)["hold_s"],
            "calibrated_hold_s": run.prediction.hold_s,
            "cpu_share": _instruments(run)["cpu_share"],
        }
        | {name: value for name, value in steady.get(run.case.work, {}).items() if steady[run.case.work]["questions"]}
        for run in limits
    }


def figures(directory: Path, runs: Sequence[Run], points: Sequence[Point]) -> dict[str, str]:
    """Draw what holds the thread, by kind of work, and the way from theory to the mean latency measured."""
    limits = _limits(runs)
    return drawn(directory, limits, [run for run in runs if run not in limits], points)
