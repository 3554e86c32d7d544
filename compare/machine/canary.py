"""The canary: a process of its own that only notes when the machine stalled, for itself or for the run it watches.

It is woken every `PERIOD_S` and by nothing else, so what it costs the machine is known. It was woken late: a stall. If
that began between two wakings it is told from the second on, too short by half a period on average. Time that it spent
in the queue for a processor is no stall: what it queues behind may be the very run that it watches. Of that run it
notes the opposite, the time in the queue, because nothing but the rest of the machine can be what it queues behind.

Whoever started it and is killed cannot end that run any more: then the canary does.
"""

import gc
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from compare.machine.children import how_ended
from compare.machine.noise import LEAST_STALL_S, Stall
from sim.command import CommandError

PERIOD_S = 0.002
_ANSWER_S, _LOOK_S, _PATIENCE_S = 10.0, 0.001, 1.0
_QUESTION, _NOBODY = "?", "0"


@dataclass(frozen=True, slots=True)
class Clock:
    """What a sleeper needs: the time, s, and sleep."""

    now_s: Callable[[], float]
    sleep: Callable[[float], object]


def watch(asked: int, told: int, clock: Clock, processes: Path) -> str | None:
    """Write a line `at_s lasting_s waited` to `told` for each stall until `asked` is at its end, both file descriptors.

    A sleep that ends late is one, from when it should have ended on; the time in the queue, which comes last, is left
    out. Time that the watched process has spent in the queue since the last look is one that ends now. What is asked
    is one word a line: a process, to be watched from now on, or `?`, which is answered by a line with one instant:
    every stall that ended before it is written. `processes` is where the system tells of them.

    Return the process that it watches to the end, if that is still there: nobody has taken leave of it.
    """
    due_s, own, name = clock.now_s(), Queue(processes / "thread-self"), _NOBODY
    watched = Queue(processes / name)
    while True:
        due_s += PERIOD_S
        clock.sleep(max(due_s - clock.now_s(), 0.0))
        heard = _heard(asked)
        if heard is None:
            return name if watched.there() else None  # whoever started it has closed this, or is gone
        # The clock is read after the question is: a stall before the question is then never behind the answer.
        woken_s, queued_s = clock.now_s(), watched.more_s()
        _note(told, Stall(due_s, woken_s - due_s - own.more_s()))
        _note(told, Stall(woken_s - queued_s, queued_s, waited=True))
        if woken_s > due_s + LEAST_STALL_S:
            due_s = woken_s
        for word in heard:
            if word == _QUESTION:
                os.write(told, f"{woken_s!r}\n".encode())
            else:
                watched.close()
                name, watched = word, Queue(processes / word)


def _heard(asked: int) -> list[str] | None:
    """Return the words that have come; None at the end."""
    if not select.select((asked,), (), (), 0)[0]:
        return []
    heard = os.read(asked, 4096)
    return heard.decode().split() if heard else None


def _note(told: int, stall: Stall) -> None:
    if stall.lasting_s >= LEAST_STALL_S:
        os.write(told, f"{stall.at_s!r} {stall.lasting_s!r} {stall.waited:d}\n".encode())


class Queue:
    """How long the main thread of a process stands ready and has no processor, as the system counts it.

    Of a process that has gone there is no more to tell, nor where the system does not tell.
    """

    def __init__(self, process: Path) -> None:
        self._account: int | None = None
        with suppress(OSError):
            self._account = os.open(process / "schedstat", os.O_RDONLY)
        self._before_ns = 0
        self.more_s()  # what was before is not told

    def more_s(self) -> float:
        """Return how long it was since this was last asked, s."""
        if self._account is None:
            return 0.0
        try:
            now_ns = int(os.pread(self._account, 64, 0).split()[1])
        except ProcessLookupError:
            return 0.0
        more_ns, self._before_ns = now_ns - self._before_ns, now_ns
        return more_ns / 1e9

    def there(self) -> bool:
        """Whether the process is there: this one, not another to which its number has been given since."""
        try:
            return self._account is not None and bool(os.pread(self._account, 64, 0))
        except ProcessLookupError:
            return False

    def close(self) -> None:
        """Ask no more."""
        if self._account is not None:
            os.close(self._account)


class Canary:
    """A canary while this is entered: `with Canary() as canary: …; canary.stalls(begin_s, end_s)`."""

    def __init__(self, command: tuple[str, ...] = (sys.executable, "-m", "compare.machine.canary")) -> None:
        self._command = command
        self._stalls: list[Stall] = []
        self._noted_s = -1.0  # every stall that began before is known
        self._read = 0  # bytes of what it wrote

    def __enter__(self) -> "Canary":
        # Into a file, not a pipe: on a machine that stalls all the time a pipe is full before anybody looks.
        self._told = tempfile.TemporaryFile(prefix="canary-")
        pipe = subprocess.PIPE
        # A group of its own: Ctrl-C and what kills whole groups are for whoever asks, and this outlives that.
        self._child = subprocess.Popen(
            self._command, bufsize=0, stdin=pipe, stdout=self._told, stderr=pipe, process_group=0
        )
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

    @contextmanager
    def watching(self, pid: int) -> Iterator[None]:
        """Note also when a process stands ready and has no processor, while this is entered; it may end meanwhile."""
        self._say(str(pid))
        try:
            yield
        finally:
            self._say(_NOBODY)

    def stalls(self, begin_s: float, end_s: float) -> tuple[Stall, ...]:
        """Return the stalls that overlap the time between two instants of the past, on the monotonic clock.

        CommandError if the canary has died or does not answer, because then nobody knows.
        """
        self._catch_up()
        return tuple(stall for stall in self._stalls if stall.overlaps(begin_s, end_s))

    def _catch_up(self) -> None:
        """Ask, and read until it has answered: of a stall that has just ended it may not have written yet."""
        asked_s = time.monotonic()
        self._say(_QUESTION)
        while True:
            self._read_on()
            if self._noted_s >= asked_s:
                return
            if self._child.poll() is not None or time.monotonic() > asked_s + _ANSWER_S:
                raise self._lost()
            time.sleep(_LOOK_S)

    def _say(self, word: str) -> None:
        assert self._child.stdin is not None
        with suppress(BrokenPipeError):  # that it has gone is noticed when it does not answer
            self._child.stdin.write(f"{word}\n".encode())

    def _read_on(self) -> None:
        # Not by read(): the place in the file is shared, and the next line would be written wherever that has gone.
        size = os.fstat(self._told.fileno()).st_size - self._read
        whole, end, _ = os.pread(self._told.fileno(), size, self._read).rpartition(b"\n")
        self._read += len(whole + end)
        for line in whole.splitlines():
            at_s, *rest = map(float, line.split())
            if rest:
                self._stalls.append(Stall(at_s, rest[0], bool(rest[1])))
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
        return CommandError(f"{name} {how_ended(code)}: {last[0]}")

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
    """Watch until stdin is closed; then end the process that is still watched: it was a child of one that is gone."""
    gc.freeze()
    gc.disable()
    left = watch(sys.stdin.fileno(), sys.stdout.fileno(), Clock(time.monotonic, time.sleep), Path("/proc"))
    if left is not None:
        with suppress(ProcessLookupError):
            os.kill(int(left), signal.SIGKILL)


if __name__ == "__main__":
    main()
