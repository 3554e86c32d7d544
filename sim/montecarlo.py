"""Monte Carlo of the process itself: no workload is stored, so 10^9 messages need no more memory than 10^6.

First come, first served, one thread, nobody asks. The process is that of the workload, and every metric is defined as
for a trajectory; only the random numbers are others (numpy's), and so there is no digest.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim import kernels
from sim.arrivals import Bursty, Poisson
from sim.estimate import BATCHES
from sim.histogram import BINS, Counts, quantile, shares_above
from sim.service import Empirical, Exponential, Lognormal, ServiceTimes
from sim.size import planned_messages
from sim.summary import SUMMARY, Seconds, ratio
from sim.trajectory import Trajectory
from sim.workload import Workload

CHUNK = 1 << 14  # messages drawn at a time, few enough to stay in the processor's cache
TURN = 1 << 17  # messages between two looks at whether someone wants to stop


@dataclass(frozen=True, slots=True)
class LongRun:
    """What is left of a run: counts and sums, in units of the mean service `unit_s`.

    `counts` holds the histograms of each batch, shape (batches, HISTOGRAMS, BINS); `wait_sums` and `work_sums` have
    shape (batches,).
    """

    unit_s: float
    state: Seconds
    trend: Seconds
    counts: Counts
    wait_sums: Seconds
    work_sums: Seconds
    overshoot: float
    constant: bool  # whether every service is one unit, so that a latency is a wait and a unit

    @property
    def batch_sizes(self) -> Counts:
        """Messages of each batch."""
        return self.counts[:, kernels.OF_WAITS].sum(axis=1)

    def __len__(self) -> int:
        return int(self.batch_sizes.sum())

    def metrics(self) -> dict[str, Any]:
        """Return what `Trajectory.metrics` would; percentiles to within `histogram.RELATIVE_ERROR`.

        Where service is constant, `source_blocked` and the growth of latency are those of every STRIDE-th message.
        """
        n, state, unit_s = len(self), self.state, self.unit_s
        if not n:
            return Trajectory.of([], start_s=[], finish_s=[]).metrics()
        waited, worked = float(self.wait_sums.sum()), float(self.work_sums.sum())
        last_arrival = float(state[kernels.NOW])
        last_finish = last_arrival + float(state[kernels.WAIT] + state[kernels.WORK])
        at_last = int(state[kernels.WAITING])
        # Who stands behind the message in service is counted until it is done, which is after the last arrival.
        blocked = float(state[kernels.BLOCKED] - state[kernels.STANDING] * state[kernels.LEFT])
        residual_mean = float(state[kernels.RESIDUALS] / self.counts[:, kernels.OF_RESIDUALS].sum())
        return {
            "messages": n,
            "throughput_per_s": ratio(n, last_finish * unit_s),
            "utilization": ratio(worked, last_arrival),
            "busy_fraction": ratio(worked, last_finish),
            "wait_s": self._summary(kernels.OF_WAITS, waited / n),
            "processing_s": self._summary(kernels.OF_WORK, worked / n),
            "latency_s": self._summary(kernels.OF_LATENCIES, (waited + worked) / n),
            "queue_length": {
                "mean": ratio(waited - self.overshoot, last_arrival),
                "max": int(state[kernels.LONGEST_QUEUE]),
                "at_last_arrival": at_last,
            },
            "queue_growth_per_s": ratio(at_last, last_arrival * unit_s),
            "latency_growth_s_per_s": ratio(float(self.trend[kernels.SXY]), float(self.trend[kernels.SXX])),
            "source_blocked": {
                "fraction": ratio(blocked, last_arrival),
                "wait_s": self._summary(kernels.OF_RESIDUALS, residual_mean),
            },
            "queries": None,
        }

    def _summary(self, which: int, mean: float) -> dict[str, float | None]:
        longest = float(self.state[kernels.LONGEST_WAIT + which])
        found = [min(self.quantile(which, p), longest) for p in (0.5, 0.95, 0.99)]
        return {name: at * self.unit_s for name, at in zip(SUMMARY, (mean, *found, longest), strict=True)}

    def quantile(self, which: int, p: float) -> float:
        """Return the p quantile of what is counted there, in units."""
        if not self.constant or which in (kernels.OF_WAITS, kernels.OF_RESIDUALS):
            return quantile(self.counts[:, which].sum(axis=0), p)
        return 1.0 if which == kernels.OF_WORK else self.quantile(kernels.OF_WAITS, p) + 1.0

    @property
    def wait_batches(self) -> "CountedBatches":
        """The run's batches, of waits."""
        return CountedBatches(self, kernels.OF_WAITS)

    @property
    def latency_batches(self) -> "CountedBatches":
        """The run's batches, of latencies."""
        return CountedBatches(self, kernels.OF_LATENCIES)


@dataclass(frozen=True, slots=True)
class CountedBatches:
    """Batches of which only histograms and sums are left, as `sim.estimate` wants them."""

    run: LongRun
    which: int

    @property
    def means(self) -> Seconds:
        """The mean of each batch, s."""
        run = self.run
        sums = run.wait_sums + (run.work_sums if self.which == kernels.OF_LATENCIES else 0.0)
        means: Seconds = sums / run.batch_sizes * run.unit_s
        return means

    def shares_above(self, t_s: float) -> Seconds:
        """Return the share above `t_s` of each batch."""
        run, at = self.run, t_s / self.run.unit_s
        if self.which == kernels.OF_LATENCIES and run.constant:
            return shares_above(run.counts[:, kernels.OF_WAITS], at - 1.0)
        return shares_above(run.counts[:, self.which], at)

    def quantile(self, p: float) -> float:
        """Return the p quantile of the whole run, s: never more than the longest, which is known exactly."""
        longest = float(self.run.state[kernels.LONGEST_WAIT + self.which])
        return min(self.run.quantile(self.which, p), longest) * self.run.unit_s


