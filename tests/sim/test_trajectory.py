"""Trajectories: every metric on a timeline that was computed by hand, and files that come back to the last bit."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import Trajectory, Workload, simulate
from sim.summary import slope, summary
from sim.trajectory import TrajectoryError

# Three messages of 2 s at 1, 2 and 3 s; the thread spends 0.5 s on dispatch before each of the later two.
BY_HAND = Trajectory.of(
    [1.0, 2.0, 3.0], taken_s=[1.0, 3.0, 3.0], start_s=[1.0, 3.5, 6.0], finish_s=[3.0, 5.5, 8.0], worker=["a", "b", "a"]
)


def test_every_metric_of_a_timeline_computed_by_hand() -> None:
    metrics = BY_HAND.metrics()
    assert metrics["messages"] == 3
    assert metrics["throughput_per_s"] == 3 / 8
    assert metrics["utilization"] == 3 / 3 * (2 + 0.5)  # messages per second of arrivals × mean hold
    assert metrics["busy_fraction"] == (6 + 1) / 8
    assert metrics["wait_s"] == pytest.approx({"mean": 4.5 / 3, "p50": 1.5, "p95": 2.85, "p99": 2.97, "max": 3.0})
    assert metrics["latency_s"]["mean"] == 3.5
    assert metrics["processing_s"]["max"] == 2.0
    # Waiting up to the last arrival: 1 from 2 to 3 s, and from 3 s on two.
    assert metrics["queue_length"] == {"mean": 1 / 3, "max": 2, "at_last_arrival": 2}
    assert metrics["queue_growth_per_s"] == 2 / 3
    assert metrics["latency_growth_s_per_s"] == 1.5
    assert metrics["source_blocked"]["fraction"] == 1 / 3
    assert metrics["source_blocked"]["wait_s"]["max"] == 1.0
    assert metrics["queries"] is None


def test_a_query_between_two_messages_is_not_dispatch() -> None:
    queries = Trajectory.of([2.5], taken_s=[3.0], start_s=[3.0], finish_s=[3.25])
    asked = Trajectory.of([1.0, 2.0], start_s=[1.0, 3.5], finish_s=[3.0, 5.5], queries=queries)
    assert asked.dispatch_s.tolist() == [0.25]
    assert asked.metrics()["queries"] == {"count": 1, "latency_s": summary(np.array([0.75]))}


def test_of_nothing_everything_is_undefined_and_nothing_fails() -> None:
    metrics = Trajectory.of([], start_s=[], finish_s=[]).metrics()
    assert metrics["messages"] == 0
    assert metrics["throughput_per_s"] is metrics["utilization"] is metrics["latency_growth_s_per_s"] is None
    assert metrics["latency_s"] == dict.fromkeys(("mean", "p50", "p95", "p99", "max"))
    assert metrics["source_blocked"]["fraction"] is None


def test_one_message_at_0_has_no_rates() -> None:
    metrics = Trajectory.of([0.0], start_s=[0.0], finish_s=[2.0]).metrics()
    assert metrics["utilization"] is metrics["queue_growth_per_s"] is None
    assert metrics["throughput_per_s"] == 0.5


def test_a_message_that_starts_as_it_arrives_was_never_waiting() -> None:
    instants, waiting = Trajectory.of([0.0, 1.0], start_s=[0.0, 2.0], finish_s=[2.0, 4.0]).queue_steps()
    assert list(zip(instants.tolist(), waiting.tolist(), strict=True)) == [(0.0, 0), (1.0, 1), (2.0, 0)]


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=50))
def test_mean_queue_is_arrival_rate_times_mean_wait_where_nobody_waits_beyond_the_last_arrival(
    gaps: list[int],
) -> None:
    arrival = np.cumsum(gaps)
    start = np.minimum(arrival + 0.25, arrival[-1])
    metrics = Trajectory.of(arrival.tolist(), start_s=start.tolist(), finish_s=(start + 1).tolist()).metrics()
    if arrival[-1]:  # Little's law over a window in which everyone who waited has started
        expected = len(arrival) / arrival[-1] * metrics["wait_s"]["mean"]
        assert metrics["queue_length"]["mean"] == pytest.approx(expected, abs=1e-9)


def test_least_squares_agrees_with_numpy() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.random(100), rng.random(100)
    assert slope(x, y) == pytest.approx(np.polyfit(x, y, 1)[0])


def test_a_file_gives_back_the_same_bits(tmp_path: Path) -> None:
    workload = Workload(messages=500, rate_per_s=190, service="exponential", query_rate_per_s=20)
    written = simulate(workload)
    written.write_csv(tmp_path / "trajectory.csv")
    read = Trajectory.read_csv(tmp_path / "trajectory.csv")
    assert read.metrics() == written.metrics()
    for column in ("arrival_s", "taken_s", "start_s", "finish_s", "worker"):
        assert np.array_equal(getattr(read, column), getattr(written, column))
    assert not list(tmp_path.glob("*.partial"))


def test_sent_instants_are_a_column_where_there_are_any(tmp_path: Path) -> None:
    sent = Trajectory.of([1.0], start_s=[1.0], finish_s=[2.0], sent_s=[1.0001])
    sent.write_csv(tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().splitlines()[0] == "arrival_s,taken_s,start_s,finish_s,worker,sent_s"
    read = Trajectory.read_csv(tmp_path / "t.csv").sent_s
    assert read is not None
    assert read.tolist() == [1.0001]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", ":1: expected the header"),
        ("arrival_s,start_s\n", ":1: expected the header"),
        ("arrival_s,taken_s,start_s,finish_s,worker\n1,1,1,w0\n", ":2: 4 cells, expected 5"),
        ("arrival_s,taken_s,start_s,finish_s,worker\n1,1,1,2,w0\n1,1,nan,2,w0\n", ":3: start_s 'nan'"),
    ],
)
def test_what_is_no_trajectory_is_named(text: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text(text)
    with pytest.raises(TrajectoryError, match=complaint):
        Trajectory.read_csv(file)
