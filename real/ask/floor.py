"""The floor: what an answer takes if the processor has nothing else to do, and so what asking over HTTP costs.

The idle processor is a process of its own, and it never outlives the question how fast it is.
"""

import contextlib
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from sim.command import CommandError

# The longer a machine was idle the slower it is, so the floor is asked for as often as the processor; but no more often
# than leaves each question alone, and no more seldom than lasts so long.
_MOST_PER_S, _LASTS_S = 100.0, 5.0
IDLE_PROCESSOR = (
    *(sys.executable, "-m", "real", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--work", "none"),
)
_READY = re.compile(rb"http://([0-9.]+|\[[0-9a-f:]+\]):([0-9]+)")
_READY_WITHIN_S, _LOOK_S, _END_WITHIN_S = 10.0, 0.1, 2.0
_REMEDY = "--floor 0 does without it"


def floor_rate_per_s(rate_per_s: float, count: int) -> float:
    """Return how often an idle processor is asked, if it is asked `count` times.

    >>> floor_rate_per_s(50.0, 200), floor_rate_per_s(1000.0, 200), floor_rate_per_s(0.1, 200)
    (50.0, 100.0, 40.0)
    """
    return min(max(rate_per_s, count / _LASTS_S), _MOST_PER_S)


@contextlib.contextmanager
def idle_processor(command: Sequence[str], stopped: Callable[[], bool]) -> Iterator[tuple[str, int] | None]:
    """Start a processor and yield the address at which it answers HTTP; None if someone wants to stop meanwhile.

    It is ended however the block is left. CommandError if it does not say on stderr, and soon, where it answers.
    """
    # A group of its own: Ctrl-C is for whoever asks, and the processor is ended afterwards.
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, process_group=0
    )
    try:
        yield _address(process, stopped)
    finally:
        _end(process)


def _address(process: subprocess.Popen[bytes], stopped: Callable[[], bool]) -> tuple[str, int] | None:
    assert process.stderr is not None
    said, last_s = b"", time.monotonic() + _READY_WITHIN_S
    while not stopped():
        # A whole line: half of one may end in half a port.
        if found := _READY.search(said[: said.rfind(b"\n") + 1]):
            return found[1].decode().strip("[]"), int(found[2])
        if time.monotonic() > last_s:
            raise CommandError(f"the idle processor for the floor does not get ready; {_REMEDY}")
        if select.select([process.stderr], [], [], _LOOK_S)[0]:
            data = os.read(process.stderr.fileno(), 4096)
            if not data:
                lines = said.decode(errors="replace").split("\n")
                last = next((line for line in reversed(lines) if line.strip()), "it says nothing")
                raise CommandError(f"the idle processor for the floor has ended ({last:.200}); {_REMEDY}")
            said += data
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_WITHIN_S)
    finally:
        process.kill()  # nothing, if it has ended
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
