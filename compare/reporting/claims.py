"""Three claims that one hears of a system such as this, each held against a run's numbers for each kind of work."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from compare.reporting.closing import rate
from compare.reporting.evidence import Evidence, not_run
from compare.verdict import LIMIT_TOLERANCE
from sim.units import digits, percent, seconds

CONFIRMED, REFUTED, IN_PART, NOT_TRIED = "confirmed", "refuted", "in part", "not tried"
MOSTLY, HARDLY = 0.9, 0.1  # of the time: what is called bound by the processor, and what is called not
WAITS = 0.5  # of a hold: a p99 of queries beyond the client's floor that can only come from waiting for messages
ONE_PROCESSOR = 0.1  # so near to one that are busy
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
        return NOT_TRIED, f"CPU time against wall time was {not_run('work')}"
    word = CONFIRMED if share >= MOSTLY else REFUTED if share <= HARDLY else IN_PART
    spins = ", though only to wait: it spins until an instant" if work == "precise" and word == CONFIRMED else ""
    return word, f"the thread computed for {percent(share)} of the time in which it processed{spins}"


def one_at_a_time(evidence: Evidence, work: str) -> tuple[str, str]:
    """Judge by the questions that came while a message was processed: how many were answered before it had ended."""
    asked = {name: evidence.fact("work", f"{work}.{name}") for name in ("questions", "came", "meanwhile")}
    questions, came, meanwhile = (int(value or 0) for value in asked.values())
    if not came:
        return _by_waiting(evidence, work)
    none = f"{meanwhile:,}" if meanwhile else "none"
    told = (
        f"of {questions:,} questions {came:,} came while a message was processed, and {none} of all was answered while "
        f"one was; the longest waited {seconds(evidence.fact('work', f'{work}.longest_wait_s'))}"
    )
    word, seen = _by_waiting(evidence, work)
    told += f". Over HTTP, {seen}" if word != NOT_TRIED else ""
    return (CONFIRMED if not meanwhile and word != REFUTED else REFUTED if meanwhile else IN_PART), told


def _by_waiting(evidence: Evidence, work: str) -> tuple[str, str]:
    """Judge by how long questions take when the thread is busy: as long as messages do, or as little as they need."""
    point = next(reversed(evidence.asked(work)), None)
    calibration = point and evidence.calibration(work, point["workload"]["service_s"])
    if not point or not calibration:
        return NOT_TRIED, f"questions beside {work} work were {not_run('work')}; the loop that answers is the same"
    waited_s = point["measured"] - (evidence.fact("queries", "floor_s") or 0.0)
    word = CONFIRMED if waited_s >= WAITS * calibration["hold_s"] else REFUTED
    return word, (
        f"at {point['label']} p99 of a question was {seconds(point['measured'])}, and a message holds the thread for "
        f"{seconds(calibration['hold_s'])}"
    )


def single_threaded(evidence: Evidence, work: str) -> tuple[str, str]:
    """Judge by what more threads make of the same messages: were one the limit, they get as many more as they can.

    Or none more, if all of them together keep one processor busy: execution is single-threaded then even so. Where no
    threads were tried, by whether one thread reached what holding it for one message after another allows.
    """
    found, (alone, why_alone) = evidence.threads(work), of_one_thread(evidence, work)
    if len(found) < 2:
        return alone, f"{why_alone}{'; ' if why_alone else ''}{_no_threads(work)}"
    (few, least), (many, most) = next(iter(found.items())), list(found.items())[-1]
    can = evidence.fact("gil", f"{work} × {many}.most_times_one_thread") or many / few
    busy = evidence.fact("gil", f"{work} × {many}.processors_busy")
    told = f"{why_alone}; on threads, " if why_alone else ""
    told += f"{few} thread{'' if few == 1 else 's'} processed {rate(least)}, {many} threads {rate(most)}"
    told += f": {digits(most / least)} times as many"
    if most / least - 1 > GAINS_NOTHING * (many / few - 1):
        limited = can < many / few
        told += f", of at most {digits(can)}{_one_at_a_time_computes(evidence)}" if limited else ""
        gained = (most / least - 1) / (can - 1) if can > 1 else 0.0
        return CONFIRMED if gained >= GAINS else IN_PART, told
    if busy is None or abs(busy - 1) > ONE_PROCESSOR:
        return REFUTED, told
    return (
        CONFIRMED,
        f"{told}. All together keep {digits(busy)} of the processors busy{_one_at_a_time_computes(evidence)}: it takes "
        "processes, not threads",
    )


def _one_at_a_time_computes(evidence: Evidence) -> str:
    return " (under the GIL one of them computes at a time)" if evidence.summary["environment"]["gil"] else ""


def of_one_thread(evidence: Evidence, work: str) -> tuple[str, str]:
    """Judge by one thread alone: whether it got through as much as there is time for, one message after another."""
    reached, hold_s = (evidence.fact("work", f"{work}.{name}") for name in ("limit_per_s", "hold_s"))
    if not reached or not hold_s:
        return NOT_TRIED, ""
    off = reached * hold_s - 1
    told = f"one thread reached {rate(reached)}, and 1/hold is {rate(1 / hold_s)} ({percent(off, signed=True)})"
    return CONFIRMED if abs(off) <= LIMIT_TOLERANCE else IN_PART, told


def _no_threads(work: str) -> str:
    """Say why no threads were tried."""
    if work == "precise":
        return (
            "threads were not tried: spinning until an instant is no computation that has to be done, so that they "
            "would only seem to help"
        )
    return f"what more threads would do with {work} work was {not_run('gil')}"
