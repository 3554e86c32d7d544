"""A processor, or a client, that stands still for a second: on a fake clock, to the nanosecond what theory says."""

import socket
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compare.machine.noise import Stall
from compare.machine.vacations import with_stalls
from compare.scene import Replayed, Scene
from real.ask.asking import Asker
from real.ask.questions import Manner, Peer, Question
from real.clock import Clock, FakeClock
from real.command.assembly import loop_of, messages, plans
from real.loop import Loop
from real.machine import Work
from real.router import Router
from real.send.sending import Sender
from real.work import precise, sleeping
from sim import Workload
from sim.engine import Nanoseconds as Instants
from sim.engine import waits_ns
from sim.summary import Seconds

NS, MS = 10**9, 10**6
ORIGIN_NS = 7 * NS
SERVICE_NS = 5 * MS
RUNS = 50


class Frozen(FakeClock):
    """A clock of a process that is stopped from one instant to another: nothing that it does lies in between."""

    def __init__(self, now_ns: int, begin_ns: int, end_ns: int) -> None:
        super().__init__(now_ns)
        self._begin_ns, self._end_ns = begin_ns, end_ns

    def now_ns(self) -> int:
        told_ns = super().now_ns()
        if self._begin_ns <= told_ns < self._end_ns:
            self._now_ns = told_ns = self._end_ns
        return told_ns

    def sleep(self, for_ns: int) -> None:
        self.now_ns()  # whoever is stopped does not begin
        super().sleep(for_ns)


def busy(messages: int = 2_000, load: float = 0.8, seed: int = 1, **more: object) -> Workload:
    rate_per_s = load * NS / SERVICE_NS
    return Workload(rate_per_s=rate_per_s, service_s=SERVICE_NS / NS, messages=messages, seed=seed, **more)


def stopped(workload: Workload, at_ns: int, for_ns: int, work: Callable[[Clock, int], Work] = sleeping) -> Loop:
    """Run a workload on the real loop, whose process is stopped once."""
    clock = Frozen(0, ORIGIN_NS + at_ns, ORIGIN_NS + at_ns + for_ns)
    planned = plans(workload, messages(workload), ORIGIN_NS)
    router = Router(work(clock, SERVICE_NS))
    loop = loop_of(workload, planned.messages, [planned.queries], router, clock)
    loop.run()
    return loop


def predicted(workload: Workload, at_ns: int = 0, for_ns: int = 0, *, sleeps: bool = True) -> Replayed:
    """Run it on the compiled engine, with that vacation."""
    scene = Scene.of(workload)
    stalls = [Stall(at_ns / NS, for_ns / NS)] if for_ns else []
    return scene.replay(with_stalls(scene, scene.constant(SERVICE_NS / NS), stalls, sleeps=sleeps))


