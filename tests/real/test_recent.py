"""What a server without an end keeps is, as far as it can be, what the whole trajectory says."""

import random
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from real.histogram import STATED_ERROR, Histogram
from real.message import Message
from real.recent import Recent
from real.ticket import NOT_YET, Ticket
from sim import Trajectory, Workload, simulate

SERVICE_NS, PLACES, KEEP = 5_000_000, 3, 1_000
ORIGIN_NS = 86_400 * 10**9  # a machine that has been up for a day
PERCENTILES = ("p50", "p95", "p99")


@dataclass(frozen=True, slots=True)
class Run:
    """Messages and questions on one thread, in order of finishing."""

    tickets: list[Ticket[Any]]

    @property
    def messages(self) -> list[Ticket[Any]]:
        return [ticket for ticket in self.tickets if isinstance(ticket.item, Message)]

    @property
    def questions(self) -> list[Ticket[Any]]:
        return [ticket for ticket in self.tickets if isinstance(ticket.item, str)]


def fifo(seed: int, utilization: float, count: int, *, asked: float = 0.0) -> Run:
    """Poisson arrivals, exponential service, few places in the inbox; now and then a question comes first."""
    chance, arrival_ns, free_ns = random.Random(seed), ORIGIN_NS, 0
    starts_ns, tickets = [0] * PLACES, []
    for number in range(count):
        arrival_ns += round(chance.expovariate(utilization / SERVICE_NS))
        if chance.random() < asked:
            begin_ns = max(free_ns, arrival_ns) + 1_000
            free_ns = begin_ns + 300_000
            tickets.append(Ticket(number, f"w{chance.randrange(5)}", begin_ns - 1_000, begin_ns, begin_ns, free_ns))
        start_ns = max(arrival_ns, free_ns) + chance.choice((0, 10_000))
        free_ns = start_ns + round(chance.expovariate(1 / SERVICE_NS))
        message = Message(f"w{chance.randrange(5)}", ())
        taken_ns = max(arrival_ns, starts_ns[-PLACES])
        tickets.append(Ticket(number, message, arrival_ns, taken_ns, start_ns, free_ns, 9, arrival_ns + 1))
        starts_ns.append(start_ns)
    return Run(tickets)


def recorded(run: Run, messages: Recent, asked: Recent) -> None:
    for ticket in run.tickets:
        (messages if isinstance(ticket.item, Message) else asked).record(ticket)


def trajectory(tickets: list[Ticket[Any]], origin_ns: int, queries: Trajectory | None = None) -> Trajectory:
    rows = sorted(((t.arrival_ns, t.taken_ns, t.start_ns, t.finish_ns) for t in tickets), key=lambda row: row[0])
    columns = np.array(rows, dtype=np.int64).reshape(-1, 4) - origin_ns
    arrival, taken, start, finish = (columns / 1e9).T.tolist()
    return Trajectory.of(arrival, taken_s=taken, start_s=start, finish_s=finish, queries=queries)


def exact(run: Run) -> dict[str, Any]:
    origin_ns = min((ticket.arrival_ns for ticket in run.messages), default=0)
    return trajectory(run.messages, origin_ns, trajectory(run.questions, origin_ns)).metrics()


