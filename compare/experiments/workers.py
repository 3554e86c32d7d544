"""10, 100, 1000 state machines: what their number, their making, their popularity and their size change."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from compare.case import Asking, Case
from compare.drawing.workers import draw_number, draw_popularity, draw_size, held_s
from compare.experiment import Options, Run
from compare.judge import judge, judge_run, point, ratio_of_means
from compare.metric import MEAN, RATE, SHARE, THROUGHPUT, Metric
from compare.predict import Prediction
from compare.verdict import AGREES, DIFFERS, INCONCLUSIVE, LIMIT_TOLERANCE, Numbers, Point, latency_tolerance
from sim import Trajectory, Workload
from sim.estimate import BATCHES, STUDENT
from sim.recording import NS
from sim.units import digits, percent, seconds

QUESTION = "10 → 100 → 1000 state machines: does it matter, and why not?"
TRIED = (
    "The same messages at the same instants for ten, a hundred and a thousand workers; made beforehand instead of on "
    "their first message; some much more popular than others; and with states of a thousand keys, copied for questions "
    "in the process, and written as JSON too for those over HTTP."
)
RULES = (
    "That means are equal has to be shown: AGREES only where the whole 95 % interval of the ratio of mean latencies to "
    "the first run's (same arrivals, paired in ten batches: two one-sided tests) is within ±5 %, DIFFERS where all of "
    "it is beyond, else INCONCLUSIVE. Latency against its prediction, and that of large states against small: 5 % up "
    "to a utilization of 0.8, 10 % up to 0.95. What a worker gets: 1 %. Memory in proportion to workers: 5 %."
)

# Messages of a run, of a run with a client, which takes a second to begin, and numbers of workers as times --workers.
FULL, QUICK = (900, 900, (1, 10, 100)), (110, 240, (1, 100))
MOST_WORKERS, MOST_LARGE = 100_000, 100  # the latter with large states
LOAD = 0.6  # of the nominal limit
SMALL, LARGE = 10, 990  # keys of a state, besides the ten that messages bring
QUESTIONS_PER_S, COPY_S = 100.0, 5e-6  # the latter is what theory takes a copy for
EQUAL, MEMORY_TOLERANCE = 0.05, 0.05
RATIO = Metric("latency_ratio.mean", "÷ the first's", MEAN.of, SHARE)
SIZE = Metric("latency_ratio.state_size", "÷ small states'", MEAN.of, SHARE)
MEMORY = Metric("memory_per_worker_bytes", "memory a worker", MEAN.of, " B")
# The processor is no part of this process, so its memory is counted in another: states of ten keys.
_COUNTING = """
import json, sys, tracemalloc
from real.message import Message
from real.router import Router

def filled(workers):
    router = Router(lambda message, began_ns: None, (f"w{number}" for number in range(workers)))
    for name, machine in router.machines.items():
        for keys in (range(5), range(5, 10)):
            machine.process_message(Message(name, [{"op": "increment", "key": f"k{key}"} for key in keys]))
    return router

def counted(workers):
    tracemalloc.start()
    kept = filled(workers)
    found = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return found

filled(100)  # the first time, Python makes more than the states
print(json.dumps([counted(int(workers)) for workers in sys.argv[1:]]))
"""


def cases(options: Options) -> list[Case]:
    """Return the runs: numbers of workers, then what else could matter; as many messages have the first's arrivals."""
    messages, asked, times = QUICK if options.quick else FULL
    numbers = sorted({min(factor * options.workers, MOST_WORKERS) for factor in times})
    most, few, asking = numbers[-1], min(options.workers, MOST_LARGE), Asking(QUESTIONS_PER_S, options.seed)
    other = "zipf:1.1" if options.popularity == "uniform" else "uniform"
    copying: dict[str, Any] = {"query_rate_per_s": QUESTIONS_PER_S, "query_service_s": COPY_S}

    def workload(workers: int, count: int = messages, **changes: Any) -> Workload:
        return options.workload(LOAD / options.service_s, count, workers=workers, **changes)

    made = [
        *(Case(f"{count:,} worker{'s' * (count > 1)}", workload(count)) for count in numbers),
        Case(f"{most:,}, eager", workload(most), allocate="eager"),
        Case(f"{most:,}, {other}", workload(most, popularity=other)),
        Case("1,000 keys, copied", workload(few, **copying), "sleep", "eager", LARGE),
        Case("20 keys, HTTP", workload(few, asked), "sleep", "eager", SMALL, asking),
        Case("1,000 keys, HTTP", workload(few, asked), "sleep", "eager", LARGE, asking),
    ]
    return [*(one for one in made if one.allocate == "lazy"), made[-1]] if options.quick else made


