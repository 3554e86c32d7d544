"""The same messages on 1, 2 and 4 threads, in a child process of their own: the processor itself has one."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from compare.case import COMPUTES, Case
from compare.drawing.gil import drawn
from compare.experiment import Options, Run
from compare.judge import judge_latency, point
from compare.machine.threads import WORKS
from compare.metric import MEAN, SHARE, THROUGHPUT, Metric
from compare.predict import Prediction
from compare.verdict import DIFFERS, INCONCLUSIVE, LIMIT_TOLERANCE, Numbers, Point
from sim.theory import MDc
from sim.units import digits, percent, seconds

QUESTION = "Would threads have helped?"
TRIED = (
    "The same work in a child process with 1, 2 and 4 threads that take messages from one queue: more than they can "
    "do, sleeping, computing, and half of each; and, sleeping, three quarters of what that many threads can do. Not "
    "tried is precise work: spinning until an instant is no computation that has to be done, so threads would only "
    "seem to help."
)
RULES = (
    "Sleeping: throughput of n threads at five times what they can do 1 %, latency below the limit 5 % up to a "
    "utilization of 0.8, 10 % up to 0.95. Where threads compute only more than predicted is a miss, less is shown and "
    "not judged: the GIL sets a most, and how much of that threads lose by getting in each other's way nobody has "
    "calibrated. Computing: at most 1 % more than one thread, with at most one processor busy, within 1 %; half of "
    "each: at most 1/(D/2), twice one thread. Without a GIL as many compute as there are threads and cores. More is "
    "INCONCLUSIVE if no more processors than that were busy: then a message took less processor time than with one "
    "thread, or that one was not left alone: the machine has changed."
)

QUICK_WORKS = ("sleep", "cpu")
THREADS, QUICK_THREADS = (1, 2, 4), (1, 4)
STEADY_THREADS, QUICK_STEADY_THREADS = (2, 4), (2,)
LIMIT_LOAD, STEADY_LOAD = 5.0, 0.75  # as shares of what so many sleeping threads can do, nominally
A_THREAD, QUICK_A_THREAD = 400, 55  # messages each sleeping thread has at the limit, and all computing ones together
STEADY, QUICK_STEADY = 750, 50  # messages that each thread has below it
# Neither is a number of one trajectory: the one is of two runs, the other what the processor's clock says.
GAIN = Metric("gain", "times one thread", lambda run: np.nan, SHARE)
BUSY = Metric("processors_busy", "processors busy", lambda run: np.nan, SHARE)


def cases(options: Options) -> list[Case]:
    """Return the runs: at the limit for each kind of work and number of threads, and steady ones that sleep."""
    each = QUICK_A_THREAD if options.quick else A_THREAD
    made = []
    for work in QUICK_WORKS if options.quick else WORKS:
        few = options.quick or work == "mixed"
        for threads in QUICK_THREADS if few else THREADS:
            rate, messages = LIMIT_LOAD * threads / options.service_s, each * (threads if work == "sleep" else 1)
            workload = options.workload(min(rate, 1e6), messages, arrivals="deterministic")
            made.append(Case(f"{work} × {threads}", workload, work, threads=threads))
    for threads in QUICK_STEADY_THREADS if options.quick else STEADY_THREADS:
        rate = STEADY_LOAD * threads / options.service_s
        workload = options.workload(rate, (QUICK_STEADY if options.quick else STEADY) * threads)
        made.append(Case(f"sleep × {threads}, {rate:g}/s", workload, threads=threads))
    return made


def hypothesis(predictions: Sequence[Prediction]) -> str:
    """Return what is expected of threads that sleep, of threads that compute, and of latency."""
    most = {found.case.work: found for found in predictions if not found.case.label.endswith("/s")}
    # By their rates: where sleeping ends very late, even these may be too fast.
    steady = next(found for found in predictions if found.case.label.endswith("/s"))
    servers = {work: found.theory.servers for work, found in most.items()}
    half = f"; that do half of each, at most {servers['mixed']} times as much" if "mixed" in most else ""
    return (
        f"{most['sleep'].case.threads} threads that sleep process {servers['sleep']} times as much as one; that "
        f"compute, {'as much as one' if servers['cpu'] == 1 else f'{servers["cpu"]} times as much'}{half}. At "
        f"{steady.case.label} the mean latency is {seconds(MEAN.of(steady.trajectory))}: M/D/{steady.case.threads} "
        "waits less than M/D/1 at the same load a thread."
    )


def judge_points(runs: Sequence[Run]) -> list[Point]:
    """Return throughput and latency of threads that sleep; what computing gains from more, and keeps busy."""
    points = []
    for run in runs:
        if not _at_limit(run):
            points += judge_latency(run)
        elif run.case.threads == 1:  # what the others are held against
            continue
        elif run.case.work == "sleep":
            points.append(_throughput(run))
        else:
            points += [_gain(run, _one(runs, run)), _busy(run)]
    return points


def _at_limit(run: Run) -> bool:
    return not run.label.endswith("/s")


def _one(runs: Sequence[Run], run: Run) -> Run:
    """Return the run of one thread that has the same to do."""
    return next(one for one in runs if one.case.threads == 1 and one.case.work == run.case.work and _at_limit(one))


def _times(run: Run, one: Run) -> float:
    return THROUGHPUT.of(run.measured) / THROUGHPUT.of(one.measured)


def _throughput(run: Run) -> Point:
    """Return the throughput of threads that sleep; a logged stall takes no more of it than of the time."""
    predicted, measured = run.values(THROUGHPUT)
    low, high = run.prediction.band(THROUGHPUT)
    noise = run.measurement.noise
    adjusted = predicted * (1 - noise.stalled_s / noise.seconds_s) if noise.stalls else None
    stalls = f"the machine stalled for {seconds(noise.stalled_s)} in all"
    numbers = Numbers(predicted, (low, high), measured, predicted, adjusted, stalls)
    return point(run, THROUGHPUT, numbers, LIMIT_TOLERANCE, run.theory(THROUGHPUT))


def _gain(run: Run, one: Run) -> Point:
    """Return how many times as much threads computed as one did: no gain of theirs, if no more processors were busy."""
    judged = _at_most(run, GAIN, _times(run, one), _most_times(run), run.prediction.theory.servers)
    if judged.word != DIFFERS or _processors(run) > _computing(run) * (1 + LIMIT_TOLERANCE):
        return judged
    reason = f"{judged.reason}; {_busily(run)}, with one thread {_busily(one)}: the machine has changed"
    return replace(judged, word=INCONCLUSIVE, reason=reason)


def _most_times(run: Run) -> float:
    """Return how many times as much as one thread so many can do: none sleeps for as long as one is calibrated to."""
    if run.case.work != "mixed":
        return float(run.prediction.theory.servers)
    computed_s = COMPUTES["mixed"] * (run.workload.service_s or 0.0)
    return min(_computing(run) * run.prediction.hold_s / computed_s, float(run.case.threads or 1))


def _computing(run: Run) -> float:
    """Return how many threads can compute at once: one under the GIL."""
    return run.prediction.theory.servers * COMPUTES[run.case.work]


def _busy(run: Run) -> Point:
    """Return how many processors were busy, in the mean of the time."""
    return _at_most(run, BUSY, _processors(run), _computing(run), _computing(run))


def _processors(run: Run) -> float:
    return _cpu_s(run) * THROUGHPUT.of(run.measured)


def _at_most(run: Run, metric: Metric, measured: float, most: float, theory: float) -> Point:
    """Return a point that DIFFERS only by being more than predicted."""
    numbers = Numbers(most, (most, most), measured, most)
    judged = point(run, metric, replace(numbers, measured=max(measured, most)), LIMIT_TOLERANCE, theory)
    if measured >= most:
        return judged
    less = f"{percent(-numbers.error)} less than at most {digits(most)}"
    off = measured / theory - 1
    return replace(judged, measured=measured, path_error=numbers.error, ensemble_error=off, reason=less)


def _cpu_s(run: Run) -> float:
    """Return the processor time of a message."""
    cpu_s: float = run.measurement.document["run"]["cpu_s"]
    return cpu_s / len(run.measured)


def answer(runs: Sequence[Run], points: Sequence[Point]) -> str:
    """Return the answer in a few sentences, with the numbers of these runs."""
    sleeping, computing = (_most(runs, work) for work in ("sleep", "cpu"))
    gained, times = (_times(run, _one(runs, run)) for run in (sleeping, computing))
    gil = "under the GIL" if computing.measurement.document["environment"]["gil"] else "without a GIL"
    helps, gains = gained > 1 + LIMIT_TOLERANCE, _processors(computing) > 1 + LIMIT_TOLERANCE
    steady = [run for run in runs if not _at_limit(run)]
    latency = " and ".join(f"{seconds(MEAN.of(run.measured))} with {_threads(run)}" for run in steady)
    short, long = _half(runs, gil)
    return (
        f"Sleeping, {'yes' if helps else 'no'}: {_threads(sleeping)} process {digits(gained)} times as much as one; "
        f"computing, {'yes' if gains else 'no'}: {digits(times)} times, {gil}{short}.\n"
        f"{_threads(sleeping)} that sleep processed {digits(gained)} times as much as one: for work that waits, "
        f"threads {'help' if helps else 'do not help'}. {_threads(computing)} that compute processed {digits(times)} "
        f"times as much as one, {gil} with {_busily(computing)}, against {_busily(_one(runs, computing))} with one: "
        f"for work that computes they gain {'something' if gains else 'nothing'}.{long} Sleeping, at three quarters of "
        f"what the threads can do, the mean latency was {latency}{_of_one(steady[0])}."
    )


def _half(runs: Sequence[Run], gil: str) -> tuple[str, str]:
    """Say what threads gain of which each computes half a message and sleeps the other, where that was tried."""
    if "mixed" not in {run.case.work for run in runs}:
        return "", ""
    run = _most(runs, "mixed")
    times = digits(_times(run, _one(runs, run)))
    return f"; half of each, {times} times", (
        f" {_threads(run)} that do half of each processed {times} times as much as one, at most "
        f"{digits(_most_times(run))} times, {gil} with {_busily(run)}: they sleep side by side."
    )


def _busily(run: Run) -> str:
    return f"{digits(_processors(run))} of the processors busy for {seconds(_cpu_s(run))} a message"


def _of_one(run: Run) -> str:
    """Say what mean latency one thread at the same load would have, where theory knows."""
    if run.workload.arrivals != "poisson":
        return ""
    service_s = run.workload.service_s or 0.0
    return f"; M/D/1 has {seconds(float(MDc(STEADY_LOAD / service_s, service_s, 1).latency.mean()))}"


def _most(runs: Sequence[Run], work: str) -> Run:
    return max((run for run in runs if run.case.work == work and _at_limit(run)), key=lambda run: run.case.threads or 0)


def _threads(run: Run) -> str:
    return f"{run.case.threads} thread{'s' if run.case.threads != 1 else ''}"


def facts(runs: Sequence[Run]) -> dict[str, Any]:
    """Return by work and number of threads: messages/s, times one thread and the most it can be, processors busy."""
    return {
        run.label: {
            "throughput_per_s": THROUGHPUT.of(run.measured),
            "times_one_thread": _times(run, _one(runs, run)),
            "most_times_one_thread": _most_times(run),
            "processors_busy": _processors(run),
        }
        for run in runs
        if _at_limit(run)
    }


def figures(directory: Path, runs: Sequence[Run], points: Sequence[Point]) -> dict[str, str]:
    """Draw what threads gain, whose turn it is, and latency."""
    limits, steady = ([run for run in runs if _at_limit(run) is wanted] for wanted in (True, False))
    # As it is judged: a machine may compute at another pace than in the calibration, on one thread too.
    most = {
        run.label: _most_times(run) * THROUGHPUT.of(_one(runs, run).measured)
        for run in limits
        if COMPUTES[run.case.work]
    }
    # A machine that computes faster meanwhile makes threads look like a gain.
    paced = {
        run.label: THROUGHPUT.of(run.measured) * _cpu_s(run) / _cpu_s(_one(runs, run))
        for run in limits
        if COMPUTES[run.case.work] == 1.0
    }
    return drawn(directory, limits, steady, most, paced)
