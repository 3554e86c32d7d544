"""The thread's time is taken apart without a rest: it works, dispatches, answers or has nothing to do."""

from pathlib import Path

import pytest

from compare.case import Case
from compare.drawing.timeline import shares, spans, thread_picture
from compare.figures import draw
from sim import Trajectory, Workload
from tests.compare.runs import compared


def test_a_timeline_by_hand() -> None:
    # Idle until 1; starts at 1.5; works until 3; an answer until 4; dispatch until 4.5; works until 6.
    answers = Trajectory.of([2.0], start_s=[3.0], finish_s=[4.0])
    found = spans(
        Trajectory.of([1.0, 2.0], start_s=[1.5, 4.5], finish_s=[3.0, 6.0], queries=answers),
    )
    assert {name: rows.tolist() for name, rows in found.items()} == {
        "working": [[1.5, 3.0], [4.5, 6.0]],
        "dispatch": [[1.0, 1.5], [3.0, 3.0], [4.0, 4.5]],
        "answering": [[3.0, 4.0]],
        "idle": [[0.0, 1.0]],
    }


def test_nothing_of_the_time_is_left_over() -> None:
    run = compared(Case("run", Workload(rate_per_s=150, messages=500, query_rate_per_s=40)), answer_s=0.0004)
    found = shares(run.measured)
    assert sum(found.values()) == pytest.approx(1.0)
    assert found["working"] == pytest.approx(500 * 0.00515 / run.measured.finish_s.max(), rel=0.01)
    assert 0.0 < found["answering"] < 0.05


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    run = compared(Case("150/s", Workload(rate_per_s=150, messages=500, query_rate_per_s=40)), answer_s=0.0004)
    draw(tmp_path, "thread", "What it did.", lambda figure: thread_picture(figure, run), (10.0, 4.6))
    assert (tmp_path / "thread.png").stat().st_size > 10_000
