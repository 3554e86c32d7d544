"""Measure: run the real thing on a workload, in a process of its own, and read back what it recorded."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim import Trajectory, Workload
from sim.recording import NS

_POLL_S = 0.25
# Starting the interpreter, making the messages, writing the trajectory.
OVERHEAD_S = 0.6


class MeasurementError(RuntimeError):
    """The real thing did not run to its end; the message says what it said."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured: the trajectory, its metrics, and the machine it was measured on."""

    trajectory: Trajectory
    metrics: dict[str, Any]
    environment: dict[str, Any]
    command: str


def expected_s(workload: Workload) -> float:
    """Return about how long measuring a workload takes, s: until the last arrival, or until the work is done."""
    last_s = workload.arrivals_ns[-1] / NS if len(workload) else 0.0
    return max(last_s, sum(workload.service_ns) / NS * 1.03) + OVERHEAD_S


def measure(workload: Workload, on_wait: Callable[[float], object] = lambda passed_s: None) -> Measurement:
    """Run `python -m real` on a workload; MeasurementError if it fails or ran another workload.

    `on_wait` is called now and then with the seconds that have passed.
    """
    with tempfile.TemporaryDirectory(prefix="compare-") as directory:
        command = [sys.executable, "-m", "real", *flags(workload), "--json", "--out", directory]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
            try:
                document = _wait(child, on_wait)
            except BaseException:
                child.kill()  # Ctrl-C here must not leave it running
                raise
        trajectory = Trajectory.read_csv(Path(directory) / "trajectory.csv")
    if document["workload"]["digest"] != workload.digest:
        raise MeasurementError(f"python -m real {' '.join(flags(workload))} ran another workload than was predicted")
    shown = "python -m real " + " ".join(flags(workload))
    return Measurement(trajectory, document["measured"], document["environment"], shown)


def _wait(child: subprocess.Popen[str], on_wait: Callable[[float], object]) -> dict[str, Any]:
    began_s = time.monotonic()
    while True:
        try:
            output, complaint = child.communicate(timeout=_POLL_S)
        except subprocess.TimeoutExpired:
            on_wait(time.monotonic() - began_s)
            continue
        if child.returncode != 0:
            last = complaint.strip().splitlines()[-1:] or ["no message"]
            raise MeasurementError(f"python -m real ended with {child.returncode}: {last[0]}")
        document: dict[str, Any] = json.loads(output)
        return document


def flags(workload: Workload) -> list[str]:
    """Return the flags of `python -m real` that describe a workload."""
    recorded = workload.arrivals.startswith(("trace:", "gaps:"))
    length = ["--messages", str(workload.messages)] if workload.messages else ["--duration", repr(workload.duration_s)]
    rate = [] if workload.rate_per_s is None else ["--rate", repr(workload.rate_per_s)]
    return [
        *rate,
        *("--service-ms", repr((workload.service_s or 0.0) * 1e3)),
        *(length if workload.messages or workload.duration_s or not recorded else []),
        *("--arrivals", workload.arrivals),
        *("--service", workload.service),
        *("--workers", str(workload.workers)),
        *("--popularity", workload.popularity),
        *("--seed", str(workload.seed)),
    ]
