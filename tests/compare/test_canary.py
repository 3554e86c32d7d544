"""The canary: what it notes, worked out by hand; and that the process ends however its parent does."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from compare.case import Case
from compare.inject import Injection
from compare.machine.canary import PERIOD_S, Canary, Clock, Queue, watch
from compare.machine.noise import Stall
from compare.measure import measure
from sim import Workload
from sim.command import CommandError

LIMIT_S = 20.0  # what a test waits for something that is bound to happen


class Machine:
    """Time that passes only while somebody sleeps: `late_s` is by how much each sleep is too long, one after another.

    `said` are the words that come during a sleep, and `queued_ms` is how long a process then stood ready without a
    processor, both by the number of the sleep; `thread-self` is who sleeps. Once all are slept nobody asks any more.
    """

    def __init__(
        self,
        late_s: list[float],
        said: dict[int, list[str]] | None = None,
        queued_ms: dict[str, dict[int, float]] | None = None,
    ) -> None:
        self.time_s, self.late_s, self.slept = 10.0, late_s, 0
        self.said, self.queued_ms = said or {}, {"thread-self": {}} | (queued_ms or {})
        self.asked, self._asking = os.pipe()
        self._told, self.told = os.pipe()

    def now_s(self) -> float:
        return self.time_s

    def sleep(self, for_s: float) -> None:
        for word in self.said.get(self.slept, []):
            os.write(self._asking, f"{word}\n".encode())
        self.time_s += for_s + self.late_s[self.slept]
        self.slept += 1
        self._account()
        if self.slept == len(self.late_s):
            os.close(self._asking)

    def _account(self) -> None:
        """Write what the system tells of each process: ns that it ran, ns in the queue, and how many turns it had."""
        for name, more_ms in self.queued_ms.items():
            queued_ms = 5000 + sum(ms for number, ms in more_ms.items() if number < self.slept)
            (self._processes / name).mkdir(exist_ok=True)
            (self._processes / name / "schedstat").write_text(f"{self.slept}000000 {round(queued_ms * 1e6)} 3\n")

    def lines(self) -> list[list[float]]:
        with TemporaryDirectory() as processes:
            self._processes = Path(processes)
            self._account()
            self.left = watch(self.asked, self.told, Clock(self.now_s, self.sleep), self._processes)
        os.close(self.told)
        with os.fdopen(self._told) as told:
            found = [[float(word) for word in line.split()] for line in told]
        os.close(self.asked)
        return found


def test_a_sleep_that_ends_late_is_noted_from_when_it_should_have_ended() -> None:
    # Due at 10 + P and 10 + 2 P; the second comes 0.5 s late, and the fourth 0.25 s.
    found = Machine([0, 0.5, 0, 0.25, 0, 0]).lines()
    first, second = 10 + 2 * PERIOD_S, 10.5 + 4 * PERIOD_S
    assert [pytest.approx(line, abs=1e-9) for line in found] == [[first, 0.5, 0], [second, 0.25, 0]]


def test_being_a_little_late_is_not_noted_and_the_next_sleep_is_shorter() -> None:
    machine = Machine([0.0009, 0.0009, 0.0009, 0.0009])
    assert machine.lines() == []
    assert machine.time_s == pytest.approx(10 + 4 * PERIOD_S + 0.0009, abs=1e-9)


def test_an_answer_comes_after_the_stalls_before_the_question() -> None:
    # Asked during the third sleep, which is the late one.
    found = Machine([0, 0, 0.5, 0, 0], said={2: ["?"]}).lines()
    due_s = 10 + 3 * PERIOD_S
    assert [pytest.approx(line, abs=1e-9) for line in found] == [[due_s, 0.5, 0], [due_s + 0.5]]


def test_a_turn_that_somebody_else_had_is_no_stall() -> None:
    # The second sleep is 4 ms late because the processor was taken; of the fourth's 500 ms that explains 100.
    machine = Machine([0, 0.004, 0, 0.5, 0], queued_ms={"thread-self": {1: 3.5, 3: 100}})
    assert [pytest.approx(line, abs=1e-9) for line in machine.lines()] == [[10.004 + 4 * PERIOD_S, 0.4, 0]]


def test_a_turn_that_the_watched_process_had_to_wait_for_is_a_stall_that_ends_when_it_is_seen() -> None:
    # Watched from the end of the first sleep on. It waits for 7 ms that end during the fourth sleep, for 0.9 ms that
    # are no stall, and for 1 ms that is one.
    machine = Machine([0] * 8, said={0: ["77"]}, queued_ms={"77": {0: 30, 3: 7, 4: 0.9, 5: 1}})
    first_s, second_s = 10 + 4 * PERIOD_S - 0.007, 10 + 6 * PERIOD_S - 0.001
    assert [pytest.approx(line, abs=1e-9) for line in machine.lines()] == [[first_s, 0.007, 1], [second_s, 0.001, 1]]


def test_only_the_process_at_hand_is_watched() -> None:
    waits_ms = dict.fromkeys(range(8), 5.0)
    machine = Machine([0] * 8, said={1: ["77"], 3: ["78", "0"], 5: ["79"]}, queued_ms={"77": waits_ms, "78": waits_ms})
    ends_s = [10 + sleep * PERIOD_S for sleep in (3, 4)]  # 79 is nobody
    assert [pytest.approx(line, abs=1e-9) for line in machine.lines()] == [
        [end_s - 0.005, 0.005, 1] for end_s in ends_s
    ]


def test_an_answer_comes_after_what_the_watched_process_waited_for() -> None:
    machine = Machine([0] * 4, said={0: ["77"], 2: ["0", "?"]}, queued_ms={"77": {2: 4}})
    seen_s = 10 + 3 * PERIOD_S
    assert [pytest.approx(line, abs=1e-9) for line in machine.lines()] == [[seen_s - 0.004, 0.004, 1], [seen_s]]


def test_a_stall_of_both_is_noted_by_both() -> None:
    # The third sleep is 20 ms late, without a queue; the watched process waited for 15 of them.
    machine = Machine([0, 0, 0.02, 0, 0], said={0: ["77"]}, queued_ms={"77": {2: 15}})
    due_s = 10 + 3 * PERIOD_S
    assert [pytest.approx(line, abs=1e-9) for line in machine.lines()] == [[due_s, 0.02, 0], [due_s + 0.005, 0.015, 1]]


def test_of_a_process_that_has_gone_nothing_more_is_told() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        queue = Queue(Path(f"/proc/{child.pid}"))
        assert queue.more_s() >= 0
        assert queue.there()
    assert (queue.more_s(), Queue(Path(f"/proc/{child.pid}")).more_s()) == (0.0, 0.0)
    assert not queue.there()
    assert not Queue(Path(f"/proc/{child.pid}")).there()
    queue.close()


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ({}, None),
        ({0: ["77"]}, "77"),
        ({0: ["77"], 1: ["78"]}, "78"),
        ({0: ["77"], 2: ["0"]}, None),
        ({0: ["79"]}, None),  # which is nobody
    ],
)
def test_who_is_watched_to_the_end_is_told(said: dict[int, list[str]], left: str | None) -> None:
    machine = Machine([0] * 4, said=said, queued_ms={"77": {}, "78": {}})
    machine.lines()
    assert machine.left == left


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
    # All of it but what was left of the sleep at hand; a busy machine may add to it at both ends, and lets the canary
    # wait in the queue thereafter, which is left out.
    queued_s = 0.02
    assert longest.lasting_s >= 0.3 - 2 * PERIOD_S - queued_s
    assert longest.at_s <= end_s - 0.3 + 2 * PERIOD_S
    assert longest.end_s >= begin_s + 0.3 - queued_s


def test_stalls_are_those_of_the_time_asked_for(canary: Canary) -> None:
    before_s = time.monotonic()
    begin_s, end_s = stop_for(canary, 0.2)
    later = stop_for(canary, 0.2)
    first, both = canary.stalls(begin_s, end_s), canary.stalls(begin_s, later[1])
    assert set(first) < set(both)
    assert canary.stalls(before_s - 2, before_s - 1) == ()
    assert canary.stalls(begin_s, later[1])[: len(both)] == both  # asked again, it is the same


# Wants all of one core, for as long as whoever started it is there.
SPINNER = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
while os.getppid() == int(sys.argv[2]):
    pass
"""


