"""The closing questions, answered from a summary's own numbers; what was not tried is said to be, never made up."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from compare.reporting.evidence import Evidence, Kind, Point, not_run
from compare.verdict import AGREES, DIFFERS, LIMIT_TOLERANCE, NEAR_THE_LIMIT
from sim.units import digits, percent, seconds

TIMES = 10  # as much throughput as there is
NEAR = 0.75  # the utilization at which what others do meanwhile is told
NOT_CALIBRATED = "How long a message holds the thread was not measured in this run."
_COUNTED = {9: "nine"}
_LATE = {
    "sleep": "a sleep ends late",
    "cpu": "the machine computes more slowly than when it was asked how fast it is",
    "mixed": "half of it is a sleep, which ends late",
    "precise": "it spins until an instant, and sees it a little late",
}


def closing(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the closing questions, each with its answer."""
    evidence = Evidence(summary)
    others = summary["options"]["workers"] - 1
    named_others = f"the other {_COUNTED.get(others, f'{others:,}')}" if others > 1 else "other"
    asked: list[tuple[str, Callable[[Evidence], Iterator[str]], str]] = [
        ("Where exactly is the bottleneck?", bottleneck, " "),
        ("What throughput does a processing time allow, and why is the real one lower?", throughput, "\n"),
        (f"What do {named_others} workers do while one is served?", workers, " "),
        ("Why do queries interfere?", queries, "\n"),
        ("What would ten times the throughput take?", ten_times, " "),
    ]
    return [(question, between.join(answer(evidence))) for question, answer, between in asked]


def bottleneck(evidence: Evidence) -> Iterator[str]:
    """Say what of a message's time on the thread is processing, and whether 1/hold is the limit."""
    found = evidence.main
    if found is None:
        yield NOT_CALIBRATED
        return
    hold_s, processing_s, dispatch_s = found["hold_s"], found["processing_s"]["mean"], found["dispatch_s"]["mean"]
    yield "In processing, on the one thread." if processing_s >= dispatch_s else "In the loop around processing."
    yield (
        f"A message of {named(*kind_of(found))} holds the thread for {seconds(hold_s, 4)}: "
        f"{percent(processing_s / hold_s)} of that is its processing, and {seconds(dispatch_s)} are the loop around it."
    )
    limit = evidence.limits().get(kind_of(found))
    yield reached(limit["measured"] if limit else None, hold_s)
    yield f"A loop that cost nothing at all would gain {percent(dispatch_s / processing_s)}."


def kind_of(calibration: Mapping[str, Any]) -> Kind:
    """Return what was calibrated."""
    return calibration["work"], calibration["service_s"]


def reached(limit_per_s: float | None, hold_s: float) -> str:
    """Say whether as many messages got through as there is time for on the thread."""
    allowed = f"One after the other, that allows {rate(1 / hold_s)}"
    if limit_per_s is None:
        return f"{allowed}; whether so many get through was {not_run('throughput')}."
    off = limit_per_s * hold_s - 1
    got = f"{allowed}, and {rate(limit_per_s)} is the most that got through ({percent(off, signed=True)})"
    if abs(off) <= LIMIT_TOLERANCE:
        return f"{got}: no other part of the system costs throughput."
    return f"{got}: {percent(abs(off))} of it is not explained by that."


def throughput(evidence: Evidence) -> Iterator[str]:
    """Say for each processing time what 1/D is, what was reached, and what a message costs beyond D."""
    limits = evidence.limits()
    kinds = dict.fromkeys([*limits, *evidence.kinds])
    if not limits:
        yield f"How much gets through was {not_run('throughput')}."
    for kind in sorted(kinds, key=lambda kind: (kind[0] != "sleep", *kind)):
        yield why_lower(evidence, kind, limits.get(kind))


def why_lower(evidence: Evidence, kind: Kind, limit: Point | None) -> str:
    """Say what a kind of work would allow and what was reached, and whether the calibration before it says why."""
    found = evidence.calibration(*kind)
    allowed = f"{named(*kind)} would allow {rate(1 / kind[1])}"
    if limit is None:
        return f"{allowed}: {beyond(found)}." if found else f"{allowed}."
    off = percent(limit["measured"] / limit["nominal"] - 1, signed=True)
    told = f"{allowed}; {rate(limit['measured'])} were reached ({off})"
    if found is None:
        return f"{told}."
    if abs(limit["measured"] * found["hold_s"] - 1) <= LIMIT_TOLERANCE:
        return f"{told}: {beyond(found)}."
    return f"{told}. The calibration before it does not explain that: {beyond(found)}, so {rate(1 / found['hold_s'])}."


def beyond(calibration: Mapping[str, Any]) -> str:
    """Say by how much a message holds the thread for longer than its processing was asked to take, and with what."""
    work, service_s = kind_of(calibration)
    more_s, dispatch_s = calibration["processing_s"]["mean"] - service_s, calibration["dispatch_s"]["mean"]
    words = f"{seconds(abs(more_s))} {'longer' if more_s >= 0 else 'less'} than asked for"
    because = f" ({_LATE[work]})" if work in _LATE and more_s >= 0 else ""
    return f"processing takes {words}{because}, and the loop {seconds(dispatch_s)}"