@pytest.mark.parametrize("work", [sleeping, precise])
@settings(max_examples=25)
@given(
    seed=st.integers(1, 10**6), at_ns=st.integers(0, NS), for_ns=st.integers(MS // 10, NS),
    places=st.sampled_from([None, 1, 7]),
)  # fmt: skip
def test_a_run_that_is_stopped_is_the_recursion_with_that_vacation(
    work: Callable[[Clock, int], Work], seed: int, at_ns: int, for_ns: int, places: int | None
) -> None:
    workload = busy(250, seed=seed, inbox=places)
    rows = stopped(workload, at_ns, for_ns, work).messages.rows
    _, start_ns, finish_ns = predicted(workload, at_ns, for_ns).messages
    assert [at - ORIGIN_NS for at in rows.start_ns] == start_ns.tolist()
    assert [at - ORIGIN_NS for at in rows.finish_ns] == finish_ns.tolist()


@settings(max_examples=25)
@given(seed=st.integers(1, 10**6), at_ns=st.integers(0, NS), order=st.sampled_from(["round-robin", "per-worker"]))
def test_whatever_the_order_a_pause_loses_nothing_and_keeps_each_workers_order(
    seed: int, at_ns: int, order: str
) -> None:
    workload = busy(250, seed=seed, order=order)
    loop = stopped(workload, at_ns, NS)
    rows = loop.messages.rows
    assert rows.finished() == list(range(250))
    assert sum(machine.messages for machine in loop.router.machines.values()) == 250
    for worker in range(workload.workers):
        starts = [at for at, number in zip(rows.start_ns, workload.worker_numbers, strict=True) if number == worker]
        assert starts == sorted(starts)
    assert not [at for at in (*rows.start_ns, *rows.finish_ns) if at_ns <= at - ORIGIN_NS < at_ns + NS]


def test_a_pause_is_in_the_latency_of_every_message_that_was_due_in_it() -> None:
    workload, at_ns, for_ns = busy(), 4 * NS, NS
    latencies_s = stopped(workload, at_ns, for_ns).messages.rows.message_latencies
    due = [
        (arrival_ns, latency_s)
        for arrival_ns, latency_s in zip(workload.arrivals_ns, latencies_s, strict=True)
        if at_ns <= arrival_ns < at_ns + for_ns
    ]
    assert len(due) > 100
    assert all(latency_s >= (at_ns + for_ns - arrival_ns) / NS for arrival_ns, latency_s in due)


def idle_since_ns(run: Replayed, at_ns: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """For how long a run without a pause has been idle from an instant until each arrival, ns."""
    starts_ns, finishes_ns = run.messages[1], run.messages[2]
    free_ns = np.concatenate([[0], finishes_ns[:-1]])
    gaps_ns = np.maximum(starts_ns - np.maximum(free_ns, at_ns), 0)  # what of it lies before is not counted
    return np.cumsum(gaps_ns)


@pytest.mark.parametrize("seed", range(1, 6))
def test_an_outage_adds_to_each_latency_what_idle_time_has_not_made_up_for(seed: int) -> None:
    # The path behind the formula: of x, each later message has what the undisturbed thread was not idle since.
    workload, at_ns, for_ns = busy(3_000, seed=seed), 4 * NS + 123, NS
    without, paused = predicted(workload), predicted(workload, at_ns, for_ns, sleeps=False)
    left_ns = np.maximum(for_ns - idle_since_ns(without, at_ns), 0)
    later = without.messages[2] >= at_ns  # a message that is being processed then is lengthened by all of it
    added_ns = paused.messages[2] - without.messages[2]
    assert (added_ns == np.where(later, left_ns, 0)).all()
    assert added_ns[-1] == 0  # long enough for all of it to be made up for


def added_s(arrival_ns: Instants, outage_s: float, at_ns: Instants) -> tuple[Seconds, Seconds]:
    """What outages, each one alone, add to all latencies together, by the test above (s).

    First of what arrives after the outage began, then of what was there already.
    """
    finish_ns = arrival_ns + waits_ns(arrival_ns, np.full_like(arrival_ns, SERVICE_NS)) + SERVICE_NS
    gaps_ns = np.maximum(arrival_ns - np.concatenate([[0], finish_ns[:-1]]), 0)
    idle_ns = np.cumsum(gaps_ns)  # until each arrival
    summed_ns = np.concatenate([[0], np.cumsum(idle_ns)])
    after = np.searchsorted(arrival_ns, at_ns)
    # Until an outage: until the next arrival, less what of the gap before that lies after it.
    until_ns = idle_ns[after] - np.minimum(arrival_ns[after] - at_ns, gaps_ns[after])
    made_up = np.searchsorted(idle_ns, until_ns + round(outage_s * NS))
    met = made_up - after
    spent_ns = summed_ns[made_up] - summed_ns[after] - met * until_ns
    there = after - np.searchsorted(finish_ns, at_ns)
    return (met * round(outage_s * NS) - spent_ns) / NS, there * outage_s


@pytest.mark.parametrize("at_ns", [NS + 17, 2 * NS + 3, 3 * NS + 777])
def test_what_an_outage_adds_in_all_is_counted_as_the_engine_has_it(at_ns: int) -> None:
    workload, outage_ns = busy(3_000), NS // 4
    found_s = added_s(np.asarray(workload.arrivals_ns, np.int64), outage_ns / NS, np.array([at_ns]))
    paused = predicted(workload, at_ns, outage_ns, sleeps=False)
    assert sum(found_s)[0] == pytest.approx((paused.latency_s - predicted(workload).latency_s).sum(), rel=1e-9)


@pytest.mark.parametrize(("load", "outage_s"), [(0.5, 0.1), (0.8, 0.25), (0.8, 1.0)])
def test_an_outage_adds_lambda_x_times_x_plus_2w_over_2_times_1_minus_rho_on_average(
    load: float, outage_s: float
) -> None:
    # To what arrives after it began; each of the λ(W + D) messages that are there then is late by all of x.
    rate_per_s, service_s, rng = load * NS / SERVICE_NS, SERVICE_NS / NS, np.random.default_rng(1)
    wait_s = load * service_s / (2 * (1 - load))  # M/D/1
    expected = (
        rate_per_s * outage_s * (outage_s + 2 * wait_s) / (2 * (1 - load)),
        rate_per_s * (wait_s + service_s) * outage_s,
    )
    means_s = []
    for _ in range(RUNS):
        arrival_ns = np.cumsum(np.rint(rng.standard_exponential(100_000) / rate_per_s * NS)).astype(np.int64)
        # Not at the empty beginning, and not where the run ends before all is made up for.
        at_ns = rng.integers(arrival_ns[1_000], arrival_ns[90_000], 20_000)
        means_s.append([column.mean() for column in added_s(arrival_ns, outage_s, at_ns)])
    error_s = np.std(means_s, axis=0, ddof=1) / np.sqrt(RUNS)
    # Narrow enough to tell it from a formula without W, which is off by 2W/(x + 2W).
    assert (error_s < [0.2 * 2 * wait_s / (outage_s + 2 * wait_s) * expected[0], 0.02 * expected[1]]).all()
    assert (np.abs(np.mean(means_s, axis=0) - expected) < 3 * error_s).all()


# -- the clients' own pauses -----------------------------------------------------------------------------------------


@dataclass
class Kernel:
    """Takes whatever is sent, at once."""

    lines: int = 0

    def send(self, data: bytes, /) -> int:
        self.lines += data.count(b"\n")
        return len(data)

    def fileno(self) -> int:
        raise AssertionError("nobody waits for this one")


@dataclass
class NobodyAsks:
    requested: bool = False

    def lost(self) -> str:
        return ""


def test_a_sender_that_is_stopped_sends_what_was_due_at_its_end_and_tells_the_delay() -> None:
    workload, at_ns, end_ns = busy(500), NS, 2 * NS
    kernel, clock = Kernel(), Frozen(0, ORIGIN_NS + at_ns, ORIGIN_NS + end_ns)
    sender = Sender([kernel], clock, NobodyAsks())
    planned_ns = [ORIGIN_NS + at for at in workload.arrivals_ns]
    sender.send_all([b'{"sent": '] * len(workload), planned_ns, [0] * len(workload))
    late_ns = [sent - planned for sent, planned in zip(sender.sent_ns, planned_ns, strict=True)]
    assert late_ns == [end_ns - at if at_ns <= at < end_ns else 0 for at in workload.arrivals_ns]
    assert kernel.lines == len(workload)
    assert 0.9 * NS < max(late_ns) <= NS


def test_an_asker_that_is_stopped_counts_from_the_instants_that_it_missed() -> None:
    clock = Frozen(ORIGIN_NS, ORIGIN_NS + 15 * MS, ORIGIN_NS + 1_015 * MS)
    questions = [Question(10 * MS * number, "w0") for number in range(200)]
    with socket.create_server(("127.0.0.1", 0), backlog=300) as listener:
        peer = Peer(socket.AF_INET, listener.getsockname(), "lab")
        asker = Asker(peer, questions, ORIGIN_NS, clock.now_ns, Manner(keep_alive=False, timeout_ns=10 * NS))
        while len(asker.asked) < len(questions):
            clock.wait_until(min(asker.next_ns, ORIGIN_NS + questions[len(asker.asked)].at_ns))
            asker.turn()
        asker.close()
    late_ns = [asked.sent_ns - asked.intended_ns for asked in asker.asked]
    # Those of 20 ms to 1,010 ms were due meanwhile: each is late by the rest of it.
    assert late_ns == [max(1_015 - 10 * number, 0) * MS if number >= 2 else 0 for number in range(200)]
