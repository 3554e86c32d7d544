"""Pairing: runs made by hand, in which it is known why a message took longer than predicted."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from compare.explain.pairing import Pairing, paired
from sim import Trajectory


@dataclass(frozen=True)
class Event:
    at_s: float
    lasting_s: float


def served(arrival_s: list[float], holds_s: list[float]) -> Trajectory:
    """Return what one thread makes of messages that hold it for so long, first come, first served."""
    start_s, finish_s, free_s = [], [], 0.0
    for at_s, hold_s in zip(arrival_s, holds_s, strict=True):
        start_s.append(max(at_s, free_s))
        free_s = start_s[-1] + hold_s
        finish_s.append(free_s)
    return Trajectory.of(arrival_s, start_s=start_s, finish_s=finish_s)


# As many as are told of, so that what happened to each of them is.
ARRIVAL_S = [float(second) for second in range(10)]
PREDICTED = served(ARRIVAL_S, [0.5 + 0.01 * (number % 3) for number in range(10)])
LONGER_AT = 3.1


def longer(by_s: float = 2.0) -> Trajectory:
    """Return a run in which message 3 took longer: 4 to 6 or so had to wait for it."""
    holds_s = PREDICTED.processing_s.copy()
    holds_s[3] += by_s
    return served(ARRIVAL_S, holds_s.tolist())


def reasons(pairing: Pairing) -> dict[int, str]:
    return {worst.number: worst.why for worst in pairing.worst}


def test_a_run_as_predicted_has_correlation_1_and_no_residuals() -> None:
    pairing = paired(PREDICTED, PREDICTED, (), ())
    assert pairing.correlation == pytest.approx(1.0)
    assert (pairing.mean_s, pairing.p50_s, pairing.p95_s, pairing.max_s) == (0.0, 0.0, 0.0, 0.0)
    assert len(pairing.worst) == 10


def test_residuals_are_measured_minus_predicted_and_their_sizes() -> None:
    # Message 0 is 0.3 s faster; message 1 is 0.1 s slower; the other two as predicted.
    predicted, measured = served([0, 10, 20, 30], [1, 1, 1, 2]), served([0, 10, 20, 30], [0.7, 1.1, 1, 2])
    pairing = paired(predicted, measured, (), ())
    assert pairing.mean_s == pytest.approx(-0.05)
    assert (pairing.p50_s, pairing.max_s) == pytest.approx((0.05, 0.3))
    assert [worst.number for worst in pairing.worst[:2]] == [0, 1]
    assert pairing.worst[0].at_s == 0.0
    assert (pairing.worst[0].predicted_s, pairing.worst[0].measured_s) == pytest.approx((1.0, 0.7))


def test_correlation_is_pearsons() -> None:
    predicted, measured = served([0, 10, 20], [1, 2, 3]), served([0, 10, 20], [1, 3, 2])
    assert paired(predicted, measured, (), ()).correlation == pytest.approx(0.5)


def test_latencies_that_do_not_vary_correlate_with_nothing() -> None:
    constant = served([0.1, 10.2, 20.3], [1, 1, 1])
    assert paired(constant, served([0.1, 10.2, 20.3], [1, 2, 3]), (), ()).correlation is None
    assert paired(constant, constant, (), ()).correlation is None


def test_a_stall_is_named_with_its_length_and_instant() -> None:
    why = reasons(paired(PREDICTED, longer(), [Event(LONGER_AT, 2.0)], ()))
    assert why[3] == "the machine stalled 2 s at 3.10 s"
    assert why[4] == "the machine stalled 2 s at 3.10 s"  # it waited while that went on
    # It came after the stall, into the queue that this had left.
    assert why[6] == "follows the message before: the machine stalled 2 s at 3.10 s (message 5)"
    assert why[0] == "nothing was logged"


def test_the_longest_of_several_stalls_is_named_and_those_too_short_to_matter_are_not() -> None:
    stalls = [Event(3.0, 0.1), Event(LONGER_AT, 1.8), Event(5.0, 0.2)]
    assert reasons(paired(PREDICTED, longer(), stalls, ()))[3] == "the machine stalled 1.8 s at 3.10 s"
    assert (
        reasons(paired(PREDICTED, longer(), stalls[:1], ()))[3] == "its processing took 1.99 s longer than the median"
    )


def test_a_garbage_collection_is_named_with_its_length() -> None:
    assert reasons(paired(PREDICTED, longer(), (), [Event(LONGER_AT, 1.9)]))[3] == "a garbage collection of 1.9 s"


def test_a_message_that_took_longer_says_so_and_the_next_follows_it() -> None:
    why = reasons(paired(PREDICTED, longer(1.9), (), ()))
    assert why[3] == "its processing took 1.89 s longer than the median"  # the median is 0.51 s, predicted were 0.5 s
    assert why[4] == "follows the message before: its processing took 1.89 s longer than the median (message 3)"


def test_what_is_too_small_to_explain_it_is_no_cause_of_what_follows() -> None:
    # Each takes 0.3 s longer than there is time for: after five the first's 0.3 s are a fifth of 1.5 s.
    predicted = served([0, 1, 2, 3, 4, 5], [1.0] * 6)
    measured = served([0, 1, 2, 3, 4, 5], [1.0, 1.3, 1.3, 1.3, 1.3, 1.3])
    why = reasons(paired(predicted, measured, [Event(1.1, 0.3)], ()))
    assert why[1] == "the machine stalled 300 ms at 1.10 s"
    assert why[2] == "follows the message before: the machine stalled 300 ms at 1.10 s (message 1)"
    assert why[5] == "follows the message before"


def test_a_message_that_took_less_says_so_and_no_stall_is_blamed_for_it() -> None:
    holds_s = PREDICTED.processing_s.copy()
    holds_s[5] -= 0.3
    pairing = paired(PREDICTED, served(ARRIVAL_S, holds_s.tolist()), [Event(5.0, 0.4)], [Event(5.0, 0.4)])
    assert reasons(pairing)[5] == "its processing took 285 ms less than the median"  # 0.505 − 0.22 s


def test_a_question_answered_while_it_waited_is_named() -> None:
    # The question is answered from 4.0 to 5.2 s, so message 4, which arrived at 4.0, starts at 5.2.
    holds_s = PREDICTED.processing_s
    measured = served([*ARRIVAL_S[:4], 5.2, *[at + 1.2 for at in ARRIVAL_S[5:]]], holds_s.tolist())
    asked = Trajectory.of([4.0], start_s=[4.0], finish_s=[5.2])
    measured = replace(measured, arrival_s=PREDICTED.arrival_s, queries=asked)
    why = reasons(paired(PREDICTED, measured, (), ()))
    assert why[4] == "a question was answered before it"


def test_in_a_queue_that_follows_no_arrivals_the_message_served_before_counts() -> None:
    # Served 0, 2, 1: message 1 inherits from message 2, which came after it.
    predicted = Trajectory.of([0, 0.1, 0.2], start_s=[0, 2, 1], finish_s=[1, 3, 2])
    measured = Trajectory.of([0, 0.1, 0.2], start_s=[0, 2.5, 1.5], finish_s=[1.0, 3.5, 2.5])
    why = reasons(paired(predicted, measured, (), ()))
    assert why[2] == "nothing was logged"
    assert why[1] == "follows the message before"


def test_a_document_says_all_and_can_be_read_back() -> None:
    pairing = paired(PREDICTED, longer(), [Event(LONGER_AT, 2.0)], ())
    assert Pairing.of_document(json.loads(json.dumps(pairing.document(), allow_nan=False))) == pairing


def test_runs_of_other_messages_are_refused_with_both_numbers() -> None:
    with pytest.raises(ValueError, match="2 messages measured, 10 predicted"):
        paired(PREDICTED, served([0, 1], [1, 1]), (), ())


def test_messages_that_found_the_thread_idle_are_told_of_by_the_size_of_their_residuals() -> None:
    arrival_s, rng = [float(second) for second in range(20)], np.random.default_rng(2)
    predicted = served(arrival_s, [0.5] * 20)
    measured = served(arrival_s, (0.5 + rng.uniform(0, 0.4, 20)).tolist())
    sizes = np.sort(np.abs(measured.latency_s - predicted.latency_s))[::-1]
    worst = paired(predicted, measured, (), ()).worst
    assert [abs(one.measured_s - one.predicted_s) for one in worst] == pytest.approx(sizes[:10].tolist())


def test_of_each_busy_period_the_worst_is_told_of_and_not_its_neighbours() -> None:
    # Twelve times three messages that wait for each other; of each three the first takes longer, by 10 ms more each
    # time, and the next two wait for it: all have the same residual, and the last of a period too.
    arrival_s = [10.0 * period + 0.1 * message for period in range(12) for message in range(3)]
    longer_s = [0.01 * (period + 1) * (message == 0) for period in range(12) for message in range(3)]
    measured = served(arrival_s, [1.0 + more_s for more_s in longer_s])
    worst = paired(served(arrival_s, [1.0] * 36), measured, (), ()).worst
    assert [one.number // 3 for one in worst] == [11, 10, 9, 8, 7, 6, 5, 4, 3, 2]


def test_a_busy_period_of_either_run_is_one() -> None:
    # As measured there is a gap before message 1, as predicted it still waited: what made message 0 early made it so.
    arrival_s = [0.0, 1.0, *[9.0 + 3 * number for number in range(10)]]
    predicted = served(arrival_s, [2.0, 1.0, *[1.0] * 10])
    measured = served(arrival_s, [1.0, 1.0, *[1.5] * 10])
    told = {one.number for one in paired(predicted, measured, (), ()).worst}
    assert len(told & {0, 1}) == 1


def test_a_thread_that_is_never_idle_is_told_of_by_what_made_a_difference() -> None:
    # All at once; messages 20, 50 and 80 take longer, and all behind them inherit that.
    holds_s = np.ones(100)
    holds_s[[20, 50, 80]] += [3.0, 2.0, 1.0]
    worst = paired(served([0.0] * 100, [1.0] * 100), served([0.0] * 100, holds_s.tolist()), (), ()).worst
    assert len(worst) == 10
    assert {20, 50, 80} <= {one.number for one in worst}
    assert worst[0].number == 80
    sizes = [abs(one.measured_s - one.predicted_s) for one in worst]
    assert sizes == sorted(sizes, reverse=True)
