"""Whatever a file holds, it is a recording or it is refused in one line that names it."""

import math
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sim.arrivals import Recorded
from sim.recording import RecordingError, read_instants
from sim.service import Empirical

PIECES = (
    *("0", "1.5", "-3", "1e30", "1e-999999", "nan", "-inf", "1_0", "1700000000500", "1e99999999999", "0x1"),
    *("2023-11-16T18:15:46Z", "2023-11-16 18:15:46,5", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"),
    *("2023-13-45T00:00:00", "²", "١٢", "time", "service_s", "gap_s", "oops", "9" * 40, "9" * 5_000),
    *(",", ";", "\t", " ", "\n", "\n", "\n", "\r\n", '"', "#", "\x00", "\x85", "\u2028", "\ufeff", "\x1b[2J"),
)
contents = st.one_of(
    st.binary(max_size=120),
    st.text(max_size=60).map(lambda text: text.encode(errors="replace")),
    st.lists(st.sampled_from(PIECES), max_size=24).map(lambda pieces: "".join(pieces).encode()),
    # One value a line, as most recordings are.
    st.lists(st.sampled_from(PIECES[:19]), max_size=8).map(lambda pieces: "\n".join(pieces).encode()),
)
columns = st.sampled_from(["", ":1", ":2", ":0", ":time", ":TIME", ":²", ":", ":a:b", f":{'9' * 100}"])


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that is written anew for each example."""
    return tmp_path_factory.mktemp("any") / "recording"


def refused(error: RecordingError, file: Path) -> None:
    """It says which file, in a line that can be shown."""
    text = str(error)
    assert text.startswith(str(file))
    assert len(text.splitlines()) == 1


@given(contents, columns, st.sampled_from(["trace", "gaps"]))
@example(b"0001-01-01T00:00:00\n9999-12-31T23:59:59", "", "trace")
@example(b"1e10", "", "gaps")
@example(b"9" * 5_000, "", "trace")
@example(b"1.5\n1.5\n0.5", ":1", "trace")
@example(b"a,b\x85c\n1,2", ":time", "trace")
@example(b"\x1b[2Jtime,b\n1,2", ":c", "trace")
def test_any_file_is_instants_in_order_from_0_or_refused(file: Path, content: bytes, column: str, kind: str) -> None:
    file.write_bytes(content)
    try:
        recorded = Recorded(kind, f"{file}{column}")
    except RecordingError as error:
        refused(error, file)
        return
    instants = recorded.recorded_ns
    assert instants
    assert all(type(at) is int and 0 <= at < 2**63 for at in instants)
    assert all(before <= after for before, after in pairwise(instants))
    assert kind == "gaps" or instants[0] == 0
    rate = recorded.rate_per_s
    assert (rate is None) == (instants[0] == instants[-1])
    assert rate is None or (math.isfinite(rate) and rate > 0)
    assert list(recorded.instants_ns(rate, 1)) == instants
    assert all("\n" not in note for note in recorded.notes)


@given(contents, columns)
@example(b"0\n0", "")
@example(b"1e-9\n1e9", "")
def test_any_file_is_service_times_with_a_mean_and_moments_or_refused(file: Path, content: bytes, column: str) -> None:
    file.write_bytes(content)
    try:
        times = Empirical(f"{file}{column}")
    except RecordingError as error:
        refused(error, file)
        return
    assert math.isfinite(times.mean_s)
    assert times.mean_s > 0
    assert all(math.isfinite(moment) and moment > 0.99 for moment in times.moments)
    assert all(type(sample) is int and sample >= 0 for sample in times.samples_ns)


@given(st.lists(st.integers(-(10**18), 10**18), min_size=1, max_size=8), st.sampled_from(["\n", "\r\n", "\n\n# x\n"]))
def test_instants_that_are_written_are_read_to_the_nanosecond(file: Path, written: list[int], end: str) -> None:
    lines = [f"{'-' * (at < 0)}{abs(at) // 10**9}.{abs(at) % 10**9:09}" for at in written]
    file.write_text(end.join(["arrival_s", *lines]), newline="")
    assert read_instants(file) == (written, 10**9)
