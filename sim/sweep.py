"""`--sweep-rate` and `--sweep-service-ms`: the same question asked at many points, as a table, a curve and JSON."""

import argparse
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from sim.checks import Bounds
from sim.command import UsageError, as_typed
from sim.files import attempted, csv_text, json_text, write_text
from sim.flags import LEAST_RATE, check_predictable, complaints, workload_from
from sim.prediction import COMPILED, MONTE_CARLO, Prediction, engine_for, predict
from sim.size import is_drawable, planned_messages
from sim.summary import SUMMARY
from sim.terminal import indented, progress, table
from sim.units import digits, percent, seconds, signed
from sim.values import number_list
from sim.workload import Workload

MOST_POINTS = 200
# Messages a point, unless asked for otherwise: as many as take no time, drawn where that is possible.
DRAWN, STORED = "1e6", "20000"
SWEPT = {
    "--sweep-rate": Bounds(
        LEAST_RATE, 1e6, "messages/s above 0, at most 1e6, as in --sweep-rate 10:400:10 or --sweep-rate 50,100"
    ),
    "--sweep-service-ms": Bounds(1e-3, 1e5, "milliseconds from 1e-3 to 1e5, as in --sweep-service-ms 1,5,10,50"),
}
LATENCIES = ("mean", "p99")
COLUMNS = (
    *("rate_per_s", "service_s", "utilization", "queue_growth_per_s", "simulated_queue_growth_per_s"),
    *(f"{source}latency_{name}_s" for name in SUMMARY[:-1] for source in ("", "simulated_")),
)


def main(args: argparse.Namespace, argv: Sequence[str], *, servers: int, plot: Path | None, out: Path | None) -> None:
    """Predict every point, and show or write what came of it."""
    workloads = _workloads(args, servers)
    with progress(f"{len(workloads)} points") as advance:
        points: list[Prediction] = []
        for number, workload in enumerate(workloads):
            points.append(predict(workload, servers, engine=_engine(workload, servers), band=False))
            advance((number + 1) / len(workloads))
    command = as_typed("sim", argv)
    document = json_text({"schema_version": 1, "command": command, "sweep": [point.document() for point in points]})
    failed = attempted(lambda: _write(out, plot, points, document))
    if args.json:
        print(document, end="")
    else:
        Console(highlight=False).print(Group(*_screen(points)))
    if failed is not None:
        raise failed
    if plot is not None and not args.json:
        print(f"\nDrawn: {plot}")


def _write(out: Path | None, plot: Path | None, points: Sequence[Prediction], document: str) -> None:
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / "sweep.json", document)
        write_text(out / "sweep.csv", csv_text(COLUMNS, map(_row, points)))
    if plot is not None:
        from sim.curves import draw  # noqa: PLC0415 - matplotlib only where something is drawn

        draw(plot, points)


def _workloads(args: argparse.Namespace, servers: int) -> list[Workload]:
    """Return a workload a point: every rate at the first service time, then at the next."""
    swept: dict[str, list[str | None]] = {"rate_per_s": [args.rate_per_s], "service_s": [args.service_s]}
    flags = {"rate_per_s": ("--rate", "--sweep-rate"), "service_s": ("--service-ms", "--sweep-service-ms")}
    for field, (single, sweep) in flags.items():
        text = getattr(args, sweep.removeprefix("--").replace("-", "_"))
        if text is None:
            continue
        if getattr(args, field) is not None:
            raise UsageError(f"{single} {getattr(args, field)} and {sweep} {text}: give one of them, not both")
        swept[field] = [repr(value) for value in number_list(sweep, text, MOST_POINTS, SWEPT[sweep])]
    if len(swept["rate_per_s"]) * len(swept["service_s"]) > MOST_POINTS:
        asked = f"--sweep-rate {args.sweep_rate} with --sweep-service-ms {args.sweep_service_ms}"
        raise UsageError(f"{asked}: together more than {MOST_POINTS} points; give fewer")
    recorded = (args.arrivals or "").startswith(("trace:", "gaps:"))
    if args.duration_s is None and args.messages is None and not recorded:
        args.messages = (
            STORED if servers > 1 or not is_drawable(workload_from(args, stored=False, quiet=True)) else DRAWN
        )
    points: list[Workload] = []
    for args.service_s in swept["service_s"]:
        for args.rate_per_s in swept["rate_per_s"]:
            points.append(workload_from(args, stored=False, quiet=bool(points)))
            check_predictable(points[-1], servers)
            with complaints(args):
                if _engine(points[-1], servers) != MONTE_CARLO:
                    len(points[-1])  # what only generating shows
    return points


