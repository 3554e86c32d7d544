"""Work: each kind takes the time that it is asked for, in the way its name says."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from real.clock import FakeClock, WallClock
from real.machine import StateMachine, compute
from real.message import Message
from real.work import KINDS, calibrated, computing, mixed, none, precise, sleeping, work_of

MS = 1_000_000
PLAIN = Message("w0", ({"op": "set", "key": "k", "value": 1},))
OWN = Message("w0", PLAIN.payload, service_ns=3 * MS)


class Ticking(FakeClock):
    """A clock that moves by a millisecond whenever it is looked at."""

    def now_ns(self) -> int:
        self.sleep(MS)
        return super().now_ns()


@contextmanager
def rounds_computed() -> Iterator[list[int]]:
    """How many rounds were asked for in each call of `compute`."""
    asked: list[int] = []

    def heard(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code is compute.__code__:
            asked.append(frame.f_locals["rounds"])

    before = sys.getprofile()
    sys.setprofile(heard)
    try:
        yield asked
    finally:
        sys.setprofile(before)


@pytest.mark.parametrize(("message", "takes_ns"), [(PLAIN, 5 * MS), (OWN, 3 * MS)])
def test_sleeping_takes_what_the_message_asks_for_or_else_what_all_do(message: Message, takes_ns: int) -> None:
    clock = FakeClock()
    with rounds_computed() as asked:
        sleeping(clock, 5 * MS)(message, None)
    assert clock.now_ns() == takes_ns
    assert asked == []


@pytest.mark.parametrize(("message", "rounds"), [(PLAIN, 5_000), (OWN, 3_000)])
def test_computing_does_as_many_rounds_as_the_time_is_worth_at_the_given_pace(message: Message, rounds: int) -> None:
    clock = FakeClock()
    work = computing(clock, 5 * MS, 0.001)
    with rounds_computed() as asked:
        work(message, None)
    assert asked == [rounds]
    assert clock.now_ns() == 0


@pytest.mark.parametrize(("message", "half_ns"), [(PLAIN, 2_500_000), (OWN, 1_500_000)])
def test_mixed_work_is_half_of_each(message: Message, half_ns: int) -> None:
    clock = FakeClock()
    work = mixed(clock, 5 * MS, 0.001)
    with rounds_computed() as asked:
        work(message, None)
    assert asked == [half_ns // 1_000]
    assert clock.now_ns() == half_ns


@pytest.mark.parametrize(("message", "takes_ns"), [(PLAIN, 5 * MS), (OWN, 3 * MS)])
def test_precise_work_ends_so_long_after_the_message_took_the_thread(message: Message, takes_ns: int) -> None:
    clock = FakeClock(10 * MS)
    precise(clock, 5 * MS)(message, 9 * MS)
    assert clock.now_ns() == 9 * MS + takes_ns


def test_precise_work_by_itself_counts_from_when_it_begins_and_never_goes_back() -> None:
    clock = FakeClock(10 * MS)
    precise(clock, 5 * MS)(PLAIN, None)
    assert clock.now_ns() == 15 * MS
    precise(clock, 5 * MS)(PLAIN, 2 * MS)  # it has been due for long
    assert clock.now_ns() == 15 * MS


def test_no_work_is_none() -> None:
    clock = FakeClock(7)
    with rounds_computed() as asked:
        none(clock, 5 * MS)(OWN, None)
    assert (clock.now_ns(), asked) == (7, [])


def test_work_comes_after_the_update_and_once_a_message() -> None:
    seen = []
    machine = StateMachine("w0", lambda message, began_ns: seen.append((dict(machine.state), began_ns)))
    machine.process_message(PLAIN, 42)
    assert seen == [({"k": 1}, 42)]


def test_a_pace_that_is_not_given_is_measured() -> None:
    work = computing(Ticking(), 5 * MS)
    with rounds_computed() as asked:
        work(PLAIN, None)
    assert asked == [100_000]  # 20,000 rounds a millisecond, as this clock tells it


def test_a_pace_is_rounds_by_time_and_never_of_no_time() -> None:
    assert calibrated(Ticking()) == 20_000 / MS
    assert calibrated(FakeClock()) == 20_000
    assert calibrated(WallClock()) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_that_can_be_asked_for_does_its_work(kind: str) -> None:
    clock = WallClock()
    before_ns = clock.now_ns()
    KINDS[kind](clock, 1_000)(PLAIN, before_ns)
    assert clock.now_ns() >= before_ns + (1_000 if kind in ("sleep", "precise") else 0)


def test_a_pace_that_is_given_is_kept_whatever_the_machine_does() -> None:
    for kind, rounds in (("cpu", 5000), ("mixed", 2500)):
        with rounds_computed() as asked:
            work_of(kind, FakeClock(), 5 * MS, 1e6 / 1e9)(PLAIN, None)
        assert asked == [rounds]
    clock = FakeClock()
    work_of("sleep", clock, 5 * MS)(PLAIN, None)
    assert clock.now_ns() == 5 * MS
