"""What is said where no formula exists: which is the nearest, and how far from it the arrivals are."""

from collections.abc import Sequence

import numpy as np

from sim.recording import NS
from sim.theory import MD1, MG1, Dispersion, MDc, gap_scv, kingman_bound_s, kingman_wait_s
from sim.units import digits
from sim.workload import Workload


def nearest(
    workload: Workload, rate: float, service_s: float, servers: int, dispersion: Sequence[Dispersion] | None
) -> str:
    """Say why there is no formula, which is the nearest, and how far it can be trusted."""
    what = (
        f"no closed form here for {workload.arrivals_kind} arrivals with {workload.service.partition(':')[0]} service"
    )
    if servers > 1:
        return f"{what} on several servers; the nearest is {several(rate, service_s, servers)}. {clusters(dispersion)}"
    if workload.arrivals_kind == "trace":
        return f"{what}; {_of_a_recording(workload, rate, service_s, dispersion)}"
    name = {"deterministic": "M/D/1", "exponential": "M/M/1"}.get(workload.service, "M/G/1")
    near_by = MG1(rate, service_s, *workload.service_moments)
    if not near_by.stable:
        return f"{what}; the nearest, {name}, has no steady state at this rate"
    mean_s = near_by.wait_mean_s
    near = f"the nearest that has one is {name} at this rate: mean wait {milliseconds(mean_s)}"
    if workload.arrivals == "deterministic":
        bound_s = kingman_bound_s(rate, service_s, 0.0, workload.service_moments[0] - 1.0)
        return f"{what}; {near}; Kingman's bound is {milliseconds(bound_s)}"
    return f"{what}; {near}, which is not to be trusted with bursts"


def several(rate: float, service_s: float, servers: int) -> str:
    """Return the exact M/D/c, which is the nearest of several servers."""
    return f"M/D/{servers} at this rate: mean wait {milliseconds(MDc(rate, service_s, servers).wait.mean())}"


def _of_a_recording(workload: Workload, rate: float, service_s: float, dispersion: Sequence[Dispersion] | None) -> str:
    near = f"the nearest are M/D/1 (mean wait {milliseconds(MD1(rate, service_s).wait.mean())})"
    if dispersion is None:
        return f"{near}; too few messages to tell how far they can be trusted"
    gaps = gap_scv(np.asarray(workload.arrivals_ns) / NS)
    approximate_s = kingman_wait_s(rate, service_s, gaps, workload.service_moments[0] - 1.0)
    near += f" and Kingman's ({milliseconds(approximate_s)})"
    if not clusters(dispersion):
        return f"{near}: counts scatter like Poisson's, so the first should be close"
    return f"{near}, and neither is to be trusted here. {clusters(dispersion)}"


def clusters(dispersion: Sequence[Dispersion] | None) -> str:
    """Say how far from Poisson's the arrivals of a recording are; nothing where they are not, or it cannot be told."""
    worst = max(dispersion or (), key=lambda one: one.index, default=None)
    if worst is None or worst.is_poisson_like:
        return ""
    return (
        f"Messages come in clusters: over {worst.window_s:.3g} s their counts scatter {digits(worst.index)} times as "
        "much as Poisson's (index of dispersion). The simulation runs on the recording itself; no formula does."
    )


def milliseconds(value_s: float) -> str:
    """Return a time in ms, as notes have it."""
    return f"{value_s * 1e3:.3g} ms"
