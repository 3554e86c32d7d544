"""Pace: how much longer the machine computed the same than in the calibration, told by its processor time.

It is no cause of its own in the attribution, which has it in the service; it tells whose a difference is. A server that
waits for longer has no such excuse, nor one that says that it was given more to compute. One that computed more and did
not say so would have it: run and calibration are of the same program.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compare.machine.tables import CPU
from sim.summary import Seconds

if TYPE_CHECKING:
    from compare.experiment import Run


@dataclass(frozen=True, slots=True, eq=False)
class Pace:
    """`processing_s`: how long each message would have taken as it was computed, shape (n,); `slowed`: by which share.

    A machine that computes faster than in the calibration is slowed by less than 0.
    """

    processing_s: Seconds
    slowed: float


def pace(run: "Run") -> Pace | None:
    """Return at which pace a run was computed; None where nothing is.

    What is not computed (a sleep) is taken to be as long as predicted.
    """
    computes_s = run.case.computes_s
    if computes_s is None or CPU not in run.measurement.tables:
        return None
    # What it was given to compute, which an injection makes more of.
    given = run.measurement.document["workload"]["service_s"] / (run.workload.service_s or 1.0)
    computed_s = run.measurement.tables[CPU]["cpu_s"] / given
    slept_s = max(float(run.predicted.processing_s.mean()) - computes_s, 0.0)
    return Pace(computed_s + slept_s, float(computed_s.mean()) / computes_s - 1)
