"""How commands end when the disk is full or a process dies: one clear line, what is whole is kept, nothing is left.

A limit on the size of files stands for a full disk: a write fails in the middle, whoever runs the test.
"""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from compare.verdict import WORDS
from real.environment import environment
from sim import Trajectory
from sim.files import write_text
from tests.compare.summaries import calibration

ROOT = Path(__file__).parent.parent
LIMIT_S = 60.0  # what a test waits for something that is bound to happen
LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
os.execv(sys.executable, [sys.executable, "-m", *sys.argv[2:]])
"""


@dataclass(frozen=True, slots=True)
class Full:
    """A command that meets a full disk: files have room for so many bytes.

    `named` is what it complains of, and `kept` what was whole before.
    """

    command: str
    room: int
    named: str
    kept: tuple[str, ...] = ()


@contextmanager
def started(words: list[str], temporary: Path, **given: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that has its temporary files in a directory of its own, and ends whatever happens."""
    temporary.mkdir(parents=True, exist_ok=True)
    # What is compiled would be too large for the limit, too; and output is buffered, as a user's is.
    own = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "", "TMPDIR": str(temporary), "COLUMNS": "80"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(
        [sys.executable, *words], text=True, cwd=ROOT, env={**os.environ, **own}, **(pipes | given)
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def limited(full: Full, out: Path) -> list[str]:
    return ["-c", LIMITED, str(full.room), *full.command.split(), "--out", str(out)]


def complaint_of(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What a command printed, and its only line of complaint."""
    printed, complaint = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 1, complaint
    assert complaint.count("\n") == 1, complaint
    assert "Traceback" not in complaint
    return printed, complaint.removesuffix("\n")


def files_of(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where a processor listens, and answers."""
    words = ["-m", "real", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--service-ms", "1"]
    with started(words, tmp_path_factory.mktemp("server")) as process:
        assert process.stderr is not None
        said = [process.stderr.readline().replace("http://", "").split()[-1] for _ in range(2)]
        yield {"listening": said[0], "http": said[1]}


# 20 messages are a trajectory of about 1,200 bytes, and a document of more than 3,000.
SENT = "--rate 400 --messages 20"
LOAD = f"{SENT} --service-ms 1"
FULL = [
    Full(f"sim {LOAD}", 0, "sim: {out}/trajectory.csv: "),
    Full(f"sim {LOAD}", 500, "sim: {out}/trajectory.csv: "),
    Full(f"sim {LOAD}", 2500, "sim: {out}/prediction.json: ", ("trajectory.csv",)),
    Full("sim --sweep-rate 10:30:10", 200, "sim: {out}/sweep.json: "),
    Full(f"real {LOAD}", 500, "real: {out}/trajectory.csv: "),
    Full(f"real {LOAD}", 2500, "real: {out}/measurement.json: ", ("trajectory.csv",)),
    Full(f"real.send --to {{listening}} {SENT}", 200, "real.send: {out}/sent.csv: "),
    Full(f"real.send --to {{listening}} {SENT}", 1000, "real.send: {out}/sent.json: ", ("sent.csv",)),
    Full("real.ask --to {http} --rate 200 --queries 5 --floor 0", 100, "real.ask: {out}/asked.csv: "),
    Full("real.ask --to {http} --rate 200 --queries 5 --floor 0", 700, "real.ask: {out}/asked.json: ", ("asked.csv",)),
]


@pytest.mark.parametrize("full", FULL, ids=lambda full: f"{full.command.split()[0]}, {full.room} bytes")
def test_a_full_disk_is_one_line_and_what_is_whole_is_kept(full: Full, server: dict[str, str], tmp_path: Path) -> None:
    out, temporary = tmp_path / "out", tmp_path / "temporary"
    command = full.command.format(**server)
    with started(limited(Full(command, full.room, full.named), out), temporary) as process:
        _, complaint = complaint_of(process)
    assert complaint.startswith(full.named.format(out=out))
    assert "ulimit" in complaint  # what would help
    assert set(full.kept) <= files_of(out)
    assert not [name for name in files_of(out) if "partial" in name or name in full.named]
    assert files_of(temporary) == set()
    if "trajectory.csv" in full.kept:
        assert len(Trajectory.read_csv(out / "trajectory.csv")) == 20


@pytest.mark.parametrize(("command", "told"), [("real", "measured"), ("sim", "simulated")])
def test_who_finds_no_room_for_files_still_tells_the_numbers(command: str, told: str, tmp_path: Path) -> None:
    full = Full(f"{command} {LOAD} --json", 500, "")
    with started(limited(full, tmp_path / "out"), tmp_path / "temporary") as process:
        printed, _ = complaint_of(process)
    assert json.loads(printed)[told]["messages"] == 20


def test_a_server_that_finds_no_room_for_its_trajectory_serves_on_and_says_so_at_its_end(tmp_path: Path) -> None:
    full = Full("real --listen 127.0.0.1:0 --service-ms 1 --json", 100, "")
    with started(limited(full, tmp_path / "out"), tmp_path / "temporary") as process:
        assert process.stderr is not None
        listening = process.stderr.readline().split()[-1]
        sending = ["-m", "real.send", "--to", listening, *SENT.split()]
        with started(sending, tmp_path / "temporary") as sender:
            sender.communicate(timeout=LIMIT_S)
        assert sender.returncode == 0
        process.send_signal(signal.SIGTERM)
        printed, complaint = complaint_of(process)
    assert json.loads(printed)["measured"]["messages"] == 20
    assert complaint.startswith(f"real: {tmp_path}/out/trajectory.csv")
    assert "; 20 rows are missing; " in complaint
    assert complaint.endswith(f"{tmp_path}/out/measurement.json: File too large")


def test_a_sender_that_was_cut_off_says_so_after_its_numbers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = "{}:{}".format(*listener.getsockname())
        words = f"-m real.send --to {address} --rate 400 --messages 2000 --json".split()
        with started(words, tmp_path) as process:
            listener.accept()[0].close()
            printed, complaint = complaint_of(process)
    assert complaint.startswith(f"real.send: --to {address}: the processor closed the connection; ")
    assert json.loads(printed)["sent"]["unsent"] > 0


def test_an_output_that_is_full_is_one_line_that_says_so(tmp_path: Path) -> None:
    with (
        Path("/dev/full").open("w") as output,
        started(["-m", "compare", "list"], tmp_path, stdout=output) as process,
    ):
        complaint = complaint_of(process)[1]
    assert complaint == "compare: standard output: No space left on device; make room there, or give another place"


def test_a_report_that_finds_no_room_leaves_the_old_one_as_it_was(tmp_path: Path) -> None:
    summary = {
        "schema_version": 1,
        "command": "python -m compare point",
        "environment": environment() | {"packages": {}},
        "awake": {"processors": 0, "why_not": "--no-keep-awake"},
        "options": {"quick": True, "service_s": 0.005, "arrivals": "poisson", "workers": 10, "seed": 1}
        | {"popularity": "uniform", "recorded": None, "trace": None},
        "inject": None,
        "unfinished": [],
        "calibration": calibration(),
        "calibrations": [calibration()],
        "experiments": [],
        "verdict": {word.lower(): 0 for word in WORDS},
    }
    write_text(tmp_path / "summary.json", json.dumps(summary))
    write_text(tmp_path / "report.html", "the old one")
    with started(limited(Full("compare report", 6000, ""), tmp_path), tmp_path / "temporary") as process:
        _, complaint = complaint_of(process)
    assert complaint.startswith(f"compare: {tmp_path}/report.html: ")
    assert (tmp_path / "report.html").read_text() == "the old one"
    assert files_of(tmp_path) == {"summary.json", "report.html"}


# -- comparisons, which start processes of their own ------------------------------------------------------------------


def children(pid: int) -> dict[int, str]:
    """The processes that a process has started, with their commands."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    if not listed.exists():
        pytest.skip("only Linux lists a process's children")
    return {
        int(child): Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
        for child in listed.read_text().split()
    }


def awaited(what: str, process: subprocess.Popen[str]) -> int:
    """The child with this in its command."""
    give_up_s = time.monotonic() + LIMIT_S
    while time.monotonic() < give_up_s:
        assert process.poll() is None
        for child, command in children(process.pid).items():
            if what in command:
                return child
        time.sleep(0.02)
    raise AssertionError(f"no {what}")


def kill(what: str) -> Callable[[subprocess.Popen[str]], None]:
    """Kill a child as soon as the processor runs."""

    def spoil(process: subprocess.Popen[str]) -> None:
        awaited("-m real ", process)
        os.kill(awaited(what, process), signal.SIGKILL)

    return spoil


def fill(process: subprocess.Popen[str]) -> None:
    """Leave no room for files once the last run has begun, which has room."""
    awaited("--messages 37 ", process)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (500, 500))


def nothing(process: subprocess.Popen[str]) -> None:
    """Let it meet its end."""


POINT = "compare point --messages 37 --rate 100 --quick --no-keep-awake"
ROOMY = 1 << 30
SPOILED: list[tuple[Full, Callable[[subprocess.Popen[str]], None]]] = [
    (Full(POINT, 3000, "compare: python -m real ended with 1: real: {temporary}/compare-"), nothing),
    (Full(POINT, ROOMY, "compare: python -m real was killed by SIGKILL"), kill("-m real ")),
    (Full(POINT, ROOMY, "compare: the canary, which notes when"), kill("compare.machine.canary")),
    (Full(POINT, ROOMY, "compare: {out}/point/.point.partial/"), fill),
]


@pytest.mark.measuring
def test_a_comparison_that_cannot_go_on_says_why_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    with ExitStack() as stack:
        processes = []
        for number, (full, _) in enumerate(SPOILED):  # side by side: how long they take is of no interest
            place = tmp_path / str(number)
            processes.append(stack.enter_context(started(limited(full, place / "out"), place / "temporary")))
        left: set[int] = set()
        for process, (_, spoil) in zip(processes, SPOILED, strict=True):
            left |= {awaited("compare.machine.canary", process), awaited("-m real ", process)}
            spoil(process)
        for number, (process, (full, _)) in enumerate(zip(processes, SPOILED, strict=True)):
            place = tmp_path / str(number)
            _, complaint = complaint_of(process)
            assert complaint.startswith(full.named.format(out=place / "out", temporary=place / "temporary"))
            assert files_of(place) == set()
            assert list((place / "temporary").iterdir()) == []
    for pid in left:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
