"""Clocks: the machine's, and one for tests that moves only when told. Nothing else in the processor waits by itself."""

import time
from typing import Protocol

COARSE_NS, SPIN_NS = 1_500_000, 200_000
# Whoever waits longer looks round now and then: a signal does not end a sleep.
LONGEST_NS = 50_000_000


class Clock(Protocol):
    """Nanoseconds from some fixed instant, and the ways of letting them pass."""

    def now_ns(self) -> int:
        """Return the time."""

    def cpu_ns(self) -> int:
        """Return the processor time that this thread has used."""

    def poll(self) -> None:
        """Let in what has come, without waiting."""

    def wait_until(self, at_ns: int) -> None:
        """Let time pass, because there is nothing to do, until an instant, or shorter if there is a reason."""

    def sleep(self, for_ns: int) -> None:
        """Let time pass, because sleeping is the work."""

    def spin_until(self, at_ns: int) -> None:
        """Let time pass, because keeping the thread until an instant is the work."""


class WallClock:
    """The machine's monotonic clock, which all processes on it share."""

    now_ns = staticmethod(time.monotonic_ns)
    cpu_ns = staticmethod(time.thread_time_ns)

    def poll(self) -> None:
        """Do nothing: nobody comes in by a clock."""

    def wait_until(self, at_ns: int) -> None:
        """Sleep until shortly before, then spin: a plain sleep wakes up to 0.6 ms late.

        The longer a processor was idle the later it wakes, so a long sleep ends early, and a short one follows.
        """
        now_ns = time.monotonic_ns
        if (left_ns := at_ns - now_ns()) > LONGEST_NS:
            time.sleep((LONGEST_NS - COARSE_NS) / 1e9)
            return
        if left_ns > COARSE_NS:
            time.sleep((left_ns - COARSE_NS) / 1e9)
        while (left_ns := at_ns - now_ns()) > SPIN_NS:
            time.sleep((left_ns - SPIN_NS) / 1e9)
        self.spin_until(at_ns)

    def sleep(self, for_ns: int) -> None:
        """`time.sleep`: at least as long, on most machines 0.1 ms longer."""
        time.sleep(for_ns / 1e9)

    def spin_until(self, at_ns: int) -> None:
        """Look at the clock until it is time."""
        now_ns = time.monotonic_ns
        while now_ns() < at_ns:
            pass


class FakeClock:
    """Moves exactly as far as it is told, and costs nothing: a run takes microseconds and is exact."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        """Return the time."""
        return self._now_ns

    def cpu_ns(self) -> int:
        """Return 0: nothing is computed here."""
        return 0

    def poll(self) -> None:
        """Do nothing."""

    def wait_until(self, at_ns: int) -> None:
        """Jump there."""
        self._now_ns = max(self._now_ns, at_ns)

    spin_until = wait_until

    def sleep(self, for_ns: int) -> None:
        """Move on."""
        self._now_ns += for_ns
