"""Clocks: the machine's, and one for tests that moves only when told. The only code in `real/` that waits."""

import time
from typing import Protocol

COARSE_NS, SPIN_NS = 1_500_000, 200_000


class Clock(Protocol):
    """Nanoseconds from some fixed instant, and two ways of letting them pass."""

    def now_ns(self) -> int:
        """Return the time."""

    def wait_until(self, at_ns: int) -> None:
        """Let time pass until an instant, because there is nothing to do."""

    def sleep(self, for_ns: int) -> None:
        """Let time pass, because sleeping is the work."""


class WallClock:
    """The machine's monotonic clock, which all processes on it share."""

    now_ns = staticmethod(time.monotonic_ns)

    def wait_until(self, at_ns: int) -> None:
        """Sleep until shortly before, then spin: a plain sleep wakes up to 0.6 ms late.

        The longer a processor was idle the later it wakes, so a long sleep ends early, and a short one follows.
        """
        now_ns = time.monotonic_ns
        if (left_ns := at_ns - now_ns()) > COARSE_NS:
            time.sleep((left_ns - COARSE_NS) / 1e9)
        while (left_ns := at_ns - now_ns()) > SPIN_NS:
            time.sleep((left_ns - SPIN_NS) / 1e9)
        while now_ns() < at_ns:
            pass

    def sleep(self, for_ns: int) -> None:
        """`time.sleep`: at least as long, on most machines 0.1 ms longer."""
        time.sleep(for_ns / 1e9)


class FakeClock:
    """Moves exactly as far as it is told, and costs nothing: a run takes microseconds and is exact."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        """Return the time."""
        return self._now_ns

    def wait_until(self, at_ns: int) -> None:
        """Jump there."""
        self._now_ns = max(self._now_ns, at_ns)

    def sleep(self, for_ns: int) -> None:
        """Move on."""
        self._now_ns += for_ns
