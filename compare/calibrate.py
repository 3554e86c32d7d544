"""Calibration: how long a message holds the thread of this machine, measured before anything is predicted.

Never taken from the run that is to be predicted. What the machine did to the calibration itself is no part of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from compare.case import Asking, Case
from compare.machine.noise import LEAST_STALL_S, Stall
from compare.machine.tables import CPU
from compare.measure import ASKER_STARTS_S, Measurement
from sim import Workload
from sim.bands import LEAST_SAMPLES, HoldSamples, Wander
from sim.summary import Seconds

# Busy is twice the limit: each message waits, and is taken while others are processed, as in the runs that are to be
# predicted. Were all of them due at once, taking them would cost none of the later ones anything.
BUSY_LOAD, RARE_LOAD = 2.0, 0.3
BUSY_SHARE = 2 / 3  # of the time: what every other run hangs on is a busy thread
LEAST_BUSY, LEAST_RARE = 80, 40  # messages
BEYOND = 0.2  # of the median: nobody's work takes so much longer than it did all the other times
# How fast a machine is woken wanders over all times: what is drawn together lasts so long, and the latest calibrations
# count together. Longer means scatter hardly less: on a shared virtual machine those of twelve seconds by 18 µs, where
# those of a quarter of a second within them did by 21.5 µs (by 5.1 and 7.2 µs with its processors kept awake). A run
# and its calibration are both as far off as that: 2 * 18² / 21.5² of such stretches' variance is between them.
ALIKE_S, LEAST_STRETCHES, KEPT = 0.25, 4, 3
BETWEEN = 1.4
QUESTIONS_PER_S, QUESTIONS = 150.0, 150

Measure = Callable[[Case], Measurement]


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """How long a message of a kind of work and service time holds the thread.

    `samples` are of messages that no stall of the machine has touched, `stalled` the number of those that one has.
    `at_s` is when it was made, on the monotonic clock. `pace_per_s`: so many rounds are a second of work that computes,
    and a message took `computes_s` of the processor's time.
    """

    work: str
    service_s: float
    samples: HoldSamples
    stalled: int
    at_s: float
    pace_per_s: float | None = None
    computes_s: float | None = None

    @property
    def hold_s(self) -> float:
        """Mean hold of a busy thread."""
        return self.samples.hold_s

    @classmethod
    def of(cls, made: Sequence["Calibration"]) -> "Calibration":
        """Return the latest KEPT of several as one."""
        *before, last = made[-KEPT:]
        samples = wandering(last.samples.joined([one.samples for one in before]))
        stalled = sum(one.stalled for one in made[-KEPT:])
        return cls(last.work, last.service_s, samples, stalled, last.at_s, last.pace_per_s, last.computes_s)

    def drifted_to(self, after: "Calibration") -> bool:
        """Whether a machine is another one by `after`, and has not merely wandered: a chance of 1 % at most."""
        wander = self.samples.wander
        if wander is None:
            return False
        # Between two calibrations there is as much as between one and a run.
        most = float(student.ppf(0.995, wander.freedom)) * wander.share
        return abs(after.hold_s / self.hold_s - 1) > most

    def document(self) -> dict[str, Any]:
        """Return what results say of it, s."""
        own = {"work": self.work, "service_s": self.service_s, "at_monotonic_s": self.at_s, "stalled": self.stalled}
        wander = self.samples.wander
        own |= {"messages": len(self.samples.processing_s), "wander": wander and asdict(wander)}
        return own | self.samples.document()


@dataclass(frozen=True, slots=True)
class Answering:
    """What a question costs: how long it holds the thread (s), and the least that asking takes the client (its floor).

    The floor's median and p99 are of questions to a processor that has nothing else to do.
    """

    answer_s: float
    floor_s: float = 0.0
    floor_p99_s: float = 0.0

    def document(self) -> dict[str, Any]:
        """Return what results say of it, s."""
        return {"answer_s": self.answer_s, "floor_s": self.floor_s, "floor_p99_s": self.floor_p99_s}


def cases(work: str, service_s: float, seconds: float, seed: int) -> tuple[Case, Case]:
    """Return what a calibration runs: messages back to back, and messages so rare that most find the thread idle.

    BUSY_SHARE of `seconds` for the one, the rest for the other; longer where a message takes so long that there would
    be too few of them.
    """
    busy = max(LEAST_BUSY, round(BUSY_SHARE * seconds / service_s))
    back_to_back = Workload(
        rate_per_s=min(BUSY_LOAD / service_s, 1e6),
        service_s=service_s,
        messages=busy,
        arrivals="deterministic",
        seed=seed,
    )
    # Its arrivals are on a seed of their own, lest a run be predicted from its very own arrivals.
    rare = Workload(
        rate_per_s=min(RARE_LOAD / service_s, 1e6),
        service_s=service_s,
        messages=max(LEAST_RARE, round(busy * RARE_LOAD * (1 - BUSY_SHARE) / BUSY_SHARE)),
        seed=(seed + 1) % 2**63,
    )
    return Case("busy", back_to_back, work), Case("rare", rare, work)


def calibrate(work: str, service_s: float, measure: Measure, planned: tuple[Case, Case]) -> Calibration:
    """Measure how long messages hold the thread, back to back and after a pause."""
    first, second = planned
    back_to_back = measure(first)
    # What is computed is the same work ever after, however fast the machine is by then.
    pace_per_s = back_to_back.document["run"]["pace_per_s"]
    # Rare is what is rare for this machine: a sleep of microseconds takes ten times as long.
    hold_s = float(np.median(back_to_back.trajectory.processing_s))
    rate_per_s = min(second.workload.rate_per_s or 0.0, RARE_LOAD / hold_s)
    rare = measure(replace(second, workload=replace(second.workload, rate_per_s=rate_per_s), pace_per_s=pace_per_s))
    busy, idle = back_to_back.trajectory, rare.trajectory
    # The first message of all was woken: it has a processing time to show, but no dispatch before it.
    dispatch_s, processing_s = busy.start_s[1:] - busy.finish_s[:-1], busy.processing_s[1:]
    calm = body(busy.finish_s[:-1], dispatch_s + processing_s, back_to_back.noise.stalls)
    calm = _enough(calm & (busy.arrival_s[1:] < busy.finish_s[:-1]))
    free_s = np.concatenate([[-np.inf], idle.finish_s[:-1]])
    woken = _enough(idle.arrival_s > free_s)  # found the thread idle
    rested = body(idle.arrival_s[woken], idle.latency_s[woken], rare.noise.stalls)
    rested = _enough(rested)
    alike = max(1, min(round(ALIKE_S / float(np.median(processing_s))), int(calm.sum()) // LEAST_STRETCHES))
    samples = HoldSamples(
        dispatch_s[calm],
        processing_s[calm],
        idle.wait_s[woken][rested],
        idle.processing_s[woken][rested],
        alike,
    )
    stalled = int((~calm).sum() + (~rested).sum())
    computes_s = None if pace_per_s is None else float(back_to_back.tables[CPU]["cpu_s"][1:][calm].mean())
    return Calibration(work, service_s, wandering(samples), stalled, back_to_back.began_s, pace_per_s, computes_s)


def wandering(samples: HoldSamples) -> HoldSamples:
    """Return samples that know by how much they wander: by as much as stretches of neighbours differ in their means."""
    hold_s, alike = samples.dispatch_s + samples.processing_s, samples.alike or 1
    whole = len(hold_s) // alike
    stretches_s = hold_s[: whole * alike].reshape(whole, alike).mean(axis=1)  # what is left over at the end is none
    return replace(samples, wander=Wander.of(stretches_s, BETWEEN))


def body(begin_s: Seconds, held_s: Seconds, stalls: tuple[Stall, ...]) -> npt.NDArray[np.bool_]:
    """Return which messages nothing but their own work has held up; shape (n,), bool.

    Not those during which a stall was logged, nor those that took longer than the median by a fifth, at least by the
    shortest stall. `begin_s`: when each began to hold the thread; `held_s`: for how long.
    """
    calm = held_s <= np.median(held_s) + max(LEAST_STALL_S, BEYOND * float(np.median(held_s)))
    for stall in stalls:
        calm &= (begin_s >= stall.at_s + stall.lasting_s) | (begin_s + held_s <= stall.at_s)
    # Where the machine was never calm, a body there is not: then all of it is what a message takes here.
    return calm if calm.sum() >= len(calm) / 2 else np.ones(len(calm), dtype=bool)


def _enough(those: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return which are meant, or all where too few are: a machine that is never calm is calibrated as it is."""
    return those if those.sum() >= LEAST_SAMPLES else np.ones(len(those), dtype=bool)


