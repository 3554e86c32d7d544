"""Recordings in every form that people have them in, and errors that name file, line and value."""

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import Workload
from sim.recording import LONGEST_LINE, RecordingError, duration_ns, instant_ns, locate, read_durations, read_instants

FORMS = {
    "CSV with a header, dates with seven decimals": (
        "TIMESTAMP,ContextTokens\n2023-11-16 18:15:46.6805900,374\n2023-11-16 18:15:46.9305901,396\n"
    ),
    "the column need not be the first": "tokens,Arrival\n5,100.5\n6,100.7500001\n",
    "two columns of blanks without a header": "100.5 1500\n100.7500001   40\n",
    "one epoch a line": "1700000000.5\n1700000000.7500001\n",
    "epochs in milliseconds": "1700000000500\n1700000000750.0001\n",
    "epochs in microseconds": "1700000000500000\n1700000000750000.1\n",
    "ISO 8601 with a zone": "2023-11-16T18:15:46.5+01:00\n2023-11-16T17:15:46.7500001Z\n",
    "dates alone, with a blank in them": "2023-11-16 18:15:46.5\n2023-11-16 18:15:46.7500001\n",
    "dates in front of other columns": "2023-11-16 18:15:46.5 512\n2023-11-16 18:15:46.7500001 3\n",
    "dates with a comma before the fraction": "2023-11-16 18:15:46,5\n2023-11-16 18:15:46,7500001\n",
    "dates that say UTC": "2023-11-16 18:15:46.5 UTC\n2023-11-16 18:15:46.7500001 UTC\n",
    "tabs": "time\tbytes\n1.5\t3\n1.7500001\t4\n",
    "semicolons, blank lines, comments": "# made by hand\n\n1.5;a\n1.7500001;b\n",
    "a byte order mark": "\ufeffarrival\n1.5\n1.7500001\n",
    "quoted cells and Windows line ends": '"timestamp","x"\r\n"1.5","a,b"\r\n"1.7500001","c"\r\n',
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS.keys())
def test_the_same_instants_come_out_of_every_form(text: str, tmp_path: Path) -> None:
    file = tmp_path / "trace"
    file.write_bytes(text.encode())
    (first, second), _ = read_instants(file)
    assert second - first == 250_000_100


