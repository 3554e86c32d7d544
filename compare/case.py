"""A case: one run of an experiment, as the real thing is asked to make it."""

import os
import sys
from dataclasses import asdict, dataclass
from typing import Any

from sim import Workload

# Each kind of work, and which share of its processing the thread computes; the rest of it sleeps.
COMPUTES = {"sleep": 0.0, "cpu": 1.0, "mixed": 0.5, "precise": 1.0}


@dataclass(frozen=True, slots=True)
class Asking:
    """Questions over HTTP while messages are processed, from a process of their own (`python -m real.ask`)."""

    rate_per_s: float
    seed: int = 1
    keep_alive: bool = True


@dataclass(frozen=True, slots=True)
class Case:
    """One run: a workload, and how the real thing runs it.

    `work`, `allocate` and `state_keys` are flags of `python -m real`. `asking`: questions come over HTTP, not from the
    workload. `over_tcp`: the messages come from `python -m real.send`, with the workload's inbox on both sides.
    `threads`: not the processor but so many threads of a child process it (see `compare.machine.threads`).
    `pace_per_s` makes computing the same work as in the calibration: so many rounds for a second; there a message took
    `computes_s` of the processor's time.
    """

    label: str
    workload: Workload
    work: str = "sleep"
    allocate: str = "lazy"
    state_keys: int = 0
    asking: Asking | None = None
    over_tcp: bool = False
    threads: int | None = None
    pace_per_s: float | None = None
    computes_s: float | None = None

    @property
    def calibration(self) -> tuple[str, float]:
        """The kind of work and the service time (s) that have to be calibrated for it."""
        return self.work, self.workload.service_s or 0.0

    @property
    def tells_cpu_s(self) -> bool:
        """Whether the processor's time of each message is recorded and worth knowing."""
        return COMPUTES.get(self.work, 0.0) > 0.0 and self.threads is None and not self.over_tcp

    @property
    def sleeps(self) -> bool:
        """Whether the thread sleeps in its work, or has none: then a processor can fall asleep, and wake up late."""
        return COMPUTES.get(self.work, 0.0) < 1.0

    @property
    def servers(self) -> int:
        """How many messages can be in service at once: threads that compute share one GIL, where there is one."""
        if self.threads is None:
            return 1
        computes = COMPUTES[self.work]
        if not computes:
            return self.threads
        at_once = 1 if has_gil() else os.cpu_count() or 1
        # Of mixed work half is computed: while one computes its half, another can sleep its own.
        return min(self.threads, round(at_once / computes))

    def document(self) -> dict[str, Any]:
        """Return how it was run, as JSON has it; the workload's own description stands beside it."""
        asking = self.asking
        return {
            "work": self.work,
            "allocate": self.allocate,
            "state_keys": self.state_keys,
            "asking": asking and asdict(asking),
            "over_tcp": self.over_tcp,
            "threads": self.threads,
            "pace_per_s": self.pace_per_s,
            "computes_s": self.computes_s,
        }


def has_gil() -> bool:
    """Whether this interpreter lets one thread compute at a time (Python 3.13 can be built so that it does not)."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())