def hypothesis(predictions: Sequence[Prediction]) -> str:
    """Return what is expected: a message waits for the thread, whoever it is for."""
    first = predictions[0]
    numbers = (found.workload.workers for found in predictions if _is_number(found.case))
    shares = ", ".join(f"{digits(first.offered_per_s / count)}/s of {count:,}" for count in numbers)
    asked = ", ".join(
        f"{seconds(found.scene.rules.answer_ns / NS)} and {seconds(MEAN.of(found.trajectory))} ({found.case.label})"
        for found in predictions
        if _is_asked(found.case)
    )
    return (
        f"A message waits for the thread, never for its worker: mean latency is {seconds(MEAN.of(first.trajectory))} "
        f"with any number of them, and each gets its part of one throughput ({shares}). What a state's size costs is "
        f"what an answer holds the thread for; that and mean latency are {asked}."
    )


def judge_points(runs: Sequence[Run]) -> list[Point]:
    """Return latency, whether it is equal, and what a worker gets and takes."""
    first, points = runs[0], list[Point]()
    small = next((run for run in runs if run.case.asking and run.case.state_keys == SMALL), None)
    for run in runs:
        points += judge_run(run) if run is first else [judge(run, MEAN, latency_tolerance(run.utilization))]
        if run is not first and not run.case.asking:
            points.append(equivalent(run, first))
        if small and run.case.asking and run is not small:
            points.append(point(run, SIZE, ratio_of_means(run, small), latency_tolerance(run.utilization)))
        if _is_number(run.case):
            points.append(judge(run, per_worker(run.workload.workers), LIMIT_TOLERANCE))
    return [*points, in_proportion(_numbers(runs)[-1])]


def per_worker(workers: int) -> Metric:
    """Return the throughput that one of so many workers gets on average."""
    return Metric(
        "throughput_per_worker_per_s",
        "a worker gets",
        lambda run: THROUGHPUT.of(run) / workers,
        RATE,
        lambda theory, offered_per_s: min(theory.capacity_per_s, offered_per_s) / workers,
    )


def ratio_interval(run: Trajectory, to: Trajectory) -> tuple[float, float]:
    """Return the 95 % interval of the ratio of two runs' mean latencies, by batches of the same messages.

    The ratio estimator's (Cochran 1977, Sampling Techniques, 6.4): what batches differ by once the ratio is taken out.
    """
    each = len(run) // BATCHES
    if not each:
        return 0.0, 2.0  # too few to tell
    mine, theirs = (one.latency_s[-each * BATCHES :].reshape(BATCHES, each).mean(axis=1) for one in (run, to))
    ratio = float(mine.mean() / theirs.mean())
    reach = STUDENT * float(np.std(mine - ratio * theirs, ddof=1)) / BATCHES**0.5 / float(theirs.mean())
    return ratio - reach, ratio + reach


def equivalent(run: Run, to: Run) -> Point:
    """Return whether a run's mean latency is shown to be another's: two one-sided tests, not a failure to differ."""
    numbers = replace(ratio_of_means(run, to), scale=1.0)
    low, high = ratio_interval(run.measured, to.measured)
    word, reason = equivalence(low, high, numbers)
    told = point(run, RATIO, numbers, EQUAL, 1.0, {"estimate": numbers.measured, "low": low, "high": high})
    return replace(told, word=word, reason=reason)


def equivalence(low: float, high: float, numbers: Numbers) -> tuple[str, str]:
    """Return the word for a ratio that is between `low` and `high` with 95 %, and its reason."""
    span = f"between {percent(low - 1, signed=True)} and {percent(high - 1, signed=True)} off with 95 %"
    if low >= 1 - EQUAL and high <= 1 + EQUAL:
        return AGREES, f"{span}: all within ±{percent(EQUAL)}"
    if high >= 1 - EQUAL and low <= 1 + EQUAL:
        return INCONCLUSIVE, f"{span}: not all within ±{percent(EQUAL)}"
    if numbers.adjusted is not None and abs(numbers.measured - numbers.adjusted) <= EQUAL:
        return INCONCLUSIVE, f"{span}; the logged stalls make it {percent(numbers.adjusted - 1, signed=True)}"
    return DIFFERS, f"{span}: all beyond ±{percent(EQUAL)}"


