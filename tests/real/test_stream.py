"""A trajectory that is written while it grows: whole in the end, partial until then, and never in the way."""

import errno
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from real.message import Message
from real.stream import BUFFER, Stream, in_order
from real.ticket import NOT_YET, Ticket
from sim import Trajectory

ORIGIN_NS = 86_400 * 10**9 + 123_456_789


def ticket(arrival_ns: int, worker: str = "w0", sent_ns: int = NOT_YET) -> Ticket[Any]:
    """Taken, started and finished after 7, 11 and 5,000,013 ns."""
    at_ns = ORIGIN_NS + arrival_ns
    sent_ns = sent_ns if sent_ns == NOT_YET else ORIGIN_NS + sent_ns
    return Ticket(0, Message(worker, ()), at_ns, at_ns + 7, at_ns + 11, at_ns + 5_000_013, 0, sent_ns)


def streamed(path: Path, tickets: list[Ticket[Any]], **options: Any) -> Stream:
    stream = Stream(path, **options)
    for one in tickets:
        stream.append(one)
    stream.finish()
    return stream


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trajectory.csv"


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.parent.iterdir())


class Disk(io.FileIO):
    """Takes so many bytes and is full then, and no more than `at_once` of them at a time."""

    def __init__(self, path: Path, room: int, at_once: int = 10**9) -> None:
        super().__init__(path, "w")
        self.room, self.at_once = room, at_once

    def write(self, data: Any) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = super().write(data[: min(self.room, self.at_once)])
        self.room -= taken
        return taken


def disk(room: int, at_once: int = 10**9) -> Callable[[Path], Disk]:
    return lambda path: Disk(path, room, at_once)


# -- a stream that ends well -----------------------------------------------------------------------------------------


def test_what_is_read_back_is_what_was_recorded_to_the_last_bit(path: Path) -> None:
    arrivals_ns = [0, 1, 1, 333_333_333, 10**15 + 7]
    stream = streamed(path, [ticket(at_ns, f"w{at_ns % 3}", sent_ns=at_ns + 3) for at_ns in arrivals_ns])
    found = Trajectory.read_csv(path)
    assert found.arrival_s.tolist() == [at_ns / 1e9 for at_ns in arrivals_ns]
    assert found.taken_s.tolist() == [(at_ns + 7) / 1e9 for at_ns in arrivals_ns]
    assert found.start_s.tolist() == [(at_ns + 11) / 1e9 for at_ns in arrivals_ns]
    assert found.finish_s.tolist() == [(at_ns + 5_000_013) / 1e9 for at_ns in arrivals_ns]
    assert found.sent_s is not None
    assert found.sent_s.tolist() == [(at_ns + 3) / 1e9 for at_ns in arrivals_ns]
    assert found.worker.tolist() == [f"w{at_ns % 3}" for at_ns in arrivals_ns]
    assert (stream.rows, stream.unwritten, stream.complaint) == (5, 0, None)


def test_whoever_did_not_say_when_they_sent_sent_no_later_than_it_was_taken(path: Path) -> None:
    streamed(path, [ticket(0, sent_ns=0), ticket(100)])
    found = Trajectory.read_csv(path)
    assert found.sent_s is not None
    assert found.sent_s.tolist() == [0.0, 107e-9]


def test_second_0_may_turn_out_to_be_another_and_all_rows_count_from_it(tmp_path: Path) -> None:
    stream = Stream(tmp_path / "trajectory.csv", lambda: 5_000_000_000)
    for second in (7, 6):  # out of order, too
        at_ns = second * 10**9
        stream.append(Ticket(second, f"w{second}", at_ns, at_ns, at_ns + 1, at_ns + 2))
    stream.finish(6_000_000_000)
    told = Trajectory.read_csv(tmp_path / "trajectory.csv")
    assert told.arrival_s.tolist() == [0.0, 1.0]
    assert told.finish_s.tolist() == [2e-9, 1.000000002]
    assert told.worker.tolist() == ["w6", "w7"]


def test_it_is_partial_while_it_grows_and_whole_in_the_end(path: Path) -> None:
    stream = Stream(path)
    assert names(path) == ["trajectory.csv.partial"]
    while not stream.partial.stat().st_size:
        stream.append(ticket(stream.rows * 1_000))
    size = stream.partial.stat().st_size
    assert BUFFER <= size < BUFFER + 200
    stream.append(ticket(stream.rows * 1_000))
    assert stream.partial.stat().st_size == size
    stream.finish()
    assert names(path) == ["trajectory.csv"]
    assert len(Trajectory.read_csv(path)) == stream.rows


def test_of_nothing_there_is_a_trajectory_of_nothing(path: Path) -> None:
    streamed(path, [])
    assert len(Trajectory.read_csv(path)) == 0


def test_an_earlier_file_of_that_name_stays_until_the_new_one_is_whole(path: Path) -> None:
    path.write_text("earlier")
    stream = Stream(path)
    stream.append(ticket(0))
    assert path.read_text() == "earlier"
    stream.finish()
    assert len(Trajectory.read_csv(path)) == 1


def test_questions_go_beside_it(path: Path) -> None:
    streamed(path, [ticket(0)])
    asked = Ticket(0, "w5", ORIGIN_NS, ORIGIN_NS, ORIGIN_NS + 4, ORIGIN_NS + 9)
    streamed(path.with_suffix(".queries.csv"), [asked], sent=False)
    queries = Trajectory.read_csv(path).queries
    assert queries is not None
    assert queries.sent_s is None
    assert (queries.worker.tolist(), queries.latency_s.tolist()) == (["w5"], [9e-9])