def workers(evidence: Evidence) -> Iterator[str]:
    """Say that they wait, how busy the thread is meanwhile, and whether their number matters."""
    count = evidence.summary["options"]["workers"]
    yield "Nothing: a worker is a state, not a thread, and there is one thread for all of them."
    work = evidence.main["work"] if evidence.main else "sleep"
    steady = [
        (name, point)
        for name, point in evidence.points("latency_s.mean", without=("gil",))
        if point["work"] == work and point["workload"]["workers"] == count
        if point["utilization"] and point["utilization"] < NEAR_THE_LIMIT[0]
    ]
    if steady:
        _, point = min(steady, key=lambda one: (one[0] != "throughput", abs(one[1]["utilization"] - NEAR)))
        yield meanwhile(point, count)
    yield from by_number(evidence)


def meanwhile(point: Mapping[str, Any], count: int) -> str:
    """Say of one run how busy the thread was, and how many messages waited meanwhile (Little's law)."""
    workload, busy = point["workload"], point["utilization"]
    offered = workload["rate_per_s"] or workload["messages"] / workload["duration_s"]
    waiting = max(offered * point["measured"] - busy, 0.0)
    return (
        f"At {point['label']} the thread is busy for {percent(busy)} of the time, so each of {count:,} workers is "
        f"served for {percent(busy / count)} of it on average. Meanwhile only messages wait: {digits(waiting, 2)} at a "
        f"time on average (rate × mean latency − utilization), {seconds(point['measured'])} from arrival to finish."
    )


def by_number(evidence: Evidence) -> Iterator[str]:
    """Say what latency is with few and with many workers, and whether that was shown to be the same."""
    found: dict[int, Point] = {}
    for name, point in evidence.points("latency_s.mean"):
        if name == "workers":
            found.setdefault(point["workload"]["workers"], point)
    if len(found) < 2:
        yield f"Whether their number matters was {not_run('workers')}."
        return
    told = ", ".join(f"{seconds(found[count]['measured'])} with {count:,}" for count in sorted(found))
    labels = {point["label"] for point in found.values()}
    words = {point["word"] for _, point in evidence.points("latency_ratio.mean") if point["label"] in labels}
    matters = "their number matters" if DIFFERS in words else "whether their number matters was too noisy to say"
    if words == {AGREES}:
        matters = "that is equal within ±5 %, so their number does not matter"
    yield f"On the same arrivals, mean latency was {told}: {matters}."


def queries(evidence: Evidence) -> Iterator[str]:
    """Say that a question waits for the message in service, what that came to, and what questions cost messages."""
    found = evidence.asked()
    if not found:
        yield f"Whether they do was {not_run('queries')}."
        return
    yield (
        "A question is answered between two messages, by the thread that processes them. While a message is processed "
        "it waits for the rest of it, even if that is a sleep."
    )
    for point in found:
        calibration = evidence.calibration(point["work"], point["workload"]["service_s"])
        against = f"; a message holds the thread for {seconds(calibration['hold_s'])}" if calibration else ""
        yield (
            f"{point['label']}, utilization {digits(point['utilization'], 2)}: p99 of a question was "
            f"{seconds(point['measured'])}, predicted {seconds(point['predicted'])}{against}."
        )
    answer_s = evidence.fact("queries", "answer_s")
    if answer_s is not None:
        yield f"In turn a message waits for answers, each of which keeps the thread for {seconds(answer_s)}."
    for _, point in evidence.points("latency_s.mean_over_alone"):
        yield (
            f"With questions, at {point['label']} mean latency was {digits(point['measured'])} "
            f"times what it was without questions, predicted {digits(point['predicted'])} times."
        )


def ten_times(evidence: Evidence) -> Iterator[str]:
    """Say what less work, more processes, or threads would come to."""
    found = evidence.main
    if found is None:
        yield NOT_CALIBRATED
        return
    limit = evidence.limits().get(kind_of(found))
    wanted = TIMES * (limit["measured"] if limit else 1 / found["hold_s"])
    yield f"{TIMES} × {rate(wanted / TIMES)} is {rate(wanted)}, {seconds(1 / wanted)} a message."
    yield less_work(*kind_of(found), 1 / wanted, found["hold_s"] - found["service_s"])
    cores = digits(evidence.summary["environment"]["cores"])
    yield (
        f"Or {TIMES} processes of one thread each, the workers divided among them, since they share nothing: for work "
        f"that computes on {TIMES} cores (here are {cores}), for work that sleeps on fewer."
    )
    told = [more_threads(evidence, work) for work in ("sleep", "cpu") if len(evidence.threads(work)) > 1]
    yield "Threads: " + ("; ".join(told) if told else not_run("gil")) + "."


def less_work(work: str, service_s: float, wanted_s: float, beyond_s: float) -> str:
    """Say how short processing has to be for a hold of `wanted_s`, if `beyond_s` of a hold is no processing."""
    if wanted_s <= beyond_s:
        return (
            f"Less work alone cannot do it: a message costs {seconds(beyond_s)} beyond what it asks for, which is "
            "more than that already."
        )
    stays = f", if the {seconds(beyond_s)} that a message costs beyond what it asks for stay" if beyond_s > 0 else ""
    return f"On one thread: {named(work, wanted_s - max(beyond_s, 0.0))} instead of {seconds(service_s)}{stays}."


def more_threads(evidence: Evidence, work: str) -> str:
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
