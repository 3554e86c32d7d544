"""Stalls as vacations: whole timelines worked out by hand, and what holds of every one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compare.machine.noise import Stall
from compare.machine.vacations import with_stalls
from compare.scene import Holds, Scene
from sim.engine import Rules
from sim.recording import NS

KINDS = pytest.mark.parametrize("sleeps", [True, False], ids=["sleeping", "computing"])


def scene(arrival_s: list[float], rules: Rules | None = None, asked_s: tuple[float, ...] = ()) -> Scene:
    """Messages for workers 0, 1, 0, 1, …"""
    instants = [np.array([round(at_s * NS) for at_s in column], np.int64) for column in (arrival_s, asked_s)]
    return Scene(instants[0], np.arange(len(arrival_s)) % 2, instants[1], rules or Rules())


def lasting(n: int, service_s: float, dispatch_s: float = 0.0, wakeup_s: float = 0.0) -> Holds:
    dispatch, service, wakeup = (np.full(n, round(at_s * NS), np.int64) for at_s in (dispatch_s, service_s, wakeup_s))
    return dispatch, service, wakeup, service


def timeline(of: Scene, holds: Holds, *stalls: Stall, sleeps: bool) -> list[tuple[float, float]]:
    """(start, finish) of every message, s."""
    _, start, finish = of.replay(with_stalls(of, holds, stalls, sleeps=sleeps)).messages / NS
    return list(zip(start.tolist(), finish.tolist(), strict=True))


def test_a_sleep_that_would_end_within_a_stall_ends_with_it() -> None:
    # Without a stall 0–2, 2–4, 4–6; the second is at it from 3 to 4.5 and would have ended at 4.
    found = timeline(scene([0, 1, 2]), lasting(3, 2), Stall(3, 1.5), sleeps=True)
    assert found == [(0, 2), (2, 4.5), (4.5, 6.5)]


def test_a_computation_takes_longer_by_the_whole_stall() -> None:
    found = timeline(scene([0, 1, 2]), lasting(3, 2), Stall(3, 1.5), sleeps=False)
    assert found == [(0, 2), (2, 5.5), (5.5, 7.5)]


def test_a_sleep_that_goes_on_after_a_stall_is_not_touched_by_it() -> None:
    found = timeline(scene([0, 1, 2]), lasting(3, 2), Stall(2.5, 1), sleeps=True)
    assert found == [(0, 2), (2, 4), (4, 6)]


@KINDS
def test_a_message_that_finds_the_thread_idle_within_a_stall_starts_at_its_end(sleeps: bool) -> None:
    # The thread is idle from 2; the second arrives at 5, would start at 5.25 and is kept until 6.
    found = timeline(scene([0, 5, 5.5]), lasting(3, 1, 0.125, 0.25), Stall(4, 2), sleeps=sleeps)
    assert found == [(0.25, 1.25), (6, 7), (7.125, 8.125)]


@KINDS
def test_a_stall_before_the_first_message_delays_only_what_arrives_within(sleeps: bool) -> None:
    before = Stall(-1, 1.5)
    assert timeline(scene([1.0]), lasting(1, 2), before, sleeps=sleeps) == [(1, 3)]
    assert timeline(scene([0.25]), lasting(1, 2), before, sleeps=sleeps) == [(0.5, 2.5)]


@KINDS
def test_a_stall_during_dispatch_puts_the_start_off_until_its_end(sleeps: bool) -> None:
    # The first is finished at 2, and the second was to start at 3.
    found = timeline(scene([0, 1]), lasting(2, 2, dispatch_s=1), Stall(2.5, 1.5), sleeps=sleeps)
    assert found == [(0, 2), (4, 6)]


@KINDS
def test_what_would_start_as_a_stall_begins_starts_at_its_end(sleeps: bool) -> None:
    assert timeline(scene([1]), lasting(1, 2), Stall(1, 0.5), sleeps=sleeps) == [(1.5, 3.5)]


@KINDS
def test_what_would_finish_as_a_stall_begins_finishes_at_its_end(sleeps: bool) -> None:
    assert timeline(scene([0, 1]), lasting(2, 2), Stall(2, 0.5), sleeps=sleeps) == [(0, 2.5), (2.5, 4.5)]


@KINDS
def test_what_would_finish_or_start_as_a_stall_ends_does(sleeps: bool) -> None:
    assert timeline(scene([2]), lasting(1, 2), Stall(1, 1), sleeps=sleeps) == [(2, 4)]


def test_two_stalls_in_one_message_count_both() -> None:
    # 0–4, nothing done from 1 to 2 and from 3 to 3.5; the sleep is only held by one that goes on beyond 4.
    stalls = Stall(3, 0.5), Stall(1, 1)
    assert timeline(scene([0]), lasting(1, 4), *stalls, sleeps=False) == [(0, 5.5)]
    assert timeline(scene([0]), lasting(1, 4), *stalls, sleeps=True) == [(0, 4)]
    # The second stall is only met because of the first: 0–2 becomes 0–3.
    stalls = Stall(1, 1), Stall(2.5, 1)
    assert timeline(scene([0]), lasting(1, 2), *stalls, sleeps=False) == [(0, 4)]


def test_stalls_that_overlap_are_one() -> None:
    # 1 s is done until 3, the other from 6 on.
    found = timeline(scene([2]), lasting(1, 2), Stall(4, 2), Stall(3, 2), sleeps=False)
    assert found == [(2, 7)]


def test_the_message_that_is_served_is_held_whatever_the_order() -> None:
    # Of worker 0 first: 0–2 the first, 2–4 the third, 4–6 the second. From 3 to 4.5 it is the third's turn.
    per_worker = scene([0, 1, 1.5], Rules("per-worker"))
    assert timeline(per_worker, lasting(3, 2), sleeps=True) == [(0, 2), (4, 6), (2, 4)]
    assert timeline(per_worker, lasting(3, 2), Stall(3, 1.5), sleeps=True) == [(0, 2), (4.5, 6.5), (2, 4.5)]
    assert timeline(per_worker, lasting(3, 2), Stall(3, 1.5), sleeps=False) == [(0, 2), (5.5, 7.5), (2, 5.5)]


def test_a_message_behind_an_answer_starts_at_the_end_of_a_stall() -> None:
    # The question of 0.5 is answered 2–3, when the second was to start.
    asking = scene([0, 1], Rules(answer_ns=NS), (0.5,))
    assert timeline(asking, lasting(2, 2), Stall(2.5, 1), sleeps=True) == [(0, 2), (3.5, 5.5)]


def test_a_constant_scene_is_lengthened_once_and_not_in_place() -> None:
    of = scene([0, 1, 2])
    holds = of.constant(2.0)
    dispatch, processing, wakeup, woken = with_stalls(of, holds, [Stall(3, 1.5)], sleeps=False)
    assert processing.tolist() == woken.tolist() == [2 * NS, 3.5 * NS, 2 * NS]
    assert dispatch.tolist() == wakeup.tolist() == [0, 0, 0]
    assert of.constant(2.0)[1].tolist() == holds[1].tolist()


# In ns, so that instants coincide often.
MESSAGES = st.lists(st.tuples(st.integers(0, 9), *[st.integers(0, 3), st.integers(1, 9)] * 2), min_size=1, max_size=25)
STALLS = st.lists(st.builds(Stall, *[st.integers(-5, 150).map(lambda at: at / NS)] * 2), max_size=6)
RULES = st.builds(Rules, st.sampled_from(["fifo", "round-robin", "per-worker"]), places=st.sampled_from([None, 1, 3]))


def drawn(messages: list[tuple[int, ...]], rules: Rules) -> tuple[Scene, Holds]:
    gaps, dispatch, processing, wakeup, woken = np.array(messages, np.int64).T
    nobody = np.array([], np.int64)
    return Scene(np.cumsum(gaps), np.arange(len(gaps)) % 3, nobody, rules), (dispatch, processing, wakeup, woken)


@given(MESSAGES, STALLS, RULES, st.booleans())
@settings(max_examples=300, deadline=None)
def test_nothing_starts_or_finishes_within_a_stall(
    messages: list[tuple[int, ...]], stalls: list[Stall], rules: Rules, sleeps: bool
) -> None:
    of, holds = drawn(messages, rules)
    _, start, finish = of.replay(with_stalls(of, holds, stalls, sleeps=sleeps)).messages
    for stall in stalls:
        for instants in (start, finish):
            within = (instants >= round(stall.at_s * NS)) & (instants < round(stall.end_s * NS))
            assert not within.any()


@given(MESSAGES, RULES, st.booleans())
@settings(max_examples=50, deadline=None)
def test_without_stalls_nothing_changes(messages: list[tuple[int, ...]], rules: Rules, sleeps: bool) -> None:
    of, holds = drawn(messages, rules)
    for before, after in zip(holds, with_stalls(of, holds, [], sleeps=sleeps), strict=True):
        assert before.tolist() == after.tolist()


@given(MESSAGES, STALLS)
@settings(max_examples=200, deadline=None)
def test_no_latency_shrinks_and_a_sleeping_server_is_never_later_than_a_computing_one(
    messages: list[tuple[int, ...]], stalls: list[Stall]
) -> None:
    # Of a loop that takes no longer after a pause: elsewhere a stall may spare a message the slower way.
    of, (dispatch, processing, _, _) = drawn(messages, Rules())
    holds = dispatch, processing, dispatch, processing
    without, sleeping, computing = (
        of.replay(hold).latency_s
        for hold in (holds, *(with_stalls(of, holds, stalls, sleeps=sleeps) for sleeps in (True, False)))
    )
    assert (without <= sleeping).all()
    assert (sleeping <= computing).all()


def test_a_sleeper_that_waited_for_a_processor_loses_all_of_it() -> None:
    # Service from 0 to 2 and 2 to 4: a stall within a sleep takes nothing from it, a wait for a processor all.
    run, holds = scene([0, 1]), lasting(2, 2)
    assert timeline(run, holds, Stall(0.5, 0.5), sleeps=True) == [(0, 2), (2, 4)]
    assert timeline(run, holds, Stall(0.5, 0.5, waited=True), sleeps=True) == [(0, 2.5), (2.5, 4.5)]
