"""Many minutes at ρ = 0.9, with questions and clients that come and go: memory stays, and so do the latencies."""

import math
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from compare.machine.children import Child
from sim import Trajectory
from sim.summary import Seconds
from tests.benchmarks.trust.processes import Sampler, Server, document, running, serving
from tests.benchmarks.trust.promise import Line

RATE_PER_S, SERVICE_MS, SENDERS, ASKED_PER_S = 180.0, 5, 2, 10
LOAD, LEAST_RELAXATIONS = RATE_PER_S * SERVICE_MS / 1e3, 20
STAYS_S = (15, 19, 13)  # how long each kind of client stays: they do not come and go together
SAMPLE_S, MOST_GROWTH = 5.0, 1_000_000
SETTLING = 0.2  # the first share of the run, in which memory may grow: 2 minutes of 10
BATCHES = 10
# The 99.5 % quantile of Student's t with 2 · BATCHES − 2 degrees of freedom: three comparisons, each wrong in 1 of 100.
STUDENT = 2.8784404727


@dataclass(slots=True)
class Coming:
    """A kind of client, run again and again: each is another process, on another connection, with another seed."""

    module: str
    words: tuple[str, ...]
    directory: Path
    seed: int
    stack: ExitStack = field(default_factory=ExitStack)
    child: Child | None = None
    count: int = 0
    done: int = 0

    def next(self) -> None:
        """Hear what the one before did, and let another come."""
        self.end()
        self.count += 1
        words = (*self.words, "--seed", str(self.seed + self.count))
        self.child = self.stack.enter_context(running(self.module, self.directory / str(self.count), *words))

    def end(self) -> None:
        """Wait for the end of the one that is there."""
        if self.child is not None:
            told = document(self.child)
            self.done += told["sent"]["messages"] if self.module == "real.send" else told["answers"]["count"]
            self.stack.close()
            self.child = None


def soak(minutes: float) -> Iterator[Line]:
    """Soak a processor for so long."""
    with tempfile.TemporaryDirectory() as directory:
        out, words = Path(directory), ("--work", "precise", "--service-ms", str(SERVICE_MS))
        with serving(out, *words) as server, cores_apart(server.child.pid):
            memory = Sampler(server.child.pid, SAMPLE_S)
            clients = come_and_go(server, out, 60 * minutes, memory)
            found = server.end()
        run = Trajectory.read_csv(out / "trajectory.csv")
    sent = sum(each.done for each in clients if each.module == "real.send")
    asked = sum(each.done for each in clients if each.module == "real.ask")
    counts = found["run"]
    yield Line("utilization", "told", f"{found['measured']['utilization']:.3f}")
    yield Line("clients that came and went", "told", str(sum(each.count for each in clients)))
    yield Line("messages processed", f"{sent:,}", f"{counts['processed']:,}", sent == counts["processed"] == len(run))
    yield Line("questions answered", f"{asked:,}", f"{counts['asked']:,}", asked == counts["asked"])
    yield from of_memory(memory.samples)
    yield from of_latency(run)


@contextmanager
def cores_apart(pid: int) -> Iterator[None]:
    """Leave one core to a process, if there are two: clients that start take another for a third of a second."""
    everywhere = os.sched_getaffinity(0)
    own = {min(everywhere)}
    if others := everywhere - own:
        os.sched_setaffinity(pid, own)
        os.sched_setaffinity(0, others)
    try:
        yield
    finally:
        os.sched_setaffinity(0, everywhere)


