"""What `python -m sim` shows a person: predicted and simulated side by side, and what the numbers mean."""

from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sim.nominal import PERCENTILES, Nominal
from sim.theory import MD1, MG1
from sim.trajectory import Trajectory
from sim.units import digits, percent, seconds, span
from sim.workload import Workload

_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Result:
    """Everything a screen is made of."""

    workload: Workload
    theory: Nominal
    trajectory: Trajectory
    simulated: dict[str, Any]
    band: dict[str, Any] | None


def show(console: Console, result: Result) -> None:
    """Print the screen: growth where there is no steady state, else the steady state."""
    if not len(result.workload):
        console.print(f"No message arrives in {digits(result.workload.horizon_s)} s at this rate: nothing to simulate.")
        return
    body = _steady(result) if result.theory.stable else _overloaded(result)
    console.print(Group(_title(result.workload), *body))


def table(*headings: str) -> Table:
    """Return an empty table in the house style: words to the left, numbers to the right."""
    grid = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for place, heading in enumerate(headings):
        grid.add_column(heading, justify="left" if place == 0 else "right")
    return grid


def indented(part: RenderableType) -> Padding:
    """Set something in by two."""
    return Padding(part, (0, 0, 0, 2))


def _title(workload: Workload) -> Text:
    rate, service_s = workload.rate_per_s, workload.service_s or 0.0
    if rate is None:
        return Text(f"{len(workload):,} messages in one instant × {seconds(service_s)} of work each, on one thread.")
    return Text(
        f"{digits(rate)} messages/s × {seconds(service_s)} each "
        f"= {digits(rate * service_s)} s of work per second, for one thread."
    )


# -- overloaded ---------------------------------------------------------------------------------------------------


def _overloaded(result: Result) -> list[RenderableType]:
    theory = result.theory
    if theory.utilization is None or not theory.queue_growth_per_s:
        return [Text(f"\nNO STEADY STATE: {theory.note}.\n"), indented(_plain_table(result))]
    capacity, growth, slope = theory.capacity_per_s, theory.queue_growth_per_s, theory.latency_growth_s_per_s
    return [
        Text.assemble(
            ("\nOVERLOADED", "bold red"),
            f": {digits(result.workload.rate_per_s)} messages/s arrive; the thread can finish {digits(capacity)}/s.",
        ),
        Text(
            f"There is no steady state (utilization {digits(theory.utilization)}). "
            f"The queue grows by {digits(growth)} messages every second, and a message that arrives at second t "
            f"waits {digits(slope)}·t: {digits(slope)} s more for every second that this goes on.\n"
        ),
        indented(_growth_table(result)),
        Text(""),
        indented(_picture(result)),
        Text("\nWhat would have to change (any one of these):", style="bold"),
        indented(_remedies(result)),
        Text(""),
        Text(_overload_footnote(result), style="dim"),
    ]


def _growth_table(result: Result) -> Table:
    theory, simulated, band = result.theory, result.simulated, result.band
    last_s = float(result.trajectory.arrival_s[-1])
    growth, slope = theory.queue_growth_per_s or 0.0, theory.latency_growth_s_per_s or 0.0
    grid = table("", "predicted", "simulated", "95 % of runs" if band else "")

    def row(name: str, predicted: str, measured: str, interval: str = "") -> None:
        grid.add_row(name, predicted, measured, interval)

    row(
        "queue grows, messages/s",
        f"+{digits(growth)}",
        f"+{digits(simulated['queue_growth_per_s'])}",
        _spread(band, "queue_growth_per_s"),
    )
    row(
        "waits grow, seconds per second",
        f"+{digits(slope)}",
        f"+{digits(simulated['latency_growth_s_per_s'])}",
        _spread(band, "latency_growth_s_per_s"),
    )
    for share in (0.1, 0.5, 1.0):
        at_s = share * last_s
        row(f"a message that arrives at {seconds(at_s)} waits", seconds(slope * at_s), _waits_around(result, at_s))
    waiting = simulated["queue_length"]["at_last_arrival"]
    row(f"messages waiting after {seconds(last_s)}", digits(growth * last_s), digits(waiting))
    catch_up = float(result.trajectory.finish_s.max()) - last_s
    row("time to catch up once arrivals stop", seconds(growth * last_s / theory.capacity_per_s), seconds(catch_up))
    return grid


def _spread(band: dict[str, Any] | None, name: str) -> str:
    if band is None:
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
    last_s, slots = float(result.trajectory.arrival_s[-1]), 56
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
    rate, service_s, capacity = workload.rate_per_s or 0.0, workload.service_s or 0.0, theory.capacity_per_s
    free = capacity * service_s
    least = int(rate / capacity) + 1
    threads = least if rate / least / capacity <= 0.9 else least + 1
    grid = Table.grid(padding=(0, 2, 0, 0))

    def way(what: str, limit: str, example: str, at_rate: float, at_service_s: float) -> None:
        grid.add_row("•", what, limit, f"{example}: p99 latency {_p99(workload, at_rate, at_service_s)}")

    way("fewer messages", f"below {digits(capacity)}/s", f"{digits(0.8 * capacity)}/s", 0.8 * capacity, service_s)
    shorter_s = 0.8 * free / rate
    way("less work each", f"below {seconds(free / rate)}", seconds(shorter_s), rate, shorter_s)
    way("more processes", f"at least {least}", f"{threads}, {digits(rate / threads)}/s each", rate / threads, service_s)
    return grid


