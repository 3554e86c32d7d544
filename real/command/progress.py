"""The line on a terminal that says how a run is going, while it runs. It is printed by the one thread, too."""

from typing import TextIO

from real.loop import Loop
from real.metrics import Record
from real.source import NEVER_NS
from sim.units import digits, seconds

_EVERY_NS = 500_000_000
_WIDTH = 76  # and there is room for the ^C of a terminal


class Progress:
    """Rewrites one line every half second: rate, queue length and latency so far."""

    def __init__(self, loop: Loop, rows: Record, begin_ns: int, file: TextIO) -> None:
        self.next_ns = begin_ns
        self._loop, self._rows, self._file = loop, rows, file
        self._begin_ns = self._before_ns = begin_ns
        self._before = 0

    def look(self, now_ns: int) -> None:
        """Say how it goes."""
        latency = self._rows.latency
        since_s = (now_ns - self._before_ns) / 1e9
        rate = (latency.count - self._before) / since_s if since_s > 0 else 0.0
        self._before, self._before_ns = latency.count, now_ns
        self.next_ns = now_ns + _EVERY_NS  # unless it turns out that nobody can read it
        passed_s = (now_ns - self._begin_ns) / 1e9
        line = f"{passed_s:5.1f} s  {digits(rate)}/s processed, {len(self._loop.inbox):,} waiting"
        if latency.count:
            mean_s, p99_s = latency.sum_ns / latency.count / 1e9, latency.percentile(99)
            line += f"; latency so far {seconds(mean_s)}, p99 {seconds(p99_s)}"
        self._write(f"\r{line[:_WIDTH]:<{_WIDTH}}")

    def end(self) -> None:
        """Take the line away."""
        self._write(f"\r{'':<{_WIDTH}}\r")

    def _write(self, text: str) -> None:
        try:
            self._file.write(text)
            self._file.flush()
        except OSError:  # the terminal has gone, and the run goes on
            self.next_ns = NEVER_NS
