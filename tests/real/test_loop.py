"""The loop on a fake clock: exactly the model's trajectory, nothing lost, every worker's messages in order."""

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from real.clock import Clock, FakeClock
from real.command.assembly import loop_of, messages, plans
from real.loop import Loop
from real.machine import Work
from real.message import Message, MessageError
from real.query import Queries
from real.router import MOST_WORKERS, Router
from real.source import Plan
from real.ticket import Ticket
from real.work import computing, mixed, none, precise, sleeping
from sim import Workload, simulate

ORIGIN_NS = 7_000_000_000
SERVICE_NS = 5_000_000  # of a message that does not ask for its own
LOOK_NS = 700

# A fake clock does not move while something is computed: there a round or two are as good as many.
WORKS: dict[str, Callable[[Clock, int], Work]] = {
    "sleep": sleeping,
    "precise": precise,
    "mixed": partial(mixed, rounds_per_ns=1e-8),
    "cpu": partial(computing, rounds_per_ns=1e-8),
    "none": none,
}


class TimedQueries(Queries):
    """Queries whose answers take time on a fake clock, as the model's do."""

    def __init__(self, loop: Loop, clock: FakeClock, policy: str, for_ns: int) -> None:
        super().__init__(loop.router, policy)
        self._clock, self._for_ns = clock, for_ns

    def query_state(self, worker_id: str) -> dict[str, Any] | None:
        self._clock.sleep(self._for_ns)
        return super().query_state(worker_id)


class LookingCosts(FakeClock):
    """A clock on which nothing is free: whoever has been told the time has spent some."""

    def now_ns(self) -> int:
        told_ns = super().now_ns()
        self.sleep(LOOK_NS)
        return told_ns


class Answered(Plan[str]):
    """Questions of somebody who keeps the answers, and when each came."""

    def __init__(self, items: list[str], instants_ns: list[int], origin_ns: int) -> None:
        super().__init__(items, instants_ns, origin_ns)
        self.answers: list[tuple[int, str, dict[str, Any] | None]] = []

    def answer(self, ticket: Ticket[str], state: dict[str, Any] | None) -> None:
        self.answers.append((ticket.number, ticket.item, state))


@dataclass(frozen=True, slots=True)
class Setting:
    """Everything else that a run depends on: the kind of work, whether machines are made beforehand, who else asks."""

    work: str = "sleep"
    eager: bool = False
    also_asked_ns: tuple[int, ...] = ()
    stop_at_turn: int | None = None


def processor(workload: Workload, clock: FakeClock, setting: Setting = Setting()) -> Loop:
    """Return a loop on the workload's plan."""
    planned = plans(workload, messages(workload), ORIGIN_NS)
    names = [f"w{number}" for number in range(workload.workers)] if setting.eager else None
    router = Router(WORKS[setting.work](clock, SERVICE_NS), names)
    asked_ns = sorted(setting.also_asked_ns)
    others = Answered([f"w{place % 5}" for place in range(len(asked_ns))], asked_ns, ORIGIN_NS)
    loop = loop_of(workload, planned.messages, [planned.queries, others], router, clock)
    loop.queries = TimedQueries(loop, clock, workload.query_policy, round(workload.query_service_s * 1e9))
    return loop


def run(workload: Workload, setting: Setting = Setting()) -> Loop:
    """Run a workload on the real loop and a fake clock, then check what holds of every run."""
    loop = processor(workload, FakeClock(), setting)
    assert len(loop.router.machines) == (workload.workers if setting.eager else 0)
    turns = 0
    while loop.turn():
        assert loop.messages.received == loop.messages.rows.count + len(loop.inbox)
        assert len(loop.inbox) <= (workload.inbox or len(workload))
        turns += 1
        if turns == setting.stop_at_turn:
            for source in (loop.messages, *loop.asked):
                source.close()
    check(workload, loop, setting)
    return loop


