"""The source and the clocks: planned instants, whatever the consumer does."""

import time

from real import Message, message_stream
from real.clock import FakeClock, WallClock


def test_a_slow_consumer_gets_what_is_overdue_at_once_and_the_plan_does_not_move() -> None:
    clock = FakeClock(now_ns=5 * 10**9)
    seen = []
    for message in message_stream(10, 0.5, clock=clock):
        seen.append((message.timestamp, clock.now_ns() / 1e9))
        if len(seen) == 1:
            clock.sleep(250_000_000)
    assert seen == [(5.1, 5.1), (5.2, 5.35), (5.3, 5.35), (5.4, 5.4), (5.5, 5.5)]


def test_a_plan_is_followed() -> None:
    plan = [(0, Message("a", ())), (1_000, Message("b", ()))]
    clock = FakeClock()
    assert [(m.worker_id, m.timestamp) for m in message_stream(1, 1, plan=plan, clock=clock)] == [
        ("a", 0.0),
        ("b", 1e-6),
    ]


def test_the_wall_clock_never_wakes_early() -> None:
    clock = WallClock()
    for ahead_ns in (0, 50_000, 3_000_000):
        at_ns = clock.now_ns() + ahead_ns
        clock.wait_until(at_ns)
        assert clock.now_ns() >= at_ns
    before = time.monotonic_ns()
    clock.sleep(1_000_000)
    assert time.monotonic_ns() - before >= 1_000_000
