"""Bands: where 95 % of runs would fall, for arrivals drawn anew (ensemble) or for these very arrivals (prediction)."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.checks import InvalidWorkload
from sim.model import HoldTimes
from sim.recording import NS
from sim.recursion import waits
from sim.run import simulate
from sim.size import drawing_s, is_drawable, planned_messages, planned_queries
from sim.summary import SUMMARY, Seconds, summary
from sim.trajectory import Trajectory
from sim.workload import Workload

RUNS = 200
# Up to so many messages and queries the band is that of the next RUNS seeds, which anyone can run. Beyond, it is drawn
# by Monte Carlo, if that takes no longer than anyone wants to look at a screen for.
MOST_SEEDED, MOST_DRAWN_S = 30_000, 2.0
QUANTILES = SUMMARY[:-1]  # the longest of a run says little of the next
GROWTHS = ("queue_growth_per_s", "latency_growth_s_per_s")
LEAST_SAMPLES = 20  # of a calibration
COLUMNS = ("dispatch_s", "processing_s", "wakeup_s", "woken_processing_s")  # of its samples
BLOCK = 25  # neighbours are alike, so hold times are drawn in runs of up to this many


def ensemble_band(workload: Workload, servers: int = 1, runs: int = RUNS) -> dict[str, Any] | None:
    """Return [2.5 %, 97.5 %] over `runs` runs of latency mean, p50, p95, p99 (s) and of both growths.

    None where a workload cannot be drawn again (a recording), has no message or is too long; a pair is None where its
    number is undefined in every run.
    """
    if workload.arrivals_kind == "trace" or not round(planned_messages(workload)):
        return None
    try:
        metrics = list(_drawn_again(workload, servers, runs))
    except InvalidWorkload:  # messages so rare that another seed's do not fit into the range of time
        return None
    if not metrics:
        return None
    latency = {name: band_of([run["latency_s"][name] for run in metrics]) for name in QUANTILES}
    return {"latency_s": latency, **{name: band_of([run[name] for run in metrics]) for name in GROWTHS}}


def _drawn_again(workload: Workload, servers: int, runs: int) -> Iterator[dict[str, Any]]:
    """Yield the metrics of runs with the seeds after the workload's own; none where that would take too long."""
    seeds = ((workload.seed + k) % 2**63 for k in range(1, runs + 1))
    planned = planned_messages(workload) + planned_queries(workload)
    if planned <= MOST_SEEDED:
        plain = workload.order == "fifo" and not workload.query_rate_per_s and servers == 1
        for seed in seeds:
            again = workload.reseeded(seed)
            # An inbox makes the source wait, and nobody else. The compiled engine would take longer to load than
            # this takes to run.
            run = _first_come(again) if plain else simulate(again, engine="compiled", servers=servers)
            yield run.metrics(servers)
    elif servers == 1 and is_drawable(workload) and runs * drawing_s(workload) <= MOST_DRAWN_S:
        from sim.montecarlo import monte_carlo  # noqa: PLC0415 - numba only where it is needed

        for seed in seeds:
            yield monte_carlo(workload.reseeded(seed), batches=1).metrics()


def _first_come(workload: Workload) -> Trajectory:
    arrival_s = np.asarray(workload.arrivals_ns) / NS
    service_s = np.asarray(workload.service_ns) / NS
    start_s = arrival_s + waits(arrival_s, service_s)
    nobody = np.zeros(len(arrival_s), dtype=np.str_)
    return Trajectory(arrival_s, arrival_s, start_s, start_s + service_s, nobody)


def band_of(values: Sequence[float | None]) -> list[float] | None:
    """Return between which numbers one more would lie with 95 %: quantiles k/(n + 1) (Hyndman and Fan 1996, type 6).

    None where there are no numbers but None.

    >>> band_of([float(run) for run in range(200)])
    [4.025, 194.975]
    """
    known = [value for value in values if value is not None]
    return np.percentile(known, [2.5, 97.5], method="weibull").tolist() if known else None


# -- these arrivals, with hold times that a calibration found ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wander:
    """How far a machine wanders: a run's mean hold is off the calibration's by this `share` (standard deviation).

    It was told from `freedom` + 1 stretches, so what is drawn is Student's t: the prediction interval for one more
    observation of a normal law (Hahn and Meeker 1991, Statistical Intervals, section 4.7) without the part of the
    mean's own error, which `redrawn` has.
    """

    share: float
    freedom: int

    @classmethod
    def of(cls, stretches_s: Seconds, between: float = 1.0) -> "Wander":
        """Return what the means of stretches tell, shape (k,), k ≥ 2.

        `between`: of their variance, so many times as much is between a run's mean and the calibration's.
        """
        share = float(stretches_s.std(ddof=1) / stretches_s.mean())
        return cls(share * between**0.5, len(stretches_s) - 1)

    def drawn(self, rng: np.random.Generator) -> float:
        """Draw by how many times longer a run's messages take."""
        return math.exp(self.share * rng.standard_t(self.freedom))


