"""`python -m tests.benchmarks`: speeds side by side, in one run, as ratios with their spread.

Every contestant has a turn in every round, so that a machine that slows down slows all of them. Timings are never
asserted in the tests: this is where they are looked at.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
import simpy
from rich.console import Console

from sim.terminal import table
from tests.benchmarks import work

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Contestant:
    """Some work, and how many messages of it make a turn."""

    name: str
    make: Callable[[int], work.Work]
    messages: int


CONTESTANTS = (
    Contestant("numpy fills an array (the limit)", work.fill, 10_000_000),
    Contestant("Monte Carlo", work.drawn, 10_000_000),
    Contestant("recursion, given arrays", work.recursion, 1_000_000),
    Contestant("replay, given arrays", work.replayed, 1_000_000),
    Contestant("SimPy model", work.model, 20_000),
    Contestant("SimPy, bare store", work.bare_store, 20_000),
)
LIMIT, DRAWN, RECURSION, REPLAY, MODEL, STORE = (one.name for one in CONTESTANTS)
# (what, over, under, which way is better, what is aimed at)
RATIOS = (
    ("Monte Carlo / numpy's fill rate", DRAWN, LIMIT, "higher", "≥ 0.6"),
    ("Monte Carlo / bare SimPy store", DRAWN, STORE, "higher", "≥ 500"),
    ("time of the SimPy model / bare store", STORE, MODEL, "lower", "≤ 1.5"),
)
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import sim": ["-c", "import sim"],
    "python -m sim --rate 300 --service-ms 5": ["-m", "sim", "--rate", "300", "--service-ms", "5"],
}


def rounds(contestants: Sequence[Contestant], times: int, scale: float) -> dict[str, list[float]]:
    """Return messages/s of each contestant in each round; the first round, which compiles and warms up, is left out."""
    sized = [(one.name, max(int(one.messages * scale), 10)) for one in contestants]
    made = [one.make(size) for one, (_, size) in zip(contestants, sized, strict=True)]
    rates: dict[str, list[float]] = {name: [] for name, _ in sized}
    for number in range(times + 1):
        for (name, size), run in zip(sized, made, strict=True):
            begin = time.perf_counter()
            run()
            if number:
                rates[name].append(size / (time.perf_counter() - begin))
    return rates


def command_times(times: int) -> dict[str, list[float]]:
    """Return the seconds that each command took, without its first run."""
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(times + 1):
        for name, words in COMMANDS.items():
            begin = time.perf_counter()
            subprocess.run([sys.executable, *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            if number:
                taken[name].append(time.perf_counter() - begin)
    return taken


def spread(values: Sequence[float], unit: float = 1.0) -> tuple[str, str]:
    """Return the median, and the lowest and highest."""
    middle, low, high = statistics.median(values) / unit, min(values) / unit, max(values) / unit
    return f"{middle:.3g}", f"{low:.3g} … {high:.3g}"


def main(argv: Sequence[str]) -> None:
    """Run everything and print three tables."""
    parser = argparse.ArgumentParser("python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="turns that count [7]")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full sizes, for a quick look [1]")
    args = parser.parse_args(argv)
    console = Console(highlight=False)
    versions = f"Python {platform.python_version()}, numpy {np.__version__}, numba {numba.__version__}"
    console.print(f"{versions}, simpy {simpy.__version__}; {args.rounds} rounds on one core; M/D/1, utilization 0.75\n")
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(everywhere)})
    rates = rounds(CONTESTANTS, args.rounds, args.scale)
    os.sched_setaffinity(0, everywhere)
    grid = table("million messages/s (higher is better)", "median", "lowest … highest")
    for name, values in rates.items():
        grid.add_row(name, *spread(values, 1e6))
    console.print(grid)
    grid = table("ratio, round by round", "better", "aim", "median", "lowest … highest")
    for what, over, under, better, aim in RATIOS:
        pairs = zip(rates[over], rates[under], strict=True)
        grid.add_row(what, better, aim, *spread([one / other for one, other in pairs]))
    console.print("")
    console.print(grid)
    grid = table("seconds, a process of its own (lower is better)", "median", "lowest … highest")
    for name, values in command_times(args.rounds).items():
        grid.add_row(name, *spread(values))
    console.print("")
    console.print(grid)


if __name__ == "__main__":
    main(sys.argv[1:])
