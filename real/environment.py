"""The machine that a run took place on, and what it did to the run; None where it does not tell."""

import gc
import heapq
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

_SHOWN_PAUSES = 100


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Counters of what takes the processor away from a thread; the difference of two is what happened in between."""

    involuntary_switches: int | None
    stolen_s: float | None
    run_delay_s: float | None
    collections: int
    cpu_s: float

    @classmethod
    def read(cls) -> "Disturbance":
        """Read the counters."""
        collections = sum(generation["collections"] for generation in gc.get_stats())
        switches = _first_number(Path("/proc/self/status"), "nonvoluntary_ctxt_switches:")
        return cls(switches, _stolen_s(), _run_delay_s(), collections, time.process_time())

    def since(self, before: "Disturbance") -> dict[str, Any]:
        """Return what happened since `before`."""
        return {
            "involuntary_switches": _more(self.involuntary_switches, before.involuntary_switches),
            "stolen_s": _more(self.stolen_s, before.stolen_s),
            "run_delay_s": _more(self.run_delay_s, before.run_delay_s),
            "garbage_collections": self.collections - before.collections,
            "cpu_s": self.cpu_s - before.cpu_s,
        }


def _more(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else now - before


class Pauses:
    """Garbage collections while this is entered: when each began, and for how long everything stood still."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._began_ns = now_ns()
        self.count = self.total_ns = 0
        self._longest_ns: list[tuple[int, int]] = []  # (length, beginning), a heap: the shortest of them first

    def __enter__(self) -> "Pauses":
        gc.callbacks.append(self._heard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        gc.callbacks.remove(self._heard)

    def _heard(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began_ns = self._now_ns()
            return
        length_ns = self._now_ns() - self._began_ns
        self.count += 1
        self.total_ns += length_ns
        keep = heapq.heappush if len(self._longest_ns) < _SHOWN_PAUSES else heapq.heappushpop
        keep(self._longest_ns, (length_ns, self._began_ns))

    def told(self, origin_ns: int) -> dict[str, Any]:
        """Return how many there were, how long in all, and the longest, with their beginnings from an origin (s)."""
        longest = sorted(self._longest_ns, reverse=True)
        told = [{"at_s": (at_ns - origin_ns) / 1e9, "pause_s": length_ns / 1e9} for length_ns, at_ns in longest]
        return {
            "count": self.count,
            "total_s": self.total_ns / 1e9,
            "longest_s": longest[0][0] / 1e9 if longest else 0.0,
            "longest": told,
        }


def environment() -> dict[str, Any]:
    """Return what this machine and interpreter are."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_average": _load_average(),
    }


def _load_average() -> float | None:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def threads() -> int | None:
    """Return how many threads the operating system counts in this process."""
    return _first_number(Path("/proc/self/status"), "Threads:")


def _processor() -> str | None:
    for line in _lines(Path("/proc/cpuinfo")):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or None


def _stolen_s() -> float | None:
    """Return the time that the hypervisor gave to others (proc(5): the eighth number of the line `cpu`)."""
    fields = next((line.split() for line in _lines(Path("/proc/stat")) if line.startswith("cpu ")), [])
    return int(fields[8]) / os.sysconf("SC_CLK_TCK") if len(fields) > 8 else None


def _run_delay_s() -> float | None:
    """Return how long this thread stood ready and had no processor (Linux: the second number of schedstat)."""
    fields = next((line.split() for line in _lines(Path("/proc/self/schedstat"))), [])
    return int(fields[1]) / 1e9 if len(fields) > 1 else None


def _first_number(path: Path, name: str) -> int | None:
    return next((int(line.split()[1]) for line in _lines(path) if line.startswith(name)), None)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
