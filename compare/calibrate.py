"""Calibration: how long a message holds the thread of this machine, measured before anything is predicted.

Never taken from the run that is to be predicted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from compare.measure import measure
from sim import HoldTimes, Workload
from sim.recording import NS
from sim.trajectory import Seconds, summary

RARE_LOAD = 0.3
BLOCK = 25  # neighbours are alike, so a calibration is redrawn in blocks of this many messages


@dataclass(frozen=True, slots=True)
class Calibration:
    """Samples, s, of what `HoldTimes` wants to know: of messages back to back, and of those that found it idle."""

    dispatch_s: Seconds
    processing_s: Seconds
    wakeup_s: Seconds
    woken_processing_s: Seconds

    @property
    def hold_s(self) -> float:
        """Mean hold of a busy thread: processing plus dispatch."""
        return float(self.processing_s.mean() + self.dispatch_s.mean())

    def redrawn(self, rng: np.random.Generator) -> "Calibration":
        """Return another calibration that this one might have been: blocks of it, drawn with replacement."""
        return Calibration(*(_blocks(sample, rng) for sample in self.samples))

    def hold_times(self, n: int, rng: np.random.Generator) -> HoldTimes:
        """Draw the hold times of n messages from the samples, independently."""
        return HoldTimes(*(_draw(sample, n, rng) for sample in self.samples))

    @property
    def samples(self) -> tuple[Seconds, ...]:
        """All four, in their order."""
        return self.dispatch_s, self.processing_s, self.wakeup_s, self.woken_processing_s

    def document(self) -> dict[str, Any]:
        """Return what the results say of it, s."""
        names = ("dispatch_s", "processing_s", "wakeup_s", "woken_processing_s")
        return {"hold_s": self.hold_s, **{name: summary(getattr(self, name)) for name in names}}


def workloads(service_s: float, seconds: float, seed: int) -> tuple[Workload, Workload]:
    """Return what a calibration runs: messages back to back, and messages so rare that most find the thread idle.

    Each takes about half of `seconds`.
    """
    spans = max(50, round(seconds / 2 / service_s))
    back_to_back = Workload(rate_per_s=1e5, service_s=service_s, messages=spans, arrivals="deterministic", seed=seed)
    # Its arrivals are on a seed of their own, lest a run be predicted from its very own arrivals.
    rare = Workload(
        rate_per_s=RARE_LOAD / service_s, service_s=service_s, messages=round(spans * RARE_LOAD), seed=seed + 1
    )
    return back_to_back, rare


def calibrate(
    service_s: float, seconds: float, seed: int, on_wait: Callable[[float], object] = lambda passed_s: None
) -> Calibration:
    """Measure how long messages of `service_s` hold the thread, in about `seconds` s."""
    back_to_back, rare = (measure(run, on_wait).trajectory for run in workloads(service_s, seconds, seed))
    free_s = np.concatenate([[-np.inf], rare.finish_s[:-1]])
    woken = rare.arrival_s > free_s  # found the thread idle
    return Calibration(back_to_back.dispatch_s, back_to_back.processing_s, rare.wait_s[woken], rare.processing_s[woken])


def _blocks(sample: Seconds, rng: np.random.Generator) -> Seconds:
    block = min(BLOCK, len(sample))
    starts = rng.integers(0, len(sample) - block + 1, size=-(-len(sample) // block))
    places = (starts[:, None] + np.arange(block)).ravel()
    return np.take(sample, places)


def _draw(sample: Seconds, n: int, rng: np.random.Generator) -> list[int]:
    nanoseconds: list[int] = np.rint(rng.choice(sample, size=n) * NS).astype(np.int64).tolist()
    return nanoseconds
