"""Pairing: every message's latency, predicted and measured, and what happened to those that were missed by most."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from compare.explain.causes import Event
from sim import Trajectory
from sim.summary import Seconds
from sim.units import seconds

Numbers = npt.NDArray[np.int64]

WORST = 10  # messages of which what happened is told
# An event is named if it lasted at least so much of the residual: shorter ones were there, but explain nothing.
_SHARE = 0.25
_FARTHEST = 100  # messages back that a cause is looked for
NOTHING = "nothing was logged"
FOLLOWS = "follows the message before"
ANSWERED = "a question was answered before it"


@dataclass(frozen=True, slots=True)
class Worst:
    """A message that was missed by much: its number, when it arrived, its latencies (s), and what happened to it."""

    number: int
    at_s: float
    predicted_s: float
    measured_s: float
    why: str


@dataclass(frozen=True, slots=True)
class Pairing:
    """How well single messages were predicted; a residual is measured − predicted latency, s.

    `correlation` is Pearson's, None where the latencies do not vary. `mean_s` keeps the sign, the others are sizes.
    """

    messages: int
    correlation: float | None
    mean_s: float
    p50_s: float
    p95_s: float
    max_s: float
    worst: tuple[Worst, ...]

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "messages": self.messages,
            "correlation": self.correlation,
            "residual_s": {"mean": self.mean_s},
            "absolute_residual_s": {"p50": self.p50_s, "p95": self.p95_s, "max": self.max_s},
            "worst": [asdict(message) for message in self.worst],
        }

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> "Pairing":
        """Return what `document` was made of."""
        sizes = document["absolute_residual_s"]
        worst = tuple(Worst(**message) for message in document["worst"])
        rest = document["residual_s"]["mean"], sizes["p50"], sizes["p95"], sizes["max"], worst
        return cls(document["messages"], document["correlation"], *rest)


def paired(predicted: Trajectory, measured: Trajectory, stalls: Sequence[Event], gc_pauses: Sequence[Event]) -> Pairing:
    """Return how a run's messages were predicted one by one; rows of both are the same messages in order of arrival.

    `stalls` and `gc_pauses` are what was logged while it was measured. ValueError for other messages, or none.
    """
    if not 0 < len(measured) == len(predicted):
        raise ValueError(f"{len(measured)} messages measured, {len(predicted)} predicted: pair runs of one workload")
    residual_s = measured.latency_s - predicted.latency_s
    size_s = np.abs(residual_s)
    p50, p95 = np.percentile(size_s, [50, 95])
    order = np.lexsort((measured.finish_s, measured.start_s))
    before = np.full(len(order), -1, np.int64)
    before[order[1:]] = order[:-1]
    reasons = _Reasons(predicted, measured, residual_s, before, stalls, gc_pauses)
    worst = tuple(
        Worst(
            number,
            float(measured.arrival_s[number]),
            float(predicted.latency_s[number]),
            float(measured.latency_s[number]),
            reasons.why(number),
        )
        for number in _happenings(predicted, measured, residual_s, order)
    )
    correlation = _correlation(predicted.latency_s, measured.latency_s)
    mean_s, max_s = float(residual_s.mean()), float(size_s.max())
    return Pairing(len(measured), correlation, mean_s, float(p50), float(p95), max_s, worst)


def _happenings(predicted: Trajectory, measured: Trajectory, residual_s: Seconds, order: Numbers) -> list[int]:
    """Return the numbers of at most WORST messages, the worst first: of each busy period the one missed by most.

    Neighbours share what happened to one of them. Where there are fewer busy periods, as in overload, those are added
    whose residual differs most from that of the message served before: something happened to these too.
    """
    free_s = np.maximum(measured.finish_s, predicted.finish_s)[order]
    # A new one begins with a message that finds the thread idle, as predicted and as measured.
    begins = measured.arrival_s[order][1:] >= np.maximum.accumulate(free_s)[:-1]
    period = np.empty(len(order), np.int64)
    period[order] = np.concatenate([[0], np.cumsum(begins)])
    worst_first = np.argsort(-np.abs(residual_s), kind="stable")
    _, firsts = np.unique(period[worst_first], return_index=True)
    found = worst_first[np.sort(firsts)][:WORST].tolist()
    step_s = np.empty(len(order))
    step_s[order] = np.abs(np.diff(residual_s[order], prepend=0.0))
    others = (number for number in np.argsort(-step_s, kind="stable").tolist() if number not in found)
    found += list(islice(others, WORST - len(found)))
    return sorted(found, key=lambda number: -abs(float(residual_s[number])))


def _correlation(first: Seconds, second: Seconds) -> float | None:
    # Constant latencies differ in their last bits, and bits do not correlate.
    if min(np.ptp(first), np.ptp(second)) < 1e-9:
        return None
    return float(np.corrcoef(first, second)[0, 1])


@dataclass(frozen=True, slots=True, eq=False)
class _Reasons:
    """What is known of a run that can say why a message took as long as it did."""

    predicted: Trajectory
    measured: Trajectory
    residual_s: Seconds
    before: Numbers  # the message served before each; −1 for the first
    stalls: Sequence[Event]
    gc_pauses: Sequence[Event]

    def why(self, number: int) -> str:
        """Return what happened while a message waited or was served, the likeliest first, in words.

        Of a message that only waited behind others: what happened to the one that the most of it came from.
        """
        least_s = _SHARE * abs(float(self.residual_s[number]))
        at: int | None = number
        for _ in range(_FARTHEST):
            if at is None or abs(float(self.residual_s[at])) < least_s:
                break
            reason = self._reason(at)
            if reason is not None:
                return reason if at == number else f"{FOLLOWS}: {reason} (message {at:,})"
            at = self._followed(at)
        return NOTHING if self._followed(number) is None else FOLLOWS

    def _reason(self, number: int) -> str | None:
        least_s = _SHARE * abs(float(self.residual_s[number]))
        reasons = self._happened, self._took, self._answered
        return next(filter(None, (reason(number, least_s) for reason in reasons)), None)

    def _happened(self, number: int, least_s: float) -> str | None:
        if self.residual_s[number] <= 0:
            return None  # nothing that holds a message up makes it early
        for events, words in ((self.stalls, _stalled), (self.gc_pauses, _collected)):
            event = self._longest(number, events)
            if event is not None and event.lasting_s >= least_s:
                return words(event)
        return None

    def _longest(self, number: int, events: Sequence[Event]) -> Event | None:
        """Return the longest of the events between a message's arrival and its finish."""
        begin_s, end_s = self.measured.arrival_s[number], self.measured.finish_s[number]
        there = (event for event in events if event.at_s < end_s and event.at_s + event.lasting_s > begin_s)
        return max(there, key=lambda event: event.lasting_s, default=None)

    def _took(self, number: int, least_s: float) -> str | None:
        processing_s = self.measured.processing_s
        more_s = float(processing_s[number] - np.median(processing_s))
        if abs(more_s) < least_s or more_s * self.residual_s[number] <= 0:
            return None
        return f"its processing took {seconds(abs(more_s))} {'longer' if more_s > 0 else 'less'} than the median"

    def _answered(self, number: int, least_s: float) -> str | None:
        """Tell whether questions were answered while a message waited, that together took long enough to matter."""
        asked = self.measured.queries
        if asked is None or self.residual_s[number] <= 0:
            return None
        begin_s = np.maximum(asked.start_s, self.measured.arrival_s[number])
        end_s = np.minimum(asked.finish_s, self.measured.start_s[number])
        return ANSWERED if 0 < float(np.maximum(end_s - begin_s, 0.0).sum()) >= least_s else None

    def _followed(self, number: int) -> int | None:
        """Return the message served before, if most of a residual was there before: that had it, and this waited."""
        before = int(self.before[number])
        if before < 0:
            return None
        free_s = max(float(run.finish_s[before]) for run in (self.measured, self.predicted))
        share = float(self.residual_s[before]) / float(self.residual_s[number] or np.inf)
        return before if share >= 0.5 and free_s >= self.measured.arrival_s[number] else None


def _stalled(event: Event) -> str:
    return f"the machine stalled {seconds(event.lasting_s)} at {event.at_s:.2f} s"


def _collected(event: Event) -> str:
    return f"a garbage collection of {seconds(event.lasting_s)}"
