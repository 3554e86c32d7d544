"""What is recorded, and the instruments that record it: histograms to their stated error, stopwatches, rows."""

import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from real.histogram import ROUND_NS, STATED_ERROR, Histogram
from real.metrics import KEPT, Metrics, Rows, Timer, timed
from real.ticket import Ticket

PERCENTS = (0, 1, 25, 50, 90, 95, 99, 99.9, 100)
UPTO_1_US = 0.5e-6


def histogram_of(times_ns: list[int]) -> Histogram:
    histogram = Histogram()
    for time_ns in times_ns:
        histogram.add(time_ns)
    return histogram


def log_uniform_ns(seed: int, count: int, longest_s: float = 1e3) -> list[int]:
    uniform = random.Random(seed).uniform
    return [round(10 ** uniform(3.001, np.log10(longest_s) + 9)) for _ in range(count)]


# -- histograms ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "count"), [(1, 1), (2, 2), (3, 10), (4, 1_000), (5, 30_000)])
@pytest.mark.parametrize("longest_s", [1e3, 1e5])
def test_every_percentile_is_within_the_stated_error_of_the_sorted_times(
    seed: int, count: int, longest_s: float
) -> None:
    times_ns = log_uniform_ns(seed, count, longest_s)
    histogram = histogram_of(times_ns)
    for percent, exact_ns in zip(PERCENTS, np.percentile(times_ns, PERCENTS), strict=True):
        assert histogram.percentile(percent) == pytest.approx(exact_ns / 1e9, rel=STATED_ERROR, abs=0), percent


@given(st.lists(st.integers(0, 10**14), min_size=1, max_size=30), st.floats(0, 100))
def test_so_it_is_for_whatever_times_there_are(times_ns: list[int], percent: float) -> None:
    exact_s = float(np.percentile(times_ns, percent)) / 1e9
    error_s = STATED_ERROR * exact_s + UPTO_1_US
    assert histogram_of(times_ns).percentile(percent) == pytest.approx(exact_s, rel=1e-9, abs=error_s)


def test_every_single_time_of_a_decade_of_bins_is_within_the_stated_error() -> None:
    for time_ns in range(1_001, 10_001):
        # The longest is known exactly, so that it takes a longer one to see the bin.
        assert histogram_of([time_ns, 10**12]).percentile(0) == pytest.approx(time_ns / 1e9, rel=STATED_ERROR, abs=0)


def test_mean_and_max_are_exact_and_no_time_at_all_is_0() -> None:
    times_ns = log_uniform_ns(6, 1_000)
    summary = histogram_of(times_ns).summary()
    assert summary["max"] == max(times_ns) / 1e9
    assert summary["mean"] == pytest.approx(sum(times_ns) / 1e12, rel=1e-12)
    assert histogram_of([0, 0, 0, 5_000]).percentile(50) == 0.0


def test_of_nothing_a_histogram_knows_nothing() -> None:
    assert Histogram().summary() == dict.fromkeys(("mean", "p50", "p95", "p99", "max"))
    assert Histogram().upto(ROUND_NS) == [0] * len(ROUND_NS)


def test_beyond_the_last_bin_there_is_only_the_longest() -> None:
    assert histogram_of([2 * 10**14, 3 * 10**14, 4 * 10**14]).percentile(50) == 4e5


def test_counts_up_to_round_limits_are_exact() -> None:
    times_ns = [limit_ns + step for limit_ns in ROUND_NS for step in (-1, 0, 1)] + log_uniform_ns(7, 2_000) + [0]
    expected = [sum(time_ns <= limit_ns for time_ns in times_ns) for limit_ns in ROUND_NS]
    assert histogram_of(times_ns).upto(ROUND_NS) == expected
    assert histogram_of(times_ns).upto(ROUND_NS[3:4]) == expected[3:4]


# -- stopwatches -----------------------------------------------------------------------------------------------------


def instants(*at_ns: int) -> Callable[[], int]:
    return iter(at_ns).__next__


def test_a_timer_inside_itself_times_both() -> None:
    timer = Timer("nested", instants(0, 1_000, 4_000, 10_000))
    with timer, timer:
        pass
    assert list(timer.times) == [3e-6, 10e-6]


def test_what_fails_is_timed_too_and_still_fails() -> None:
    timer = Timer("failing", instants(5_000, 7_000))
    with pytest.raises(ZeroDivisionError), timer:
        _ = 1 / 0
    assert list(timer.times) == [2e-6]


def test_a_timer_remembers_only_the_last_times() -> None:
    timer = Timer("many", iter(range(0, 10 * KEPT)).__next__)
    for _ in range(KEPT + 5):
        with timer:
            pass
    assert len(timer.times) == KEPT


def test_a_timed_function_keeps_its_name_its_text_and_its_result() -> None:
    @timed
    def double(x: int, *, plus: int = 0) -> int:
        """Double it."""
        return 2 * x + plus

    assert (double.__name__, double.__doc__, double.timer.name) == ("double", "Double it.", "double")
    assert double(3, plus=1) == 7
    assert len(double.timer.times) == 1


def test_a_timed_function_that_fails_or_calls_itself_is_timed_each_time() -> None:
    @timed
    def down(n: int) -> int:
        return down(n - 1) if n else 1 // n

    with pytest.raises(ZeroDivisionError):
        down(2)
    assert len(down.timer.times) == 3
    assert sorted(down.timer.times) == list(down.timer.times)  # the innermost is the shortest, and ends first


def test_a_method_can_be_timed_for_all_instances_together() -> None:
    class Counter:
        def __init__(self) -> None:
            self.count = 0

        @timed
        def add(self, by: int) -> int:
            self.count += by
            return self.count

    one, other = Counter(), Counter()
    assert (one.add(2), one.add(2), other.add(5)) == (2, 4, 5)
    assert len(Counter.add.timer.times) == 3


# -- rows ------------------------------------------------------------------------------------------------------------


def rows_of_three() -> Rows:
    """The third message was finished before the first; the second never."""
    rows = Rows([10, 20, 30])
    rows.watched = True
    rows.record(Ticket(2, "w0", 30, 31, 40, 50, 7))
    rows.record(Ticket(0, "w0", 10, 11, 60, 90, 8))
    return rows


def test_rows_tell_what_is_finished_in_order_of_arrival() -> None:
    rows = rows_of_three()
    assert rows.finished() == [0, 2]
    assert rows.message_latencies == [80e-9, 20e-9]
    assert rows.processing_times == [30e-9, 10e-9]
    assert rows.columns_s(10) == [[0.0, 20e-9], [1e-9, 21e-9], [50e-9, 30e-9], [80e-9, 40e-9]]
    assert list(rows.cpu_ns) == [8, -1, 7]
    assert (rows.latency.count, rows.latency.sum_ns, rows.processing.sum_ns) == (2, 100, 40)


def test_metrics_are_the_messages_times_and_those_of_every_record_of_questions() -> None:
    asked = Rows([0])
    asked.record(Ticket(0, "w0", 0, 0, 1, 4))
    metrics = Metrics(rows_of_three(), [asked, Rows([]), asked])
    assert metrics.message_latencies == [80e-9, 20e-9]
    assert metrics.processing_times == [30e-9, 10e-9]
    assert metrics.query_times == [4e-9, 4e-9]
    assert Metrics(Rows([])).query_times == []