def answering_case(case: Case, seed: int) -> Case:
    """Return a run of a processor with nothing to do but to answer questions as `case` has them asked."""
    seconds = QUESTIONS / QUESTIONS_PER_S + ASKER_STARTS_S
    workload = replace(
        case.workload,
        rate_per_s=1 / seconds,
        duration_s=None,
        messages=1,
        arrivals="deterministic",
        order="fifo",
        inbox=None,
        query_rate_per_s=0.0 if case.asking else QUESTIONS_PER_S,
        query_policy="first",
        seed=(seed + 2) % 2**63,
    )
    asking = case.asking and Asking(QUESTIONS_PER_S, (seed + 2) % 2**63, case.asking.keep_alive)
    # Made beforehand: nobody is told the state of a worker that has not been heard of.
    return Case("questions", workload, "none", "eager", case.state_keys, asking)


def answering(measure: Measure, planned: Case) -> Answering:
    """Measure what a question costs the thread, and what asking costs the client."""
    found = measure(planned)
    queries = found.trajectory.queries
    assert queries is not None
    if planned.asking is None:
        return Answering(float(np.median(queries.processing_s)))
    # Reading the request and writing the answer are the thread's work too, outside of what a ticket sees.
    floor_s = found.tables["asked"]["latency_s"]
    answer_s = found.document["environment"]["cpu_s"] / max(len(floor_s), 1)
    return Answering(answer_s, float(np.median(floor_s)), float(np.percentile(floor_s, 99)))
