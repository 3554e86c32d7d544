"""The closing questions, answered from a summary's own numbers; what was not tried is said to be, never made up."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from compare.evidence import Evidence, not_run
from sim.units import digits, percent, seconds

TIMES = 10  # as much throughput as there is
NEAR = 0.75  # the utilization at which what others do meanwhile is told
_COUNTED = {1: "one", 9: "nine"}
_LATE = {
    "sleep": "a sleep ends late",
    "cpu": "the machine computes at another pace than when it was asked how fast it is",
    "mixed": "half of it is a sleep, which ends late",
    "precise": "it spins until an instant, and sees it a little late",
}


def closing(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the closing questions, each with its answer."""
    evidence = Evidence(summary)
    others = summary["options"]["workers"] - 1
    asked: list[tuple[str, Callable[[Evidence], Iterator[str]]]] = [
        ("Where exactly is the bottleneck?", bottleneck),
        ("What throughput does a processing time allow, and why is the real one lower?", throughput),
        (f"What do the other {_COUNTED.get(others, f'{others:,}')} workers do while one is served?", workers),
        ("Why do queries interfere?", queries),
        ("What would ten times the throughput take?", ten_times),
    ]
    return [(question, " ".join(answer(evidence))) for question, answer in asked]


def bottleneck(evidence: Evidence) -> Iterator[str]:
    """Say what of a message's time on the thread is processing, and whether 1/hold is the limit."""
    kinds = evidence.kinds
    if not kinds:
        yield "How long a message holds the thread was not measured in this run."
        return
    found = evidence.calibration(*kinds[0]) or {}
    hold_s, processing_s, dispatch_s = found["hold_s"], found["processing_s"]["mean"], found["dispatch_s"]["mean"]
    inside = "In processing, on the one thread." if processing_s >= dispatch_s else "In the loop around processing."
    yield inside
    yield (
        f"A message of {named(*kinds[0])} holds the thread for {seconds(hold_s, 4)}: {percent(processing_s / hold_s)} "
        f"of that is its processing, and {seconds(dispatch_s)} are the loop around it."
    )
    limit = evidence.limit_per_s
    if limit is None:
        yield f"One after the other, that allows {rate(1 / hold_s)}; whether so many get through was {not_run('throughput')}."
    else:
        yield (
            f"One after the other, that allows {rate(1 / hold_s)}, and {rate(limit)} is the most that got through "
            f"({percent(limit * hold_s - 1, signed=True)}): no other part of the system costs throughput."
            if abs(limit * hold_s - 1) <= 0.01
            else f"One after the other, that allows {rate(1 / hold_s)}, and the most that got through is {rate(limit)} "
            f"({percent(limit * hold_s - 1, signed=True)}): more than 1 % of it is not explained by that."
        )
    yield f"A loop that cost nothing at all would gain {percent(dispatch_s / processing_s)}."


def throughput(evidence: Evidence) -> Iterator[str]:
    """Say for each processing time what 1/D is, what was reached, and what a message costs beyond D."""
    limits = evidence.limits()
    if not limits:
        yield f"What is reached was {not_run('throughput')}."
    for (work, service_s), point in sorted(limits.items(), key=lambda item: (item[0][0] != "sleep", *item[0])):
        lost = point["measured"] / point["nominal"] - 1
        yield (
            f"{named(work, service_s)} would allow {rate(point['nominal'])}; {rate(point['measured'])} "
            f"were reached ({percent(lost, signed=True)})."
        )
    for work, service_s in evidence.kinds:
        yield why_lower(evidence, work, service_s)


def why_lower(evidence: Evidence, work: str, service_s: float) -> str:
    """Say by how much a message holds the thread for longer than its processing was asked to take, and with what."""
    found = evidence.calibration(work, service_s) or {}
    more_s, dispatch_s = found["processing_s"]["mean"] - service_s, found["dispatch_s"]["mean"]
    words = f"{seconds(abs(more_s))} {'longer' if more_s >= 0 else 'less'}"
    because = f" ({_LATE[work]})" if work in _LATE and more_s >= 0 else ""
    return f"{named(work, service_s)}: processing takes {words}{because}, and the loop {seconds(dispatch_s)}."


def workers(evidence: Evidence) -> Iterator[str]:
    """Say that they wait, how busy the thread is meanwhile, and whether their number matters."""
    count = evidence.summary["options"]["workers"]
    if count > 1:
        yield "Nothing: a worker is a state, not a thread, and there is one thread for all of them."
    steady = [
        point
        for _, point in evidence.points("latency_s.mean", without=("gil",))
        if point["utilization"] and point["utilization"] < 0.95 and point["workload"]["workers"] == count
    ]
    if steady:
        yield meanwhile(min(steady, key=lambda point: abs(point["utilization"] - NEAR)), count)
    yield from by_number(evidence)


