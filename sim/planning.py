"""`python -m sim plan`: how many processes, or what service time, would meet a target for latency.

Answers are exact (M/D/1 and M/D/c: Poisson arrivals, constant service); each is then simulated, to be believed.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from sim.checks import InvalidWorkload
from sim.command import Parser, UsageError, as_typed
from sim.files import json_text
from sim.flags import add_workload_flags, complaints, workload_from
from sim.nominal import PERCENTILES
from sim.prediction import COMPILED, MONTE_CARLO, Prediction, predict
from sim.run_length import trusted_messages
from sim.terminal import indented, table
from sim.theory import processes_needed, rate_sustained, servers_needed, service_needed
from sim.units import digits, percent, seconds, span
from sim.workload import Workload

EXAMPLES = """examples:
  python -m sim plan --rate 2000 --service-ms 5 --p99-ms 20
  python -m sim plan --rate 150 --service-ms 5 --mean-ms 10 --json
"""
TARGETS = {"mean": None, **PERCENTILES}
MOST_DRAWN = 5_000_000
MESSAGES = 200_000  # of each simulation: a second in all
FLAGS = ("--rate", "--service-ms", "--seed")


@dataclass(frozen=True, slots=True)
class Way:
    """One way to meet the target: so many servers a queue, so many queues, with this service time and total rate."""

    what: str
    servers: int
    queues: int
    rate_per_s: float
    service_s: float
    prediction: Prediction  # of one of the queues

    def document(self, metric: str) -> dict[str, Any]:
        """Return it as JSON has it."""
        names = ("what", "servers", "queues", "rate_per_s", "service_s")
        theory, simulated, interval = self.prediction.theory, self.prediction.simulated, self.prediction.interval or {}
        return {name: getattr(self, name) for name in names} | {
            "utilization": theory.utilization,
            "latency_s": theory.latency_s,
            "simulated": {
                "messages": simulated["messages"],
                "latency_s": simulated["latency_s"],
                "interval": interval["latency_s"][metric],
                "trusted": interval["trusted"],
            },
        }


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    parser = Parser("python -m sim plan", "How many processes, or what service time, would do?", EXAMPLES)
    add_workload_flags(parser, FLAGS)
    target = parser.add_argument_group("the target (one of them)")
    for name in TARGETS:
        what = "mean latency" if name == "mean" else f"{name} of latency"
        target.add_argument(f"--{name}-ms", metavar="MS", help=f"{what} of at most MS")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    args = parser.parse(argv)
    metric, target_s = _target({name: getattr(args, f"{name}_ms") for name in TARGETS})
    workload = workload_from(args, stored=False)
    with complaints(args):
        try:
            ways = _ways(workload, metric, target_s)
        except InvalidWorkload:
            raise
        except ValueError as error:
            raise UsageError(f"--{metric}-ms {getattr(args, f'{metric}_ms')}: {error}") from None
    if args.json:
        document = {
            "schema_version": 1,
            "command": as_typed("sim", ["plan", *argv]),
            "target": {"metric": metric, "latency_s": target_s},
            "ways": [way.document(metric) for way in ways],
        }
        print(json_text(document), end="")
    else:
        Console(highlight=False).print(_screen(workload, metric, target_s, ways))


def _target(given: dict[str, str | None]) -> tuple[str, float]:
    """Return the one target that was given: which number of latency, and how many seconds."""
    asked = [(name, text) for name, text in given.items() if text is not None]
    if len(asked) != 1:
        what = "give one target" if not asked else "give one target, not several"
        raise UsageError(f"{what}, as in --p99-ms 20 (or --mean-ms, --p50-ms, --p95-ms)")
    name, text = asked[0]
    try:
        target_s = float(text) / 1e3
    except ValueError:
        target_s = -1.0
    if not 0.0 < target_s <= 1e6:
        raise UsageError(f"--{name}-ms {text}: must be milliseconds above 0, at most 1e9, as in --{name}-ms 20")
    return name, target_s


def _ways(workload: Workload, metric: str, target_s: float) -> list[Way]:
    """Return what would meet the target and can be simulated; ValueError where nothing does."""
    rate, service_s, tail = workload.rate_per_s or 0.0, workload.service_s or 0.0, TARGETS[metric]
    one_queue = servers_needed(rate, service_s, target_s, tail)
    shorter_s, fewer = service_needed(rate, target_s, tail), rate_sustained(service_s, target_s, tail)
    if one_queue == 1:
        ways = [("one process", 1, 1, rate, service_s)]
        it = "it could bear"
    else:
        ways = [(f"{one_queue:,} processes, one queue", one_queue, 1, rate, service_s)]
        with suppress(ValueError):  # more than anyone would start, although one queue makes do
            many_queues = processes_needed(rate, service_s, target_s, tail)
            ways.append((f"{many_queues:,} processes, a queue each", 1, many_queues, rate, service_s))
        it = "1 process, at only"
    ways += [
        (f"{it} {seconds(shorter_s)} each", 1, 1, rate, shorter_s),
        (f"{it} {digits(fewer)}/s", 1, 1, fewer, service_s),
    ]
    found: list[Way] = []
    for way in ways:
        try:
            found.append(Way(*way, prediction=_simulated(workload.seed, *way[1:])))
        except InvalidWorkload:  # a service too short or a rate too low for a workload
            if not found:
                raise
    return found


def _simulated(seed: int, servers: int, queues: int, rate_per_s: float, service_s: float) -> Prediction:
    """Simulate one of the queues, of which each gets its share of the messages at random."""
    workload = Workload(rate_per_s=rate_per_s / queues, service_s=service_s, messages=MESSAGES, seed=seed)
    enough = trusted_messages(workload) or MESSAGES
    if servers == 1 and enough > MESSAGES:  # drawing them takes no time
        workload = replace(workload, messages=min(enough, MOST_DRAWN))
    return predict(workload, servers, engine=MONTE_CARLO if servers == 1 else COMPILED, band=False)


def _screen(workload: Workload, metric: str, target_s: float, ways: Sequence[Way]) -> Group:
    rate, service_s = workload.rate_per_s or 0.0, workload.service_s or 0.0
    title = (
        f"{digits(rate)} messages/s × {seconds(service_s)} each = {digits(rate * service_s)} s of work per second.\n"
        f"Wanted: {metric} latency of at most {seconds(target_s)}. Any one of these would do:\n"
    )
    says = (
        "Exact for Poisson arrivals and constant service (M/D/1, M/D/c), in steady state; simulated: "
        f"95 % interval of {MESSAGES:,} messages or more, starting empty."
    )
    if not all(_is_trusted(way) for way in ways):
        says += " *: so near to the limit, a run of this length is too short to trust its interval."
    felt_s = max(way.prediction.theory.relaxation_s or 0.0 for way in ways)
    says += f" A start is forgotten after at most {seconds(felt_s)}."
    if ways[0].servers > 1:
        says += " One queue needs fewer processes: none of them is idle while a message waits."
    return Group(Text(title), indented(_table(metric, ways)), Text(""), Text(says, style="dim"))


def _table(metric: str, ways: Sequence[Way]) -> Table:
    others = ["mean", metric] if metric != "mean" else ["mean", "p99"]
    grid = table("", "busy", *others, f"simulated {metric}")
    for way in ways:
        prediction = way.prediction
        latency_s, interval = prediction.theory.latency_s or {}, (prediction.interval or {})["latency_s"]
        cells = [seconds(latency_s[name]) for name in others]
        simulated = span(*interval[metric]) + ("" if _is_trusted(way) else " *")
        grid.add_row(way.what, percent(prediction.theory.utilization), *cells, simulated)
    return grid


def _is_trusted(way: Way) -> bool:
    return bool((way.prediction.interval or {})["trusted"])
