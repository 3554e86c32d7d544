"""What the instruments say of a run, on timelines computed by hand."""

from typing import Any

import numpy as np
import pytest

from real.command.outcome import columns_of, merged
from real.command.report import found_idle, instruments, most_on_the_way, over_time, spells, trajectory_of
from real.command.screen import show
from real.metrics import Rows
from real.recent import Columns
from real.ticket import NOT_YET, Ticket
from sim import Trajectory

# Arrivals at 0, 1, 2 and 10; each takes 2 s; the loop needs 0.5 s between two, and 0.1 s to wake.
RUN = Trajectory.of(
    [0.0, 1.0, 2.0, 10.0],
    taken_s=[0.1, 2.5, 2.5, 10.1],
    start_s=[0.1, 2.6, 5.1, 10.1],
    finish_s=[2.1, 4.6, 7.1, 12.1],
)
CPU_S = np.array([1.0, 1.0, 2.0, 0.0])


def test_an_idle_thread_is_told_from_a_busy_one() -> None:
    assert found_idle(RUN).tolist() == [True, False, False, True]


def test_a_thread_that_answers_is_not_idle() -> None:
    asked = Trajectory.of([9.0], taken_s=[9.5], start_s=[9.5], finish_s=[10.05])
    busy = Trajectory(RUN.arrival_s, RUN.taken_s, RUN.start_s, RUN.finish_s, RUN.worker, None, asked)
    assert found_idle(busy).tolist() == [True, False, False, False]


def test_where_the_time_went() -> None:
    told = instruments(RUN, CPU_S, 2.0)
    assert told["dispatch_s"]["mean"] == pytest.approx(0.5)
    assert told["overshoot_s"]["max"] == pytest.approx(0.0)
    assert told["hold_s"] == pytest.approx(2.5)
    assert told["capacity_per_s"] == pytest.approx(0.4)
    assert told["cpu_share"] == pytest.approx(0.5)
    assert told["source_late_s"]["max"] == pytest.approx(0.1)
    # Only what was due while the thread was elsewhere: 1.0 to 2.5, in which 2.0 became due too.
    assert told["blocked"] == {
        "spells": 1,
        "total_s": 1.5,
        "longest_s": 1.5,
        "longest": [{"at_s": 1.0, "length_s": 1.5}],
    }
    assert told["unanswered"] is told["on_the_way"] is None


def test_a_sender_says_itself_how_late_it_was_and_what_is_on_the_way_is_counted() -> None:
    sent_s = np.array([0.01, 1.02, 2.03, 10.0])
    run = Trajectory(RUN.arrival_s, RUN.taken_s, RUN.start_s, RUN.finish_s, RUN.worker, sent_s)
    assert instruments(run, CPU_S, 2.0)["source_late_s"]["max"] == pytest.approx(0.03)
    assert most_on_the_way(run) == 2  # the second and the third, from 2.03 to 2.5


def test_service_times_of_their_own_have_no_overshoot() -> None:
    assert instruments(RUN, CPU_S, None)["overshoot_s"]["mean"] is None


def test_spells_without_a_gap_are_one() -> None:
    told = spells(np.array([0.0, 1.0, 4.0, 9.0]), np.array([2.0, 3.0, 4.0, 9.5]))
    assert (told["spells"], told["total_s"], told["longest_s"]) == (2, 3.5, 3.0)
    assert told["longest"][:2] == [{"at_s": 0.0, "length_s": 3.0}, {"at_s": 9.0, "length_s": 0.5}]


def test_over_time_counts_each_message_once_and_the_last_step_is_not_a_whole_one() -> None:
    told = over_time(RUN)
    step_s, rates = told["step_s"], told["throughput_per_s"]
    lengths_s = [step_s] * (len(rates) - 1) + [12.1 - step_s * (len(rates) - 1)]
    assert len(rates) <= 40
    assert sum(rate * length_s for rate, length_s in zip(rates, lengths_s, strict=True)) == pytest.approx(4)
    assert max(told["queue_length"]) == 2
    assert told["queue_length"][-1] == 0
    assert [value for value in told["latency_s"] if value is not None] == pytest.approx([2.1, 3.6, 5.1, 2.1])


@pytest.mark.parametrize("seconds", [0.3, 3.0, 77.0, 4000.0, 1e6])
def test_a_run_of_any_length_has_at_most_forty_steps(seconds: float) -> None:
    run = Trajectory.of([0.0, seconds], start_s=[0.0, seconds], finish_s=[0.1, seconds + 0.1])
    assert 1 <= len(over_time(run)["throughput_per_s"]) <= 40


def test_no_message_is_no_error() -> None:
    nothing = Trajectory.of([], start_s=[], finish_s=[])
    told = instruments(nothing, np.empty(0), 2.0)
    assert told["hold_s"] is told["capacity_per_s"] is told["cpu_share"] is None
    assert told["blocked"]["spells"] == 0