def meanwhile(point: Mapping[str, Any], count: int) -> str:
    """Say of one run how busy the thread was, and how many messages waited meanwhile (Little's law)."""
    workload, busy = point["workload"], point["utilization"]
    offered = workload["rate_per_s"] or workload["messages"] / workload["duration_s"]
    waiting = max(offered * point["measured"] - busy, 0.0)
    return (
        f"At {point['label']} the thread is busy for {percent(busy)} of the time, so each of {count:,} workers is served "
        f"for {percent(busy / count)} of it on average. Meanwhile only messages wait: {digits(waiting, 2)} at a time on "
        f"average (rate × mean latency − utilization), {seconds(point['measured'])} from arrival to finish."
    )


def by_number(evidence: Evidence) -> Iterator[str]:
    """Say what latency is with few and with many workers."""
    found: dict[int, float] = {}
    for name, point in evidence.points("latency_s.mean"):
        if name == "workers":
            found.setdefault(point["workload"]["workers"], point["measured"])
    if len(found) < 2:
        yield f"Whether their number matters was {not_run('workers')}."
        return
    few = min(found)
    told = ", ".join(f"{seconds(found[count])} with {count:,}" for count in sorted(found))
    most = max(abs(latency_s / found[few] - 1) for latency_s in found.values())
    matters = "their number does not matter" if most <= 0.05 else "their number matters"
    yield f"On the same arrivals, mean latency was {told}: at most {percent(most)} apart, so {matters}."


def queries(evidence: Evidence) -> Iterator[str]:
    """Say that a question waits for the message in service, and what that came to."""
    found = [point for _, point in evidence.points("queries.latency_s.p99")]
    if not found:
        yield f"Whether they do was {not_run('queries')}."
        return
    yield (
        "A question is answered between two messages, by the thread that processes them: while a message is processed "
        "it waits for the rest of it, asleep or not."
    )
    for point in sorted(found, key=lambda point: point["utilization"] or 0.0):
        hold_s = evidence.calibration(point["work"], point["workload"]["service_s"])
        against = f", a message holds the thread for {seconds(hold_s['hold_s'])}" if hold_s else ""
        yield (
            f"{point['label']} (utilization {digits(point['utilization'], 2)}): p99 of a question {seconds(point['measured'])}, "
            f"predicted {seconds(point['predicted'])}{against}."
        )


def ten_times(evidence: Evidence) -> Iterator[str]:
    """Say what less work, more processes, or threads would come to."""
    kinds = evidence.kinds
    if not kinds:
        yield "How long a message holds the thread was not measured in this run."
        return
    work, service_s = kinds[0]
    hold_s = (evidence.calibration(work, service_s) or {})["hold_s"]
    limit = evidence.limit_per_s or 1 / hold_s
    yield f"{TIMES} × {rate(limit)} is {rate(TIMES * limit)}, {seconds(1 / (TIMES * limit))} a message."
    left_s = 1 / (TIMES * limit) - (hold_s - service_s)
    if left_s > 0:
        yield (
            f"On one thread: {named(work, left_s)} instead of {seconds(service_s)}, since the "
            f"{seconds(hold_s - service_s)} that a message costs beyond its processing stay."
        )
    else:
        yield (
            f"Less work alone cannot do it: the {seconds(hold_s - service_s)} that a message costs beyond its processing "
            "are more than that."
        )
    cores = evidence.summary["environment"]["cores"]
    yield (
        f"Or {TIMES} processes of one thread each, the workers divided among them, since they share nothing: for work "
        f"that computes on {TIMES} cores (here are {cores}), for work that sleeps on fewer."
    )
    told = [threads(evidence, work) for work in ("sleep", "cpu") if len(evidence.threads(work)) > 1]
    yield "Threads: " + ("; ".join(told) if told else not_run("gil")) + "."


def threads(evidence: Evidence, work: str) -> str:
    """Say what more threads made of the throughput of a kind of work."""
    found = evidence.threads(work)
    (few, least), (many, most) = next(iter(found.items())), list(found.items())[-1]
    return f"{many} of them processed {digits(most / least)} times as much {work} work as {few}"


def named(work: str, service_s: float) -> str:
    """Return a kind of work with its time.

    >>> named("sleep", 0.005)
    '5 ms of sleep'
    """
    return f"{seconds(service_s)} of {work}"


def rate(per_s: float) -> str:
    """Return messages a second."""
    return f"{digits(per_s, 4)}/s"
