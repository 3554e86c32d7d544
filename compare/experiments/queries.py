"""Questions under load: how long a message holds them up, what they cost the messages, and what a policy changes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from compare.case import Asking, Case
from compare.drawing.queries import asked_s, draw_all, residual_s, shared
from compare.experiment import Options, Run
from compare.explain.causes import as_ns
from compare.judge import judge, judge_growth, point, ratio_of_means
from compare.machine.vacations import with_stalls
from compare.metric import LEAST_MESSAGES, MEAN, P95, P99, QUERY_MEAN, QUERY_P99, Metric
from compare.predict import Prediction
from compare.verdict import NEAR_THE_LIMIT, QUERY_TOLERANCE, Numbers, Point, latency_tolerance
from sim import MD1
from sim.bands import band_of
from sim.recording import NS
from sim.summary import Seconds
from sim.theory import Priority
from sim.units import digits, seconds

QUESTION = "Do queries block messages, or messages queries, and what is p99 of a query under load?"
TRIED = (
    "Questions over HTTP from a process of its own while messages are processed, at loads from a quarter of the limit "
    "to beyond it; the same messages without questions, and with more; and three policies, asked in process."
)
RULES = (
    "Query p99, of fewer than 300 questions p95: 10 % of theory (the rest of the message in service) plus the client's "
    "median floor. Policies, mean and p99: 10 %. Mean latency of messages, and over their mean without questions: 5 % "
    "up to a utilization of 0.8, questions included, 10 % up to 0.95. Growth: 1 % of capacity."
)

LOADS, QUICK_LOADS = (0.25, 0.5, 0.75, 0.9, 1.5), (0.75, 1.5)  # shares of the nominal limit
SECONDS, QUICK_SECONDS = 7.5, 2.6  # the thread is given work for so long; of it 1.2 s are not asked in
PER_S = 60.0  # questions: enough of them for a p99, and less than 2 % of the thread
# What they cost is looked at where they are as many as in the calibration: rare ones find the machine asleep.
BESIDE_LOAD, OFTEN_PER_S = 0.75, 150.0
# In process an answer costs next to nothing. At this load a busy period does not yet hang on a few microseconds.
POLICY_LOAD, POLICY_PER_S = 0.5, 300.0
POLICY_SECONDS, QUICK_POLICY_SECONDS = 6.0, 1.3

MEAN_ASKED, P99_ASKED = replace(QUERY_MEAN, title="query mean"), replace(QUERY_P99, title="query p99")
# What a client sees no trajectory knows.
SEEN_P99 = Metric("queries.seen_p99_s", "query p99", lambda run: np.nan)
SEEN_P95 = Metric("queries.seen_p95_s", "query p95", lambda run: np.nan)
COST = Metric("latency_s.mean_over_alone", "mean / alone", lambda run: np.nan, "")
SEEN = {SEEN_P99: (0.01, LEAST_MESSAGES[P99.name]), SEEN_P95: (0.05, LEAST_MESSAGES[P95.name])}


def cases(options: Options) -> list[Case]:
    """Return the runs asked over HTTP, those beside them that tell what it costs, and the three policies."""
    made = [_case(options, load, PER_S) for load in (QUICK_LOADS if options.quick else LOADS)]
    if not options.quick:
        made += [_case(options, BESIDE_LOAD, 0.0, " alone"), _case(options, BESIDE_LOAD, OFTEN_PER_S, " often")]
    messages = _messages(options, POLICY_LOAD, QUICK_POLICY_SECONDS if options.quick else POLICY_SECONDS)
    rate = POLICY_LOAD / options.service_s
    return made + [
        Case(policy, options.workload(rate, messages, query_rate_per_s=POLICY_PER_S, query_policy=policy))
        for policy in ("first", "fifo", "idle")
    ]


def _case(options: Options, load: float, questions_per_s: float, name: str = "") -> Case:
    rate = load / options.service_s
    messages = _messages(options, load, QUICK_SECONDS if options.quick else SECONDS)
    asking = Asking(questions_per_s, options.seed) if questions_per_s else None
    return Case(f"{rate:g}/s{name}", options.workload(rate, messages), asking=asking)


def _messages(options: Options, load: float, lasting_s: float) -> int:
    return max(round(min(load, 1.0) * lasting_s / options.service_s), 20)


def hypothesis(predictions: Sequence[Prediction]) -> str:
    """Return what is expected of questions, of the messages beside them, and of the policies."""
    asked = [found for found in predictions if found.case.asking and found.case.asking.rate_per_s == PER_S]
    p99s = [f"{seconds(residual_s(0.01, found.utilization, found.hold_s))} at {found.case.label}" for found in asked]
    means = {found.case.label: MEAN.of(found.trajectory) for found in predictions}
    costs = ""
    if len(beside := [label for label in means if label.endswith((" alone", " often"))]) == 2:
        without, often = beside
        costs = f" {OFTEN_PER_S:g} questions a second make the messages' mean latency {seconds(means[often])} "
        costs += f"instead of {seconds(means[without])}."
    policies = [found for found in predictions if found.workload.query_rate_per_s]
    return (
        f"A question waits for the rest of one message, whatever the load: p99 of that is {', '.join(p99s)}; what the "
        f"client sees has its own floor on top.{costs} By policy the mean is "
        f"{', '.join(f'{seconds(QUERY_MEAN.of(found.trajectory))} ({found.case.label})' for found in policies)}."
    )


# -- judging --------------------------------------------------------------------------------------------------------


def judge_points(runs: Sequence[Run]) -> list[Point]:
    """Return what clients saw, what it cost the messages, and what each policy made of it."""
    points = []
    for run in runs:
        if run.workload.query_rate_per_s:
            points += [judge(run, metric, QUERY_TOLERANCE) for metric in _by_policy(run)]
            continue
        if run.case.asking and run.case.asking.rate_per_s == PER_S:
            # The highest percentile that at least three questions are expected to be beyond.
            points += [_judge_seen(run, metric) for metric in SEEN if len(asked_s(run)) >= SEEN[metric][1]][:1]
        points.append(_judge_messages(run))
        if run.label.endswith(" often"):
            alone = next(other for other in runs if other.label.endswith(" alone"))
            points.append(_judge_cost(run, alone))
    return points


def _judge_seen(run: Run, metric: Metric) -> Point:
    """Compare a client's percentile with residual service and its floor; the band is that of so many questions."""
    seen_s, floor_s, tail = asked_s(run), run.floor_s, SEEN[metric][0]
    rng = np.random.default_rng([run.workload.seed, len(seen_s)])
    waits_s = ((replay.queries[1] - replay.scene.query_ns) / NS for replay in run.prediction.runs)
    band = band_of([_all_but(tail, rng.choice(found, len(seen_s))) for found in waits_s if len(found)])
    predicted = residual_s(tail, run.utilization, run.prediction.hold_s) + floor_s
    low, high = (band[0] + floor_s, band[1] + floor_s) if band else (predicted, predicted)
    noise, adjusted = run.measurement.noise, _seen_with_stalls(run, tail)
    stalls = f"the machine stalled {seconds(noise.stalled_s)} in all, {seconds(noise.longest_s)} at once"
    numbers = Numbers(predicted, (low, high), _all_but(tail, seen_s), predicted, adjusted, stalls)
    theory = residual_s(tail, run.prediction.theory.utilization or 0.0, run.workload.service_s or 0.0) + floor_s
    return point(run, metric, numbers, QUERY_TOLERANCE, theory)


