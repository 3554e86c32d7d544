"""Keep the processors awake while work sleeps: a processor that sleeps too is late, by another delay every second.

A process on each of them goes round in a loop, at the priority below all others: whatever else wants the processor has
it at once. (Where the system shares its processors by session or control group, that is said of its own.) Machines that
measure latency are set up so (`idle=poll`, /dev/cpu_dma_latency: The Linux kernel's PM QoS
interface), but that takes root, and does nothing inside of a virtual machine.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

MOST = 16  # processors: of more, a run uses a few and nobody knows which
_TURN = b"."
_PATIENCE_S, _LOOK_S = 10.0, 0.005

CONTROL_GROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


class Awake:
    """Processors that do not fall asleep during what wants them awake; `why_not` says why none is kept so."""

    def __init__(
        self, why_not: str | None, command: tuple[str, ...] = (sys.executable, "-m", "compare.machine.awake")
    ) -> None:
        self.why_not, self._command, self._kept = why_not, command, 0
        self._children: list[subprocess.Popen[bytes]] = []

    @classmethod
    def here(cls) -> "Awake":
        """Return what can be done on this machine."""
        return cls(why_not(CONTROL_GROUPS, OWN_GROUPS))

    def __enter__(self) -> Self:
        try:
            for processor in sorted(os.sched_getaffinity(0)) if self.why_not is None else ():
                command, pipe, nothing = (*self._command, str(processor)), subprocess.PIPE, subprocess.DEVNULL
                child = subprocess.Popen(command, bufsize=0, stdin=pipe, stdout=nothing, stderr=nothing)
                self._children.append(child)
            if not all(map(_stands_back, self._children)):
                self._end()
                self.why_not = "no process could be started, or be given a priority below all others"
            self._kept = len(self._children)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def pids(self) -> list[int]:
        """The processes."""
        return [child.pid for child in self._children]

    @contextmanager
    def during(self, *, wanted: bool) -> Iterator[None]:
        """Keep the processors awake while this is entered, if that is `wanted`."""
        self._turn(wanted)
        try:
            yield
        finally:
            self._turn(wanted)

    def document(self) -> dict[str, Any]:
        """Return what results say of it."""
        return {"processors": self._kept, "why_not": self.why_not}

    def _turn(self, wanted: bool) -> None:
        for child in self._children if wanted else ():
            assert child.stdin is not None
            with suppress(BrokenPipeError):  # one that somebody has killed is missed by nobody
                child.stdin.write(_TURN)

    def _end(self) -> None:
        for child in self._children:
            with child:
                child.kill()
        self._children = []


def _stands_back(child: subprocess.Popen[bytes]) -> bool:
    """Wait until a process has the lowest priority; whether it ever has.

    It cannot say so itself: with that priority it has no turn for as long as anybody else wants the processor.
    """
    give_up_s = time.monotonic() + _PATIENCE_S
    while child.poll() is None and time.monotonic() < give_up_s:
        if os.sched_getscheduler(child.pid) == os.SCHED_IDLE:
            return True
        time.sleep(_LOOK_S)
    return False


def why_not(control_groups: Path, own_groups: Path) -> str | None:
    """Return why processors are not kept awake on this machine; None where they can be."""
    if not hasattr(os, "SCHED_IDLE"):
        return "this system has no priority below all others"
    processors = len(os.sched_getaffinity(0))
    if processors > MOST:
        return f"there are {processors}, more than {MOST}"
    # What goes round in a loop would use it up, and the run would be stopped for the rest of each period.
    return "processor time is rationed here" if _is_rationed(control_groups, own_groups) else None


def _is_rationed(control_groups: Path, own_groups: Path) -> bool:
    """Whether a control group limits processor time (https://docs.kernel.org/admin-guide/cgroup-v2.html: cpu.max)."""
    try:
        own = [line.split(":", 2) for line in own_groups.read_text().splitlines() if line.count(":") >= 2]
    except OSError:
        return False
    for _, controllers, path in own:
        if not controllers:
            root, file = control_groups, "cpu.max"
        elif "cpu" in controllers.split(","):
            root, file = control_groups / "cpu", "cpu.cfs_quota_us"
        else:
            continue
        group = root / path.lstrip("/")
        levels = (level for level in (group, *group.parents) if level.is_relative_to(root))
        if any(_quota(level / file) not in (None, "max", "-1") for level in levels):
            return True
    return False


def _quota(file: Path) -> str | None:
    try:
        return next(iter(file.read_text().split()), None)
    except OSError:
        return None


def stay(asked: int) -> None:
    """Go round in a loop from every other byte on that comes from `asked`, until it is at its end."""
    while os.read(asked, 1):
        while not select.select((asked,), (), (), 0)[0]:
            pass
        if not os.read(asked, 1):
            return


def main(processor: int) -> None:
    """Stay awake on a processor, at the lowest priority, when told to."""
    os.sched_setaffinity(0, {processor})
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    stay(sys.stdin.fileno())


if __name__ == "__main__":
    # Ctrl-C goes to everything that was started together; this ends with whoever started it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main(int(sys.argv[1]))
