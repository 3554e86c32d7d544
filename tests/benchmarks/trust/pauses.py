"""A second in which a process of the lab is stopped: it must be in the latency of every message that was due in it."""

import csv
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compare.machine.noise import Stall
from compare.machine.vacations import with_stalls
from compare.scene import Scene
from sim import Trajectory, Workload
from sim.engine import Rules, waits_ns
from sim.recording import NS
from sim.summary import Seconds, summary
from tests.benchmarks.trust.processes import document, freeze, running, serving
from tests.benchmarks.trust.promise import Line, within

RATE_PER_S, SERVICE_S, PAUSE_S, SEED = 160, 0.005, 1.0, 1
LOAD = RATE_PER_S * SERVICE_S
# It goes on for more than 2x/(1 − ρ) after the pause: by then nearly always nothing of it is left.
BEFORE_S, AFTER_S = 4.0, 1.5 * 2 * PAUSE_S / (1 - LOAD)
STARTING_S = 1.0
MOST_OFF = 0.05
LASTING_S = BEFORE_S + PAUSE_S + AFTER_S
OTHERS = 1000
_LOADED = ("--rate", str(RATE_PER_S), "--seed", str(SEED), "--duration", str(LASTING_S))
_HOLDS = ("--work", "precise", "--service-ms", str(1e3 * SERVICE_S))


@dataclass(frozen=True, slots=True, eq=False)
class Paused:
    """A run, and when it was stopped, in the run's time."""

    run: Trajectory
    stall: Stall

    @property
    def due(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which messages were due while it was stopped."""
        return due_in(self.stall, self.run.arrival_s)

    @property
    def scene(self) -> Scene:
        """Its arrivals."""
        arrival_ns = np.rint(self.run.arrival_s * NS).astype(np.int64)
        return Scene(arrival_ns, np.zeros_like(arrival_ns), np.empty(0, np.int64), Rules())


def due_in(stall: Stall, at_s: Seconds) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which instants lie in a stall."""
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = (at_s >= stall.at_s) & (at_s < stall.end_s)
    return found


def pauses() -> Iterator[Line]:
    """Stop the processor, then each of its clients."""
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory)
        for where, paused in (("in process", in_process(out / "in-process")), ("over TCP", over_tcp(out / "tcp"))):
            yield from of_processor(where, paused)
        yield from of_sender(*sender_stopped(out / "sender"))
        yield from of_asker(*asker_stopped(out / "asker"))


def in_process(out: Path) -> Paused:
    """Stop a processor that makes its own messages."""
    with running("real", out, *_LOADED, *_HOLDS) as child:
        time.sleep(STARTING_S + BEFORE_S)
        stall = freeze(child.pid, PAUSE_S)
        origin_s = document(child)["run"]["origin_monotonic_s"]
    return Paused(Trajectory.read_csv(out / "trajectory.csv"), since(stall, origin_s))


def over_tcp(out: Path, *, stop_the_sender: bool = False) -> Paused:
    """Stop a processor that gets them over TCP, or whoever sends them."""
    out.mkdir()
    with serving(out, *_HOLDS) as server:
        with running("real.send", out / "sent", "--to", server.tcp, *_LOADED) as sender:
            time.sleep(STARTING_S + BEFORE_S)
            stall = freeze(sender.pid if stop_the_sender else server.child.pid, PAUSE_S)
            document(sender)
        origin_s = server.end()["run"]["origin_monotonic_s"]
    return Paused(Trajectory.read_csv(out / "trajectory.csv"), since(stall, origin_s))


def sender_stopped(out: Path) -> tuple[Paused, float]:
    """Stop the sender; return also the longest delay that it tells of itself, s."""
    paused = over_tcp(out, stop_the_sender=True)
    sent = next(csv_rows(out / "sent" / "sent.csv"))
    return paused, max(float(row["sent_s"]) - float(row["arrival_s"]) for row in sent)


def asker_stopped(out: Path) -> tuple[Stall, Seconds, Seconds]:
    """Stop the asker; return when (in its time), and the intended instants and latencies of its questions, s."""
    out.mkdir()
    words = ("--rate", "100", "--duration", "6", "--floor", "0")
    with serving(out, *_HOLDS) as server, running("real.ask", out / "asked", "--to", server.http, *words) as asker:
        time.sleep(STARTING_S + 2.0)
        stall = freeze(asker.pid, PAUSE_S)
        origin_s = document(asker)["asked"]["origin_monotonic_s"]
        server.end()
    rows = next(csv_rows(out / "asked" / "asked.csv"))
    intended_s = np.array([float(row["intended_s"]) for row in rows])
    complete_s = np.array([float(row["complete_s"] or "nan") for row in rows])
    return since(stall, origin_s), intended_s, complete_s - intended_s


