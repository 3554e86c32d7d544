"""`python -m sim coverage`: how often do the 95 % intervals hold the exact value? Measured, not assumed.

M/D/1 is simulated many times over; each run's intervals are held against the exact theory.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from sim.checks import Bounds
from sim.command import Parser, UsageError, as_typed
from sim.estimate import NORMAL, Batches, Edges, mean_interval, quantile_interval, tail_interval
from sim.files import json_text
from sim.montecarlo import monte_carlo
from sim.run_length import TRUSTED
from sim.size import MOST
from sim.terminal import indented, progress, table
from sim.theory import MD1
from sim.units import digits, percent
from sim.values import number_list, whole_number
from sim.workload import Workload

EXAMPLES = """examples:
  python -m sim coverage                              10,000 runs a load: minutes
  python -m sim coverage --runs 500 --loads 0.5       a few seconds
  python -m sim coverage --relaxation-times 100       runs that are too short
"""
LOADS, RUNS = "0.5,0.8,0.9", "10000"
BELOW_1 = Bounds(0.0, 0.99, "utilizations above 0, at most 0.99, as in --loads 0.5,0.8,0.9", above=True)
QUANTILES = {"p50": 0.5, "p90": 0.1, "p95": 0.05, "p99": 0.01}
NAIVE = "mean, as if independent"


@dataclass(frozen=True, slots=True)
class Coverage:
    """How often intervals of one quantity held its exact value at one load, and how wide they were.

    `half_width` is relative to the exact value, on average, None where an interval had no upper end; `below` and
    `above` are shares of runs whose interval lay below or above it.
    """

    quantity: str
    exact: float
    covered: float
    below: float
    above: float
    half_width: float | None


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    parser = Parser("python -m sim coverage", "How often do the 95 % intervals hold what they promise?", EXAMPLES)
    parser.add_argument("--runs", default=RUNS, metavar="N", help=f"independent runs at each load [{RUNS}]")
    parser.add_argument("--loads", default=LOADS, metavar="RHO,…", help=f"utilizations below 1 [{LOADS}]")
    length = f"length of a run, in relaxation times [{TRUSTED}]"
    parser.add_argument("--relaxation-times", default=str(TRUSTED), metavar="N", help=length)
    parser.add_argument("--seed", default="1", metavar="N", help="of the first run; the others follow [1]")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    args = parser.parse(argv)
    runs = whole_number("--runs", args.runs, 2, 1_000_000)
    lasts = whole_number("--relaxation-times", args.relaxation_times, 10, 1_000_000)
    seed = whole_number("--seed", args.seed, 0, 2**62)
    loads = number_list("--loads", args.loads, 20, BELOW_1)
    for load in loads:
        if messages_of(load, lasts) > MOST:
            raise UsageError(
                f"--relaxation-times {args.relaxation_times}: more than 1e9 messages a run at utilization {load:g}; "
                "give fewer, as in --relaxation-times 5000"
            )
    found = {}
    for load in loads:
        with progress(f"utilization {load:g}") as advance:
            found[load] = measure(load, messages_of(load, lasts), range(seed, seed + runs), advance)
    if args.json:
        document = {"schema_version": 1, "command": as_typed("sim", ["coverage", *argv]), "runs": runs}
        rows = [_document(load, messages_of(load, lasts), rows) for load, rows in found.items()]
        print(json_text(document | {"loads": rows}), end="")
    else:
        Console(highlight=False).print(_screen(found, lasts, runs))


def messages_of(load: float, relaxation_times: int) -> int:
    """Return how many messages so many relaxation times are."""
    return max(round(relaxation_times * MD1(load, 1.0).relaxation_s * load), 1000)


def measure(
    load: float,
    messages: int,
    seeds: Sequence[int],
    on_progress: Callable[[float], object] = lambda share: None,
) -> list[Coverage]:
    """Simulate M/D/1 once a seed, and return how often the intervals of its waits held the exact values."""
    exact = MD1(load, 1.0).wait
    truths, estimators = _quantities(load)
    edges = np.empty((len(seeds), len(truths), 2))
    naive = np.empty((len(seeds), 2))
    reach = NORMAL * exact.std() / messages**0.5  # even with the true deviation of a wait
    for place, seed in enumerate(seeds):
        batches = monte_carlo(Workload(rate_per_s=load, service_s=1.0, messages=messages, seed=seed)).wait_batches
        edges[place] = [estimate(batches) for estimate in estimators]
        mean = float(batches.means.mean())
        naive[place] = mean - reach, mean + reach
        on_progress((place + 1) / len(seeds))
    rows = [_row(name, truth, edges[:, k]) for k, (name, truth) in enumerate(truths.items())]
    return [*rows, _row(NAIVE, exact.mean(), naive)]


def _quantities(load: float) -> tuple[dict[str, float], list[Callable[[Batches], Edges]]]:
    """Return what is estimated, with its exact value, and by what."""
    exact = MD1(load, 1.0).wait
    truths: dict[str, float] = {"mean": exact.mean()}
    estimators: list[Callable[[Batches], Edges]] = [mean_interval]
    for name, tail in QUANTILES.items():
        if tail < load:  # elsewhere the quantile is 0: whoever finds the thread idle does not wait
            truths[name] = float(exact.isf(tail))
            estimators.append(lambda batches, tail=tail: quantile_interval(batches, tail))  # type: ignore[misc]
    for tail in (0.1, 0.01):
        if tail >= load:
            continue
        at_s = float(exact.isf(tail))
        truths[f"P(wait > {at_s:.3g} services)"] = tail
        estimators.append(lambda batches, at_s=at_s: tail_interval(batches, at_s))  # type: ignore[misc]
    return truths, estimators


def _row(name: str, truth: float, edges: Any) -> Coverage:
    low, high = edges.T
    width = float((high - low).mean() / 2.0 / truth) if np.isfinite(high).all() else None
    below, above = float((high < truth).mean()), float((low > truth).mean())
    return Coverage(name, truth, 1.0 - below - above, below, above, width)


def _document(load: float, messages: int, rows: Sequence[Coverage]) -> dict[str, Any]:
    quantities = [{name: getattr(row, name) for name in row.__slots__} for row in rows]
    return {"utilization": load, "messages": messages, "quantities": quantities}


def _screen(found: dict[float, list[Coverage]], lasts: int, runs: int) -> Group:
    parts: list[Any] = [
        Text(f"{runs:,} runs of M/D/1 at each load, each of {lasts:,} relaxation times, starting empty."),
        Text("How many of their 95 % intervals held the exact value?\n"),
    ]
    for load, rows in found.items():
        title = f"utilization {percent(load)}: runs of {messages_of(load, lasts):,} messages"
        parts += [Text(title, style="bold"), indented(_table(rows)), Text("")]
    luck = NORMAL * (0.95 * 0.05 / runs) ** 0.5
    says = (
        f"With {runs:,} runs, luck moves a coverage by ± {percent(luck)}. Times are waits in units of the service "
        f"time. The last row shows what an interval is worth that takes successive waits for independent."
    )
    return Group(*parts, Text(says, style="dim"))


def _table(rows: Sequence[Coverage]) -> Table:
    grid = table("", "exact", "held", "too low", "too high", "half width")
    for row in rows:
        shares = (percent(value) for value in (row.covered, row.below, row.above))
        grid.add_row(
            row.quantity, digits(row.exact), *shares, "–" if row.half_width is None else f"± {percent(row.half_width)}"
        )
    return grid
