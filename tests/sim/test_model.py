"""The model: timelines computed by hand, on every engine; and the engines against each other and against theory."""

import heapq
import math
import random
import statistics
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import MD1, HoldTimes, Trajectory, Workload, simulate
from sim.engine import Rules, replay, replay_many, waits_ns
from sim.recursion import waits
from sim.theory import MDc

MS5 = 5_000_000
ENGINES = pytest.mark.parametrize("engine", ["simpy", "compiled"])


def timeline(directory: Path, arrivals: list[float], service_s: float, **fields: Any) -> Workload:
    """A workload of these instants after a first message at 0."""
    file = directory / "trace"
    file.write_text("\n".join(map(str, arrivals)))
    return Workload(arrivals=f"trace:{file}", service_s=service_s, **fields)


@ENGINES
@pytest.mark.parametrize(
    ("arrivals", "service_s", "waits_s", "taken_s"),
    [
        ([0, 1, 2], 2.0, [0, 1, 2], [0, 2, 2]),
        ([0, 0, 0], 1.0, [0, 1, 2], [0, 0, 0]),  # ties: all are there before the first starts
        ([0, 2, 4], 2.0, [0, 0, 0], [0, 2, 4]),  # each arrives in the instant the thread becomes free
        ([0, 5, 6, 7], 2.0, [0, 0, 1, 2], [0, 5, 7, 7]),
        ([0, 1, 1.5, 10], 4.0, [0, 3, 6.5, 2], [0, 4, 4, 12]),
        ([0], 3.0, [0], [0]),
    ],
)
def test_timelines_computed_by_hand(
    engine: str, arrivals: list[float], service_s: float, waits_s: list[float], taken_s: list[float], tmp_path: Path
) -> None:
    trajectory = simulate(timeline(tmp_path, arrivals, service_s), engine=engine)
    assert trajectory.wait_s.tolist() == waits_s
    assert trajectory.taken_s.tolist() == taken_s
    assert trajectory.processing_s.tolist() == [service_s] * len(arrivals)
    assert waits(arrivals, service_s).tolist() == waits_s


@ENGINES
def test_no_message_is_no_trouble(engine: str) -> None:
    assert len(simulate(Workload(rate_per_s=1e-6, duration_s=1), engine=engine)) == 0


def lindley(arrival_ns: list[int], service_ns: list[int]) -> list[int]:
    """The recursion in exact integers, as slow and as plain as can be: ns from arrival to start."""
    wait = [0] * len(arrival_ns)
    for i in range(1, len(arrival_ns)):
        wait[i] = max(0, wait[i - 1] + service_ns[i - 1] - (arrival_ns[i] - arrival_ns[i - 1]))
    return wait


@pytest.mark.parametrize("rho", [0.5, 0.95, 1.5])
@pytest.mark.parametrize("service", ["deterministic", "exponential"])
def test_simpy_and_lindley_agree_on_100_000_messages(rho: float, service: str) -> None:
    workload = Workload(rate_per_s=200 * rho, service_s=0.005, messages=100_000, service=service, seed=11)
    expected = np.array(lindley(list(workload.arrivals_ns), list(workload.service_ns))) / 1e9
    model, engine = simulate(workload), simulate(workload, engine="compiled")
    assert np.max(np.abs(model.wait_s - expected)) < 1e-9
    for column in ("arrival_s", "taken_s", "start_s", "finish_s", "worker"):
        assert np.array_equal(getattr(model, column), getattr(engine, column))
    in_floats = waits(workload.arrivals_s, np.asarray(workload.service_ns) / 1e9)
    assert np.max(np.abs(in_floats - expected)) < 1e-9


instants = st.lists(st.integers(0, 20), min_size=1, max_size=30).map(sorted)
durations = st.lists(st.integers(0, 5), min_size=120, max_size=120)


@given(instants, durations)
def test_the_compiled_engine_is_the_recursion_with_costs(arrivals: list[int], costs: list[int]) -> None:
    n = len(arrivals)
    hold = HoldTimes(costs[:n], costs[30 : 30 + n], costs[60 : 60 + n], costs[90 : 90 + n])
    columns = [np.array(column, dtype=np.int64) for column in hold.columns]
    arrival_ns, nobody = np.array(arrivals, dtype=np.int64), np.empty(0, np.int64)
    from_engine, _ = replay(arrival_ns, columns, np.zeros(n, np.int64), nobody, Rules())
    free, expected = -1, []
    for i, at in enumerate(arrivals):
        woken = free < at
        start = max(at, free) + (hold.wakeup_ns[i] if woken else hold.dispatch_ns[i])
        free = start + (hold.woken_processing_ns[i] if woken else hold.processing_ns[i])
        expected.append((start, free))
    assert list(zip(from_engine[1].tolist(), from_engine[2].tolist(), strict=True)) == expected


