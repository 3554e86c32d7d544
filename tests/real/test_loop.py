"""The loop on a fake clock: exactly the model's trajectory, nothing lost, every worker's messages in order."""

from array import array
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from real.__main__ import messages, processor
from real.clock import FakeClock
from real.loop import Loop
from real.query import Queries
from sim import Workload, simulate

ORIGIN_NS = 7_000_000_000


class TimedQueries(Queries):
    """Queries whose answers take time on a fake clock, as the model's do."""

    def __init__(self, loop: Loop, clock: FakeClock, policy: str, for_ns: int) -> None:
        super().__init__(loop.router, policy)
        self._clock, self._for_ns = clock, for_ns

    def query_state(self, worker_id: str) -> dict[str, Any] | None:
        self._clock.sleep(self._for_ns)
        return super().query_state(worker_id)


def run(workload: Workload) -> Loop:
    """Run a workload on the real loop and a fake clock, then check what holds of every run."""
    clock = FakeClock()
    loop = processor(workload, messages(workload), "sleep", clock, ORIGIN_NS)
    loop.queries = TimedQueries(loop, clock, workload.query_policy, round(workload.query_service_s * 1e9))
    loop.run()
    check(workload, loop)
    return loop


def check(workload: Workload, loop: Loop) -> None:
    """Nothing lost, nothing twice, in order for each worker, one thing at a time."""
    rows = loop.messages.rows
    assert sum(machine.messages for machine in loop.router.machines.values()) == len(workload)
    assert all(a <= t <= s <= f for a, t, s, f in columns(rows))
    held = sorted([*zip(rows.start_ns, rows.finish_ns, strict=True)])
    assert all(before[1] <= after[0] for before, after in pairwise(held))
    for worker in set(workload.worker_numbers):
        starts = [rows.start_ns[i] for i in range(len(workload)) if workload.worker_numbers[i] == worker]
        assert starts == sorted(starts)
    states: dict[str, dict[str, Any]] = {}
    for index, worker in enumerate(workload.worker_numbers):  # in order of arrival: right for any order of service
        fold(states.setdefault(f"w{worker}", {}), workload.payload(index))
    assert {name: machine.state for name, machine in loop.router.machines.items()} == states


def fold(state: dict[str, Any], payload: list[dict[str, Any]]) -> None:
    """What a message does to a state, written a second time."""
    for operation in payload:
        if operation["op"] == "set":
            state[operation["key"]] = operation["value"]
        elif operation["op"] == "increment":
            state[operation["key"]] = state.get(operation["key"], 0) + 1
        else:
            x = 1
            for _ in range(operation["value"]):
                x = (1103515245 * x + 12345) % 2**31
            state[operation["key"]] = x


def columns(rows: Any) -> list[tuple[int, ...]]:
    return list(zip(rows.arrival_ns, rows.taken_ns, rows.start_ns, rows.finish_ns, strict=True))


workloads = st.builds(
    Workload,
    messages=st.just(60),
    workers=st.just(4),
    seed=st.integers(0, 10_000),
    rate_per_s=st.sampled_from([20.0, 150.0, 190.0, 500.0]),
    arrivals=st.sampled_from(["poisson", "deterministic", "bursty:9:0.05"]),
    service=st.sampled_from(["deterministic", "exponential"]),
    order=st.sampled_from(["fifo", "round-robin", "per-worker"]),
    query_policy=st.sampled_from(["first", "fifo", "idle"]),
    inbox=st.sampled_from([None, 1, 3]),
    query_rate_per_s=st.sampled_from([0.0, 40.0]),
)


@settings(max_examples=150)
@given(workloads)
def test_the_loop_makes_the_model_s_trajectory_to_the_nanosecond(workload: Workload) -> None:
    loop, model = run(workload), simulate(workload)
    for recorded, expected in ((loop.messages.rows, model), (loop.asked.rows, model.queries)):
        if expected is not None:
            _, taken, start, finish = (np.array(column) for column in recorded.columns_s(ORIGIN_NS))
            assert np.array_equal(taken, expected.taken_s)
            assert np.array_equal(start, expected.start_s)
            assert np.array_equal(finish, expected.finish_s)


@pytest.mark.parametrize(
    ("arrivals", "starts"), [([0, 1, 2], [0, 2, 4]), ([0, 0, 0], [0, 2, 4]), ([0, 5, 6], [0, 5, 7])]
)
def test_timelines_computed_by_hand(arrivals: list[float], starts: list[float], tmp_path: Path) -> None:
    file = tmp_path / "trace"
    file.write_text("\n".join(map(str, arrivals)))
    loop = run(Workload(arrivals=f"trace:{file}", service_s=2.0))
    assert loop.messages.rows.columns_s(ORIGIN_NS)[2] == starts


def test_no_message_and_no_query_ends_at_once() -> None:
    assert columns(run(Workload(rate_per_s=1e-6, duration_s=1)).messages.rows) == []


def test_a_query_sees_whole_messages_and_a_copy() -> None:
    workload = Workload(messages=30, workers=2)
    clock = FakeClock()
    loop = processor(workload, messages(workload), "sleep", clock, ORIGIN_NS)
    assert loop.queries.query_state("w0") is None
    expected: dict[str, dict[str, Any]] = {"w0": {}, "w1": {}}
    processed = 0
    while loop.turn():
        done = sum(finish >= 0 for finish in loop.messages.rows.finish_ns)
        for index in range(processed, done):  # fifo: in order of arrival
            fold(expected[f"w{workload.worker_numbers[index]}"], workload.payload(index))
        processed = done
        for worker, machine in loop.router.machines.items():
            answer = loop.queries.query_state(worker)
            assert answer == expected[worker] == machine.state
            answer["k0"] = "mine"
    assert processed == 30


def test_a_query_for_a_worker_that_nobody_knows_is_answered_too() -> None:
    workload = Workload(rate_per_s=1, messages=1, query_rate_per_s=50)
    loop = run(workload)
    assert len(loop.asked.rows.finish_ns) > 10
    assert min(loop.asked.rows.finish_ns) >= ORIGIN_NS


def test_instants_do_not_depend_on_how_fast_messages_are_processed() -> None:
    slow, fast = (run(Workload(messages=50, service_s=service)) for service in (0.5, 1e-6))
    assert array("q", slow.messages.rows.arrival_ns) == array("q", fast.messages.rows.arrival_ns)
