"""The canary: what it notes, worked out by hand; and that the process ends however its parent does."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from compare.canary import PERIOD_S, Canary, watch
from compare.noise import Stall
from sim.command import CommandError

LIMIT_S = 20.0  # what a test waits for something that is bound to happen


class Machine:
    """Time that passes only while somebody sleeps: `late_s` is by how much each sleep is too long, one after another.

    Before the sleeps in `asking` a question is written; once all are slept nobody asks any more.
    """

    def __init__(self, late_s: list[float], asking: tuple[int, ...] = ()) -> None:
        self.time_s, self.late_s, self.asking, self.slept = 10.0, late_s, asking, 0
        self.asked, self._asking = os.pipe()
        self._told, self.told = os.pipe()

    def now_s(self) -> float:
        return self.time_s

    def sleep(self, for_s: float) -> None:
        if self.slept in self.asking:
            os.write(self._asking, b"?")
        self.time_s += for_s + self.late_s[self.slept]
        self.slept += 1
        if self.slept == len(self.late_s):
            os.close(self._asking)

    def lines(self) -> list[list[float]]:
        watch(self.asked, self.told, self.now_s, self.sleep)
        os.close(self.told)
        with os.fdopen(self._told) as told:
            found = [[float(word) for word in line.split()] for line in told]
        os.close(self.asked)
        return found


def test_a_sleep_that_ends_late_is_noted_from_when_it_should_have_ended() -> None:
    # Due at 10 + P and 10 + 2 P; the second comes 0.5 s late, and the fourth 0.25 s.
    found = Machine([0, 0.5, 0, 0.25, 0, 0]).lines()
    first, second = 10 + 2 * PERIOD_S, 10.5 + 4 * PERIOD_S
    assert [pytest.approx(line, abs=1e-9) for line in found] == [[first, 0.5], [second, 0.25]]


def test_being_a_little_late_is_not_noted_and_the_next_sleep_is_shorter() -> None:
    machine = Machine([0.0009, 0.0009, 0.0009, 0.0009])
    assert machine.lines() == []
    assert machine.time_s == pytest.approx(10 + 4 * PERIOD_S + 0.0009, abs=1e-9)


def test_an_answer_comes_after_the_stalls_before_the_question() -> None:
    # Asked during the third sleep, which is the late one.
    found = Machine([0, 0, 0.5, 0, 0], asking=(2,)).lines()
    due_s = 10 + 3 * PERIOD_S
    assert [pytest.approx(line, abs=1e-9) for line in found] == [[due_s, 0.5], [due_s + 0.5]]


@pytest.fixture
def canary() -> Iterator[Canary]:
    with Canary() as canary:
        yield canary


def gone(pid: int) -> bool:
    """Whether a process has ended, within a while; one that nobody has asked for yet counts as ended."""
    give_up_s = time.monotonic() + LIMIT_S
    while time.monotonic() < give_up_s:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    return False


def stop_for(canary: Canary, lasting_s: float) -> tuple[float, float]:
    """Make the machine stall, as far as the canary can tell; the instants between which it did."""
    begin_s = time.monotonic()
    os.kill(canary.pid, signal.SIGSTOP)
    time.sleep(lasting_s)
    os.kill(canary.pid, signal.SIGCONT)
    end_s = time.monotonic()
    canary.stalls(begin_s, end_s)  # it has noted this one, and sleeps again
    return begin_s, end_s


def test_a_stall_is_noted_where_it_was(canary: Canary) -> None:
    begin_s, end_s = stop_for(canary, 0.3)
    longest = max(canary.stalls(begin_s, end_s), key=lambda stall: stall.lasting_s)
    # All of it but what was left of the sleep at hand; a busy machine may add to it at both ends.
    assert longest.lasting_s >= 0.3 - 2 * PERIOD_S
    assert longest.at_s <= end_s - 0.3 + 2 * PERIOD_S
    assert longest.end_s >= begin_s + 0.3


def test_stalls_are_those_of_the_time_asked_for(canary: Canary) -> None:
    before_s = time.monotonic()
    begin_s, end_s = stop_for(canary, 0.2)
    later = stop_for(canary, 0.2)
    first, both = canary.stalls(begin_s, end_s), canary.stalls(begin_s, later[1])
    assert set(first) < set(both)
    assert canary.stalls(before_s - 2, before_s - 1) == ()
    assert canary.stalls(begin_s, later[1])[: len(both)] == both  # asked again, it is the same


def test_leaving_ends_it() -> None:
    with Canary() as canary:
        assert not Path(f"/proc/{canary.pid}/stat").read_text().rpartition(")")[2].startswith(" Z")
    assert gone(canary.pid)


def test_leaving_ends_it_even_if_it_is_stopped() -> None:
    with Canary() as canary:
        os.kill(canary.pid, signal.SIGSTOP)
    assert gone(canary.pid)


def test_a_canary_that_died_is_an_error(canary: Canary) -> None:
    os.kill(canary.pid, signal.SIGKILL)
    with pytest.raises(CommandError, match=r"the canary, which notes .*, ended with -9: no message"):
        canary.stalls(0.0, time.monotonic())


def test_a_canary_that_cannot_start_is_an_error_that_says_why() -> None:
    with (
        pytest.raises(CommandError, match=r"ended with 1: no air in the mine$"),
        Canary((sys.executable, "-c", "raise SystemExit('no air in the mine')")),
    ):
        raise AssertionError("entered")


def test_ctrl_c_is_not_for_it(canary: Canary) -> None:
    os.kill(canary.pid, signal.SIGINT)
    assert isinstance(canary.stalls(0.0, time.monotonic()), tuple)


PARENT = """
import time
from compare.canary import Canary
with Canary() as canary:
    print(canary.pid, flush=True)
    time.sleep(60)
"""


def test_a_parent_that_is_killed_leaves_no_orphan() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    assert gone(pid)


def test_it_loads_nothing_but_the_standard_library() -> None:
    code = "import sys, compare.canary; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "compare" in loaded
    assert not {"numpy", "numba", "simpy", "scipy", "rich"} & set(loaded)


def test_what_lies_beside_a_stall_does_not_overlap_it() -> None:
    stall = Stall(1.0, 0.5)
    assert stall.overlaps(1.4, 2.0)
    assert stall.overlaps(1.1, 1.2)
    assert not stall.overlaps(1.5, 2.0)
    assert not stall.overlaps(0.0, 1.0)
