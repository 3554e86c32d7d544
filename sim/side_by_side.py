"""The table that every screen of one prediction has: theory, simulation, its interval, and the scatter of such runs."""

from typing import Any

from rich.table import Table

from sim.nominal import PERCENTILES
from sim.prediction import Prediction
from sim.terminal import table
from sim.units import digits, percent, seconds, span


def numbers(prediction: Prediction) -> Table:
    """Return theory and simulation side by side, with interval and band where there are such."""
    theory, simulated = prediction.theory, prediction.simulated
    interval, band = prediction.interval, prediction.band
    mark = "" if interval is None or interval["trusted"] else " *"
    grid = table("", "theory", "simulated", f"95 % interval{mark}" if interval else "", "95 % of runs" if band else "")
    for label, key in (("wait", "wait_s"), ("latency", "latency_s")):
        expected = getattr(theory, key) or {}
        for place, name in enumerate(("mean", *PERCENTILES, "max")):
            heading = f"{label if place == 0 else '':<9}{name}"
            spans = (_span(edges, key, name) for edges in (interval, band))
            grid.add_row(heading, seconds(expected.get(name)), seconds(simulated[key][name]), *spans)
    queue = (theory.queue_length or {}).get("mean")
    grid.add_row("waiting  mean", digits(queue), digits(simulated["queue_length"]["mean"]))
    grid.add_row("         max", "–", f"{simulated['queue_length']['max']:,}")
    grid.add_row("utilization", percent(theory.utilization), percent(simulated["utilization"]))
    if simulated["queries"]:
        answers = (theory.queries or {}).get("latency_s", {})
        for name in ("mean", "p99"):
            grid.add_row(
                f"query    {name}", seconds(answers.get(name)), seconds(simulated["queries"]["latency_s"][name])
            )
    return grid


def _span(edges: dict[str, Any] | None, key: str, name: str) -> str:
    pair = (edges or {}).get(key, {}).get(name)
    return span(*pair) if pair else ""