def _p99(workload: Workload, rate: float, service_s: float) -> str:
    """Return the 99th percentile of latency where there is a formula for it, else the mean."""
    if workload.service == "deterministic" and workload.arrivals == "poisson" and workload.order == "fifo":
        return seconds(float(MD1(rate, service_s).latency.isf(0.01)))
    mean_s = MG1(rate, service_s, workload.service_moments[0]).wait_mean_s + service_s
    return f"? (mean about {seconds(mean_s)})"


def _overload_footnote(result: Result) -> str:
    flags = f"--rate {result.workload.rate_per_s:g} --service-ms {(result.workload.service_s or 0.0) * 1e3:g}"
    runs = "95 % of runs: same flags, next 200 seeds." if result.band else ""
    return (
        f"Simulated: {len(result.workload):,} messages (SimPy, seed {result.workload.seed}), starting empty. {runs}\n"
        f"See it:      python -m sim {flags} --plot overload.png\n"
        f"Measure it:  python -m real {flags}"
    )


# -- stable -------------------------------------------------------------------------------------------------------


def _steady(result: Result) -> list[RenderableType]:
    theory, workload = result.theory, result.workload
    parts: list[RenderableType] = [_headline(result), Text(""), indented(_plain_table(result)), Text("")]
    if theory.note:
        parts.append(Text(f"{theory.note[0].upper()}{theory.note[1:]}.\n"))
    if result.band and theory.latency_s and theory.latency_s["mean"]:
        parts.append(Text(_scatter(result) + "\n"))
    if workload.arrivals == "poisson" and workload.service == "deterministic" and workload.order == "fifo":
        parts += [Text("How near to the limit?", style="bold"), indented(_headroom(workload))]
    parts.append(
        Text(
            "\nTheory: the steady state, as of a system that has run for ever. "
            f"Simulated: one run that starts empty (SimPy, seed {workload.seed}).",
            style="dim",
        )
    )
    return parts


def _headline(result: Result) -> Text:
    theory = result.theory
    busy = percent(theory.utilization)
    text = Text.assemble(("\nSTABLE", "bold green"), f": the thread is busy {busy} of the time; ")
    text.append(f"the limit is {digits(theory.capacity_per_s)} messages/s.")
    if theory.wait_s and theory.latency_s and theory.wait_s["mean"] is not None:
        text.append(
            f" A message waits {seconds(theory.wait_s['mean'])} on average and is done "
            f"{seconds(theory.latency_s['mean'])} after it arrived"
        )
        p99 = theory.latency_s["p99"]
        text.append(f"; one in a hundred takes over {seconds(p99)}." if p99 else ".")
    return text


def _plain_table(result: Result) -> Table:
    theory, simulated, band = result.theory, result.simulated, result.band
    grid = table("", "theory", "simulated", "95 % of runs" if band else "")
    for label, key in (("wait", "wait_s"), ("latency", "latency_s")):
        expected = getattr(theory, key) or {}
        for place, name in enumerate(("mean", *PERCENTILES, "max")):
            spread = span(*band[key][name]) if band and name in band.get(key, {}) else ""
            heading = f"{label if place == 0 else '':<9}{name}"
            grid.add_row(heading, seconds(expected.get(name)), seconds(simulated[key][name]), spread)
    queue = (theory.queue_length or {}).get("mean")
    grid.add_row("waiting  mean", digits(queue), digits(simulated["queue_length"]["mean"]), "")
    grid.add_row("         max", "–", digits(simulated["queue_length"]["max"]), "")
    grid.add_row("utilization", percent(theory.utilization), percent(simulated["utilization"]), "")
    if simulated["queries"]:
        answered = simulated["queries"]
        for name in ("mean", "p99"):
            grid.add_row(f"query    {name}", "–", seconds(answered["latency_s"][name]), "")
    return grid


def _scatter(result: Result) -> str:
    """Say how far apart luck and theory are for a run of this length."""
    assert result.band is not None
    assert result.theory.latency_s is not None
    mean = result.theory.latency_s["mean"] or 0.0
    low, high = (edge / mean - 1.0 for edge in result.band["latency_s"]["mean"])
    off = result.simulated["latency_s"]["mean"] / mean - 1.0
    return (
        f"This run's mean latency is {percent(off, signed=True)} off theory; runs of {len(result.workload):,} messages "
        f"scatter from {percent(low, signed=True)} to {percent(high, signed=True)} (95 % of the next 200 seeds). "
        "So a near hit here is luck, and a miss no error."
    )


def _headroom(workload: Workload) -> Table:
    """Show what other rates would give at this service time."""
    assert workload.rate_per_s is not None
    assert workload.service_s is not None
    here = workload.rate_per_s * workload.service_s
    loads = sorted({here, *(rho for rho in (0.5, 0.8, 0.9, 0.95, 0.99) if abs(rho - here) > 0.02)})
    grid = table("messages/s", *(f"{digits(rho / workload.service_s)}{' *' if rho == here else ''}" for rho in loads))
    latencies = [MD1(rho / workload.service_s, workload.service_s).latency for rho in loads]
    grid.add_row("busy", *(percent(rho) for rho in loads))
    grid.add_row("mean latency", *(seconds(latency.mean()) for latency in latencies))
    grid.add_row("p99 latency", *(seconds(float(latency.isf(0.01))) for latency in latencies))
    return grid
