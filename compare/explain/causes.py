"""Take a measured run apart: what of each message's time has which cause, so that causes can be put back one by one.

Everything here was measured in the run itself. Nothing is predicted, and nothing is judged.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from compare.scene import Holds, Scene
from sim import Trajectory
from sim.engine import Nanoseconds
from sim.recording import NS
from sim.summary import Seconds

OVERSHOOT, VARIABILITY, DISPATCH = "service overshoot", "service variability", "dispatch"
QUERIES, ORDER, LATENESS, STALLS = "queries", "order of service", "source lateness", "machine stalls"
CAUSES = (OVERSHOOT, VARIABILITY, DISPATCH, QUERIES, ORDER, LATENESS, STALLS)
Flags = npt.NDArray[np.bool_]


class Event(Protocol):
    """Something that held everything up: a stall of the machine, a garbage collection. Seconds of the run's time."""

    @property
    def at_s(self) -> float:
        """When it began."""

    @property
    def lasting_s(self) -> float:
        """How long it lasted."""


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """One time of every message, ns, shape (n,): as it is without stalls (`body`), and what stalls added (`excess`).

    A message that has no such time has the median of the others: in another replay it may need one.
    """

    body: Nanoseconds
    excess: Nanoseconds


@dataclass(frozen=True, slots=True, eq=False)
class Causes:
    """A run taken apart, so that it can be replayed with some causes and without the others.

    `scene` is the run as it really was: its order, its questions at their instants. `dispatch` is what the loop costs a
    message that was waiting, `wakeup` one that found the thread idle; `late` is how late the thread then had it, and
    `sent_after_ns`, over a network, how late its sender was.
    """

    scene: Scene
    service_ns: int
    processing: Split
    dispatch: Split
    wakeup: Split
    late: Split
    sent_after_ns: Nanoseconds

    @property
    def mean_ns(self) -> int:
        """The mean processing time without stalls."""
        return round(float(self.processing.body.mean()))

    @property
    def active(self) -> tuple[str, ...]:
        """The causes that there are in this run: the others can change nothing."""
        columns = (self.processing, self.dispatch, self.wakeup, self.late)
        there = {
            OVERSHOOT: self.mean_ns != self.service_ns,
            VARIABILITY: (self.processing.body != self.mean_ns).any(),
            DISPATCH: self.dispatch.body.any() or self.wakeup.body.any(),
            QUERIES: len(self.scene.query_ns) > 0,
            ORDER: self.scene.rules.order != "fifo",
            LATENESS: self.late.body.any() or self.sent_after_ns.any(),
            STALLS: any(column.excess.any() for column in columns),
        }
        return tuple(cause for cause in CAUSES if there[cause])

    def latency_s(self, causes: Collection[str]) -> Seconds:
        """Return every message's latency in a replay with only these causes, s, shape (n,); with none: nominal."""
        scene = self.scene if QUERIES in causes else self.scene.asked_at([])
        if ORDER not in causes:
            # First come, first served, the inbox's places change no start, and the plain recursion is much faster.
            scene = scene.ruled(order="fifo", places=None)
        if LATENESS in causes:
            scene = replace(scene, arrival_ns=np.maximum.accumulate(scene.arrival_ns + self.sent_after_ns))
        finish_ns = scene.replay(self._holds(causes)).messages[2]
        latency_s: Seconds = (finish_ns - self.scene.arrival_ns) / NS
        return latency_s

    def _holds(self, causes: Collection[str]) -> Holds:
        stalls = int(STALLS in causes)
        dispatch, lateness = int(DISPATCH in causes), int(LATENESS in causes)
        mean_ns = self.mean_ns if OVERSHOOT in causes else self.service_ns
        processing = np.full_like(self.processing.body, mean_ns) + stalls * self.processing.excess
        if VARIABILITY in causes:
            processing += self.processing.body - self.mean_ns
        # Measured variability about a service time much shorter than the measured one could come out below zero.
        processing = np.maximum(processing, 0)
        waiting = dispatch * self.dispatch.body + stalls * self.dispatch.excess
        woken = dispatch * self.wakeup.body + lateness * self.late.body
        return waiting, processing, woken + stalls * (self.wakeup.excess + self.late.excess), processing