systems = st.fixed_dictionaries(
    {
        "rate_per_s": st.sampled_from([50.0, 190.0, 400.0, 5000.0]),
        "messages": st.sampled_from([1, 2, 5, 60]),
        "workers": st.sampled_from([1, 2, 5]),
        "order": st.sampled_from(["fifo", "round-robin", "per-worker"]),
        "query_rate_per_s": st.sampled_from([0.0, 20.0, 300.0]),
        "query_policy": st.sampled_from(["first", "fifo", "idle"]),
        "query_service_s": st.sampled_from([0.001, 0.005]),
        "inbox": st.sampled_from([None, 1, 3]),
        "seed": st.integers(0, 10_000),
    }
)


@settings(max_examples=200)
@given(systems, st.booleans())
def test_both_engines_agree_on_every_order_policy_and_inbox(system: dict[str, Any], together: bool) -> None:
    workload = Workload(**system)
    if together:  # rounded to 5 ms, so that things happen in the same instant
        instants = {name: getattr(workload, name) for name in ("arrivals_ns", "queries_ns")}
        given_instead(workload, **{name: [at // MS5 * MS5 for at in column] for name, column in instants.items()})
    draw = random.Random(workload.seed)
    hold = HoldTimes(*([draw.choice((0, 1, 2)) * MS5 for _ in range(len(workload))] for _ in range(4)))
    agree(simulate(workload, hold=hold), simulate(workload, "compiled", hold))


def agree(one: Trajectory, other: Trajectory) -> None:
    """Assert that two trajectories are the same to the last bit, queries and all."""
    for column in ("arrival_s", "taken_s", "start_s", "finish_s", "worker"):
        assert np.array_equal(getattr(one, column), getattr(other, column)), column
    assert (one.queries is None) == (other.queries is None)
    if one.queries is not None and other.queries is not None:
        agree(one.queries, other.queries)


def test_both_engines_answer_queries_although_no_message_comes() -> None:
    workload = Workload(rate_per_s=1e-6, duration_s=1, query_rate_per_s=100, query_service_s=0.02)
    model = simulate(workload)
    assert len(model) == 0
    assert model.queries is not None
    assert len(model.queries) > 50
    assert float(model.queries.wait_s.max()) > 0
    agree(model, simulate(workload, "compiled"))


def test_bare_waits_are_those_of_the_trajectory() -> None:
    workload = Workload(rate_per_s=190, messages=2000, service="exponential")
    arrival_ns, service_ns = np.asarray(workload.arrivals_ns), np.asarray(workload.service_ns)
    waits_of = waits_ns(arrival_ns, service_ns)
    assert waits_of.tolist() == lindley(arrival_ns.tolist(), service_ns.tolist())
    given_out = np.empty_like(arrival_ns)
    assert waits_ns(arrival_ns, service_ns, out=given_out) is given_out
    assert np.array_equal(given_out, waits_of)


def test_round_robin_takes_one_message_of_each_worker_in_turn(tmp_path: Path) -> None:
    served = order_of(tmp_path, "round-robin")
    # Workers of the messages as they arrive: 0 0 0 1 1 2, all in one instant.
    assert served == [0, 3, 5, 1, 4, 2]


def test_per_worker_stays_with_a_worker_until_nothing_of_it_waits(tmp_path: Path) -> None:
    assert order_of(tmp_path, "per-worker") == [0, 1, 2, 3, 4, 5]
    assert order_of(tmp_path, "per-worker", workers=[0, 1, 0, 2, 1, 0]) == [0, 2, 5, 1, 4, 3]


def order_of(directory: Path, order: str, workers: list[int] | None = None) -> list[int]:
    """The numbers of six messages that arrive at once, as they are served."""
    workload = timeline(directory, [0] * 6, 1.0, order=order)
    given_instead(workload, worker_numbers=workers or [0, 0, 0, 1, 1, 2])
    served: list[int] = np.argsort(simulate(workload).start_s).tolist()
    return served


@pytest.mark.parametrize("order", ["fifo", "round-robin", "per-worker"])
def test_the_order_changes_nobody_s_turn_within_a_worker_and_no_mean(order: str) -> None:
    workload = Workload(rate_per_s=190, messages=5000, order=order)
    trajectory = simulate(workload)
    for worker in set(trajectory.worker):
        assert np.all(np.diff(trajectory.start_s[trajectory.worker == worker]) > 0)
    # Service is constant, so who goes first changes the order of finishes, and not their instants (conservation).
    expected = simulate(Workload(rate_per_s=190, messages=5000))
    assert np.array_equal(np.sort(trajectory.finish_s), expected.finish_s)


@pytest.mark.parametrize(
    ("policy", "starts"),
    [
        ("first", [2.0, 4.25]),  # each is seen when the message in service is done
        ("fifo", [4.0, 6.25]),  # the first is seen at 2 s, behind the message of 1 s; the second behind that of 3 s
        ("idle", [8.0, 8.25]),
    ],
)
def test_when_a_query_is_answered(policy: str, starts: list[float], tmp_path: Path) -> None:
    # Messages of 2 s at 0, 1, 3 and 5 s; queries of 0.25 s at 0.5 and 2.5 s.
    workload = timeline(tmp_path, [0, 1, 3, 5], 2.0, query_rate_per_s=1, query_service_s=0.25, query_policy=policy)
    given_instead(workload, queries_ns=[500_000_000, 2_500_000_000], query_workers=[0, 0])
    queries = simulate(workload).queries
    assert queries is not None
    assert queries.start_s.tolist() == starts


def given_instead(workload: Workload, **columns: list[int]) -> None:
    """Put values where a workload keeps what it generated: in its cached properties."""
    for name, values in columns.items():
        workload.__dict__[name] = array("q", values)


def test_a_full_inbox_makes_the_source_wait(tmp_path: Path) -> None:
    trajectory = simulate(timeline(tmp_path, [0, 0, 0, 0], 1.0, inbox=1))
    assert trajectory.taken_s.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert trajectory.start_s.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_what_an_engine_cannot_run_is_refused() -> None:
    with pytest.raises(ValueError, match="one entry for each of the 5 messages"):
        simulate(Workload(messages=5), "compiled", HoldTimes([0], [5], [0], [5]))
    with pytest.raises(ValueError, match="engine='fast'"):
        simulate(Workload(messages=5), engine="fast")


@pytest.mark.parametrize("rho", [0.5, 0.75])
def test_simulated_means_are_those_of_theory(rho: float) -> None:
    # 40 seeds fixed beforehand; the interval, three standard errors, is narrow enough to fail a 2 % error.
    means = [
        float(simulate(Workload(rate_per_s=200 * rho, messages=20_000, seed=seed), engine="compiled").wait_s.mean())
        for seed in range(100, 140)
    ]
    error = statistics.stdev(means) / math.sqrt(len(means))
    expected = MD1(200 * rho, 0.005).wait.mean()
    assert error < 0.01 * expected
    assert abs(statistics.mean(means) - expected) < 3 * error


def test_the_simulated_distribution_is_that_of_theory() -> None:
    runs = [simulate(Workload(rate_per_s=150, messages=20_000, seed=seed), "compiled").wait_s for seed in range(40)]
    wait = MD1(150, 0.005).wait
    for t in (0.0, 0.004, 0.012, 0.03):
        shares = [float((run > t).mean()) for run in runs]
        error = statistics.stdev(shares) / math.sqrt(len(shares))
        assert abs(statistics.mean(shares) - float(wait.sf(t))) < 4 * error


def test_scaling_time_scales_every_wait() -> None:
    slow = simulate(Workload(rate_per_s=10, service_s=0.08, messages=300))
    fast = simulate(Workload(rate_per_s=100, service_s=0.008, messages=300))
    assert np.allclose(slow.wait_s, 10 * fast.wait_s, atol=1e-7)


def test_one_more_message_changes_nothing_before_it() -> None:
    short, long = simulate(Workload(rate_per_s=190, messages=300)), simulate(Workload(rate_per_s=190, messages=301))
    assert np.array_equal(long.finish_s[:300], short.finish_s)


def test_mean_queue_is_the_area_under_the_queue() -> None:
    trajectory: Trajectory = simulate(Workload(rate_per_s=190, messages=2000))
    instants, waiting = trajectory.queue_steps()
    last = trajectory.arrival_s[-1]
    until = np.minimum(np.append(instants[1:], last), last)
    area = (waiting * np.maximum(until - instants, 0.0)).sum()
    assert trajectory.metrics()["queue_length"]["mean"] == pytest.approx(area / last)


# -- several servers, one queue -----------------------------------------------------------------------------------


def several(arrivals: list[int], services: list[int], servers: int) -> list[list[int]]:
    """Taken, start and finish of the compiled loop."""
    columns = np.array(arrivals, dtype=np.int64), np.array(services, dtype=np.int64)
    found: list[list[int]] = replay_many(*columns, servers).tolist()
    return found


def by_resource(arrivals: list[int], services: list[int], servers: int) -> list[list[int]]:
    """The same by SimPy's own resource: a process for each message, which asks for one of the servers."""
    env, start, finish = simpy.Environment(), [0] * len(arrivals), [0] * len(arrivals)
    pool = simpy.Resource(env, capacity=servers)

    def message(number: int) -> Any:
        yield env.timeout(arrivals[number])
        with pool.request() as mine:
            yield mine
            start[number] = int(env.now)
            yield env.timeout(services[number])
            finish[number] = int(env.now)

    for number in range(len(arrivals)):
        env.process(message(number))
    env.run()
    return [arrivals, start, finish]


def by_heap(arrivals: list[int], services: list[int], servers: int) -> list[list[int]]:
    """The same by a heap of the instants at which the servers will be free."""
    free, start, finish = [0] * servers, [], []
    for at, takes in zip(arrivals, services, strict=True):
        start.append(max(at, heapq.heappop(free)))
        finish.append(start[-1] + takes)
        heapq.heappush(free, finish[-1])
    return [arrivals, start, finish]


@pytest.mark.parametrize(
    ("servers", "arrivals", "services", "starts"),
    [
        (2, [0, 0, 0, 0], [3, 1, 1, 1], [0, 0, 1, 2]),  # all three short ones by the second server
        (2, [0, 1, 2, 3], [4, 4, 4, 4], [0, 1, 4, 5]),
        (2, [0, 0, 2, 2], [2, 2, 2, 2], [0, 0, 2, 2]),  # each arrives in the instant a server becomes free
        (3, [0, 0, 0, 0, 1], [5, 4, 3, 1, 1], [0, 0, 0, 3, 4]),
        (9, [0, 0, 5], [7, 7, 7], [0, 0, 5]),  # more servers than messages
        (2, [], [], []),
    ],
)
def test_timelines_of_several_servers_computed_by_hand(
    servers: int, arrivals: list[int], services: list[int], starts: list[int]
) -> None:
    taken, start, finish = several(arrivals, services, servers)
    assert (taken, start) == (arrivals, starts)
    assert finish == [at + takes for at, takes in zip(starts, services, strict=True)]


@given(instants, st.lists(st.integers(0, 12), min_size=30, max_size=30), st.integers(1, 6), st.booleans())
def test_several_servers_are_simpy_s_resource_and_a_heap(
    arrivals: list[int], takes: list[int], servers: int, constant: bool
) -> None:
    services = [takes[0]] * len(arrivals) if constant else takes[: len(arrivals)]
    found = several(arrivals, services, servers)
    assert found == by_resource(arrivals, services, servers)
    assert found == by_heap(arrivals, services, servers)


@pytest.mark.parametrize("servers", [1, 2, 7, 64])
@pytest.mark.parametrize("service", ["deterministic", "lognormal:2"])
def test_many_messages_of_many_servers_are_those_of_the_heap(servers: int, service: str) -> None:
    workload = Workload(rate_per_s=190 * servers, service_s=0.005, messages=20_000, service=service)
    arrivals, services = list(workload.arrivals_ns), list(workload.service_ns)
    assert several(arrivals, services, servers) == by_heap(arrivals, services, servers)
    trajectory = simulate(workload, "compiled", servers=servers)
    assert np.array_equal(trajectory.start_s, np.array(by_heap(arrivals, services, servers)[1]) / 1e9)


def test_one_of_several_servers_is_the_server() -> None:
    workload = Workload(rate_per_s=190, messages=3000, service="exponential")
    arrivals, services = list(workload.arrivals_ns), list(workload.service_ns)
    single = simulate(workload, "compiled")
    _, start, finish = several(arrivals, services, 1)
    assert np.array_equal(np.array(start) / 1e9, single.start_s)
    assert np.array_equal(np.array(finish) / 1e9, single.finish_s)


@pytest.mark.parametrize(("servers", "rho"), [(2, 0.6), (5, 0.8)])
def test_mean_waits_of_several_servers_are_those_of_theory(servers: int, rho: float) -> None:
    # 40 seeds fixed beforehand, four standard errors; a start without a queue is felt by one message in 1,000.
    rate, means, rng = servers * rho * 200, [], np.random.default_rng(31)
    service_ns = np.full(80_000, MS5)
    for _ in range(40):
        arrival_ns = np.cumsum(rng.exponential(1e9 / rate, 80_000)).astype(np.int64)
        taken, start, _ = replay_many(arrival_ns, service_ns, servers)
        means.append(float((start - taken).mean()) / 1e9)
    error = statistics.stdev(means) / math.sqrt(len(means))
    expected = MDc(rate, 0.005, servers).wait.mean()
    assert error < 0.01 * expected
    assert abs(statistics.mean(means) - expected) < 4 * error
