"""How tables look on a terminal, the same in every command."""

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table


def table(*headings: str) -> Table:
    """Return an empty table in the house style: words to the left, numbers to the right."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for place, heading in enumerate(headings):
        grid.add_column(heading, justify="left" if place == 0 else "right", no_wrap=True)
    return grid


def indented(part: RenderableType) -> Padding:
    """Set something in by two."""
    return Padding(part, (0, 0, 0, 2))