def _all_but(tail: float, values_s: Seconds) -> float:
    return float(np.quantile(values_s, 1 - tail))


def _seen_with_stalls(run: Run, tail: float) -> float | None:
    """Return the percentile of the questions asked, with the machine's logged stalls put in; None if there are none.

    A client that stalls asks late: each question is put in when it was really sent, and counts from when it should be.
    """
    asked, table, stalls = run.measured.queries, run.measurement.tables["asked"], run.measurement.noise.stalls
    if asked is None or not stalls or len(asked) != len(table["sent_s"]):
        return None
    sent_s = asked.arrival_s + table["sent_s"] - table["intended_s"]
    scene, in_order = run.prediction.scene.asked_at(as_ns(sent_s)), np.argsort(sent_s, kind="stable")
    found = scene.replay(with_stalls(scene, run.prediction.holds, stalls, sleeps=run.case.work == "sleep"))
    return _all_but(tail, found.queries[1] / NS - asked.arrival_s[in_order]) + run.floor_s


def _judge_messages(run: Run) -> Point:
    """Compare the messages beside the questions: their mean, or above the limit how fast they become more."""
    if run.utilization >= NEAR_THE_LIMIT[1]:
        return judge_growth(run)
    return judge(run, replace(MEAN, nominal=lambda theory, offered_per_s: _cobham_s(run)), _tolerance(run))


def _tolerance(run: Run) -> float | None:
    questions_per_s = run.case.asking.rate_per_s if run.case.asking else 0.0
    return latency_tolerance(run.utilization + questions_per_s * run.answer_s)


def _judge_cost(run: Run, alone: Run) -> Point:
    """Compare two runs' mean latencies, of the same messages with questions and without."""
    numbers = ratio_of_means(run, alone)
    with_them, none = _cobham_s(run), _cobham_s(alone)
    return point(run, COST, numbers, _tolerance(run), with_them / none if with_them and none else None)