def come_and_go(server: Server, out: Path, for_s: float, memory: Sampler) -> list[Coming]:
    """Let clients come and go for so long, each kind at its own times."""
    sends = ("--to", server.tcp, "--rate", str(RATE_PER_S / SENDERS))
    asks = ("--to", server.http, "--rate", str(ASKED_PER_S), "--floor", "0")
    whats = [("real.send", sends)] * SENDERS + [("real.ask", asks)]
    kinds = [
        Coming(module, (*words, "--duration", str(stay_s)), out / f"client{number}", 1_000 * number)
        for number, ((module, words), stay_s) in enumerate(zip(whats, STAYS_S, strict=True))
    ]
    for each in kinds:
        each.directory.mkdir()
    begin_s = time.monotonic()
    with ExitStack() as stack:
        for each in kinds:
            stack.push(each.stack)
        due_s = [begin_s] * len(kinds)
        while time.monotonic() < begin_s + for_s:
            memory()
            for number, each in enumerate(kinds):
                if time.monotonic() >= due_s[number]:
                    each.next()
                    due_s[number] = time.monotonic() + STAYS_S[number]
            time.sleep(0.05)
        for each in kinds:
            each.end()
    return kinds


def of_memory(samples: list[tuple[float, int]]) -> Iterator[Line]:
    """Hold the memory after the settling against that at the end."""
    begin_s, end_s = samples[0][0], samples[-1][0]
    later = [(at_s, used) for at_s, used in samples if at_s >= begin_s + SETTLING * (end_s - begin_s)]
    grown = later[-1][1] - later[0][1]
    lasted_min = (later[-1][0] - later[0][0]) / 60
    yield Line(
        f"resident memory grows in the last {lasted_min:.1f} minutes",
        f"≤ {MOST_GROWTH / 1e6:g} MB",
        f"{grown / 1e6:+.2f} MB, from {later[0][1] / 1e6:.1f} (at the start {samples[0][1] / 1e6:.1f})",
        grown <= MOST_GROWTH,
    )


def of_latency(run: Trajectory) -> Iterator[Line]:
    """Compare the halves of a run in three numbers: the mean, and the shares above its median and its 95 % quantile."""
    latency_s = run.latency_s
    # Batches of fewer relaxation times, D/(ρ − 1 − ln ρ), are too much alike to be compared so.
    relaxation_s = SERVICE_MS / 1e3 / (LOAD - 1 - math.log(LOAD))
    long_enough = float(run.arrival_s[-1]) / (2 * BATCHES) >= LEAST_RELAXATIONS * relaxation_s
    p50_s, p95_s = np.percentile(latency_s, [50, 95])
    for what, values in (
        ("mean", latency_s),
        ("share above the median", (latency_s > p50_s).astype(np.float64)),
        ("share above p95", (latency_s > p95_s).astype(np.float64)),
    ):
        t = difference_of_halves(values)
        first, second = np.array_split(values, 2)
        shown = (
            f"{1e3 * first.mean():.2f} and {1e3 * second.mean():.2f} ms"
            if what == "mean"
            else (f"{100 * first.mean():.2f} and {100 * second.mean():.2f} %")
        )
        yield Line(
            f"latency, {what}: first and second half",
            f"|t| ≤ {STUDENT:.2f} ({BATCHES} batch means each)",
            f"{shown}, t = {t:+.2f}",
            abs(t) <= STUDENT if long_enough else None,
        )


def difference_of_halves(values: Seconds) -> float:
    """Return Student's t of the second half against the first, from the means of ten long batches of each.

    Successive latencies are alike, batch means nearly independent: 10 minutes at ρ = 0.9 have batches of 30 relaxation
    times (Welch 1947 for the unequal spreads).

    >>> rng = np.random.default_rng(1)
    >>> noise = rng.standard_normal(2000)
    >>> abs(difference_of_halves(noise)) < STUDENT, difference_of_halves(noise + np.arange(2000) / 2000) > STUDENT
    (True, True)
    """
    each = len(values) // (2 * BATCHES)
    means = values[: 2 * BATCHES * each].reshape(2, BATCHES, each).mean(axis=2)
    spread = math.sqrt(float(means.var(axis=1, ddof=1).sum()) / BATCHES)
    return float(means[1].mean() - means[0].mean()) / spread if spread else 0.0