@contextlib.contextmanager
def spinning(core: int) -> Iterator[int]:
    """Keep a core busy; the process that does."""
    with subprocess.Popen([sys.executable, "-c", SPINNER, str(core), str(os.getpid())]) as spinner:
        try:
            yield spinner.pid
        finally:
            spinner.kill()


def test_a_process_that_shares_its_core_stalls(canary: Canary) -> None:
    core = min(os.sched_getaffinity(0))
    with spinning(core), spinning(core) as pid:
        queue, waited_s = Queue(Path(f"/proc/{pid}")), 0.0
        begin_s = time.monotonic()
        with canary.watching(pid):
            while waited_s < 0.2 and time.monotonic() < begin_s + LIMIT_S:
                time.sleep(0.01)
                waited_s += queue.more_s()
            found = canary.stalls(begin_s, time.monotonic())
        queue.close()
    # By the account of the system itself. What is lost are waits of less than a millisecond, and the first sleep.
    assert waited_s >= 0.2
    assert sum(stall.lasting_s for stall in found) >= waited_s / 2


# A canary that tells of whom it was told to watch: as a stall at the process's number, of 2 s if it is the real thing.
ECHO = r"""
import sys, time
from pathlib import Path
for word in map(str.strip, sys.stdin):
    command, tries = Path("/proc", word, "cmdline"), 100
    while command.exists() and not command.read_bytes() and (tries := tries - 1):
        time.sleep(0.01)  # it is known to have begun a moment before its command can be read
    lasts = 2 if command.exists() and b"-m\0real\0" in command.read_bytes() else 1
    print(time.monotonic() if word == "?" else f"{word} {lasts} 0", flush=True)
"""


