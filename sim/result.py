"""What a prediction consists of, and the table of its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from sim.nominal import PERCENTILES, Nominal
from sim.terminal import table
from sim.trajectory import Trajectory
from sim.units import digits, percent, seconds, span
from sim.workload import Workload


@dataclass(frozen=True, slots=True)
class Result:
    """Everything a screen is made of."""

    workload: Workload
    asked: Sequence[str]  # the flags of the workload, as typed
    theory: Nominal
    trajectory: Trajectory
    simulated: dict[str, Any]
    band: dict[str, Any] | None


def numbers(result: Result) -> Table:
    """Return theory and simulation side by side, with the band where there is one."""
    theory, simulated, band = result.theory, result.simulated, result.band
    grid = table("", "theory", "simulated", "95 % of runs" if band else "")
    for label, key in (("wait", "wait_s"), ("latency", "latency_s")):
        expected = getattr(theory, key) or {}
        for place, name in enumerate(("mean", *PERCENTILES, "max")):
            spread = span(*band[key][name]) if band and band.get(key, {}).get(name) else ""
            heading = f"{label if place == 0 else '':<9}{name}"
            grid.add_row(heading, seconds(expected.get(name)), seconds(simulated[key][name]), spread)
    queue = (theory.queue_length or {}).get("mean")
    grid.add_row("waiting  mean", digits(queue), digits(simulated["queue_length"]["mean"]), "")
    grid.add_row("         max", "–", f"{simulated['queue_length']['max']:,}", "")
    grid.add_row("utilization", percent(theory.utilization), percent(simulated["utilization"]), "")
    if simulated["queries"]:
        answered = simulated["queries"]
        for name in ("mean", "p99"):
            grid.add_row(f"query    {name}", "–", seconds(answered["latency_s"][name]), "")
    return grid
