"""Pace: how much longer the machine computed the same than in the calibration, told by its processor time.

It is no cause of its own in the attribution, which has it in the service; it tells whose a difference is. A server that
was given more to compute, or that waits for longer, has no such excuse.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.summary import Seconds

if TYPE_CHECKING:
    from compare.experiment import Run

TABLE, COLUMN = "cpu", "cpu_s"  # where the processor time of each message is


@dataclass(frozen=True, slots=True, eq=False)
class Pace:
    """`processing_s`: how long each message would have taken as it was computed, shape (n,); `slowed`: by which share.

    A machine that computes faster than in the calibration is slowed by less than 0.
    """

    processing_s: Seconds
    slowed: float


def pace(run: "Run") -> Pace | None:
    """Return at which pace a run was computed; None where nothing is.

    What is not computed (a sleep) is taken to be as long as it was measured to be.
    """
    if run.case.pace_per_s is None or TABLE not in run.measurement.tables:
        return None
    # What it was given to compute and to sleep, which an injection makes more of.
    given = run.measurement.document["workload"]["service_s"] / (run.workload.service_s or 1.0)
    computed_s = run.measurement.tables[TABLE][COLUMN] / given
    slept_s = max(float(run.measured.processing_s.mean()) / given - float(computed_s.mean()), 0.0)
    predicted_s = float(run.predicted.processing_s.mean()) - slept_s
    return Pace(computed_s + slept_s, float(computed_s.mean()) / predicted_s - 1)
