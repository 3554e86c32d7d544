"""Calibration: how long a message holds the thread of this machine, measured before anything is predicted.

Never taken from the run that is to be predicted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from compare.measure import expected_s, measure
from sim import HoldTimes, Workload
from sim.recording import NS
from sim.summary import Seconds, summary

RARE_LOAD = 0.3
LEAST_BUSY, LEAST_RARE = 100, 60  # messages
BLOCK = 25  # neighbours are alike, so samples are drawn in runs of up to this many


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
        """Return another calibration that this one might have been."""
        return Calibration(*self._draw(len(self.processing_s), len(self.wakeup_s), rng))

    def hold_times(self, n: int, rng: np.random.Generator) -> HoldTimes:
        """Draw the hold times of n messages."""
        columns = (np.rint(column * NS).astype(np.int64).tolist() for column in self._draw(n, n, rng))
        return HoldTimes(*columns)

    def _draw(self, busy: int, woken: int, rng: np.random.Generator) -> tuple[Seconds, ...]:
        """Draw what was measured of whole messages together, in blocks: neighbours are alike."""
        of_busy = _places(len(self.processing_s), busy, rng)
        of_woken = _places(len(self.wakeup_s), woken, rng)
        return (
            self.dispatch_s[of_busy],
            self.processing_s[of_busy],
            self.wakeup_s[of_woken],
            self.woken_processing_s[of_woken],
        )

    def document(self) -> dict[str, Any]:
        """Return what the results say of it, s."""
        names = ("dispatch_s", "processing_s", "wakeup_s", "woken_processing_s")
        return {"hold_s": self.hold_s, **{name: summary(getattr(self, name)) for name in names}}


def workloads(service_s: float, seconds: float, seed: int) -> tuple[Workload, Workload]:
    """Return what a calibration runs: messages back to back, and messages so rare that most find the thread idle.

    Each takes about half of `seconds`, longer where a message takes so long that there would be too few of them.
    """
    busy = max(LEAST_BUSY, round(seconds / 2 / service_s))
    back_to_back = Workload(
        rate_per_s=min(20 / service_s, 1e6), service_s=service_s, messages=busy, arrivals="deterministic", seed=seed
    )
    # Its arrivals are on a seed of their own, lest a run be predicted from its very own arrivals.
    rare = Workload(
        rate_per_s=min(RARE_LOAD / service_s, 1e6),
        service_s=service_s,
        messages=max(LEAST_RARE, round(busy * RARE_LOAD)),
        seed=(seed + 1) % 2**63,
    )
    return back_to_back, rare


def calibrate(
    service_s: float, seconds: float, seed: int, on_wait: Callable[[float], object] = lambda passed_s: None
) -> Calibration:
    """Measure how long messages of `service_s` hold the thread, in about `seconds` s."""
    first, second = workloads(service_s, seconds, seed)
    back_to_back = measure(first, on_wait).trajectory
    rare = measure(second, lambda passed_s: on_wait(expected_s(first) + passed_s)).trajectory
    free_s = np.concatenate([[-np.inf], rare.finish_s[:-1]])
    woken = rare.arrival_s > free_s  # found the thread idle
    # The first message of all was woken: it has a processing time to show, but no dispatch before it.
    dispatch_s, processing_s = back_to_back.dispatch_s, back_to_back.processing_s[1:]
    both = min(len(dispatch_s), len(processing_s))
    return Calibration(dispatch_s[-both:], processing_s[-both:], rare.wait_s[woken], rare.processing_s[woken])


def _places(of: int, n: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return n places in a sample, in blocks that begin anywhere and go round at its end.

    (Circular block bootstrap: Politis and Romano 1992, in Exploring the Limits of Bootstrap, p. 263.)
    """
    block = max(1, min(BLOCK, round(of**0.5)))
    starts = rng.integers(0, of, size=-(-n // block))
    places: npt.NDArray[np.int64] = (starts[:, None] + np.arange(block)).ravel()[:n] % of
    return places
