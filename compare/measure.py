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
from sim.command import CommandError, as_typed
from sim.flags import flags_of
from sim.recording import NS

_POLL_S = 0.25
# Starting the interpreter, making the messages, writing the trajectory.
OVERHEAD_S = 0.6


class MeasurementError(CommandError):
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
    # A sleep takes a tenth of a millisecond longer than asked for, on most machines.
    return max(last_s, sum(workload.service_ns) / NS + 1.5e-4 * len(workload)) + OVERHEAD_S


def measure(workload: Workload, on_wait: Callable[[float], object] = lambda passed_s: None) -> Measurement:
    """Run `python -m real` on a workload; MeasurementError if it fails, hangs or ran another workload.

    `on_wait` is called now and then with the seconds that have passed.
    """
    words = flags_of(workload)
    with tempfile.TemporaryDirectory(prefix="compare-") as directory:
        command = [sys.executable, "-m", "real", *words, "--json", "--out", directory]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
            try:
                document = _wait(child, on_wait, 3.0 * expected_s(workload) + 30.0)
            except BaseException:
                child.kill()  # whatever ends this must not leave it running
                raise
        trajectory = Trajectory.read_csv(Path(directory) / "trajectory.csv")
    if document["workload"] != workload.describe():
        raise MeasurementError(f"{as_typed('real', words)} ran another workload than was predicted")
    return Measurement(trajectory, document["measured"], document["environment"], as_typed("real", words))


def _wait(child: subprocess.Popen[str], on_wait: Callable[[float], object], most_s: float) -> dict[str, Any]:
    began_s = time.monotonic()
    while True:
        try:
            output, complaint = child.communicate(timeout=_POLL_S)
        except subprocess.TimeoutExpired:
            passed_s = time.monotonic() - began_s
            if passed_s > most_s:
                raise MeasurementError(f"python -m real did not end within {most_s:.0f} s") from None
            on_wait(passed_s)
            continue
        if child.returncode != 0:
            last = complaint.strip().splitlines()[-1:] or ["no message"]
            raise MeasurementError(f"python -m real ended with {child.returncode}: {last[0]}")
        document: dict[str, Any] = json.loads(output)
        return document