@dataclass(frozen=True, slots=True)
class HoldSamples:
    """A calibration's samples, s, of what `HoldTimes` wants to know: of messages back to back, and of woken ones.

    `dispatch_s` and `processing_s` have one entry a message that was waiting, `wakeup_s` and `woken_processing_s` one
    a message that found the thread idle. ValueError for fewer than LEAST_SAMPLES of either, or for what is no time: of
    a handful nobody can tell what another calibration would have been. Even so a band of n samples knows nothing of
    what happens less often than every n-th time, and is too narrow for the few: 300 of them are no luxury.

    `alike` is how many neighbours are drawn together, of busy messages; None leaves it to the size of the sample. A
    machine that is slower for a second, then faster, needs as many as a second has. `wander` is for one that is another
    one from one time to the next: each run's messages are all longer, or all shorter, by a factor of its own.
    """

    dispatch_s: Seconds
    processing_s: Seconds
    wakeup_s: Seconds
    woken_processing_s: Seconds
    alike: int | None = None
    wander: Wander | None = None

    def __post_init__(self) -> None:
        """Refuse what is no sample of times."""
        for name in COLUMNS:
            values = getattr(self, name)
            if len(values) < LEAST_SAMPLES:
                raise ValueError(f"{name}: {len(values)} samples; at least {LEAST_SAMPLES} are needed, better 300")
            wrong = values[~((values >= 0.0) & (values < math.inf))]
            if len(wrong):
                raise ValueError(f"{name}: {wrong[0]} is no time; give seconds, 0 or more")

    @classmethod
    def of_services(cls, service_s: npt.ArrayLike) -> "HoldSamples":
        """Return samples of a thread whose loop costs nothing and which does not mind having been idle."""
        service = np.asarray(service_s, dtype=np.float64)
        return cls(np.zeros(len(service)), service, np.zeros(len(service)), service)

    @property
    def hold_s(self) -> float:
        """Mean hold of a busy thread: processing plus dispatch."""
        return float(self.processing_s.mean() + self.dispatch_s.mean())

    def redrawn(self, rng: np.random.Generator) -> "HoldSamples":
        """Return other samples that these might have been."""
        dispatch, processing, wakeup, woken = self._draw(len(self.processing_s), len(self.wakeup_s), rng)
        return HoldSamples(dispatch, processing, wakeup, woken, self.alike, self.wander)

    def joined(self, others: Sequence["HoldSamples"]) -> "HoldSamples":
        """Return these samples and others that were taken at other times, as one."""
        every = (self, *others)
        return HoldSamples(
            np.concatenate([one.dispatch_s for one in every]),
            np.concatenate([one.processing_s for one in every]),
            np.concatenate([one.wakeup_s for one in every]),
            np.concatenate([one.woken_processing_s for one in every]),
            self.alike,
            self.wander,
        )

    def hold_times(self, n: int, rng: np.random.Generator) -> HoldTimes:
        """Draw the hold times of n messages, a run."""
        dispatch, processing, wakeup, woken = self._draw(n, n, rng)
        times = self.wander.drawn(rng) if self.wander else 1.0
        columns = (dispatch, processing * times, wakeup, woken * times)
        return HoldTimes(*(np.rint(column * NS).astype(np.int64).tolist() for column in columns))

    def _draw(self, busy: int, woken: int, rng: np.random.Generator) -> tuple[Seconds, ...]:
        """Draw what was measured of whole messages together, in blocks: neighbours are alike."""
        woken_share = len(self.wakeup_s) / len(self.processing_s)  # they are fewer in the same time
        of_busy = _places(len(self.processing_s), busy, rng, self.alike)
        of_woken = _places(len(self.wakeup_s), woken, rng, self.alike and max(1, round(self.alike * woken_share)))
        return (
            self.dispatch_s[of_busy],
            self.processing_s[of_busy],
            self.wakeup_s[of_woken],
            self.woken_processing_s[of_woken],
        )

    def document(self) -> dict[str, Any]:
        """Return what results say of it, s."""
        return {"hold_s": self.hold_s, **{name: summary(getattr(self, name)) for name in COLUMNS}}


def _places(of: int, n: int, rng: np.random.Generator, alike: int | None = None) -> npt.NDArray[np.int64]:
    """Return n places in a sample, in blocks that begin anywhere and go round at its end; at least four make a sample.

    (Circular block bootstrap: Politis and Romano 1992, in Exploring the Limits of Bootstrap, p. 263.)
    """
    block = max(1, min(BLOCK, round(of**0.5)) if alike is None else min(alike, of // 4))
    starts = rng.integers(0, of, size=-(-n // block))
    places: npt.NDArray[np.int64] = (starts[:, None] + np.arange(block)).ravel()[:n] % of
    return places
