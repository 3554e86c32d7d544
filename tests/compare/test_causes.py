"""Taking a run apart: what of its time is which cause's, on timelines worked out by hand."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from compare.attribution import attribute
from compare.explain.causes import DISPATCH, OVERSHOOT, Causes, answer_s, as_ns, free_ns, taken_apart, touched
from compare.scene import Scene
from sim import Trajectory, Workload


@dataclass(frozen=True)
class Stalled:
    at_s: float
    lasting_s: float


def scene_at(*arrival_s: float) -> Scene:
    scene = Scene.of(Workload(rate_per_s=1, service_s=2, messages=len(arrival_s)))
    return replace(scene, arrival_ns=as_ns(np.array(arrival_s)))


def in_s(column: Sequence[int]) -> list[float]:
    return [int(value) / 1e9 for value in column]


def run_by_hand() -> tuple[Scene, Trajectory]:
    """Taken 0.1 s late and started 0.2 s after where idle; 2.5 s of processing; 0.3 s between where it waited."""
    times = {"taken_s": [0.1, 2.8, 10.1], "start_s": [0.3, 3.1, 10.3], "finish_s": [2.8, 5.6, 12.8]}
    return scene_at(0, 1, 10), Trajectory.of([0, 1, 10], **times)


def part_s(mean: object, cause: str) -> float:
    return next(part.value_s for part in mean.parts if part.cause == cause)  # type: ignore[attr-defined]


def test_a_timeline_worked_out_by_hand_comes_apart_as_by_hand() -> None:
    scene, measured = run_by_hand()
    mean = attribute(scene, 2.0, measured, (), None)[0]
    # Nominal latencies 2, 3, 2; with 2.5 s each 2.5, 4, 2.5; dispatch adds 0.2, 0.2 + 0.3, 0.2; lateness 0.1 to all.
    assert mean.nominal == pytest.approx(7 / 3)
    assert mean.measured == pytest.approx((2.8 + 4.6 + 2.8) / 3)
    assert part_s(mean, "service overshoot") == pytest.approx(2 / 3)
    assert part_s(mean, "service variability") == 0.0
    assert part_s(mean, "dispatch") == pytest.approx(0.9 / 3)
    assert part_s(mean, "source lateness") == pytest.approx(0.3 / 3)
    assert part_s(mean, "rest") == pytest.approx(0.0, abs=1e-9)


def columns(causes: Causes) -> dict[str, list[float]]:
    split = {"processing": causes.processing, "dispatch": causes.dispatch, "wakeup": causes.wakeup, "late": causes.late}
    return {name: in_s(value.body) for name, value in split.items()}


def test_what_a_message_has_not_is_filled_with_the_median_of_those_that_have_it() -> None:
    scene, measured = run_by_hand()
    assert columns(taken_apart(scene, 2.0, measured, ())) == {
        "processing": [2.5, 2.5, 2.5],
        "dispatch": [0.3, 0.3, 0.3],
        "wakeup": [0.2, 0.2, 0.2],
        "late": [0.1, 0.1, 0.1],
    }


def test_what_a_stall_touched_is_as_long_as_the_others_and_the_rest_is_the_stalls() -> None:
    scene = scene_at(0, 1, 2, 3)
    measured = Trajectory.of([0, 1, 2, 3], start_s=[0, 2.1, 8.2, 10.3], finish_s=[2, 8.1, 10.2, 12.3])
    causes = taken_apart(scene, 2.0, measured, [Stalled(3.0, 4.0)])
    assert in_s(causes.processing.body) == [2.0, 2.0, 2.0, 2.0]
    assert in_s(causes.processing.excess) == [0.0, 4.0, 0.0, 0.0]
    assert not causes.dispatch.excess.any()
    # With nothing but overshoot and dispatch, of which there is none, it is nominal and 0.1 s between messages.
    assert causes.latency_s([OVERSHOOT, DISPATCH]).tolist() == pytest.approx([2.0, 3.1, 4.2, 5.3])


def test_what_was_answered_last_is_what_the_thread_did_before_a_message() -> None:
    asked = Trajectory.of([1.0, 9.0], start_s=[2.1, 9.7], finish_s=[2.5, 10.0])
    measured = Trajectory.of([0, 1, 20], start_s=[0, 2.6, 20], finish_s=[2, 4.6, 22], queries=asked)
    assert free_ns(measured).tolist() == [-1, 2_500_000_000, 10_000_000_000]
    # 0.1 s of gap and 0.4 s for the first, which stood behind a message. The other had to wake the thread, and held it
    # for no longer than 0.3 s of its 1 s: what it tells is wanted only where no question was waiting.
    assert answer_s(measured) == pytest.approx(0.5)
    woke = replace(asked, **{name: getattr(asked, name)[1:] for name in ("arrival_s", "start_s", "finish_s", "worker")})
    assert answer_s(replace(measured, queries=replace(woke, taken_s=asked.taken_s[1:]))) == pytest.approx(1.0)
    assert answer_s(replace(measured, queries=None)) == 0.0


def test_one_thread_that_was_to_begin_before_it_ended_did_not() -> None:
    measured = Trajectory.of([0, 1], start_s=[0, 2], finish_s=[3, 4])
    assert not taken_apart(scene_at(0, 1), 2.0, measured, ()).dispatch.body.any()


def test_intervals_are_touched_by_events_that_overlap_them() -> None:
    begin, end = as_ns(np.array([0.0, 1.0, 2.0, 3.0, 4.0])), as_ns(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    # A long one that began early still counts after a short one inside it; ends that only meet do not count.
    events = [Stalled(2.2, 0.1), Stalled(1.0, 2.5)]
    assert touched(begin, end, events).tolist() == [False, True, True, True, False]
    assert not touched(begin, end, []).any()