def check(workload: Workload, loop: Loop, setting: Setting) -> None:
    """Nothing lost, nothing twice, nothing but what was handed over, in order for each worker, one at a time."""
    rows, count = loop.messages.rows, loop.messages.received
    if setting.stop_at_turn is None:
        assert count == len(workload)
    assert rows.finished() == list(range(count))
    assert sum(machine.messages for machine in loop.router.machines.values()) == rows.count == count
    finished = [*zip(*(column[:count] for column in columns(rows)), strict=True)]
    assert all(a <= t <= s <= f for a, t, s, f in finished)
    assert [f - s for *_, s, f in finished] == [processing_ns(setting.work, ns) for ns in workload.service_ns[:count]]
    held = sorted((s, f) for source in (loop.messages, *loop.asked) for *_, s, f in instants(source.rows))
    assert all(before[1] <= after[0] for before, after in pairwise(held))
    for worker in set(workload.worker_numbers[:count]):
        starts = [rows.start_ns[i] for i in range(count) if workload.worker_numbers[i] == worker]
        assert starts == sorted(starts)
    check_states(workload, loop, count)
    for source in loop.asked:
        assert source.rows.finished() == list(range(source.received))
    others = loop.asked[1]
    assert sorted(number for number, *_ in others.answers) == list(range(others.received))


def check_states(workload: Workload, loop: Loop, count: int) -> None:
    """The states are what the processed messages make of nothing, and those alone."""
    states: dict[str, dict[str, Any]] = {name: {} for name in loop.router.machines}
    for index, worker in enumerate(workload.worker_numbers[:count]):  # in order of arrival: right for any order
        fold(states[f"w{worker}"], workload.payload(index))
    assert {name: machine.state for name, machine in loop.router.machines.items()} == states


