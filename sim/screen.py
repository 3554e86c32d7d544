"""What `python -m sim` shows a person: predicted and simulated side by side, and what the numbers mean."""

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from sim.overloaded import overloaded
from sim.result import Result, numbers
from sim.terminal import indented, table
from sim.theory import MD1
from sim.units import digits, percent, seconds
from sim.workload import Workload


def show(console: Console, result: Result) -> None:
    """Print the screen: growth where there is no steady state, else the steady state."""
    if not len(result.workload):
        console.print(f"No message arrives in {digits(result.workload.horizon_s)} s at this rate: nothing to simulate.")
        return
    body = _steady(result) if result.theory.stable else overloaded(result)
    console.print(Group(_title(result.workload), *body))


def _title(workload: Workload) -> Text:
    rate, service_s = workload.offered_rate_per_s, workload.service_s or 0.0
    work = seconds(service_s) + ("" if workload.service == "deterministic" else " (on average)")
    if rate is None:
        return Text(f"{len(workload):,} messages in one instant × {work} each, on one thread.")
    arrive = f"{digits(rate)} messages/s" + ("" if workload.arrivals == "poisson" else f" ({workload.arrivals_kind})")
    return Text(f"{arrive} × {work} each = {digits(rate * service_s)} s of work per second, for one thread.")


def _steady(result: Result) -> list[RenderableType]:
    theory, workload = result.theory, result.workload
    parts: list[RenderableType] = [_headline(result), Text(""), indented(numbers(result)), Text("")]
    if theory.note:
        parts += [Text(theory.remark), Text("")]
    if result.band and theory.latency_s and theory.latency_s["mean"]:
        parts += [Text(_scatter(result)), Text("")]
    simple = workload.arrivals == "poisson" and workload.service == "deterministic" and workload.order == "fifo"
    if simple and not workload.query_rate_per_s:
        parts += [Text("How near to the limit?", style="bold"), indented(_headroom(workload)), Text("")]
    parts.append(
        Text(
            "Theory: the steady state, as of a system that has run for ever. "
            f"Simulated: {len(workload):,} messages, starting empty (SimPy, seed {workload.seed}).{_memory(workload)}",
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


def _scatter(result: Result) -> str:
    """Say how far apart luck and theory are for a run of this length."""
    assert result.band is not None
    assert result.theory.latency_s is not None
    mean = result.theory.latency_s["mean"] or 0.0
    low, high = (edge / mean - 1.0 for edge in result.band["latency_s"]["mean"])
    off = result.simulated["latency_s"]["mean"] / mean - 1.0
    run = f"This run's mean latency is {percent(off, signed=True)} off theory"
    others = f"runs of {len(result.workload):,} messages scatter from {percent(low, signed=True)} to "
    others += f"{percent(high, signed=True)} (95 % of the next 200 seeds)"
    if high < 0:
        return f"{run}; {others}: they start empty, and are too short to reach the steady state."
    return f"{run}; {others}. So a near hit here is luck, and a miss no error."


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


def _memory(workload: Workload) -> str:
    """Say how long the start is felt, where theory knows."""
    if workload.arrivals != "poisson" or workload.service != "deterministic":
        return ""
    relaxation_s = MD1(workload.rate_per_s or 0.0, workload.service_s or 0.0).relaxation_s
    return f" A start is forgotten after about {seconds(relaxation_s)}."
