"""The machine that a run took place on, and what it did to the run; None where it does not tell."""

import gc
import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Counters of what takes the processor away from a thread; the difference of two is what happened in between."""

    involuntary_switches: int | None
    stolen_s: float | None
    collections: int
    cpu_s: float

    @classmethod
    def read(cls) -> "Disturbance":
        """Read the counters."""
        collections = sum(generation["collections"] for generation in gc.get_stats())
        switches = _first_number(Path("/proc/self/status"), "nonvoluntary_ctxt_switches:")
        return cls(switches, _stolen_s(), collections, time.process_time())

    def since(self, before: "Disturbance") -> dict[str, Any]:
        """Return what happened since `before`."""
        return {
            "involuntary_switches": _more(self.involuntary_switches, before.involuntary_switches),
            "stolen_s": _more(self.stolen_s, before.stolen_s),
            "garbage_collections": self.collections - before.collections,
            "cpu_s": self.cpu_s - before.cpu_s,
        }


def _more(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else now - before


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
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


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


def _first_number(path: Path, name: str) -> int | None:
    return next((int(line.split()[1]) for line in _lines(path) if line.startswith(name)), None)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
