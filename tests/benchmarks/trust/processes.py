"""The real thing as child processes, looked at from outside: its addresses, its memory, and what it answers."""

import http.client
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compare.machine.children import Child
from compare.machine.noise import Stall

MOST_S, LONGEST_S = 180.0, 7200.0  # for what is waited for, and from a child's start to its end
LOOPBACK = "127.0.0.1:0"


@dataclass(frozen=True, slots=True)
class Server:
    """A processor that listens, and where."""

    child: Child
    tcp: str
    http: str

    def get(self, path: str) -> tuple[int, str]:
        """Ask it something; return status and text."""
        connection = http.client.HTTPConnection(self.http, timeout=30)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        finally:
            connection.close()

    def count(self, name: str) -> float:
        """Return one number of /metrics."""
        lines = self.get("/metrics")[1].splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    def state(self, worker_id: str) -> dict[str, Any]:
        """Return a worker's state."""
        state: dict[str, Any] = json.loads(self.get(f"/workers/{worker_id}")[1])["state"]
        return state

    def end(self) -> dict[str, Any]:
        """Ask it to end and return its document."""
        self.child.end()
        return document(self.child)


@contextmanager
def serving(directory: Path, *words: str) -> Iterator[Server]:
    """Run a processor that listens on free ports of this machine, and writes its trajectory to the directory."""
    listens = ["--listen", LOOPBACK, "--http", LOOPBACK, "--json", "--out", str(directory)]
    with Child("real", [*listens, *words], directory) as child:
        yield Server(child, child.said("listening on "), child.said("http on http://"))


def running(module: str, directory: Path, *words: str) -> Child:
    """Return a command of the lab that is to be run, with its files in the directory."""
    directory.mkdir(exist_ok=True)
    return Child(module, [*words, "--json", "--out", str(directory)], directory)


def document(child: Child, on_wait: Callable[[float], object] = lambda passed_s: None) -> dict[str, Any]:
    """Wait for its end and return what it printed."""
    return child.document(on_wait, LONGEST_S)


def freeze(pid: int, for_s: float) -> Stall:
    """Stop a process for so long; return when that was, on the monotonic clock."""
    begin_s = time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    time.sleep(for_s)
    end_s = time.monotonic()
    os.kill(pid, signal.SIGCONT)
    return Stall(begin_s, end_s - begin_s)


def resident_bytes(pid: int) -> int:
    """Return how much memory a process has in use (Linux: VmRSS)."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


class Sampler:
    """Memory of a process at instants on the monotonic clock, as often as it is called but not more than `every_s`."""

    def __init__(self, pid: int, every_s: float) -> None:
        self.samples: list[tuple[float, int]] = []
        self._pid, self._every_s = pid, every_s

    def __call__(self, passed_s: float = 0.0) -> None:
        """Take a sample if it is time, and there is still a process."""
        now_s = time.monotonic()
        if not self.samples or now_s - self.samples[-1][0] >= self._every_s:
            try:
                self.samples.append((now_s, resident_bytes(self._pid)))
            except (OSError, StopIteration):  # it has ended
                return


def until(there: Callable[[], bool], meanwhile: Sequence[Callable[[], object]] = (), most_s: float = MOST_S) -> None:
    """Wait until something is so."""
    last_s = time.monotonic() + most_s
    while not there():
        if time.monotonic() > last_s:
            raise TimeoutError(f"not so within {most_s:g} s")
        for each in meanwhile:
            each()
        time.sleep(0.05)