def _engine(workload: Workload, servers: int) -> str:
    """Return the fastest engine for a workload: many points are waited for."""
    # Of few messages, a batch or even all of the run might have none.
    if servers == 1 and is_drawable(workload) and planned_messages(workload) > float(STORED):
        return MONTE_CARLO
    engine_for(workload, servers)  # refuses what is too large
    return COMPILED


def _screen(points: Sequence[Prediction]) -> list[RenderableType]:
    whose = "one thread" if points[0].servers == 1 else f"{points[0].servers} processes"
    rates = {point.workload.offered_rate_per_s for point in points}
    if len(rates) == 1:
        title = f"{digits(rates.pop())} messages/s on {whose}, by how long each takes:"
        parts: list[RenderableType] = [Text(title, style="bold"), indented(_table(points, by_rate=False)), Text("")]
    else:
        parts = []
        for service_s, group in groupby(points, key=lambda point: point.workload.service_s):
            together = list(group)
            limit = digits(together[0].theory.capacity_per_s)
            title = f"{seconds(service_s)} each on {whose}: the limit is {limit} messages/s."
            parts += [Text(title, style="bold"), indented(_table(together, by_rate=True)), Text("")]
    counts = sorted(point.simulated["messages"] for point in points)
    many = f"{counts[0]:,}" + (f" to {counts[-1]:,}" if counts[-1] > counts[0] else "")
    engines = " and ".join(sorted({point.engine for point in points}))
    says = (
        "Mean and p99 are latencies, and theory the steady state, as of a system that has run for ever. Beyond the "
        f"limit there is none: the queue grows, by so many messages a second. Simulated: {many} messages a point, "
        f"starting empty ({engines}, seed {points[0].workload.seed}), all of the same draws: they err together."
    )
    felt_s = [point.theory.relaxation_s for point in points if point.theory.relaxation_s]
    if felt_s:
        says += f" A start is forgotten after {seconds(min(felt_s))} to {seconds(max(felt_s))}, the later the nearer"
        says += " to the limit."
    if any(_mark(point) for point in points):
        says += " *: the run is too short to trust."
    return [*parts, Text(says, style="dim")]


def _mark(point: Prediction) -> str:
    """Return a star where the run is known to be too short for its place."""
    return "*" if point.interval and point.interval["trusted"] is False else ""


def _table(points: Sequence[Prediction], *, by_rate: bool) -> Table:
    grid = table(
        "messages/s" if by_rate else "service", "busy", "mean", "simulated", "p99", "simulated", "grows", "simulated"
    )
    for point in points:
        theory, simulated, expected = point.theory, point.simulated, point.theory.latency_s or {}
        at = digits(point.workload.offered_rate_per_s) if by_rate else seconds(point.workload.service_s)
        cells = []
        for name in LATENCIES:
            seen = (
                simulated["latency_s"][name] if theory.stable else None
            )  # beyond, it is a matter of how long one looks
            cells += [seconds(expected.get(name)), f"{seconds(seen)}{_mark(point)}"]
        growth = theory.queue_growth_per_s, simulated["queue_growth_per_s"]
        cells += ["", ""] if theory.stable else [signed(value) for value in growth]
        grid.add_row(at, percent(theory.utilization), *cells)
    return grid


def _row(point: Prediction) -> list[Any]:
    """Return a point's numbers in the order of COLUMNS."""
    theory, simulated, expected = point.theory, point.simulated, point.theory.latency_s or {}
    latencies = [value for name in SUMMARY[:-1] for value in (expected.get(name), simulated["latency_s"][name])]
    load = point.workload.offered_rate_per_s, point.workload.service_s, theory.utilization
    return [*load, theory.queue_growth_per_s, simulated["queue_growth_per_s"], *latencies]
