"""The screen of a load beyond the limit: there is no steady state, so it shows growth instead."""

import math
from dataclasses import replace
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from sim.checks import InvalidWorkload
from sim.command import as_typed
from sim.nominal import nominal
from sim.result import Result, numbers
from sim.terminal import indented, table
from sim.units import digits, seconds, signed, span
from sim.workload import Workload

_BARS = "▁▂▃▄▅▆▇█"


def overloaded(result: Result) -> list[RenderableType]:
    """Return the screen of a load that one thread cannot sustain: how fast it falls behind, and what would help."""
    theory, workload = result.theory, result.workload
    if theory.utilization is None or not theory.queue_growth_per_s or not theory.capacity_per_s:
        limit = Text.assemble(
            ("\nNO STEADY STATE", "bold red"), ": at least as much work arrives as one thread can do."
        )
        return [limit, Text(f"{theory.remark}\n"), indented(numbers(result))]
    capacity = theory.capacity_per_s
    return [
        Text.assemble(
            ("\nOVERLOADED", "bold red"),
            f": {digits(workload.offered_rate_per_s)} messages/s arrive; the thread can finish {digits(capacity)}/s.",
        ),
        Text(_consequence(result)),
        Text(""),
        indented(_growth_table(result)),
        Text(""),
        indented(_picture(result)),
        Text("\nWhat would have to change (any one of these):", style="bold"),
        indented(_remedies(result)),
        Text(""),
        Text(_overload_footnote(result), style="dim"),
    ]


def _consequence(result: Result) -> str:
    """Say what it means that there is no steady state."""
    theory, workload = result.theory, result.workload
    slope = digits(theory.latency_growth_s_per_s)
    says = (
        f"There is no steady state (utilization {digits(theory.utilization)}{_asked(workload)}). "
        f"The queue grows by {digits(theory.queue_growth_per_s)} messages every second, "
    )
    if workload.order != "fifo":
        return f"{says}and how long a message waits depends on whose it is: the order is {workload.order}."
    if theory.latency_growth_s_per_s is None:
        return f"{says}and so do the waits."
    return (
        f"{says}and a message that arrives at second t waits {slope}·t: {slope} s more for every second that this "
        "goes on."
    )


def _asked(workload: Workload) -> str:
    """Say what queries take of the thread, where they go before messages."""
    share = workload.query_rate_per_s * workload.query_service_s
    return f", and another {digits(share)} for queries" if share and workload.query_policy != "idle" else ""


def _growth_table(result: Result) -> Table:
    theory, simulated, band = result.theory, result.simulated, result.band
    last_s = result.workload.horizon_s
    growth, slope = theory.queue_growth_per_s or 0.0, theory.latency_growth_s_per_s
    grid = table("", "predicted", "simulated", "95 % of runs" if band else "")

    def row(name: str, predicted: str, measured: str, interval: str = "") -> None:
        grid.add_row(name, predicted, measured, interval)

    row(
        "queue grows, messages/s",
        signed(growth),
        signed(simulated["queue_growth_per_s"]),
        _spread(band, "queue_growth_per_s"),
    )
    row(
        "waits grow, seconds per second",
        signed(slope),
        signed(simulated["latency_growth_s_per_s"]),
        _spread(band, "latency_growth_s_per_s"),
    )
    if slope is not None and result.workload.order == "fifo":
        for at_s in (0.1 * last_s, 0.5 * last_s, last_s):
            row(f"wait of a message at {seconds(at_s)}", seconds(slope * at_s), _waits_around(result, at_s))
    waiting = simulated["queue_length"]["at_last_arrival"]
    row(f"messages waiting after {seconds(last_s)}", f"{growth * last_s:,.0f}", f"{waiting:,}")
    catch_up = float(result.trajectory.finish_s.max()) - last_s
    if slope is None:
        return grid
    row("time to catch up once arrivals stop", seconds(growth * last_s / theory.capacity_per_s), seconds(catch_up))
    return grid


def _spread(band: dict[str, Any] | None, name: str) -> str:
    if band is None or band[name] is None:
        return ""
    low, high = band[name]
    return span(low, high, "")


def _waits_around(result: Result, at_s: float) -> str:
    """Return the wait of the message that arrived last up to an instant."""
    index = int((result.trajectory.arrival_s <= at_s).sum()) - 1
    return seconds(float(result.trajectory.wait_s[max(index, 0)]))


def _picture(result: Result) -> Text:
    """Draw the queue over time as a line of bars, one a slice of the arrivals."""
    instants, waiting = result.trajectory.queue_steps()
    last_s, slots = result.workload.horizon_s, 56
    top = max(int(waiting.max()), 1)
    bars = Text()
    for slot in range(slots):
        index = int((instants <= (slot + 0.5) / slots * last_s).sum()) - 1
        height = waiting[index] / top if index >= 0 else 0.0
        bars.append(_BARS[min(int(height * len(_BARS)), len(_BARS) - 1)], style="red")
    return Text.assemble("waiting  ", bars, f" {digits(top)}\n         0 s", " " * (slots - 8), f"{seconds(last_s):>5}")


def _remedies(result: Result) -> Table:
    """List three ways out, each with what it would give."""
    workload, theory = result.workload, result.theory
    rate, service_s, capacity = workload.offered_rate_per_s or 0.0, workload.service_s or 0.0, theory.capacity_per_s
    free = capacity * service_s
    least = int(rate / capacity) + 1
    threads = max(least, math.ceil(rate / (0.8 * capacity)))
    grid = Table.grid(padding=(0, 2, 0, 0))

    def way(what: str, limit: str, example: str, at_rate: float, at_service_s: float) -> None:
        grid.add_row("•", what, limit, f"{example}{_outcome(workload, at_rate, at_service_s)}")

    way("fewer messages", f"below {digits(capacity)}/s", f"{digits(0.8 * capacity)}/s", 0.8 * capacity, service_s)
    shorter_s = 0.8 * free / rate
    way("less work each", f"below {seconds(free / rate)}", seconds(shorter_s), rate, shorter_s)
    way("more processes", f"at least {least}", f"{threads}, {digits(rate / threads)}/s each", rate / threads, service_s)
    return grid


def _outcome(workload: Workload, rate: float, service_s: float) -> str:
    """Return what theory promises for another rate or service time: nothing where it knows nothing."""
    if workload.arrivals_kind == "trace":
        return ""
    try:
        theory = nominal(replace(workload, rate_per_s=rate, service_s=service_s, messages=1, duration_s=None))
    except InvalidWorkload:  # beyond what a workload may ask for
        return ""
    latency_s = theory.latency_s or {}
    name = next((name for name in ("p99", "mean") if latency_s.get(name) is not None), None)
    return "" if name is None else f": {name} latency {seconds(latency_s[name])}"


def _overload_footnote(result: Result) -> str:
    runs = "95 % of runs: same flags, next 200 seeds." if result.band else ""
    return (
        f"Simulated: {len(result.workload):,} messages (SimPy, seed {result.workload.seed}), starting empty. {runs}\n"
        f"See it:      {as_typed('sim', [*result.asked, '--plot', 'overload.png'])}\n"
        f"Measure it:  {as_typed('real', result.asked)}"
    )