@pytest.mark.parametrize(
    ("text", "place", "quoted"),
    [
        ("1.5\nbad\n", ":2", "'bad'"),
        ("timestamp\n1.5\n\n2023-13-45T00:00:00\n", ":4", "'2023-13-45T00:00:00'"),
        ("1.5\nnan\n", ":2", "'nan'"),
        ("inf\n1.5\n", ":1", "'inf'"),
        ("1.2.3\n1.5\n", ":1", "'1.2.3'"),
        ("1.5\n1e999999\n", ":2", "'1e999999'"),
        ("1700000000500\n1.7e30\n", ":2", "'1.7e30'"),
        ("a,time\n1,2\n3\n", ":3", "only 1 of the 2 columns"),
        ('a,b\n"1,2\n', ":2", "not a row of CSV"),
        ("", "", "no rows"),
        ("timestamp\n", "", "a header and no rows"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(text: str, place: str, quoted: str, tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text(text)
    with pytest.raises(RecordingError) as error:
        read_instants(file)
    assert f"{file}{place}" in str(error.value)
    assert quoted in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, reason in ((tmp_path / "none", "no such file"), (tmp_path, "directory"), (binary, "not UTF-8")):
        with pytest.raises(RecordingError, match=reason):
            read_instants(path)


def test_a_line_without_an_end_is_refused_long_before_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "endless"
    with file.open("wb") as sparse:
        sparse.write(b"1.5\n2.5\n")
        sparse.truncate(1 << 40)  # a terabyte that takes no room, and would take all memory
    with pytest.raises(RecordingError, match=rf"endless:3: a line of more than {LONGEST_LINE} characters"):
        read_instants(file)


def test_the_longest_line_there_may_be_is_read(tmp_path: Path) -> None:
    file = tmp_path / "wide.csv"
    file.write_text("1.5," + "x" * (LONGEST_LINE - 4) + "\n2.5,x\n")
    assert read_instants(file)[0] == [1_500_000_000, 2_500_000_000]
    file.write_text("1.5,x\n2.5," + "x" * (LONGEST_LINE - 3))
    with pytest.raises(RecordingError, match=r"wide\.csv:2: a line of more than"):
        read_instants(file)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/random"])
def test_a_device_is_no_recording(device: str) -> None:
    if not Path(device).exists():
        pytest.skip("no such device here")
    with pytest.raises(RecordingError, match=f"{device}: cannot be read: a device"):
        read_instants(Path(device))


def test_a_pipe_is_a_recording(tmp_path: Path) -> None:
    out_of, into = os.pipe()
    with open(into, "w") as writer:
        writer.write("1.5\n2.5\n")
    try:
        assert read_instants(Path(f"/dev/fd/{out_of}"))[0] == [1_500_000_000, 2_500_000_000]
    finally:
        os.close(out_of)


def test_lines_may_end_in_any_way_that_ends_one(tmp_path: Path) -> None:
    file = tmp_path / "ends"
    file.write_bytes("1\r2\r\n3\n4\x0b5\u20286\x0c\n7".encode())
    assert read_instants(file)[0] == [number * 10**9 for number in range(1, 8)]
    file.write_bytes("1\r2\r\n3\n4\x0b5\u20286\x0c\nbad".encode())
    with pytest.raises(RecordingError, match=":8: 'bad'"):  # behind the form feed there is an empty line
        read_instants(file)


def test_a_column_is_chosen_by_name_or_number_and_a_missing_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("time,Sent\n1,10\n2,30\n")
    assert read_instants(file, "sent")[0] == read_instants(file, "2")[0] == [10 * 10**9, 30 * 10**9]
    with pytest.raises(RecordingError, match="no column 'received'; it has time, Sent"):
        read_instants(file, "received")


def test_a_colon_in_a_file_name_is_no_column(tmp_path: Path) -> None:
    file = tmp_path / "10:30"
    file.write_text("1\n")
    assert locate(str(file)) == (file, None)
    assert locate("requests.csv:sent") == (Path("requests.csv"), "sent")


def test_a_file_has_one_unit_told_by_its_first_instant(tmp_path: Path) -> None:
    file = tmp_path / "trace"
    file.write_text("1700000000500\n5\n")
    assert read_instants(file) == ([1_700_000_000_500_000_000, 5_000_000], 1_000_000)
    file.write_text("5\n1700000000500\n")
    with pytest.raises(RecordingError, match=":2: '1700000000500' is not seconds"):
        read_instants(file)


def test_durations_are_not_negative(tmp_path: Path) -> None:
    file = tmp_path / "gaps"
    file.write_text("0.5\n-1\n")
    with pytest.raises(RecordingError, match=r":2: '-1' is not seconds ≥ 0"):
        read_durations(file)


@given(st.text(max_size=30))
def test_any_text_is_an_instant_or_a_value_error(text: str) -> None:
    for parse in (instant_ns, duration_ns):
        with contextlib.suppress(ValueError):
            assert isinstance(parse(text), int)


@given(st.binary(max_size=200))
def test_any_file_is_a_recording_or_a_recording_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "trace"
    file.write_bytes(content)
    with contextlib.suppress(RecordingError):
        assert read_instants(file)


def test_a_log_of_whole_seconds_is_read_with_a_warning(tmp_path: Path) -> None:
    busy, rare = tmp_path / "busy.csv", tmp_path / "rare.csv"
    busy.write_text("\n".join(str(at) for at in (0, 0, 0, 1, 1, 1, 2)))
    rare.write_text("\n".join(str(at) for at in (0, 2, 3, 3, 5)))
    (note,) = Workload(arrivals=f"trace:{busy}").notes
    assert "latencies below a second mean little" in note
    assert Workload(arrivals=f"trace:{rare}").notes == ()


def test_service_times_that_can_hardly_be_seconds_are_refused_with_the_file_s_name(tmp_path: Path) -> None:
    file = tmp_path / "two.csv"
    file.write_text("id,ms\n" + "\n".join(f"{k},3" for k in range(1000, 1010)))
    with pytest.raises(RecordingError, match=r"two\.csv: service times of 1004\.5 s on average; are they seconds"):
        Workload(service=f"empirical:{file}")
    assert Workload(service=f"empirical:{file}", service_s=0.005).service_s == 0.005