@pytest.mark.parametrize("over_tcp", [False, True])
def test_the_real_thing_is_watched_until_it_has_ended(over_tcp: bool) -> None:
    workload = Workload(rate_per_s=500.0, service_s=0.001, messages=5)
    with Canary((sys.executable, "-c", ECHO)) as canary:
        measure(Case("run", workload, over_tcp=over_tcp), canary, Injection())
        watched, after = canary.stalls(-1.0, 1e9)
    assert (watched.lasting_s, after) == (2, Stall(0, 1))
    assert gone(int(watched.at_s))


def test_a_process_may_end_while_it_is_watched(canary: Canary) -> None:
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child,
        canary.watching(child.pid),
    ):
        child.communicate(b"\n")
        begin_s, end_s = stop_for(canary, 0.2)
    assert canary.stalls(begin_s, end_s)


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
    with pytest.raises(CommandError, match=r"the canary, which notes .*, was killed by SIGKILL: no message"):
        canary.stalls(0.0, time.monotonic())


def test_a_canary_that_cannot_start_is_an_error_that_says_why() -> None:
    with (
        pytest.raises(CommandError, match=r"ended with 1: no air in the mine$"),
        Canary((sys.executable, "-c", "raise SystemExit('no air in the mine')")),
    ):
        raise AssertionError("entered")


def test_what_goes_to_whoever_asks_and_the_group_of_that_is_not_for_it(canary: Canary) -> None:
    assert os.getpgid(canary.pid) == canary.pid != os.getpgid(0)


# Has a canary and two processes that run for long, the first of which was watched, and the second still is.
PARENT = """
import subprocess, sys, time
from compare.machine.canary import Canary
LONG = [sys.executable, "-c", "import time; time.sleep(600)"]
with Canary() as canary, subprocess.Popen(LONG, process_group=0) as other:
    with canary.watching(other.pid):
        pass
    with subprocess.Popen(LONG, process_group=0) as child, canary.watching(child.pid):
        canary.stalls(0.0, time.monotonic())  # it has heard of it
        print(canary.pid, other.pid, child.pid, flush=True)
        time.sleep(600)
"""


@contextlib.contextmanager
def killed_parent(whole_group: bool) -> Iterator[list[int]]:
    """A parent that was killed; the canary, the process that was watched, the one that is."""
    pids: list[int] = []
    try:
        with subprocess.Popen(
            [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, process_group=0
        ) as parent:
            assert parent.stdout is not None
            pids += map(int, parent.stdout.readline().split())
            (os.killpg if whole_group else os.kill)(parent.pid, signal.SIGKILL)
        yield pids
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("whole_group", [False, True])
def test_a_parent_that_is_killed_leaves_neither_the_canary_nor_whom_it_watched(whole_group: bool) -> None:
    with killed_parent(whole_group) as (canary_pid, other, watched):
        assert gone(canary_pid)
        assert gone(watched)
        os.kill(other, 0)  # it is there: nobody watches it any more


def test_it_loads_nothing_but_the_standard_library() -> None:
    code = "import sys, compare.machine.canary; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "compare" in loaded
    assert not {"numpy", "numba", "simpy", "scipy", "rich"} & set(loaded)


def test_what_lies_beside_a_stall_does_not_overlap_it() -> None:
    stall = Stall(1.0, 0.5)
    assert stall.overlaps(1.4, 2.0)
    assert stall.overlaps(1.1, 1.2)
    assert not stall.overlaps(1.5, 2.0)
    assert not stall.overlaps(0.0, 1.0)