def csv_rows(path: Path) -> Iterator[list[dict[str, str]]]:
    """Yield all rows of a file, while it is open."""
    with path.open(newline="", encoding="utf-8") as file:
        yield list(csv.DictReader(file))


def since(stall: Stall, origin_s: float) -> Stall:
    """Return a stall in the time of a run that began at an instant."""
    return Stall(stall.at_s - origin_s, stall.lasting_s)


def of_processor(where: str, paused: Paused) -> Iterator[Line]:
    """Hold a run in which the processor was stopped against the recursion with that vacation, and the closed form."""
    scene, due = paused.scene, paused.due
    holds = scene.constant(SERVICE_S)
    # The textbook's server works until an instant that is fixed as it starts: like a sleep.
    predicted_s = scene.replay(with_stalls(scene, holds, [paused.stall], sleeps=True)).latency_s
    late_s = paused.run.finish_s[due] - paused.stall.end_s
    yield Line(
        f"processor stopped for 1 s, {where}: messages due in it that end after it",
        f"all {due.sum()}",
        f"{(late_s >= 0).sum()}",
        bool(due.sum() and (late_s >= 0).all()),
    )
    yield from compared(f"… {where}", paused.run.latency_s, predicted_s)
    without_s = scene.replay(holds).latency_s
    wait_s, count = LOAD * SERVICE_S / (2 * (1 - LOAD)), len(scene.arrival_ns)  # M/D/1
    # Those that come after its beginning; and those that are there then are late by all of it.
    expected_s = PAUSE_S * RATE_PER_S * (PAUSE_S + 2 * wait_s) / (2 * count * (1 - LOAD))
    expected_s += RATE_PER_S * (wait_s + SERVICE_S) * PAUSE_S / count
    others_s = np.percentile(added_s(paused.stall.at_s), [0.5, 99.5])
    added = float(paused.run.latency_s.mean() - without_s.mean())
    yield Line(
        f"… {where}: it adds to the mean",
        f"{1e3 * expected_s:.0f} ms; {' … '.join(f'{1e3 * at_s:.0f}' for at_s in others_s)} for 99 % of other arrivals",
        f"{1e3 * added:.0f} ms",
        bool(others_s[0] <= added <= others_s[1]),
    )


def added_s(at_s: float) -> Seconds:
    """Return what such a pause adds to the mean of runs with other arrivals (s): they differ a lot."""
    found = []
    for seed in range(2, 2 + OTHERS):
        workload = Workload(rate_per_s=RATE_PER_S, service_s=SERVICE_S, duration_s=LASTING_S, seed=seed)
        scene = Scene.of(workload)
        holds = scene.constant(SERVICE_S)
        paused = scene.replay(with_stalls(scene, holds, [Stall(at_s, PAUSE_S)], sleeps=True)).latency_s
        found.append(paused.mean() - scene.replay(holds).latency_s.mean())
    return np.array(found)


def compared(where: str, measured_s: Seconds, predicted_s: Seconds) -> Iterator[Line]:
    """Hold mean, p99 and max against what is predicted."""
    measured, predicted = summary(measured_s), summary(predicted_s)
    for name in ("mean", "p99", "max"):
        yield within(f"{where}: {name} latency", measured[name] or 0.0, predicted[name] or 0.0, MOST_OFF)


def of_sender(paused: Paused, latest_s: float) -> Iterator[Line]:
    """Hold a run whose sender was stopped against the recursion: what was due meanwhile comes all at once, after it."""
    planned_s, stall = paused.run.arrival_s, paused.stall
    handed_s = np.where(paused.due, stall.end_s, planned_s)
    service_ns = np.full(len(planned_s), round(SERVICE_S * NS), np.int64)
    waits_s = waits_ns(np.rint(handed_s * NS).astype(np.int64), service_ns) / NS
    yield from compared(
        "sender stopped for 1 s, as the processor tells",
        paused.run.latency_s,
        handed_s - planned_s + waits_s + SERVICE_S,
    )
    expected_s = stall.end_s - planned_s[paused.due][0]
    yield within("… the longest delay, as the sender tells", latest_s, expected_s, MOST_OFF)


def of_asker(stall: Stall, intended_s: Seconds, latency_s: Seconds) -> Iterator[Line]:
    """Hold the questions that were due while the asker was stopped against its end."""
    due = due_in(stall, intended_s)
    left_s = stall.end_s - intended_s[due]
    yield Line(
        "asker stopped for 1 s: questions due in it whose latency has the rest of it",
        f"all {due.sum()}",
        f"{(latency_s[due] >= left_s).sum()}",
        bool(due.sum() and (latency_s[due] >= left_s).all()),
    )
    yield within("… mean of their latencies", float(latency_s[due].mean()), float(left_s.mean()), MOST_OFF)
    yield within("… max", float(latency_s.max()), float(left_s.max()), MOST_OFF)
