"""The canary: a process of its own that only notes when it was woken late, which is when the machine stalled.

It sleeps to instants `PERIOD_S` apart and is woken by nothing else, so what it costs the machine is known. A stall
that begins between two of these is told from the second on: too short by half a period, on average.
"""

import gc
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from compare.noise import LEAST_STALL_S, Stall
from sim.command import CommandError

PERIOD_S = 0.002
_ANSWER_S, _LOOK_S, _PATIENCE_S = 10.0, 0.001, 1.0


@dataclass(frozen=True, slots=True)
class Clock:
    """What a sleeper needs to know: the time (s), how to sleep, and how long in all it was awake and had no processor."""

    now_s: Callable[[], float]
    sleep: Callable[[float], object]
    queued_s: Callable[[], float]


def watch(asked: int, told: int, clock: Clock) -> None:
    """Write a line `at_s lasting_s` to `told` whenever a sleep ends late, until `asked` is at its end.

    `at_s` is when it should have ended. Whatever is read from `asked` is answered by a line with one instant: every
    stall that began before it is written. Both are file descriptors.
    """
    due_s, queued_s = clock.now_s(), clock.queued_s()
    while True:
        due_s += PERIOD_S
        clock.sleep(max(due_s - clock.now_s(), 0.0))
        heard = bool(select.select((asked,), (), (), 0)[0])
        if heard and not os.read(asked, 4096):
            return  # whoever started it has closed this, or is gone
        # The clock is read after the question is: a stall before the question is then never behind the answer.
        woken_s, before_s, queued_s = clock.now_s(), queued_s, clock.queued_s()
        lasting_s = woken_s - due_s - (queued_s - before_s)
        if lasting_s > LEAST_STALL_S:
            os.write(told, f"{due_s!r} {lasting_s!r}\n".encode())
        if woken_s > due_s + LEAST_STALL_S:
            due_s = woken_s
        if heard:
            os.write(told, f"{woken_s!r}\n".encode())


def wall_clock() -> Clock:
    """Return the monotonic clock, which all processes share; nobody is queued on a system that does not tell."""
    try:
        account = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    except OSError:
        return Clock(time.monotonic, time.sleep, lambda: 0.0)
    return Clock(time.monotonic, time.sleep, lambda: int(os.pread(account, 64, 0).split()[1]) / 1e9)


class Canary:
    """A canary while this is entered: `with Canary() as canary: …; canary.stalls(begin_s, end_s)`."""

    def __init__(self, command: tuple[str, ...] = (sys.executable, "-m", "compare.canary")) -> None:
        self._command = command
        self._stalls: list[Stall] = []
        self._noted_s = -1.0  # every stall that began before is known
        self._read = 0  # bytes of what it wrote

    def __enter__(self) -> "Canary":
        # Into a file, not a pipe: on a machine that stalls all the time a pipe is full before anybody looks.
        self._told = tempfile.TemporaryFile(prefix="canary-")
        pipe = subprocess.PIPE
        self._child = subprocess.Popen(self._command, bufsize=0, stdin=pipe, stdout=self._told, stderr=pipe)
        try:
            self._catch_up()  # it watches from here on
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def pid(self) -> int:
        """The process."""
        return self._child.pid

    def stalls(self, begin_s: float, end_s: float) -> tuple[Stall, ...]:
        """Return the stalls that overlap the time between two instants of the past, on the monotonic clock.

        CommandError if the canary has died or does not answer, because then nobody knows.
        """
        self._catch_up()
        return tuple(stall for stall in self._stalls if stall.overlaps(begin_s, end_s))

    def _catch_up(self) -> None:
        """Ask, and read until it has answered: of a stall that has just ended it may not have written yet."""
        assert self._child.stdin is not None
        asked_s = time.monotonic()
        try:
            self._child.stdin.write(b"?")
        except BrokenPipeError:
            raise self._lost() from None
        while True:
            self._read_on()
            if self._noted_s >= asked_s:
                return
            if self._child.poll() is not None or time.monotonic() > asked_s + _ANSWER_S:
                raise self._lost()
            time.sleep(_LOOK_S)

    def _read_on(self) -> None:
        # Not by read(): the place in the file is shared, and the next line would be written wherever that has gone.
        size = os.fstat(self._told.fileno()).st_size - self._read
        whole, end, _ = os.pread(self._told.fileno(), size, self._read).rpartition(b"\n")
        self._read += len(whole + end)
        for line in whole.splitlines():
            at_s, *lasting_s = map(float, line.split())
            if lasting_s:
                self._stalls.append(Stall(at_s, *lasting_s))
            else:
                self._noted_s = at_s

    def _lost(self) -> CommandError:
        """Return what to say once it has gone, or is as good as gone."""
        name = "the canary, which notes when the machine stalls,"
        try:
            code = self._child.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            return CommandError(f"{name} has not answered for {_ANSWER_S:.0f} s: is it stopped?")
        assert self._child.stderr is not None
        last = self._child.stderr.read().decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        return CommandError(f"{name} ended with {code}: {last[0]}")

    def _end(self) -> None:
        """Let it end by itself, or else end it."""
        with self._told, self._child:
            assert self._child.stdin is not None
            self._child.stdin.close()
            for end in (self._child.terminate, self._child.kill):
                try:
                    self._child.wait(_PATIENCE_S)
                    break
                except subprocess.TimeoutExpired:
                    end()


def main() -> None:
    """Watch until stdin is closed."""
    # Ctrl-C goes to everything that was started together; who asks for the stalls ends this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    gc.disable()
    watch(sys.stdin.fileno(), sys.stdout.fileno(), wall_clock())


if __name__ == "__main__":
    main()
