"""`python -m tests.benchmarks.trust`: what is promised of a run that somebody disturbs, and what is measured of it.

Everything runs as a user would run it, as processes that talk over this machine's loopback. It measures: nothing else
should run meanwhile. Ends with 1 if a promise is broken.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence

from rich.console import Console

from tests.benchmarks.trust.hostile import hostile
from tests.benchmarks.trust.overload import overload
from tests.benchmarks.trust.pauses import pauses
from tests.benchmarks.trust.promise import Line, show
from tests.benchmarks.trust.soak import soak


def main(argv: Sequence[str]) -> int:
    """Run what was asked for and print a table a part; return whether a promise is broken."""
    parser = argparse.ArgumentParser("python -m tests.benchmarks.trust", description=__doc__)
    parser.add_argument("part", choices=("hostile", "pauses", "overload", "soak", "all"), help="which part to run")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the soak is [10]")
    parser.add_argument("--pairs", type=int, default=3, help="pairs of runs with and without hostile clients [3]")
    args = parser.parse_args(argv)
    parts: dict[str, Callable[[], Iterable[Line]]] = {
        "hostile": lambda: hostile(args.pairs),
        "pauses": pauses,
        "overload": overload,
        "soak": lambda: soak(args.minutes),
    }
    console = Console(highlight=False)
    wanted = parts if args.part == "all" else {args.part: parts[args.part]}
    kept = [show(console, name, list(part())) for name, part in wanted.items()]
    return int(not all(kept))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
