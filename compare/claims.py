"""Three claims that one hears of a system such as this, each held against a run's numbers for each kind of work."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from compare.closing import rate
from compare.evidence import Evidence, not_run
from sim.units import digits, percent, seconds

CONFIRMED, REFUTED, IN_PART, OPEN = "confirmed", "refuted", "in part", "open"
MOSTLY, HARDLY = 0.9, 0.1  # of the time: what is called bound by the processor, and what is called not
WAITS = 0.5  # of a hold: a p99 of queries beyond the client's floor that can only come from waiting for messages
GAINS, GAINS_NOTHING = 0.8, 0.1  # of the gain that the number of threads could bring
WORKS = ("sleep", "cpu", "mixed", "precise")  # in the order in which they are told of


@dataclass(frozen=True, slots=True)
class Finding:
    """What a run says of a claim, for one kind of work."""

    work: str
    word: str
    why: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim and what was found of it."""

    claim: str
    findings: tuple[Finding, ...]


def claims(summary: Mapping[str, Any]) -> list[Claim]:
    """Return the claims, each with a finding for every kind of work of this summary."""
    evidence = Evidence(summary)
    works = sorted(evidence.works, key=lambda work: WORKS.index(work) if work in WORKS else len(WORKS))
    asked: list[tuple[str, Callable[[Evidence, str], tuple[str, str]]]] = [
        ("Processing is CPU-bound, not I/O-bound.", cpu_bound),
        ("Queries and updates can't happen simultaneously.", one_at_a_time),
        ("Throughput is limited by single-threaded execution.", single_threaded),
    ]
    return [Claim(claim, tuple(Finding(work, *found(evidence, work)) for work in works)) for claim, found in asked]


def cpu_bound(evidence: Evidence, work: str) -> tuple[str, str]:
    """Judge by the share of a message's processing time in which the thread computed."""
    share = evidence.fact("work", f"{work}.cpu_share")
    if share is None:
        return OPEN, f"CPU time against wall time was {not_run('work')}"
    word = CONFIRMED if share >= MOSTLY else REFUTED if share <= HARDLY else IN_PART
    spins = ", though only to wait: it spins until an instant" if work == "precise" and word == CONFIRMED else ""
    return word, f"the thread computed for {percent(share)} of the time in which it processed{spins}"


def one_at_a_time(evidence: Evidence, work: str) -> tuple[str, str]:
    """Judge by how long questions take when the thread is busy: as long as messages do, or as little as they need."""
    overlapping, asked = evidence.fact("queries", "overlapping"), evidence.fact("queries", "asked")
    found = [
        point
        for _, point in evidence.points("queries.latency_s.p99")
        if point["work"] == work and evidence.calibration(work, point["workload"]["service_s"])
    ]
    if not found:
        return OPEN, f"questions beside {work} work were {not_run('queries')}; the loop that answers them is the same"
    point = max(found, key=lambda point: point["utilization"] or 0.0)
    hold_s = (evidence.calibration(work, point["workload"]["service_s"]) or {})["hold_s"]
    waited_s = point["measured"] - (evidence.fact("queries", "floor_s") or 0.0)
    word = CONFIRMED if waited_s >= WAITS * hold_s and not overlapping else REFUTED
    counted = "" if overlapping is None or asked is None else (
        f"; of {digits(asked)} questions {digits(overlapping)} were answered while a message was processed"
    )  # fmt: skip
    return word, (
        f"at {point['label']} p99 of a question was {seconds(point['measured'])}, and a message holds the thread for "
        f"{seconds(hold_s)}{counted}"
    )


def single_threaded(evidence: Evidence, work: str) -> tuple[str, str]:
    """Judge by what more threads would have made of the same messages: were one the limit, n of them get n times."""
    found = evidence.threads(work)
    if len(found) < 2:
        reached = evidence.fact("work", f"{work}.limit_per_s")
        hold_s = evidence.fact("work", f"{work}.hold_s")
        told = f"one thread reached {rate(reached)}, and 1/hold is {rate(1 / hold_s)}; " if reached and hold_s else ""
        return OPEN, f"{told}what more threads would do with {work} work was {not_run('gil')}"
    (few, least), (many, most) = next(iter(found.items())), list(found.items())[-1]
    gained = (most / least - 1) / (many / few - 1)
    word = CONFIRMED if gained >= GAINS else REFUTED if gained <= GAINS_NOTHING else IN_PART
    threads = "1 thread" if few == 1 else f"{few} threads"
    told = f"{threads} processed {rate(least)}, {many} threads {rate(most)}: {digits(most / least)} times as many"
    if word == REFUTED and evidence.summary["environment"]["gil"]:
        told += ". What limits it is the interpreter, which lets one thread compute at a time: it takes processes"
    return word, told
