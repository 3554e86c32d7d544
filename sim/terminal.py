"""How tables look on a terminal, the same in every command."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table


def table(*headings: str) -> Table:
    """Return an empty table in the house style: words to the left, numbers to the right.

    Where it is wider than the screen, the words are wrapped: a number must never be cut.
    """
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for place, heading in enumerate(headings):
        if place == 0:
            grid.add_column(heading, overflow="fold")
        else:
            grid.add_column(heading, justify="right", no_wrap=True)
    return grid


def indented(part: RenderableType) -> Padding:
    """Set something in by two."""
    return Padding(part, (0, 0, 0, 2))


@contextmanager
def progress(what: str) -> Iterator[Callable[[float], object]]:
    """Show on stderr which share is done, as it is told, and how long the rest will take; nothing if nobody watches."""
    console = Console(stderr=True)
    if not console.is_terminal:  # where even a bar that shows nothing may leave an empty line
        yield lambda share: None
        return
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
    )
    task = bar.add_task(what, total=1.0)
    with bar:
        yield lambda share: bar.update(task, completed=share)