def in_proportion(run: Run) -> Point:
    """Return the memory a worker takes, against what a quarter and a half as many say: each more takes as much."""
    workers = [run.workload.workers // 4, run.workload.workers // 2, run.workload.workers]
    command = [sys.executable, "-c", _COUNTING, *map(str, workers)]
    quarter, half, counted = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    each = (half - quarter) / (workers[1] - workers[0])
    predicted = (half + each * (workers[2] - workers[1])) / workers[2]
    told = Numbers(predicted, (predicted, predicted), counted / workers[2], predicted)
    return point(run, MEMORY, told, MEMORY_TOLERANCE)


def answer(runs: Sequence[Run], points: Sequence[Point]) -> str:
    """Return the answer in a few sentences, with the numbers of these runs."""
    first, made = runs[0], runs[0].measurement.document["instruments"]["allocation"]
    ratios = [one for one in points if one.metric == RATIO.name]
    changed = ", ".join(f"{percent(one.measured - 1, signed=True)} ({one.label})" for one in ratios)
    shown = sum(one.word == AGREES for one in ratios)
    gets = ", ".join(f"{digits(_share(run))}/s with {run.label}" for run in _numbers(runs))
    memory = ", ".join(f"{digits(one.measured)} bytes" for one in points if one.metric == MEMORY.name)
    asked = ", ".join(
        f"{seconds(held_s(run))} and {seconds(MEAN.of(run.measured))} ({run.label}; predicted "
        f"{seconds(MEAN.of(run.predicted))})"
        for run in runs
        if _is_asked(run.case)
    )
    return (
        f"{_in_short(runs, ratios)}\n"
        f"Against {seconds(MEAN.of(first.measured))} with {first.label}, mean latency changed by {changed}: {shown} of "
        f"{len(ratios)} shown to be within ±{percent(EQUAL)}. All share one thread: a worker gets {gets}, and takes "
        f"{memory}. Its first message costs {seconds(made['first_s'])} of routing, later ones "
        f"{seconds(made['later_s'])}: that is what eager allocation spares. A state's size is paid for by asking: at "
        f"{digits(QUESTIONS_PER_S)} questions/s an answer's hold and the messages' mean latency were {asked}."
    )


def _in_short(runs: Sequence[Run], ratios: Sequence[Point]) -> str:
    """Say whether the number of workers matters, as far as their means were shown to be equal."""
    numbers = _numbers(runs)
    words = {one.word for one in ratios if one.label in [run.label for run in numbers]}
    means = ", ".join(f"{seconds(MEAN.of(run.measured))} with {run.label}" for run in numbers)
    within = f"within ±{percent(EQUAL)}"
    if words == {AGREES}:
        return f"No, since all wait for the one thread: mean latency was {means}, equal {within}."
    if DIFFERS in words:
        return f"It does: mean latency was {means}, and that is not equal {within}."
    return f"Too noisy to say: mean latency was {means}, not shown to be equal {within}."


def facts(runs: Sequence[Run]) -> dict[str, float]:
    """Return what a worker gets, by number of workers (messages/s), and what its first message and later ones cost."""
    made = runs[0].measurement.document["instruments"]["allocation"]
    found = {f"{run.workload.workers}.throughput_per_worker_per_s": _share(run) for run in _numbers(runs)}
    found["throughput_per_worker_per_s"] = _share(runs[0])
    return found | {"first_s": made["first_s"], "later_s": made["later_s"]}


def figures(directory: Path, runs: Sequence[Run], points: Sequence[Point]) -> dict[str, str]:
    """Draw whether means are equal, what a worker gets and takes, and what popularity and size change."""
    ratios = [one for one in points if one.metric == RATIO.name]
    skewed = max(runs, key=lambda run: (run.workload.popularity != "uniform", run.workload.workers))
    drawn = draw_number(directory, _numbers(runs), ratios) | draw_popularity(directory, skewed)
    return drawn | draw_size(directory, [run for run in runs if _is_asked(run.case)], runs[0])


def _is_number(case: Case) -> bool:
    return case.label.endswith((" worker", " workers"))


def _is_asked(case: Case) -> bool:
    return case.asking is not None or case.workload.query_rate_per_s > 0


def _numbers(runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if _is_number(run.case)]


def _share(run: Run) -> float:
    return THROUGHPUT.of(run.measured) / run.workload.workers