def monte_carlo(
    workload: Workload, batches: int = BATCHES, on_progress: Callable[[float], object] = lambda share: None
) -> LongRun:
    """Run the process that a workload describes, in batches of about equally many messages each.

    `on_progress` is told now and then which share is done. The workload's orders, queries and inbox are left out of
    account: ask `sim.size.is_drawable` beforehand.
    """
    run = _Run(workload, batches)
    for share in run.go():
        on_progress(share)
    return run.result()


class _Run:
    """One run under way."""

    def __init__(self, workload: Workload, batches: int) -> None:
        assert workload.rate_per_s is not None
        assert workload.service_s is not None
        rho = workload.rate_per_s * workload.service_s
        self.unit_s = workload.service_s
        self.until = (workload.duration_s or np.inf) / self.unit_s
        self.planned = round(planned_messages(workload))
        self.most = workload.messages or 2**62  # as many as arrive until the end
        self.parameters = np.zeros(kernels.PARAMETERS)
        self.parameters[kernels.GAP] = 1.0 / rho
        self.kinds = self._arrivals(workload, rho), self._service(workload.service_times)
        streams = np.random.SeedSequence(workload.seed).spawn(3)
        gaps, phases, arriving, serving = (np.random.default_rng(streams[k]) for k in (0, 1, 2, 2))
        self.process = self.kinds, self.parameters, self.samples, (gaps, phases, arriving, serving)
        self.gaps = gaps
        self.state, self.trend = kernels.fresh_state()
        self.state[kernels.FAST] = float(phases.random() < 0.5)
        self.state[kernels.PHASE_LEFT] = phases.standard_exponential() * self.parameters[kernels.DWELL]
        self.counts = np.zeros((batches, kernels.HISTOGRAMS, BINS), np.int64)
        self.wait_sums, self.work_sums = np.zeros(batches), np.zeros(batches)

    def _arrivals(self, workload: Workload, rho: float) -> int:
        process = workload.arrival_process
        if isinstance(process, Bursty):
            slow = 2.0 * rho / (1.0 + process.ratio)
            self.parameters[kernels.SLOW_RATE : kernels.DWELL] = slow, slow * process.ratio
            self.parameters[kernels.DWELL] = process.dwell_s / self.unit_s
            return kernels.BURSTY
        return kernels.EXPONENTIAL if isinstance(process, Poisson) else kernels.CONSTANT

    def _service(self, service: ServiceTimes) -> int:
        self.samples = np.ones(1)
        if isinstance(service, Lognormal):
            self.parameters[kernels.SIGMA] = math.sqrt(math.log1p(service.cv**2))
            return kernels.LOGNORMAL
        if isinstance(service, Empirical):
            self.samples = np.asarray(service.samples_ns) / np.mean(service.samples_ns)
            return kernels.SAMPLED
        return kernels.EXPONENTIAL if isinstance(service, Exponential) else kernels.CONSTANT

    def go(self) -> Iterator[float]:
        """Run it; yield, after every turn, the share that is done."""
        done, batches = 0, len(self.counts)
        step = self._constant if self.kinds == (kernels.EXPONENTIAL, kernels.CONSTANT) else self._varied
        for batch in range(batches):
            # The last batch takes what is left, be that more or less than planned.
            end = self.planned * (batch + 1) // batches if batch < batches - 1 else self.most
            while done < end:
                asked = min(end - done, TURN)
                ran = step(batch, asked)
                done += ran
                yield min(done / max(self.planned, 1), 1.0)
                if ran < asked:
                    return

    def _constant(self, batch: int, n: int) -> int:
        gap, ran = self.parameters[kernels.GAP], 0
        draws, waits = np.empty(min(CHUNK, n)), np.empty(min(CHUNK, n))
        while ran < n:
            asked = min(len(draws), n - ran)
            drawn = self.gaps.standard_exponential(out=draws[:asked])
            left = (self.until - self.state[kernels.NOW]) / gap
            if left < 3.0 * asked + 50.0:  # nearer than so many gaps the end is looked for
                drawn = drawn[: np.searchsorted(np.cumsum(drawn), left, side="right")]
            if not len(drawn):
                break
            sums = kernels.constant_service(drawn, gap, waits[: len(drawn)], self.state, self.trend, self.counts[batch])
            self.wait_sums[batch] += sums
            self.work_sums[batch] += len(drawn)
            ran += len(drawn)
            if len(drawn) < asked:
                break
        return ran

    def _varied(self, batch: int, n: int) -> int:
        with kernels.uninterrupted():
            ran, waits, works = kernels.varied(n, self.until, self.process, self.state, self.trend, self.counts[batch])
        self.wait_sums[batch] += waits
        self.work_sums[batch] += works
        return int(ran)

    def result(self) -> LongRun:
        """Return what was counted."""
        with kernels.uninterrupted():
            past = kernels.overshoot(self.process, self.state)
        constant = self.kinds == (kernels.EXPONENTIAL, kernels.CONSTANT)
        return LongRun(self.unit_s, self.state, self.trend, self.counts, self.wait_sums, self.work_sums, past, constant)
