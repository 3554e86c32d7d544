"""Tables of instants that clients recorded: CSV on disk, columns of floats in memory."""

import csv
from pathlib import Path

import numpy as np

from sim.files import csv_text, write_text
from sim.summary import Seconds

Table = dict[str, Seconds]
CPU = "cpu"  # the table with the processor time of each message, `cpu_s`


def read_table(path: Path) -> Table:
    """Return the columns of a file that are numbers, by their names; an empty cell is NaN."""
    with path.open(newline="", encoding="utf-8") as file:
        names, *rows = csv.reader(file)
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    return {name: np.array([_number(cell) for cell in cells]) for name, cells in columns.items() if _numeric(cells)}


def write_table(path: Path, table: Table) -> None:
    """Write columns of the same length."""
    write_text(path, csv_text(tuple(table), zip(*(column.tolist() for column in table.values()), strict=True)))


def _number(cell: str) -> float:
    return float(cell) if cell else np.nan


def _numeric(cells: list[str]) -> bool:
    try:
        return bool([_number(cell) for cell in cells]) or not cells
    except ValueError:
        return False