def test_only_what_is_finished_is_told_in_seconds_to_the_last_nanosecond() -> None:
    origin_ns = 10**18
    rows = Rows([origin_ns + 1, origin_ns + 2, origin_ns + 3])
    rows.record(Ticket(2, "w", origin_ns + 3, origin_ns + 4, origin_ns + 5, origin_ns + 6))
    rows.record(Ticket(0, "w", origin_ns + 1, origin_ns + 1, origin_ns + 2, origin_ns + 3))
    told = trajectory_of(columns_of(rows, [7, 8, 9]), origin_ns)
    assert told.arrival_s.tolist() == [1e-9, 3e-9]
    assert told.finish_s.tolist() == [3e-9, 6e-9]
    assert told.worker.tolist() == ["w7", "w9"]
    assert told.sent_s is None


def test_questions_of_two_kinds_are_told_in_order_of_arrival() -> None:
    one = Columns([5], [5], [6], [7], [0], [NOT_YET], ["a"])
    other = Columns([1, 9], [1, 9], [2, 9], [3, 9], [0, 0], [NOT_YET, NOT_YET], ["b", "c"])
    both = merged(one, other)
    assert both.arrival_ns == [1, 5, 9]
    assert both.worker == ["b", "a", "c"]


def test_whoever_does_not_say_when_they_sent_is_taken_to_have_sent_no_later_than_taken() -> None:
    columns = Columns([0, 10], [5, 15], [6, 16], [7, 17], [0, 0], [NOT_YET, 12], ["a", "b"])
    sent_s = trajectory_of(columns, 0).sent_s
    assert sent_s is not None
    assert sent_s.tolist() == [5e-9, 12e-9]


def widest() -> dict[str, Any]:
    """A measurement whose numbers take as much room as any."""
    times = dict.fromkeys(("mean", "p50", "p95", "p99", "max"), 0.0123456)
    spell = {"spells": 1_234_567, "total_s": 1e4, "longest_s": 1234.5}
    return {
        "workload": {"rate_per_s": 123_456.0, "service_s": 0.012345},
        "measured": {
            **dict.fromkeys(("latency_s", "wait_s", "processing_s"), times),
            "source_blocked": {"wait_s": times, "fraction": 0.987654},
            "queries": {"latency_s": times},
            "utilization": 123.456,
            "queue_growth_per_s": 12_345.6,
            "throughput_per_s": 123_456.7,
            "busy_fraction": 0.9876,
            "queue_length": {"mean": 123_456.7, "max": 1_234_567, "at_last_arrival": 1_234_567},
        },
        "environment": {
            "cores": 128,
            "threads": 1,
            "stolen_s": 0.123,
            "run_delay_s": 0.123,
            "involuntary_switches": 123_456,
            "gc_pauses": {"count": 12_345, "total_s": 1.2345},
        },
        "instruments": {
            **dict.fromkeys(("cpu_s", "dispatch_s", "source_late_s", "overshoot_s"), times),
            "cpu_share": 0.987,
            "capacity_per_s": 12_345.6,
            "hold_s": 0.0123456,
            "on_the_way": 123_456,
            "blocked": spell,
            "unanswered": spell,
            "over_time": {"queue_length": [1_234_567] * 40, "throughput_per_s": [1.0] * 40, "step_s": 1.0},
            "allocation": {"when": "lazy", "first_s": 1.23e-6, "later_s": 1e-7},
            "measuring_s": 1.23e-6,
        },
        "run": {
            "stopped": True,
            "received": 123_456_789,
            "processed": 123_456_700,
            "left": 89,
            "workers": 100_000,
            "asked_left": 123_456,
            "failed": 123_456,
            "failed_by": {"more than 1,000 keys": 0, "increment of no number": 123_456},
            "kept": 100_000,
            "percentiles": "within 0.5 %",
            "clients": 12_345,
            "bytes": 12_345_678_901,
            "rejected": {"not JSON": 123_456, "not a message": 123_456},
            "cut_off": 123,
            "crowded_out": 123_456,
            "foreign_timestamps": 123_456_789,
            "refused_s": 12_345.6,
            "complaints": ["127.0.0.1:12345, byte 1234567890: " + "x" * 200] * 3,
        },
    }


def test_the_widest_screen_is_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    show(widest())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 25
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize(
    ("rate_per_s", "utilization", "processed", "hold_s", "overloaded"),
    [
        # Eight messages may come within the time of five; but 150 a second of 5 ms each can be done for ever.
        (150.0, 1.6, 8, 0.005, False),
        (150.0, 1.6, 8, 0.007, True),
        (300.0, 1.5, 8, 0.005, True),
        (300.0, 0.9, 8, 0.005, False),
        # Nobody told the rate: it takes many messages to tell.
        (None, 1.6, 99, 0.005, False),
        (None, 1.6, 100, 0.005, True),
        (None, 0.9, 100, 0.005, False),
    ],
)
def test_a_short_run_of_what_can_be_done_is_not_called_overloaded(
    capsys: pytest.CaptureFixture[str],
    rate_per_s: float | None,
    utilization: float,
    processed: int,
    hold_s: float,
    overloaded: bool,
) -> None:
    document = widest()
    document["workload"]["rate_per_s"] = rate_per_s
    document["measured"]["utilization"] = utilization
    document["run"] |= {"processed": processed, "kept": processed}
    document["instruments"]["hold_s"] = hold_s
    show(document)
    assert ("OVERLOADED" in capsys.readouterr().out) == overloaded
