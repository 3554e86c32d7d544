"""The screen of a load beyond the limit: there is no steady state, so it shows growth instead."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from sim.bands import RUNS
from sim.command import as_typed
from sim.nearest import clusters
from sim.nominal import Nominal, nominal
from sim.prediction import Prediction
from sim.side_by_side import numbers
from sim.terminal import indented, table
from sim.theory import Transient
from sim.trajectory import Trajectory
from sim.units import bars, digits, seconds, signed, span
from sim.workload import Workload


def overloaded(prediction: Prediction, asked: Sequence[str]) -> list[RenderableType]:
    """Return the screen of a load that one thread cannot sustain: how fast it falls behind, and what would help."""
    theory, workload = prediction.theory, prediction.workload
    if theory.utilization is None or not theory.queue_growth_per_s or not theory.capacity_per_s:
        return _at_the_limit(prediction)
    thread = "the thread" if prediction.servers == 1 else f"{prediction.servers} processes"
    parts: list[RenderableType] = [
        Text.assemble(
            ("\nOVERLOADED", "bold red"),
            f": {_exactly(workload.offered_rate_per_s, theory)} messages/s arrive; {thread} can finish "
            f"{_exactly(theory.capacity_per_s, theory)}/s.",
        ),
        Text(_consequence(prediction)),
        *([Text(clusters(theory.dispersion))] if clusters(theory.dispersion) else []),
        Text(""),
        indented(_growth_table(prediction)),
        Text(""),
    ]
    if prediction.trajectory is not None:
        parts += [indented(_picture(prediction.trajectory, workload.horizon_s)), Text("")]
    return [
        *parts,
        Text("What would have to change (any one of these):", style="bold"),
        indented(_remedies(prediction)),
        Text(""),
        Text(_footnote(prediction, asked), style="dim"),
    ]


def _exactly(value: float | None, theory: Nominal) -> str:
    """Return a rate with as many digits as tell it from the limit."""
    apart = abs((theory.utilization or 0.0) - 1.0)
    return digits(value, max(4, 2 - math.floor(math.log10(apart))) if apart else 4)


def _at_the_limit(prediction: Prediction) -> list[RenderableType]:
    """Return the screen where as much work arrives as can be done, or where no rate is known."""
    thread = "one thread" if prediction.servers == 1 else f"{prediction.servers} processes"
    limit = Text.assemble(("\nNO STEADY STATE", "bold red"), f": at least as much work arrives as {thread} can do.")
    parts: list[RenderableType] = [limit, Text(f"{prediction.theory.remark}\n"), indented(numbers(prediction))]
    exact = _transient(prediction)
    if exact is not None:
        last_s = prediction.horizon_s
        says = (
            f"Its growth rate is 0, and yet the queue grows without end, like the square root of time: from an empty "
            f"start {digits(float(exact.waiting(last_s)))} messages are expected to wait after {seconds(last_s)}, and "
            f"{digits(float(exact.waiting(100.0 * last_s)))} after a hundred times as long."
        )
        parts += [Text(""), Text(says)]
    start = (
        f"Simulated: {prediction.simulated['messages']:,} messages, starting empty ({prediction.engine}, seed "
        f"{prediction.workload.seed}): a start that is never forgotten."
    )
    start += " Of runs: where the simulated number lies with other seeds." if prediction.band else ""
    return [*parts, Text(""), Text(start, style="dim")]


def _transient(prediction: Prediction) -> Transient | None:
    """Return the exact theory of an empty start, where there is one."""
    workload = prediction.workload
    if prediction.theory.model != "M/D/1" or workload.query_rate_per_s:
        return None
    return Transient(workload.rate_per_s or 0.0, workload.service_s or 0.0)


def _consequence(prediction: Prediction) -> str:
    """Say what it means that there is no steady state."""
    theory, workload = prediction.theory, prediction.workload
    slope = digits(theory.latency_growth_s_per_s)
    says = (
        f"There is no steady state (utilization {_exactly(theory.utilization, theory)}{_asked(workload)}). "
        f"The queue grows by {digits(theory.queue_growth_per_s, 4)} messages every second, "
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


def _growth_table(prediction: Prediction) -> Table:
    theory, simulated, band = prediction.theory, prediction.simulated, prediction.band
    run, exact = prediction.trajectory, _transient(prediction)
    last_s = prediction.horizon_s
    growth, slope = theory.queue_growth_per_s or 0.0, theory.latency_growth_s_per_s
    grid = table("", "predicted", "simulated", "95 % of runs" if band or exact else "")
    for label, value, name in (
        ("queue grows, messages/s", growth, "queue_growth_per_s"),
        ("waits grow, seconds per second", slope, "latency_growth_s_per_s"),
    ):
        grid.add_row(label, signed(value), signed(simulated[name]), _spread(band, name))
    if slope is not None and prediction.workload.order == "fifo" and run is not None:
        for at_s in (0.1 * last_s, 0.5 * last_s, last_s):
            grid.add_row(f"wait of a message at {seconds(at_s)}", seconds(slope * at_s), _waits_around(run, at_s))
    waiting = simulated["queue_length"]["at_last_arrival"]
    expected, around = growth * last_s, ""
    if prediction.workload.duration_s is None:  # so many messages: when the last of them comes is a matter of luck too
        expected = growth * simulated["messages"] / (prediction.workload.offered_rate_per_s or 1.0)
    elif exact is not None:
        expected, edges = float(exact.waiting(last_s)), exact.waiting_band(last_s)
        around = f"{float(edges[0]):,.0f} … {float(edges[1]):,.0f}"
    grid.add_row(f"messages waiting after {seconds(last_s)}", f"{expected:,.0f}", f"{waiting:,}", around)
    if exact is not None and run is not None and expected >= 10.0:
        many = 10 ** int(math.log10(expected))
        first_s = seconds(exact.time_to_reach(many + 1)), seconds(_reached(run, many))
        grid.add_row(f"{many:,} waiting, first after", *first_s)
    if slope is not None:
        catch_up_s = expected / theory.capacity_per_s
        left_s = None if run is None else float(run.finish_s.max()) - last_s
        grid.add_row("time to catch up once arrivals stop", seconds(catch_up_s), seconds(left_s))
    return grid


def _reached(run: Trajectory, many: int) -> float | None:
    """Return when so many messages waited for the first time, s; None if they never did."""
    instants, waiting = run.queue_steps()
    place = int((waiting >= many).argmax())
    return float(instants[place]) if waiting[place] >= many else None


def _spread(band: dict[str, Any] | None, name: str) -> str:
    if band is None or band[name] is None:
        return ""
    low, high = band[name]
    return span(low, high, "")


def _waits_around(run: Trajectory, at_s: float) -> str:
    """Return the wait of the message that arrived last up to an instant."""
    index = int((run.arrival_s <= at_s).sum()) - 1
    return seconds(float(run.wait_s[max(index, 0)]))


def _picture(run: Trajectory, last_s: float) -> Text:
    """Draw the queue over time as a line of bars, one a slice of the arrivals."""
    instants, waiting = run.queue_steps()
    slots, top = 56, max(int(waiting.max()), 1)
    places = [int((instants <= (slot + 0.5) / slots * last_s).sum()) - 1 for slot in range(slots)]
    queue = bars([float(waiting[place]) if place >= 0 else 0.0 for place in places], top)
    return Text.assemble(
        "waiting  ", (queue, "red"), f" {digits(top)}\n         0 s", " " * (slots - 8), f"{seconds(last_s):>5}"
    )


def _remedies(prediction: Prediction) -> Table:
    """List three ways out, each with what it would give."""
    workload, theory = prediction.workload, prediction.theory
    rate, service_s, capacity = workload.offered_rate_per_s or 0.0, workload.service_s or 0.0, theory.capacity_per_s
    servers, free = prediction.servers, capacity * service_s  # the seconds of work that can be done each second
    least = int(servers * rate / capacity) + 1
    enough = max(least, math.ceil(servers * rate / (0.8 * capacity)))
    shorter_s = 0.8 * free / rate
    grid = table("", "must be", "say, at 80 % busy", "p99 latency then")
    for what, limit, example, outcome in (
        (
            "fewer messages",
            f"below {digits(capacity)}/s",
            f"{digits(0.8 * capacity)}/s",
            _outcome(workload, 0.8 * capacity, service_s, servers),
        ),
        (
            "less work each",
            f"below {seconds(free / rate)}",
            seconds(shorter_s),
            _outcome(workload, rate, shorter_s, servers),
        ),
        ("more processes", f"at least {least}", f"{enough}, one queue", _outcome(workload, rate, service_s, enough)),
    ):
        grid.add_row(what, limit, example, outcome)
    return grid


def _outcome(workload: Workload, rate: float, service_s: float, servers: int) -> str:
    """Return what theory promises for another rate, service time or number of servers: nothing where it knows none."""
    if workload.arrivals_kind == "trace":
        return "simulate it"
    try:
        other = replace(workload, rate_per_s=rate, service_s=service_s, messages=1, duration_s=None)
        theory = nominal(other, servers)
    except ValueError:  # beyond what a workload may ask for, or a formula knows
        return "–"
    latency_s = theory.latency_s or {}
    if latency_s.get("p99") is None and latency_s.get("mean") is not None:
        return f"mean {seconds(latency_s['mean'])}"
    return seconds(latency_s.get("p99"))


def _footnote(prediction: Prediction, asked: Sequence[str]) -> str:
    """Say which number is which, and what to type next."""
    workload, exact = prediction.workload, _transient(prediction)
    says = "Predicted: growth once the queue no longer empties"
    if exact is not None:
        says += f" (an empty start is felt for about {seconds(exact.relaxation_s)})"
        says += "; what waits at an instant, exactly" if workload.duration_s is not None else ""
    seeds = f" 95 % of runs: of {RUNS} others." if prediction.band else ""
    several = [] if prediction.servers == 1 else ["--servers", str(prediction.servers)]
    lines = [
        f"{says}. Simulated: {prediction.simulated['messages']:,} messages, starting empty ({prediction.engine}, seed "
        f"{workload.seed}).{seeds}"
    ]
    if prediction.trajectory is not None:
        lines.append(f"See it:      {as_typed('sim', [*asked, *several, '--plot', 'overload.png'])}")
    if not several and prediction.trajectory is not None:
        lines.append(f"Measure it:  {as_typed('real', asked)}")
    return "\n".join(lines)