def _cobham_s(run: Run) -> float | None:
    """Return the messages' mean latency from the flags, questions first (Cobham 1954); None without a steady state."""
    found = _steady(run)
    return None if found is None else found.latency_mean_s[-1]


def _steady(run: Run) -> Priority | None:
    found = shared(run) if run.workload.arrivals == "poisson" else None
    return found if found and found.stable else None


def _by_policy(run: Run) -> list[Metric]:
    """Return mean and p99 of queries, with what theory has to say of this policy (Cobham, Pollaczek–Khinchine)."""
    found = _steady(run)
    if found is None:
        return [MEAN_ASKED, P99_ASKED]
    rate, service_s = run.rate_per_s, run.workload.service_s or 0.0
    wait_s, p99_s = {
        "first": (found.wait_of(0), residual_s(0.01, rate * service_s, service_s)),
        "fifo": (found.fifo_wait_mean_s, float(MD1(rate, service_s).wait.isf(0.01))),
        "idle": (Priority(found.classes[::-1]).wait_of(1), None),
    }[run.workload.query_policy]
    mean_s = wait_s + run.answer_s
    return [
        replace(MEAN_ASKED, nominal=lambda theory, offered_per_s: mean_s),
        replace(P99_ASKED, nominal=lambda theory, offered_per_s: p99_s),
    ]


# -- what is told ---------------------------------------------------------------------------------------------------


def answer(runs: Sequence[Run], points: Sequence[Point]) -> str:
    """Return the answer in a few sentences, with the numbers of these runs."""
    seen = [found for found in points if found.metric in (SEEN_P99.name, SEEN_P95.name)]
    asked = [run for run in runs if run.case.asking]
    each = ", ".join(f"{seconds(found.measured)} at {found.label} ({seconds(found.predicted)})" for found in seen)
    rank = seen[0].title[-3:] if seen else ""
    told = f"Both: a question waits for the rest of a message{_at_the_most(seen)}, and a message for answers, "
    told += f"{seconds(asked[0].answer_s)} each.\n"
    told += f"{rank} of a question was {each}; in brackets: rest of a message, and the client's floor. " if seen else ""
    told += f"In turn an answer keeps the thread for about {seconds(asked[0].answer_s)}"
    for cost in (found for found in points if found.metric == COST.name):
        told += f": asked {OFTEN_PER_S:g} times a second, messages took {digits(cost.measured)} times as long as alone"
        told += f" (predicted: {digits(cost.predicted)})"
    by_policy = [run for run in runs if run.workload.query_rate_per_s]
    means = ", ".join(f"{seconds(QUERY_MEAN.of(run.measured))} ({run.label})" for run in by_policy)
    put, heard = _counted(asked)
    return f"{told}. By policy a question took {means} on average. {heard:,} of {put:,} questions were answered."


def _at_the_most(seen: Sequence[Point]) -> str:
    """Say what the highest percentile of questions was, of all loads."""
    if not seen:
        return ""
    most = max(seen, key=lambda found: found.measured)
    return f" ({most.title[-3:]} at most {seconds(most.measured)}, at {most.label})"


def _counted(asked: Sequence[Run]) -> tuple[int, int]:
    """Return how many questions were put and how many answered: those that were not are in no percentile."""
    put = sum(len(run.measurement.tables["asked"]["latency_s"]) for run in asked)
    return put, sum(len(asked_s(run)) for run in asked)


def facts(runs: Sequence[Run]) -> dict[str, float]:
    """Return the client's floor and what an answer costs, s; questions put and answered; by run the client's p99, s."""
    asked = [run for run in runs if run.case.asking]
    p99_s = {f"p99_s, {run.label}": float(np.percentile(asked_s(run), 99)) for run in asked if len(asked_s(run))}
    (put, heard), first = _counted(asked), asked[0]
    return {"floor_s": first.floor_s, "answer_s": first.answer_s, "questions": put, "answers": heard} | p99_s


def figures(directory: Path, runs: Sequence[Run], points: Sequence[Point]) -> dict[str, str]:
    """Draw how long questions took at each load, what they cost the messages, and what each policy makes of it."""
    asked = [run for run in runs if run.case.asking and run.case.asking.rate_per_s == PER_S]
    load = BESIDE_LOAD / (runs[0].workload.service_s or 1.0)
    beside = [run for run in runs if not run.workload.query_rate_per_s and np.isclose(run.rate_per_s, load)]
    return draw_all(directory, asked, beside, [run for run in runs if run.workload.query_rate_per_s])