def leaves(document: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


def check(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """The same keys in the same order; percentiles to the stated error, everything else to rounding."""
    assert [path for path, _ in leaves(found)] == [path for path, _ in leaves(expected)]
    for (path, value), (_, true) in zip(leaves(found), leaves(expected), strict=True):
        if type(true) is int or true is None:
            assert value == true, path
        elif path[-1] in PERCENTILES:
            assert value == pytest.approx(true, rel=STATED_ERROR + 1e-6, abs=0.5e-6), path
        else:
            assert value == pytest.approx(true, rel=1e-7, abs=1e-12), path


def metrics_of(run: Run, keep: int = KEEP) -> dict[str, Any]:
    messages = Recent(keep)
    asked = Recent(keep, [messages.busy_with])
    recorded(run, messages, asked)
    return messages.metrics(asked.latency)


@pytest.mark.parametrize("seed", [11, 12, 13])
@pytest.mark.parametrize("utilization", [0.05, 0.7, 0.95, 1.2])
@pytest.mark.parametrize("asked", [0.0, 0.3])
def test_the_metrics_of_everything_are_the_trajectory_s(seed: int, utilization: float, asked: float) -> None:
    run = fifo(seed, utilization, 3_500, asked=asked)
    check(metrics_of(run), exact(run))


@pytest.mark.parametrize("count", [1, 2, 20])
def test_of_few_messages_all_but_percentiles_are_exact_too(count: int) -> None:
    run = fifo(14, 0.9, count)
    check(metrics_of(run), exact(run))


def test_of_nothing_every_number_is_the_trajectory_s() -> None:
    recent = Recent(keep=3)
    assert recent.metrics() == Trajectory.of([], start_s=[], finish_s=[]).metrics()
    assert recent.columns() == ([], [], [], [], [], [], [])
    assert recent.message_latencies == recent.processing_times == []


class Wrong(Histogram):
    """Its bins are 2 % off."""

    def percentile(self, percent: float) -> float | None:
        right = super().percentile(percent)
        return right and right * 1.02


def test_a_histogram_with_wrong_bins_is_found_out() -> None:
    run, recent = fifo(11, 0.7, 3_500), Recent(KEEP)
    recent.processing = Wrong()
    recorded(run, recent, Recent(1))
    with pytest.raises(AssertionError, match="processing_s"):
        check(recent.metrics(Histogram()), exact(run))


def test_a_question_of_which_nobody_told_would_count_as_dispatch() -> None:
    run, recent = fifo(11, 0.95, 1_000, asked=0.3), Recent(KEEP)
    recorded(run, recent, Recent(1))
    assert recent.metrics()["busy_fraction"] > exact(run)["busy_fraction"] * 1.005


def test_the_most_that_waited_and_the_wait_are_known_although_more_came_than_are_kept() -> None:
    """Ten at once, then one at a time: the ten are long forgotten."""
    recent = Recent(keep=10)
    for number in range(10):
        recent.record(Ticket(number, "a", 0, 0, number * 10, number * 10 + 10))
    for number in range(10, 100):
        recent.record(Ticket(number, "a", number * 100, number * 100, number * 100, number * 100 + 10))
    assert recent.metrics()["queue_length"]["max"] == 9
    assert recent.metrics()["wait_s"]["max"] == 90e-9


def test_more_waiting_than_are_kept_are_told_as_at_least_that_many() -> None:
    run = fifo(15, 2.0, 300)
    expected = exact(run)["queue_length"]
    assert expected["at_last_arrival"] > 20
    assert metrics_of(run, keep=20)["queue_length"] == {"mean": None, "max": 20, "at_last_arrival": 20}
    check(metrics_of(run, keep=300), exact(run))


@pytest.mark.parametrize("order", ["fifo", "round-robin", "per-worker"])
@pytest.mark.parametrize("rate_per_s", [150.0, 250.0])
def test_whatever_the_order_of_service_all_but_percentiles_is_exact(order: str, rate_per_s: float) -> None:
    workload = Workload(
        messages=2_000, rate_per_s=rate_per_s, service="exponential", order=order, popularity="zipf:1.2", inbox=20
    )
    model = simulate(workload)
    columns = (model.arrival_s, model.taken_s, model.start_s, model.finish_s)
    rows = enumerate(np.rint(np.array(columns) * 1e9).astype(np.int64).T.tolist())
    served = sorted(rows, key=lambda row: (row[1][2], row[1][3]))
    run = Run([Ticket(number, Message("w0", ()), *instants_ns) for number, instants_ns in served])
    assert order == "fifo" or [number for number, _ in served] != list(range(2_000))
    check(metrics_of(run), exact(run))


def test_of_messages_received_out_of_order_all_but_two_numbers_is_exact() -> None:
    """Two senders, one of whose messages comes in late: it is received after three that arrived after it."""
    rows = [(10, 20, 20, 30), (15, 30, 30, 40), (18, 30, 40, 50), (5, 45, 50, 60), (52, 60, 60, 70)]
    run = Run([Ticket(number, Message("w0", ()), *instants_ns) for number, instants_ns in enumerate(rows)])
    found, expected = metrics_of(run), exact(run)
    assert found["source_blocked"].pop("fraction") == pytest.approx((45 - 10) / 47)
    assert expected["source_blocked"].pop("fraction") == pytest.approx((45 - 5) / 47)
    assert (found["queue_length"].pop("max"), expected["queue_length"].pop("max")) == (4, 4)
    check(found, expected)


def test_the_last_to_come_may_be_the_first_to_start_and_all_were_waiting() -> None:
    recent = Recent(keep=9)
    for number, start_ns in ((3, 4), (0, 5), (1, 6), (2, 7)):
        recent.record(Ticket(number, "a", number, number, start_ns, start_ns + 1))
    assert recent.metrics()["queue_length"]["max"] == 4


# -- the last ones ---------------------------------------------------------------------------------------------------


def test_the_last_ones_are_kept_with_all_their_instants_and_names() -> None:
    run, recent = fifo(17, 0.9, 250), Recent(keep=100)
    recorded(run, recent, Recent(1))
    last = run.messages[-100:]
    columns = recent.columns()
    for name in ("arrival_ns", "taken_ns", "start_ns", "finish_ns", "cpu_ns", "sent_ns"):
        assert getattr(columns, name) == [getattr(ticket, name) for ticket in last]
    assert columns.worker == [ticket.item.worker_id for ticket in last]
    assert recent.message_latencies == [(ticket.finish_ns - ticket.arrival_ns) / 1e9 for ticket in last]
    assert recent.processing_times == [(ticket.finish_ns - ticket.start_ns) / 1e9 for ticket in last]
    assert recent.count == 250
    assert (recent.first_arrival_ns, recent.last_finish_ns) == (run.messages[0].arrival_ns, last[-1].finish_ns)


@pytest.mark.parametrize("count", range(10))
def test_rows_are_in_order_of_arrival_and_times_in_order_of_finishing_wherever_the_ring_stands(count: int) -> None:
    recent = Recent(keep=4)
    arrivals = [50, 40, 90, 10, 70, 20, 80, 30, 60, 0][:count]
    for number, arrival_ns in enumerate(arrivals):
        finish_ns = 100 + number * 10
        recent.record(Ticket(number, str(arrival_ns), arrival_ns, 95, finish_ns - 1, finish_ns))
    assert recent.columns().arrival_ns == sorted(arrivals[-4:])
    assert recent.columns().worker == [str(arrival_ns) for arrival_ns in sorted(arrivals[-4:])]
    finished = [100 + number * 10 - arrival_ns for number, arrival_ns in enumerate(arrivals)]
    assert recent.message_latencies == [latency_ns / 1e9 for latency_ns in finished[-4:]]
    assert recent.first_arrival_ns == min(arrivals, default=NOT_YET)
    assert recent.last_arrival_ns == max(arrivals, default=NOT_YET)


def test_listeners_hear_every_ticket() -> None:
    heard: list[int] = []
    recent = Recent(2, [lambda ticket: heard.append(ticket.number)])
    for number in range(5):
        recent.record(Ticket(number, "a", 0, 0, 0, 0))
    assert heard == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("names", "most_bytes"), [(10, 8_000), (10**6, 70_000)])
def test_memory_does_not_grow(names: int, most_bytes: int) -> None:
    """A copy of its name for each of the kept, or all the names that ever were, would be 100,000 bytes at least."""
    recent = Recent(keep=500 if names > 500 else 2_000)
    tracemalloc.start()
    try:
        for number in range(6_000):
            at_ns = ORIGIN_NS + number * SERVICE_NS
            recent.record(Ticket(number, "worker " + str(number % names), at_ns, at_ns + 1, at_ns + 2, at_ns + 3))
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < most_bytes
