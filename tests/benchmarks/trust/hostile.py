"""Hundreds of HTTP clients that hold connections and say nothing, or next to nothing, throughout a run."""

import errno
import selectors
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from sim import Trajectory
from tests.benchmarks.trust.processes import LOOPBACK, document, running
from tests.benchmarks.trust.promise import Line

SILENT = DRIPPING = 200
RATE_PER_S, SERVICE_MS, SECONDS, SEED = 160, 5, 12, 1
DRIP_S = 1.0
MOST_OFF = 0.05
_REQUEST = b"GET /workers/w0 HTTP/1.1\r\nHost: lab\r\nX-Drip: " + b"a" * 1000


class Crowd:
    """So many connections, each made again as soon as it is cut off; half of them send a byte a second.

    A thing to be called: it looks after all of them once, without waiting.
    """

    def __init__(self, address: tuple[str, int], silent: int, dripping: int) -> None:
        self.made = self.bytes = 0
        self._address, self._counts = address, (silent, dripping)
        self._selector = selectors.DefaultSelector()
        self._dripping: dict[socket.socket, tuple[int, float]] = {}  # bytes sent, and when the next is due

    def __enter__(self) -> Self:
        for drips, count in zip((False, True), self._counts, strict=True):
            for _ in range(count):
                self._open(drips)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()

    def __call__(self, passed_s: float = 0.0) -> None:
        """Make again what was cut off, and let those drip whose second is over."""
        for key, _ in self._selector.select(0):
            found: socket.socket = key.fileobj  # type: ignore[assignment]
            if self._has_ended(found):
                self._again(found)
        now_s = time.monotonic()
        for client, (sent, due_s) in list(self._dripping.items()):
            if due_s <= now_s:
                self._drip(client, sent, due_s)

    def _open(self, drips: bool) -> None:
        client = socket.socket()
        client.setblocking(False)
        if (code := client.connect_ex(self._address)) not in (0, errno.EINPROGRESS):
            client.close()
            raise OSError(code, "a hostile client is not let in")
        self._selector.register(client, selectors.EVENT_READ)
        self.made += 1
        if drips:  # not all in the same instant
            self._dripping[client] = (0, time.monotonic() + DRIP_S * (self.made % DRIPPING) / DRIPPING)

    def _has_ended(self, client: socket.socket) -> bool:
        try:
            return not client.recv(4096)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _again(self, client: socket.socket) -> None:
        drips = self._dripping.pop(client, None) is not None
        self._selector.unregister(client)
        client.close()
        try:
            self._open(drips)
        except OSError:  # the run is over
            return

    def _drip(self, client: socket.socket, sent: int, due_s: float) -> None:
        self._dripping[client] = (sent + 1, due_s + DRIP_S)
        try:
            self.bytes += client.send(_REQUEST[sent : sent + 1])
        except OSError:  # that it was cut off is heard next time
            return


@dataclass(frozen=True, slots=True)
class Held:
    """One run: mean latency, what the thread spent, how many messages are in it, and what the crowd did."""

    mean_s: float
    cpu_s: float
    dispatch_s: float
    messages: int
    planned: int
    crowd: str


def one_run(work: str, out: Path, crowds: tuple[int, int]) -> Held:
    """Run a workload, and hold so many connections meanwhile."""
    words = ("--rate", str(RATE_PER_S), "--service-ms", str(SERVICE_MS), "--duration", str(SECONDS))
    with running("real", out, *words, "--seed", str(SEED), "--work", work, "--http", LOOPBACK) as child:
        host, port = child.said("http on http://").rsplit(":", 1)
        with Crowd((host, int(port)), *crowds) as crowd:
            found = document(child, crowd)
    run = Trajectory.read_csv(out / "trajectory.csv")
    counts = found["run"]
    replies = ", ".join(f"{times} × {status}" for status, times in counts["http"]["requests"].items())
    crowd_told = f"{counts['http']['connections']} connections, {crowd.bytes} bytes, replies: {replies or 'none'}"
    return Held(
        float(run.latency_s.mean()),
        found["environment"]["cpu_s"],
        float(run.dispatch_s.sum()),
        counts["processed"],
        counts["planned"],
        crowd_told,
    )


def hostile(pairs: int) -> Iterator[Line]:
    """Run with and without them by turns, with two kinds of work."""
    for work in ("precise", "sleep"):
        found = []
        for number in range(pairs):
            # Who is first changes from pair to pair: whatever else changes with time then favours nobody.
            order = ((0, 0), (SILENT, DRIPPING))[:: 1 if number % 2 else -1]
            with tempfile.TemporaryDirectory() as directory:
                runs = {sum(crowds): one_run(work, Path(directory) / str(sum(crowds)), crowds) for crowds in order}
            found.append((runs[0], runs[SILENT + DRIPPING]))
        yield from told(work, found)


def told(work: str, pairs: list[tuple[Held, Held]]) -> Iterator[Line]:
    """Say what they did to the runs."""
    lost = sum(run.planned - run.messages for pair in pairs for run in pair)
    title = f"--work {work}, {SILENT} silent and {DRIPPING} dripping clients"
    yield Line(f"{title}: messages lost", "0", str(lost), lost == 0)
    ratios = [held.mean_s / alone.mean_s - 1 for alone, held in pairs]
    middle = statistics.median(ratios)
    yield Line(
        "… mean latency, median of pairs",
        f"{1e3 * statistics.median(alone.mean_s for alone, _ in pairs):.2f} ms ± {100 * MOST_OFF:g} %",
        f"{100 * middle:+.1f} % ({', '.join(f'{100 * ratio:+.1f}' for ratio in ratios)})",
        abs(middle) <= MOST_OFF,
    )
    lost_s = {"time between messages": [held.dispatch_s - alone.dispatch_s for alone, held in pairs]}
    if work == "sleep":  # the other kind spins as long as anyone says anything, which takes nobody's time
        lost_s["processor time"] = [held.cpu_s - alone.cpu_s for alone, held in pairs]
    for what, costs in lost_s.items():
        yield Line(f"… {what} lost to them", "told", f"{1e3 * statistics.median(costs) / SECONDS:.1f} ms/s")
    yield Line("… what they did, as the processor tells", "told", pairs[-1][1].crowd)