def taken_apart(scene: Scene, service_s: float, measured: Trajectory, stalls: Sequence[Event]) -> Causes:
    """Return what a run was made of; `scene` has its arrivals and rules, `service_s` is what was asked for.

    A message was waiting if what the thread did before it, message or question, ended when it was already there.
    """
    taken, start, finish = (as_ns(column) for column in (measured.taken_s, measured.start_s, measured.finish_s))
    arrival = as_ns(measured.arrival_s)
    due = arrival if measured.sent_s is None else np.maximum(arrival, as_ns(measured.sent_s))
    had = np.minimum(np.maximum(taken, due), start)
    free, asked = free_ns(measured), measured.queries
    waiting = due <= free
    return Causes(
        scene.asked_at([]) if asked is None else scene.asked_at(as_ns(asked.arrival_s), answer_s(measured)),
        round(service_s * NS),
        _split(start, finish, np.ones(len(measured), bool), stalls),
        _split(free, start, waiting, stalls),
        _split(had, start, ~waiting, stalls),
        _split(due, had, ~waiting, stalls),
        due - arrival,
    )


def free_ns(measured: Trajectory) -> Nanoseconds:
    """Return when the thread had ended what it did before each message, ns, shape (n,); −1 before the first."""
    start, finish = as_ns(measured.start_s), as_ns(measured.finish_s)
    if measured.queries is not None:
        start = np.concatenate([start, as_ns(measured.queries.start_s)])
        finish = np.concatenate([finish, as_ns(measured.queries.finish_s)])
    order = np.lexsort((finish, start))
    free = np.full(len(start), -1, np.int64)
    free[order[1:]] = finish[order[:-1]]
    return free[: len(measured)]


def answer_s(measured: Trajectory) -> float:
    """Return how long an answer held the thread, s: its own time and the gap before it; 0 where nobody asked."""
    asked = measured.queries
    if asked is None or not len(asked):
        return 0.0
    # A question is to the messages what they are to it: something else that the thread did before.
    other = replace(measured, queries=None)
    free, arrival, finish = free_ns(replace(asked, queries=other)), as_ns(asked.arrival_s), as_ns(asked.finish_s)
    waiting = arrival <= free
    # One that finds the thread idle has to wake it, which holds nobody up: where others tell more, it is left out.
    told = waiting if waiting.any() else np.ones_like(waiting)
    return float((finish - np.maximum(free, arrival))[told].mean()) / NS


def touched(begin_ns: Nanoseconds, end_ns: Nanoseconds, events: Sequence[Event]) -> Flags:
    """Return which of the intervals some event overlaps; shape (n,)."""
    if not events:
        return np.zeros(len(begin_ns), bool)
    in_order = sorted(events, key=lambda event: event.at_s)
    began = as_ns(np.array([event.at_s for event in in_order]))
    over = np.maximum.accumulate(began + as_ns(np.array([event.lasting_s for event in in_order])))
    earlier = np.searchsorted(began, end_ns)  # how many began before the interval's end
    overlapped: Flags = (earlier > 0) & (over[np.maximum(earlier, 1) - 1] > begin_ns)
    return overlapped


def as_ns(seconds: Seconds) -> Nanoseconds:
    """Return times as whole nanoseconds."""
    return np.rint(seconds * NS).astype(np.int64)


def _split(begin_ns: Nanoseconds, end_ns: Nanoseconds, measured: Flags, stalls: Sequence[Event]) -> Split:
    """Part the lengths of the intervals that were measured from what a stall added to some of them."""
    lasting = np.maximum(end_ns - begin_ns, 0)  # one thread does not begin a thing before the last has ended
    stalled = measured & touched(begin_ns, end_ns, stalls)
    plain = measured & ~stalled
    known = lasting[plain] if plain.any() else lasting[measured]
    median_ns = round(float(np.median(known))) if len(known) else 0
    body = np.where(plain, lasting, median_ns)
    return Split(body, np.where(stalled, lasting - body, 0))
