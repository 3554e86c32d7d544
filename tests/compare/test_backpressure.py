"""A source over TCP: when inbox and socket buffers are full, for how long, and that nothing of it is lost."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compare.bench import can_be_full, planned_s
from compare.case import Case
from compare.experiment import Options, Run
from compare.experiments import backpressure
from compare.experiments.backpressure import kept_back, under_way, waiting_share, waits_for, waits_from
from compare.inject import Injection
from compare.machine.buffers import MESSAGES, Buffers, filled, filling_case, held_by
from compare.machine.canary import Canary
from compare.measure import Measurement, expected_s, measure
from compare.predict import predict
from compare.run import drawn_again, write_entry
from compare.scene import handed_over_ns
from compare.store import write_runs
from compare.verdict import AGREES, DIFFERS, Point
from sim import Trajectory, Workload
from tests.compare.runs import calibration, measured, samples, sentence_of

# What buffers hold goes up and down as the kernel takes 15 messages, then none for a while.
HELD = np.tile(np.arange(38, 53), 8)
BUFFERS = Buffers(samples(), HELD)


def received(run: Measurement, lost: int = 0) -> Measurement:
    """A measurement whose sender and processor say how many messages they had."""
    found = {"messages": len(run.trajectory)}
    document = run.document | {"run": {"received": len(run.trajectory) - lost}}
    return replace(run, document=document, clients={"sent": {"sent": found}}, tables={"sent": {"sent_s": np.zeros(1)}})


def compared(case: Case, *, more: int = 0, lost: int = 0, slower: float = 1.0) -> Run:
    """Predict a case, and run it with buffers that hold so many messages more than was found out beforehand."""
    prediction = predict(case, calibration(), buffers=BUFFERS)
    n, places = len(case.workload), case.workload.inbox or 0
    really = replace(prediction.scene, room=places + more + HELD[(4 + np.arange(n)) % len(HELD)])
    found = measured(replace(prediction, scene=really), slower=slower)
    return Run(case, prediction, received(found, lost))


def cases(*, quick: bool = False) -> list[Case]:
    return backpressure.cases(Options(quick=quick))


def words(points: Sequence[Point], name: str) -> set[str]:
    return {point.word for point in points if point.metric == name}


def by_hand() -> Trajectory:
    """Five messages of 2 s at short intervals, to an inbox and buffers that together hold one."""
    arrival_s, start_s = [0.0, 0.1, 0.2, 0.3, 0.4], [0.0, 2.0, 4.0, 6.0, 8.0]
    sent_ns = handed_over_ns(np.array(arrival_s) * 1e9, np.array(start_s) * 1e9, np.ones(5, np.int64))
    finish_s = [at + 2.0 for at in start_s]
    return Trajectory.of(arrival_s, start_s=start_s, finish_s=finish_s, sent_s=(sent_ns / 1e9).tolist())


def test_a_message_is_handed_over_once_enough_of_those_before_it_have_started() -> None:
    assert by_hand().sent_s == pytest.approx([0.0, 0.1, 0.2, 2.0, 4.0])


def test_the_order_of_service_does_not_matter_to_the_source() -> None:
    # The same instants of starts, of other messages: what makes room is that one starts, whichever.
    starts = np.array([0, 20, 10, 30])
    assert handed_over_ns(np.array([0, 1, 2, 3]), starts, np.ones(4, np.int64)).tolist() == [0, 1, 2, 10]


def test_what_a_source_kept_back_and_what_was_under_way_are_counted_at_any_instant() -> None:
    at_s = np.array([0.05, 1.0, 2.5, 9.0])
    assert kept_back(by_hand(), at_s).tolist() == [0, 2, 1, 0]
    assert under_way(by_hand(), at_s).tolist() == [0, 2, 2, 0]


def test_a_source_waits_from_its_first_message_that_is_late_and_for_as_long_as_any_is() -> None:
    # Late are the fourth, from 0.3 to 2.0, and the fifth, from 0.4 to 4.0: together from 0.3 to 4.0.
    assert waits_from(0.05).of(by_hand()) == pytest.approx(0.3)
    assert waits_from(0.1).of(by_hand()) == pytest.approx(0.4)
    assert waits_from(0.2).of(by_hand()) == pytest.approx(0.4), "never: the last arrival"
    assert waits_for(0.05).of(by_hand()) == pytest.approx(3.7)
    assert waits_for(1.75).of(by_hand()) == pytest.approx(3.6)
    assert waits_for(4.0).of(by_hand()) == 0.0
    assert waiting_share(0.05).of(by_hand()) == pytest.approx(3.7 / 0.4)


def test_what_buffers_hold_is_what_is_sent_and_not_started_less_the_inbox() -> None:
    # As the fourth is sent, at 2.0, three were and two have started; as the fifth is, at 4.0, four and three.
    assert held_by(by_hand(), 0, 1.0).tolist() == [1, 1]
    assert held_by(by_hand(), 1, 3.0).tolist() == [0]


@pytest.mark.parametrize(("quick", "most_s"), [(True, 4.0), (False, 20.0)])
def test_measuring_keeps_to_its_time(quick: bool, most_s: float) -> None:
    assert sum(map(expected_s, cases(quick=quick))) <= most_s


def test_runs_scale_with_the_service_time_and_take_any_arrivals() -> None:
    slow, fast = (backpressure.cases(Options(service_s=service_s)) for service_s in (0.01, 0.001))
    assert [len(case.workload) for case in slow] == [len(case.workload) for case in fast]
    assert [(case.workload.rate_per_s or 0) * 10 for case in slow] == pytest.approx(
        [case.workload.rate_per_s for case in fast]
    )
    assert all(can_be_full(case) for case in backpressure.cases(Options(arrivals="bursty", workers=1000)))


def test_buffers_are_filled_beforehand_with_other_messages_and_that_is_planned_for() -> None:
    (case,) = cases(quick=True)
    planned = filling_case(case, 1)
    assert planned.workload.payload_codes[:9] != case.workload.payload_codes[:9]
    assert planned.calibration == case.calibration
    directly = replace(case, over_tcp=False)
    assert not can_be_full(directly)
    more_s = planned_s([case], quick=True, seed=1) - planned_s([directly], quick=True, seed=1)
    assert more_s == pytest.approx(2 * expected_s(planned) + expected_s(case) - expected_s(directly))


def test_a_run_that_fills_buffers_says_what_they_hold_and_how_long_messages_hold_the_thread() -> None:
    planned = filling_case(cases(quick=True)[0], 1)
    known = replace(calibration(), samples=replace(samples(), dispatch_s=np.full(600, 0.001)))
    found = filled(lambda case: compared(case).measurement, planned, known)
    # Of the 240 those that were 100 ms late, of which few more than the first 100 were not.
    assert 100 < len(found.held) < MESSAGES - 90
    assert (found.held.min(), found.held.max()) == (38, 52)
    assert found.mean == 45
    assert found.samples.dispatch_s.mean() < 2e-5, "of this very run"
    assert found.samples.woken_processing_s is known.samples.woken_processing_s


def test_buffers_that_took_everything_hold_at_least_so_much() -> None:
    planned = filling_case(cases(quick=True)[0], 1)
    assert filled(lambda case: compared(case, more=500).measurement, planned, calibration()).mean == MESSAGES


@pytest.mark.parametrize("quick", [True, False])
def test_buffers_that_are_as_they_were_agree(quick: bool) -> None:
    points = backpressure.judge_points([compared(case) for case in cases(quick=quick)])
    assert {point.word for point in points} == {AGREES}
    names = {point.metric for point in points}
    assert {"source_waits_s", "messages_lost"} <= names
    assert quick or {"source_waits_from_s", "source_waits_share"} <= names


def test_a_source_that_has_less_room_than_was_found_out_waits_earlier_and_that_is_seen() -> None:
    # 40 messages are 100 ms at 600/s, of 660 or so, and as much again of the time at which the last is handed over.
    run = compared(cases()[1], more=-40)
    points = backpressure.judge_points([run])
    assert words(points, "source_waits_from_s") == words(points, "source_waits_s") == {DIFFERS}


def test_a_source_that_never_waits_where_it_should_differs_and_so_does_one_that_waits_where_it_should_not() -> None:
    busy, easy = cases()[2:]
    never = backpressure.judge_points([compared(busy, more=10_000)])
    assert words(never, "source_waits_from_s") == words(never, "source_waits_s") == {DIFFERS}
    often = backpressure.judge_points([compared(easy, more=-240)])
    assert words(often, "source_waits_share") == {DIFFERS}


def test_a_message_that_is_lost_differs_and_is_told() -> None:
    run = compared(cases(quick=True)[0], lost=1)
    points = backpressure.judge_points([run])
    assert words(points, "messages_lost") == {DIFFERS}
    assert words(points, "source_waits_s") == {AGREES}
    assert "Of 440 messages 1 were lost" in backpressure.answer([run], points)


def test_a_source_that_never_had_to_wait_is_said_to() -> None:
    runs = [compared(case) for case in cases() if "140/s" in case.label]
    short, _, rest = backpressure.answer(runs, []).partition("\n")
    assert short.startswith("In these runs never: ")
    assert rest.startswith("With inbox 200, 140/s it never had to. Of 120 messages none was lost")


def test_a_server_made_slower_keeps_its_source_waiting_longer() -> None:
    points = backpressure.judge_points([compared(cases()[0], slower=1.1)])
    assert words(points, "source_waits_s") == {DIFFERS}


def test_figures_and_answer_are_made_of_runs_and_again_of_their_files(tmp_path: Path) -> None:
    runs = [compared(case) for case in cases()]
    points = backpressure.judge_points(runs)
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    write_runs(first, runs)
    hypothesis = backpressure.hypothesis([run.prediction for run in runs])
    assert "With inbox 200, 140/s it never has to." in hypothesis
    assert "With inbox 200, 600/s it waits from " in hypothesis
    entry = write_entry(first, "backpressure", backpressure, hypothesis, runs, points)
    assert sentence_of(entry["answer"]).startswith(
        "When inbox and socket buffers are full: with inbox 400, 600/s from 1."
    )
    assert "400 messages were in the inbox and about 45 in the socket buffers (45)" in entry["answer"]
    assert "With inbox 200, 140/s it never had to. Of 2,490 messages none was lost" in entry["answer"]
    assert entry["facts"]["inbox 20, 600/s: buffers, calibrated"] == pytest.approx(45.0)
    pictures = {path.name: path.read_bytes() for path in first.glob("*.png")}
    assert {"source.png", "backlog.png"} <= set(pictures)
    assert min(map(len, pictures.values())) > 20_000
    shutil.copytree(first, second)
    assert drawn_again(second, "backpressure", backpressure, entry) == entry
    assert {path.name: path.read_bytes() for path in second.glob("*.png")} == pictures


def test_a_sender_that_does_not_wait_until_all_is_read_loses_nothing() -> None:
    # Of 60 messages the sockets still hold some 40 as the sender ends; reading them takes 1.6 s, more than it waits.
    workload = Workload(rate_per_s=200, service_s=0.04, messages=60, inbox=5)
    with Canary() as canary:
        found = measure(Case("run", workload, over_tcp=True), canary, Injection())
    assert len(found.trajectory) == found.document["run"]["received"] == 60
