"""Threads that share the messages of a workload: every message once, in order, and what that is worth."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from compare.machine.threads import Run, capacity, document_of, run, trajectory_of
from real.clock import FakeClock, WallClock
from real.machine import compute
from sim import Trajectory, Workload

ROOT = Path(__file__).parents[2]
MS = 1_000_000
SECOND_NS = 1_000_000_000


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "compare.machine.threads", *words], capture_output=True, text=True, cwd=ROOT, check=False
    )


@pytest.mark.parametrize(
    ("threads", "work", "gil", "cores", "per_s"),
    [
        (1, "sleep", True, 2, 200.0),
        (4, "sleep", True, 2, 800.0),
        (4, "sleep", False, 1, 800.0),
        (1, "cpu", True, 2, 200.0),
        (4, "cpu", True, 2, 200.0),
        (1, "cpu", False, 2, 200.0),
        (2, "cpu", False, 2, 400.0),
        (4, "cpu", False, 2, 400.0),
    ],
)
def test_what_threads_can_do_depends_on_the_work_the_interpreter_and_the_cores(
    threads: int, work: str, gil: bool, cores: int, per_s: float
) -> None:
    assert capacity(threads, 0.005, work=work, gil=gil, cores=cores) == per_s


def test_one_thread_on_a_fake_clock_does_one_message_after_the_other() -> None:
    clock = FakeClock(10 * SECOND_NS)
    ran = Run(11 * SECOND_NS, [at * SECOND_NS for at in (11, 12, 13, 20)], 1, clock)
    ran.process(lambda number: clock.sleep(2 * SECOND_NS))
    assert ran.start_ns == [at * SECOND_NS for at in (11, 13, 15, 20)]
    assert ran.finish_ns == [at * SECOND_NS for at in (13, 15, 17, 22)]
    assert ran.by_thread == [4]


def test_two_threads_are_in_two_messages_at_once() -> None:
    together = threading.Barrier(2)
    ran = Run(0, [0] * 20, 2, FakeClock())
    ran.process(lambda number: together.wait(timeout=60))  # with one thread nobody would ever come
    assert ran.by_thread == [10, 10]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_message_is_processed_once_and_starts_in_order_of_arrival(threads: int) -> None:
    workload = Workload(rate_per_s=2_000, service_s=0.001, messages=200, service="exponential", seed=3)
    seen: list[int] = []
    clock = WallClock()
    origin_ns = clock.now_ns() + 20 * MS
    ran = Run(origin_ns, [origin_ns + at_ns for at_ns in workload.arrivals_ns], threads, clock)

    def work(number: int) -> None:
        clock.sleep(workload.service_ns[number])
        seen.append(number)

    ran.process(work)
    assert sorted(seen) == list(range(200))
    assert sum(ran.by_thread) == 200
    assert len(ran.by_thread) == threads
    assert ran.start_ns == sorted(ran.start_ns)
    assert all(start >= due for start, due in zip(ran.start_ns, ran.arrival_ns, strict=True))
    # At no instant are more messages in work than there are threads.
    change = sorted([(at, 1) for at in ran.start_ns] + [(at, -1) for at in ran.finish_ns])
    assert max(np.cumsum([step for _, step in change])) <= threads


def test_a_run_is_the_workload_at_its_own_instants_with_its_own_service_times() -> None:
    workload = Workload(rate_per_s=2_000, service_s=0.001, messages=60, service="exponential", workers=3, seed=5)
    clock = FakeClock(7 * SECOND_NS)
    ran = run(workload, "sleep", 1, clock)
    assert [at_ns - ran.origin_ns for at_ns in ran.arrival_ns] == list(workload.arrivals_ns)
    took_ns = [finish - start for start, finish in zip(ran.start_ns, ran.finish_ns, strict=True)]
    assert took_ns == list(workload.service_ns)
    assert ran.alone_s == (0.001, 0.001)
    trajectory = trajectory_of(workload, ran)
    assert trajectory.arrival_s.tolist() == workload.arrivals_s
    assert trajectory.worker.tolist() == [f"w{number}" for number in workload.worker_numbers]
    assert (trajectory.taken_s == trajectory.start_s).all()


class Ticking(FakeClock):
    """A clock that moves by a millisecond whenever it is looked at."""

    def now_ns(self) -> int:
        self.sleep(MS)
        return super().now_ns()


@contextmanager
def rounds_computed_on_threads() -> Iterator[list[int]]:
    """How many rounds were asked for in each call of `compute` on a thread that was started meanwhile."""
    asked: list[int] = []

    def heard(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code is compute.__code__:
            asked.append(frame.f_locals["rounds"])

    before = threading.getprofile()
    threading.setprofile(heard)
    try:
        yield asked
    finally:
        threading.setprofile(before)


@pytest.mark.parametrize("threads", [1, 3])
def test_computing_is_as_many_rounds_as_one_thread_does_in_that_time_however_many_there_are(threads: int) -> None:
    workload = Workload(rate_per_s=1_000, service_s=0.002, messages=6)
    with rounds_computed_on_threads() as asked:
        run(workload, "cpu", threads, Ticking())
    assert asked == [40_000] * 6  # 20,000 rounds a millisecond, as this clock tells it


def test_the_document_has_what_a_real_runs_has_and_counts_latency_from_the_planned_arrival() -> None:
    # Arrivals at 1, 2 and 3 s, 2 s each: waits of 0, 1 and 2 s on one thread.
    workload = Workload(rate_per_s=1, service_s=2, messages=3, arrivals="deterministic")
    ran = run(workload, "sleep", 1, FakeClock())
    document = document_of(workload, trajectory_of(workload, ran), ran, "sleep", "python -m compare.machine.threads")
    assert set(document) == {"schema_version", "command", "workload", "measured", "environment", "run"}
    assert document["workload"] == workload.describe()
    assert document["measured"]["wait_s"]["mean"] == pytest.approx(1.0, abs=1e-9)
    assert document["measured"]["latency_s"]["max"] == pytest.approx(4.0, abs=1e-9)
    assert {"gil", "cores", "cpu_s"} <= set(document["environment"])
    assert document["environment"]["threads"] == 1
    assert document["run"] | {"cpu_s": None} == {
        **{"threads": 1, "work": "sleep", "cpu_s": None, "by_thread": [3]},
        **{"origin_monotonic_s": ran.origin_ns / 1e9, "wall_s": 7.0, "alone_s": {"before": 2.0, "after": 2.0}},
    }


@pytest.mark.parametrize("work", ["sleep", "cpu"])
def test_the_command_writes_a_trajectory_and_prints_one_document(work: str, tmp_path: Path) -> None:
    out = tmp_path / "made" / "for it"
    words = ["--threads", "2", "--work", work, "--rate", "1000", "--messages", "60", "--service-ms", "1"]
    result = command(*words, "--query-rate", "0", "--order", "fifo", "--json", "--out", str(out))
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    trajectory = Trajectory.read_csv(out / "trajectory.csv")
    workload = Workload(rate_per_s=1_000, messages=60, service_s=0.001)
    assert trajectory.arrival_s.tolist() == workload.arrivals_s
    assert document["workload"]["digest"] == workload.digest
    assert document["measured"] == trajectory.metrics(servers=2)
    assert document["run"]["wall_s"] == pytest.approx(trajectory.finish_s.max(), abs=1e-9)
    assert sum(document["run"]["by_thread"]) == 60
    assert document["command"].startswith("python -m compare.machine.threads --threads 2")


def test_without_json_it_says_in_one_line_what_came_of_it() -> None:
    result = command("--rate", "1000", "--messages", "20", "--service-ms", "1")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("20 messages on 1 thread (sleep): ")
    assert result.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "quoted"),
    [
        (["--threads", "0"], "--threads 0: must be a whole number from 1 to 100"),
        (["--threads", "many"], "--threads many"),
        (["--work", "precise"], "--work precise: must be one of sleep, cpu"),
        (["--rate", "-5"], "--rate -5"),
        (["--order", "round-robin"], "--threads 1 with --order"),
        (["--threads", "2", "--inbox", "5"], "--threads 2 with --inbox"),
        (["--query-rate", "5"], "--threads 1 with --query-rate"),
        (["--out", str(Path(__file__))], "is not a directory"),
        (["--thread", "2"], "did you mean --threads?"),
    ],
)
def test_bad_input_ends_in_one_line_and_exit_code_2(flags: list[str], quoted: str) -> None:
    result = command(*flags)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert quoted in result.stderr
