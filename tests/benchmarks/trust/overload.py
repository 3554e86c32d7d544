"""Ten times as many messages as can be processed, for six seconds: all are kept, all are processed, once, in order."""

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from real.machine import compute
from sim import Trajectory, Workload
from sim.summary import Seconds, slope
from tests.benchmarks.trust.memory import planned_bytes, received_bytes
from tests.benchmarks.trust.processes import Sampler, document, running, serving, until
from tests.benchmarks.trust.promise import Line, within

RATE_PER_S, SERVICE_S, SECONDS, SEED = 2_000.0, 0.005, 6.0, 1
LOAD = RATE_PER_S * SERVICE_S
MOST_OFF, MOST_MEMORY_OFF = 0.02, 0.10
SAMPLE_S = 0.1
_LOADED = (
    *("--rate", str(RATE_PER_S), "--duration", str(SECONDS), "--arrivals", "deterministic", "--seed", str(SEED)),
)
_HOLDS = ("--work", "precise", "--service-ms", str(1e3 * SERVICE_S))


@dataclass(frozen=True, slots=True, eq=False)
class Overloaded:
    """A run: its rows, memory at instants in its time, its document, and the states at its end, if anyone could ask."""

    run: Trajectory
    memory: list[tuple[float, int]]
    document: dict[str, Any]
    states: dict[str, dict[str, Any]] | None = None

    @property
    def bytes_each(self) -> float:
        """By how much memory grew with each message that waited, while they came (least squares)."""
        at_s, used = (np.array(column, dtype=np.float64) for column in zip(*self.memory, strict=True))
        coming = (at_s > 0) & (at_s < SECONDS)
        return slope(self.waiting(at_s[coming]), used[coming]) or 0.0

    def waiting(self, at_s: Seconds) -> Seconds:
        """Return how many were waiting at instants."""
        arrived = np.searchsorted(self.run.arrival_s, at_s, side="right")
        started = np.searchsorted(np.sort(self.run.start_s), at_s, side="right")
        waiting: Seconds = (arrived - started).astype(np.float64)
        return waiting


def overload() -> Iterator[Line]:
    """Overload a processor that makes its own messages, and one that gets them over TCP."""
    workload = Workload(
        rate_per_s=RATE_PER_S, service_s=SERVICE_S, duration_s=SECONDS, arrivals="deterministic", seed=SEED
    )
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory)
        yield from told("in process", workload, in_process(out / "in-process"), planned_bytes(workload))
        yield from told("over TCP", workload, over_tcp(out / "tcp", workload), received_bytes(workload))


def in_process(out: Path) -> Overloaded:
    """Overload a processor that makes its own messages."""
    with running("real", out, *_LOADED, *_HOLDS) as child:
        memory = Sampler(child.pid, SAMPLE_S)
        found = document(child, memory)
    return overloaded(out, memory, found)


def over_tcp(out: Path, workload: Workload) -> Overloaded:
    """Overload one that gets its messages over TCP; ask for the states once all are processed."""
    out.mkdir()
    with serving(out, *_HOLDS) as server:
        memory = Sampler(server.child.pid, SAMPLE_S)
        with running("real.send", out / "sent", "--to", server.tcp, *_LOADED) as sender:
            sent = document(sender, memory)["sent"]["messages"]
        until(lambda: processed_of(server) == sent, [lambda: time.sleep(1.0)])
        states = {f"w{number}": server.state(f"w{number}") for number in range(workload.workers)}
        found = server.end()
    return overloaded(out, memory, found, states)


def processed_of(server: Any) -> int:
    """Return how many messages a processor has processed."""
    return int(server.count("lab_messages_processed_total"))


def overloaded(out: Path, memory: Sampler, found: dict[str, Any], states: Any = None) -> Overloaded:
    """Return what a run left, memory in the run's time."""
    origin_s = found["run"]["origin_monotonic_s"]
    samples = [(at_s - origin_s, used) for at_s, used in memory.samples]
    return Overloaded(Trajectory.read_csv(out / "trajectory.csv"), samples, found, states)


def told(where: str, workload: Workload, found: Overloaded, bytes_each: float) -> Iterator[Line]:
    """Hold a run against what was predicted of it."""
    run, counts = found.run, found.document["run"]
    yield within(f"{where}: memory a message that waits", found.bytes_each, bytes_each, MOST_MEMORY_OFF, "bytes")
    most = found.document["measured"]["queue_length"]["at_last_arrival"]
    yield within("… waiting at the last arrival", most, len(workload) * (1 - 1 / LOAD), MOST_OFF, "messages")
    growth = found.document["measured"]["latency_growth_s_per_s"]
    yield within("… latency grows by ρ − 1", growth, LOAD - 1, MOST_OFF, "s/s")
    left = counts["received"] - counts["processed"]
    yield Line("… left at the end", "0", f"{left} of {counts['received']:,}", left == 0)
    once = exactly_once(workload, run)
    yield Line("… processed exactly once", f"{len(workload):,}", f"{len(run):,}", once)
    yield Line("… each worker's in order", "all", "all" if in_order(run) else "not all", in_order(run))
    if found.states is not None:
        equal = found.states == folded(workload)
        yield Line("… states at the end are a fold of what was sent", "equal", "equal" if equal else "differ", equal)


def exactly_once(workload: Workload, run: Trajectory) -> bool:
    """Whether the instants planned are those of the rows, each once."""
    planned_s = np.array(workload.arrivals_s)
    if len(run) != len(planned_s):
        return False
    # Of a run over TCP the first arrival is second 0.
    off_s = (run.arrival_s - run.arrival_s[0]) - (planned_s - planned_s[0])
    return bool((np.abs(off_s) < 1e-6).all())


def in_order(run: Trajectory) -> bool:
    """Whether each worker's messages started in the order of their arrivals."""
    starts_s = defaultdict(list)
    for worker, start_s in zip(run.worker.tolist(), run.start_s.tolist(), strict=True):
        starts_s[worker].append(start_s)
    return all(before < after for of_one in starts_s.values() for before, after in pairwise(of_one))


def folded(workload: Workload) -> dict[str, dict[str, Any]]:
    """Return the states that a workload's messages make of nothing, written a second time."""
    states: dict[str, dict[str, Any]] = defaultdict(dict)
    for number, worker in enumerate(workload.worker_numbers):
        state = states[f"w{worker}"]
        for operation in workload.payload(number):
            if operation["op"] == "increment":
                state[operation["key"]] = state.get(operation["key"], 0) + 1
            else:
                value = operation["value"]
                state[operation["key"]] = value if operation["op"] == "set" else compute(value)
    return dict(states)
