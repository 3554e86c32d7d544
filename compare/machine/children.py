"""Processes that measure: started, watched, told to end, and never left behind."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sim.command import CommandError, as_typed

POLL_S = 0.05
_READY_WITHIN_S = 20.0


class MeasurementError(CommandError):
    """The real thing did not run to its end; the message says what it said."""


def how_ended(code: int) -> str:
    """Return how a process ended, by its code as `subprocess` has it.

    >>> how_ended(2), how_ended(-9)
    ('ended with 2', 'was killed by SIGKILL')
    """
    known = -code in set(signal.Signals)
    return f"was killed by {signal.Signals(-code).name}" if known else f"ended with {code}"


class Child:
    """`python -m MODULE WORDS`, its output in files of a directory; killed when the block is left, however that is."""

    def __init__(self, module: str, words: Sequence[str], directory: Path) -> None:
        self.module, self.words = module, list(words)
        self._output, self._complaints = directory / f"{module}.out", directory / f"{module}.err"
        self._command = [sys.executable, "-m", module, *words]

    def __enter__(self) -> Self:
        with self._output.open("w") as output, self._complaints.open("w") as complaints:
            # A group of its own: Ctrl-C is for whoever compares, who then ends what it has started.
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=complaints, process_group=0
            )
        self._began_s = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def typed(self) -> str:
        """The command as a user would type it."""
        return as_typed(self.module, self.words)

    def said(self, beginning: str) -> str:
        """Wait for a whole line on stderr that begins so, and return the rest of it."""
        while time.monotonic() - self._began_s < _READY_WITHIN_S:
            text = self._complaints.read_text()
            for line in text[: text.rfind("\n") + 1].splitlines():
                if line.startswith(beginning):
                    return line.removeprefix(beginning).strip()
            if self._process.poll() is not None:
                break
            time.sleep(POLL_S)
        raise self._failure(f"did not say {beginning.strip()!r}")

    def end(self) -> None:
        """Ask it to end."""
        self._process.send_signal(signal.SIGTERM)

    def document(self, on_wait: Callable[[float], object], most_s: float) -> dict[str, Any]:
        """Wait for its end and return the document it printed; MeasurementError if it fails or hangs."""
        while self._process.poll() is None:
            passed_s = time.monotonic() - self._began_s
            if passed_s > most_s:
                raise MeasurementError(f"python -m {self.module} did not end within {most_s:.0f} s")
            on_wait(passed_s)
            time.sleep(POLL_S)
        if self._process.returncode != 0:
            raise self._failure(how_ended(self._process.returncode))
        found: dict[str, Any] = json.loads(self._output.read_text())
        return found

    def _failure(self, what: str) -> MeasurementError:
        code = self._process.poll()
        if code is not None and code < 0:  # what it said last was no complaint
            return MeasurementError(f"python -m {self.module} {how_ended(code)}")
        last = self._complaints.read_text().strip().splitlines()[-1:] or ["no message"]
        return MeasurementError(f"python -m {self.module} {what}: {last[0]}")
