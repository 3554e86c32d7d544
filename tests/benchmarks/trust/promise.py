"""A line of the table: what was promised, what was measured, and whether that keeps it."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console

from sim.terminal import table

WORDS = {True: "kept", False: "BROKEN", None: "–"}


@dataclass(frozen=True, slots=True)
class Line:
    """`kept` is None where nothing was promised, and the number is only told."""

    what: str
    promised: str
    measured: str
    kept: bool | None = None


def within(what: str, measured: float, predicted: float, most: float, unit: str = "ms") -> Line:
    """Return a line about a number that may be off by a share; times in seconds are shown in ms.

    >>> within("mean", 0.0104, 0.010, 0.05)
    Line(what='mean', promised='10 ms ± 5 %', measured='10.4 ms (+4.0 %)', kept=True)
    >>> within("mean", 0.0107, 0.010, 0.05).kept, within("mean", 0.0093, 0.010, 0.05).kept
    (False, False)
    """
    off, shown = measured / predicted - 1, 1e3 if unit == "ms" else 1.0
    promised = f"{shown * predicted:.4g} {unit} ± {100 * most:g} %"
    return Line(what, promised, f"{shown * measured:.4g} {unit} ({100 * off:+.1f} %)", abs(off) <= most)


def show(console: Console, title: str, lines: Iterable[Line]) -> bool:
    """Print lines as a table; return whether every promise was kept."""
    grid, kept = table(title, "promised", "measured", ""), True
    words, promised, measured, word = grid.columns
    words.min_width, word.min_width = 25, 6
    for column, width in ((promised, 20), (measured, 22)):
        column.no_wrap, column.max_width = False, width  # several numbers: cut at a blank none of them is
    for line in lines:
        grid.add_row(line.what, line.promised, line.measured, WORDS[line.kept])
        kept = kept and line.kept is not False
    console.print(grid)
    console.print("")
    return kept