def processing_ns(work: str, service_ns: int) -> int:
    """How far each kind of work moves a fake clock."""
    return {"sleep": service_ns, "precise": service_ns, "mixed": service_ns // 2, "cpu": 0, "none": 0}[work]


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


def columns(rows: Any) -> list[Any]:
    return [rows.arrival_ns, rows.taken_ns, rows.start_ns, rows.finish_ns]


def instants(rows: Any) -> list[tuple[int, ...]]:
    """Arrival, taken, start and finish of each that is finished."""
    return [tuple(column[number] for column in columns(rows)) for number in rows.finished()]


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


seconds_ns = st.integers(0, 2 * 10**9)
any_setting = st.builds(
    Setting,
    work=st.sampled_from(sorted(WORKS)),
    eager=st.booleans(),
    also_asked_ns=st.lists(seconds_ns, max_size=12).map(tuple),
    stop_at_turn=st.none() | st.integers(1, 150),
)


@settings(max_examples=150)
@given(workloads, any_setting)
def test_whatever_is_asked_of_it_what_was_handed_over_is_processed_once_in_order_and_nothing_else(
    workload: Workload, setting: Setting
) -> None:
    run(workload, setting)


@settings(max_examples=150)
@given(workloads, st.sampled_from(["sleep", "precise"]), st.booleans())
def test_the_loop_makes_the_model_s_trajectory_to_the_nanosecond(workload: Workload, work: str, eager: bool) -> None:
    loop, model = run(workload, Setting(work, eager)), simulate(workload)
    for recorded, expected in ((loop.messages.rows, model), (loop.asked[0].rows, model.queries)):
        if expected is not None:
            _, taken, start, finish = (np.array(column) for column in recorded.columns_s(ORIGIN_NS))
            assert np.array_equal(taken, expected.taken_s)
            assert np.array_equal(start, expected.start_s)
            assert np.array_equal(finish, expected.finish_s)


def test_precise_work_holds_the_thread_for_exactly_its_time_although_the_loop_is_not_free_and_a_sleep_does_not() -> (
    None
):
    workload = Workload(arrivals="deterministic", rate_per_s=1000, service_s=0.005, messages=50, query_rate_per_s=0)
    holds = {}
    for work in ("precise", "sleep"):
        loop = processor(workload, LookingCosts(), Setting(work))
        loop.run()
        finish_ns = list(loop.messages.rows.finish_ns)
        holds[work] = {after - before for before, after in pairwise(finish_ns)}
        assert all(s > f for s, f in zip(loop.messages.rows.start_ns[1:], finish_ns, strict=False))  # dispatch costs
    assert holds["precise"] == {5_000_000}
    assert min(holds["sleep"]) >= 5_000_000 + 2 * LOOK_NS  # to take, and to start


def test_precise_work_that_found_the_thread_free_ends_its_time_after_it_was_due() -> None:
    workload = Workload(arrivals="deterministic", rate_per_s=10, service_s=0.005, messages=5)
    loop = processor(workload, LookingCosts(), Setting("precise"))
    loop.run()
    assert [finish - arrival for arrival, *_, finish in instants(loop.messages.rows)] == [5_000_000] * 5


def test_a_stop_loses_nothing_that_was_taken_and_takes_nothing_more() -> None:
    workload = Workload(arrivals="deterministic", rate_per_s=1000, service_s=0.005, messages=50)
    rows = run(workload, Setting(stop_at_turn=4)).messages.rows
    assert 3 < rows.count < 50
    stopped_ns = rows.finish_ns[2]  # a turn to wait for the first, then three messages
    assert max(rows.taken_ns[: rows.count]) <= stopped_ns


def test_machines_made_beforehand_are_all_there_can_be() -> None:
    router = Router(none(FakeClock(), 0), ["w0", "w1"])
    known = router.machines["w1"]
    assert router.route(Message("w1", ())) is known
    with pytest.raises(MessageError, match="'w2' is none of the 2"):
        router.route(Message("w2", ()))
    assert list(router.machines) == ["w0", "w1"]


def test_there_are_at_most_so_many_workers() -> None:
    router = Router(none(FakeClock(), 0))
    assert not router.machines
    for number in range(MOST_WORKERS):
        router.route(Message(f"w{number}", ()))
    with pytest.raises(MessageError, match=f"'one more' is none of the {MOST_WORKERS}"):
        router.route(Message("one more", ()))
    assert router.route(Message("w7", ())).worker_id == "w7"


@pytest.mark.parametrize(
    ("arrivals", "starts"), [([0, 1, 2], [0, 2, 4]), ([0, 0, 0], [0, 2, 4]), ([0, 5, 6], [0, 5, 7])]
)
def test_timelines_computed_by_hand(arrivals: list[float], starts: list[float], tmp_path: Path) -> None:
    file = tmp_path / "trace"
    file.write_text("\n".join(map(str, arrivals)))
    loop = run(Workload(arrivals=f"trace:{file}", service_s=2.0))
    assert loop.messages.rows.columns_s(ORIGIN_NS)[2] == starts


def test_no_message_and_no_query_ends_at_once() -> None:
    assert instants(run(Workload(rate_per_s=1e-6, duration_s=1)).messages.rows) == []


def test_a_query_sees_whole_messages_and_a_copy() -> None:
    workload = Workload(messages=30, workers=2)
    clock = FakeClock()
    loop = processor(workload, clock)
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
    assert len(loop.asked[0].rows.finish_ns) > 10
    assert min(loop.asked[0].rows.finish_ns) >= ORIGIN_NS


def test_instants_do_not_depend_on_how_fast_messages_are_processed() -> None:
    slow, fast = (run(Workload(messages=50, service_s=service)) for service in (0.5, 1e-6))
    assert array("q", slow.messages.rows.arrival_ns) == array("q", fast.messages.rows.arrival_ns)


def test_a_question_does_not_wait_for_messages_that_are_planned_no_more() -> None:
    # It was behind messages that were due, but found no place before the end.
    workload = Workload(
        messages=60, workers=4, seed=0, rate_per_s=500, inbox=1, query_policy="fifo", query_rate_per_s=40
    )
    run(workload, Setting(work="mixed", stop_at_turn=11))