ODD = ["a,b", 'say "so"', '"', "two\nlines", "\r", "\r\n", " ", "é𝄞", "1e3", "#", "'", "a\tb", "=1+1"]


@pytest.mark.parametrize("late_ns", [0, 500])
def test_odd_names_of_workers_come_back(path: Path, late_ns: int) -> None:
    rows = [ticket(1_000 * number, name) for number, name in enumerate(ODD)]
    streamed(path, [*rows, ticket(1_000 * len(ODD) - late_ns - 500, "last")])
    assert Trajectory.read_csv(path).worker.tolist()[: len(ODD) - 1] == ODD[:-1]
    assert len(Trajectory.read_csv(path)) == len(ODD) + 1


def test_half_a_surrogate_pair_is_no_unicode_and_is_written_with_an_escape(path: Path) -> None:
    assert streamed(path, [ticket(5, "\ud800"), ticket(0, "\ud800,")]).complaint is None
    assert Trajectory.read_csv(path).worker.tolist() == ["\\ud800,", "\\ud800"]


# -- out of order ----------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 10**6), max_size=60))
def test_rows_come_out_in_order_of_arrival_and_ties_as_they_were(arrivals_us: list[int]) -> None:
    late_us = max((max(arrivals_us[: n + 1]) - at_us for n, at_us in enumerate(arrivals_us)), default=0)
    rows = [[repr(at_us * 1_000 / 1e9), str(number)] for number, at_us in enumerate(arrivals_us)]
    assert list(in_order(rows, late_us * 1_000)) == sorted(rows, key=lambda row: float(row[0]))


def test_no_more_rows_are_held_than_arrived_within_what_one_was_late() -> None:
    drawn: list[int] = []

    def rows() -> Any:
        for number in range(1_000):
            drawn.append(number)
            yield [str(float(number ^ 1))]  # pairs the wrong way round: 1 s late at most

    for given_back, _ in enumerate(in_order(rows(), 10**9)):
        assert len(drawn) - given_back <= 4


def test_a_file_out_of_order_is_put_in_order_with_the_rows_as_they_were(path: Path) -> None:
    chance = np.random.default_rng(5)
    arrivals_ns = (np.arange(3_000) * 1_000_000 + chance.integers(0, 20_000_000, 3_000)).tolist()
    stream = streamed(path, [ticket(at_ns, f"w{at_ns},x") for at_ns in arrivals_ns])
    assert stream.complaint is None
    assert names(path) == ["trajectory.csv"]
    found = Trajectory.read_csv(path)
    since_ns = [at_ns - arrivals_ns[0] for at_ns in sorted(arrivals_ns)]
    assert found.arrival_s.tolist() == [at_ns / 1e9 for at_ns in since_ns]
    assert found.worker.tolist() == [f"w{at_ns},x" for at_ns in sorted(arrivals_ns)]
    assert found.finish_s.tolist() == [(at_ns + 5_000_013) / 1e9 for at_ns in since_ns]


# -- a stream that breaks --------------------------------------------------------------------------------------------


def test_a_full_disk_breaks_the_stream_and_nothing_else(path: Path) -> None:
    rows = [ticket(number * 1_000) for number in range(4_000)]
    stream = streamed(path, rows, opened=disk(room=2 * BUFFER + 20_000))
    assert stream.complaint == f"{stream.partial}: No space left on device"
    assert names(path) == ["trajectory.csv.partial"]
    found = Trajectory.read_csv(stream.partial)  # whole rows only
    assert len(found) > 1_000
    assert len(found) + stream.unwritten == stream.rows == 4_000
    assert found.arrival_s.tolist() == [row / 1e6 for row in range(len(found))]


@pytest.mark.parametrize("room", [0, 10, 100])
def test_a_disk_that_was_full_from_the_start_leaves_every_row_unwritten(path: Path, room: int) -> None:
    stream = streamed(path, [ticket(0), ticket(1)], opened=disk(room))
    assert stream.complaint is not None
    assert (stream.rows, stream.unwritten, stream.partial.read_bytes()) == (2, 2, b"")


def test_a_file_that_takes_a_few_bytes_at_a_time_takes_them_all(path: Path) -> None:
    streamed(path, [ticket(number) for number in range(50)], opened=disk(room=10**9, at_once=7))
    assert len(Trajectory.read_csv(path)) == 50


@pytest.mark.parametrize("late_ns", [0, 500])
def test_a_name_that_cannot_be_taken_leaves_the_partial_file(path: Path, late_ns: int) -> None:
    stream = Stream(path)
    (path / "in the way").mkdir(parents=True)
    for arrival_ns in (1_000, 1_000 - late_ns):
        stream.append(ticket(arrival_ns))
    stream.finish()
    assert stream.complaint is not None
    assert "trajectory.csv.partial" in stream.complaint
    assert names(path) == ["trajectory.csv", "trajectory.csv.partial"]
    assert len(stream.partial.read_text().splitlines()) == 3


def test_where_nothing_can_be_written_there_is_no_stream(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Stream(tmp_path / "nowhere" / "trajectory.csv")


def test_rows_from_before_the_origin_is_known_have_the_same_second_0(path: Path) -> None:
    # A question may be answered before the first message has arrived.
    first = [NOT_YET]
    stream = Stream(path, lambda: first[0], sent=False)
    for number, second in enumerate((50_000, 50_001, 50_003)):
        if number == 2:
            first[0] = 50_002 * 10**9
        at_ns = second * 10**9
        stream.append(Ticket(number, Message("w0", ()), at_ns, at_ns, at_ns, at_ns))
    stream.finish(first[0])
    assert [row.split(",")[0] for row in path.read_text().splitlines()[1:]] == ["-2.0", "-1.0", "1.0"]
