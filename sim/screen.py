"""What `python -m sim` shows a person: predicted and simulated side by side, and what the numbers mean."""

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from sim.bands import RUNS
from sim.histogram import RELATIVE_ERROR
from sim.overloaded import overloaded
from sim.prediction import MONTE_CARLO, Prediction
from sim.run_length import messages_for
from sim.side_by_side import numbers
from sim.size import MOST
from sim.terminal import indented, table
from sim.theory import MD1
from sim.units import digits, lasting, percent, roundly, seconds
from sim.workload import Workload


def show(console: Console, prediction: Prediction, asked: Sequence[str]) -> None:
    """Print the screen: growth where there is no steady state, else the steady state.

    `asked` is what was typed of the workload, for the commands that the screen suggests.
    """
    if not prediction.simulated["messages"]:
        console.print(_nothing(prediction))
        return
    body = _steady(prediction) if prediction.theory.stable else overloaded(prediction, asked)
    console.print(Group(_title(prediction), *body))


def _nothing(prediction: Prediction) -> str:
    workload, queries = prediction.workload, prediction.simulated["queries"]
    says = f"No message arrives in {digits(workload.horizon_s)} s at this rate: nothing to simulate"
    if not queries or not queries["count"]:
        return f"{says}."
    mean, p99 = (seconds(queries["latency_s"][name]) for name in ("mean", "p99"))
    return f"{says} but {queries['count']:,} queries, answered after {mean} on average (p99 {p99})."


def _title(prediction: Prediction) -> Text:
    workload, servers = prediction.workload, prediction.servers
    rate, service_s = workload.offered_rate_per_s, workload.service_s or 0.0
    work = seconds(service_s) + ("" if workload.service == "deterministic" else " (on average)")
    whose = "one thread" if servers == 1 else f"{servers} processes fed from one queue"
    if rate is None:
        return Text(f"{len(workload):,} messages in one instant × {work} each, on {whose}.")
    arrive = f"{digits(rate, 4)} messages/s" + (
        "" if workload.arrivals == "poisson" else f" ({workload.arrivals_kind})"
    )
    return Text(f"{arrive} × {work} each = {digits(rate * service_s, 4)} s of work per second, for {whose}.")


def _steady(prediction: Prediction) -> list[RenderableType]:
    theory, workload = prediction.theory, prediction.workload
    parts: list[RenderableType] = [_headline(prediction), Text(""), indented(numbers(prediction)), Text("")]
    if theory.note:
        parts += [Text(theory.remark), Text("")]
    if prediction.band and theory.latency_s and theory.latency_s["mean"] and theory.model != "D/D/1":
        parts += [Text(_scatter(prediction)), Text("")]
    simple = workload.arrivals == "poisson" and workload.service == "deterministic" and workload.order == "fifo"
    if simple and prediction.servers == 1 and not workload.query_rate_per_s:
        parts += [Text("How near to the limit?", style="bold"), indented(_headroom(workload)), Text("")]
    parts.append(Text(_footnote(prediction), style="dim"))
    return parts


def _headline(prediction: Prediction) -> Text:
    theory = prediction.theory
    threads = "the thread is" if prediction.servers == 1 else "each process is"
    text = Text.assemble(("\nSTABLE", "bold green"), f": {threads} busy {_busy(prediction)}; ")
    text.append(f"the limit is {digits(theory.capacity_per_s, 4)} messages/s.")
    if theory.wait_s and theory.latency_s and theory.wait_s["mean"] is not None:
        text.append(
            f" A message waits {seconds(theory.wait_s['mean'])} on average and is done "
            f"{seconds(theory.latency_s['mean'])} after it arrived"
        )
        p99 = theory.latency_s["p99"]
        text.append(f"; one in a hundred takes over {seconds(p99)}." if p99 else ".")
    return text


def _busy(prediction: Prediction) -> str:
    workload, busy = prediction.workload, percent(prediction.theory.utilization)
    asked = workload.query_rate_per_s * workload.query_service_s
    return f"{busy} of the time with messages and {percent(asked)} with queries" if asked else f"{busy} of the time"


def _scatter(prediction: Prediction) -> str:
    """Say how far apart luck and theory are for a run of this length."""
    assert prediction.band is not None
    assert prediction.theory.latency_s is not None
    mean, n = prediction.theory.latency_s["mean"] or 0.0, prediction.simulated["messages"]
    low, high = (edge / mean - 1.0 for edge in prediction.band["latency_s"]["mean"])
    off = prediction.simulated["latency_s"]["mean"] / mean - 1.0
    run = f"This run's mean latency is {percent(off, signed=True)} off theory"
    others = f"runs of {n:,} messages scatter from {percent(low, signed=True)} to "
    others += f"{percent(high, signed=True)} (95 % of {RUNS} others)"
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


def _footnote(prediction: Prediction) -> str:
    """Say which numbers are of the steady state and which of a run, and how long a run would have to be."""
    theory, n = prediction.theory, prediction.simulated["messages"]
    says = "Theory: the steady state, as of a system that has run for ever. " if theory.latency_s else ""
    says += f"Simulated: {n:,} messages, starting empty ({prediction.engine}, seed {prediction.workload.seed})"
    says += f", percentiles rounded to {percent(RELATIVE_ERROR)}." if prediction.engine == MONTE_CARLO else "."
    if prediction.interval:
        says += " Interval: where the steady state's value lies, as far as this run can tell."
    if prediction.band:
        says += " Of runs: where the simulated number lies with other seeds."
    return says + _run_length(prediction)


def _run_length(prediction: Prediction) -> str:
    interval, workload, rate = prediction.interval, prediction.workload, prediction.workload.offered_rate_per_s
    n, forgets_s, says = prediction.simulated["messages"], prediction.theory.relaxation_s, ""
    if forgets_s and rate is not None:
        says += f" A start is forgotten after about {seconds(forgets_s)}; the run lasts {digits(n / rate / forgets_s)} "
        says += "times as long."
    elif prediction.theory.stable:
        says += " How long its start is felt is not known here."
    if interval is None or rate is None:
        return says
    enough = interval["trusted_messages"]
    if enough is None:
        says += " * How long a run would have to be for its intervals to be trusted is not known here."
    elif not interval["trusted"]:
        says += f" * Too short to trust its intervals: that takes {roundly(enough)} messages"
        says += f" ({lasting(enough / rate)} of arrivals)." if enough <= MOST else ", more than can be run here."
    needed = messages_for(workload, 0.01) if prediction.servers == 1 else None
    if needed is not None and needed > n:
        says += f" A mean latency to ±1 % takes {roundly(needed)} messages ({lasting(needed / rate)} of arrivals)."
    return says
