"""Keeping processors awake: only where it takes nothing away from anybody, only when told to, and never for longer."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from compare.case import Case
from compare.machine.awake import MOST, Awake, why_not
from sim import Workload

PATIENCE_S = 20.0
linux = pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="there is no priority below all others here")


def wait_until(happened: Callable[[], bool]) -> None:
    """Wait for what will happen sooner or later; the test fails if it does not."""
    end_s = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def stat(pid: int) -> list[str]:
    """Return state, and what follows it, of a process (proc(5), /proc/pid/stat)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()


def ticks(pid: int) -> int:
    """Return the processor time that a process has had, in ticks of the clock."""
    return sum(map(int, stat(pid)[11:13]))


def had_more(pid: int, before: int) -> bool:
    return ticks(pid) > before


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists() or stat(pid)[0] == "Z"


@linux
@pytest.mark.measuring  # it needs a machine that has processor time to spare
def test_a_process_of_the_lowest_priority_goes_round_on_each_processor_and_only_when_told_to() -> None:
    with Awake(None) as awake:
        assert awake.document() == {"processors": len(os.sched_getaffinity(0)), "why_not": None}
        assert [os.sched_getaffinity(pid) for pid in awake.pids] == [{one} for one in sorted(os.sched_getaffinity(0))]
        assert {os.sched_getscheduler(pid) for pid in awake.pids} == {os.SCHED_IDLE}
        for _ in range(2):
            wait_until(lambda: all(stat(pid)[0] == "S" for pid in awake.pids))
            before = {pid: ticks(pid) for pid in awake.pids}
            with awake.during(wanted=False):
                assert all(stat(pid)[0] == "S" for pid in awake.pids)
            with awake.during(wanted=True):
                for pid in awake.pids:
                    wait_until(partial(had_more, pid, before[pid]))
        pids = awake.pids
    assert all(map(is_gone, pids))
    assert awake.document()["processors"] == len(pids)  # results are written when it is over


@linux
def test_they_end_in_the_middle_of_a_run_and_one_that_was_killed_is_missed_by_nobody() -> None:
    with Awake(None) as awake, awake.during(wanted=True):
        pids = awake.pids
        os.kill(pids[0], signal.SIGKILL)
        wait_until(lambda: is_gone(pids[0]))
    assert all(map(is_gone, pids))


@linux
def test_they_end_with_whoever_started_them_even_if_that_is_killed() -> None:
    program = (
        "import time\nfrom compare.machine.awake import Awake\n"
        "with Awake(None) as awake, awake.during(wanted=True):\n"
        "    print(*awake.pids, flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = list(map(int, parent.stdout.readline().split()))
        assert len(pids) == len(os.sched_getaffinity(0))
        parent.kill()
    wait_until(lambda: all(map(is_gone, pids)))


@linux
def test_where_the_system_refuses_no_processor_is_kept_awake_and_that_is_said() -> None:
    with Awake(None, (sys.executable, "-c", "raise PermissionError")) as awake, awake.during(wanted=True):
        assert awake.pids == []
        assert awake.document()["processors"] == 0
        assert "priority" in awake.document()["why_not"]


def test_none_is_kept_awake_by_whoever_has_been_told_not_to() -> None:
    with Awake("because") as awake, awake.during(wanted=True):
        assert awake.pids == []
        assert awake.document() == {"processors": 0, "why_not": "because"}


@linux
@pytest.mark.parametrize(
    ("own", "files", "rationed"),
    [
        ("0::/\n", {}, False),
        ("0::/user/one\n", {"user/one/cpu.max": "max 100000\n"}, False),
        ("0::/user/one\n", {"user/one/cpu.max": "50000 100000\n"}, True),
        ("0::/user/one\n", {"user/cpu.max": "50000 100000\n"}, True),  # a group has what those above it leave
        ("0::/user/one\n", {"user/two/cpu.max": "50000 100000\n"}, False),
        ("4:memory:/a\n3:cpu,cpuacct:/a\n", {"cpu/a/cpu.cfs_quota_us": "-1\n"}, False),
        ("4:memory:/a\n3:cpu,cpuacct:/a\n", {"cpu/a/cpu.cfs_quota_us": "20000\n"}, True),
        ("what is this\n", {}, False),
    ],
)
def test_none_is_kept_awake_where_processor_time_is_rationed(
    tmp_path: Path, own: str, files: dict[str, str], rationed: bool
) -> None:
    assert len(os.sched_getaffinity(0)) <= MOST
    groups, own_groups = tmp_path / "groups", tmp_path / "own"
    own_groups.write_text(own)
    for name, text in files.items():
        (groups / name).parent.mkdir(parents=True, exist_ok=True)
        (groups / name).write_text(text)
    assert (why_not(groups, own_groups) is not None) == rationed


def test_only_work_that_sleeps_wants_processors_awake() -> None:
    kinds = ("sleep", "cpu", "mixed", "precise", "none")
    assert [Case("run", Workload(), kind).sleeps for kind in kinds] == [True, False, True, False, True]
