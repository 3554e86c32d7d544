"""Recordings: one column of instants or durations out of a text file, exact to the nanosecond.

Standard library only. Whatever the file's form, the values come back as whole nanoseconds; a line that cannot be
read is an error that names the file, the line, the value and what was expected.
"""

import csv
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

NS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE = re.compile(r"(\d{4}-?\d\d-?\d\d[T ]\d\d:?\d\d:?\d\d)(?:[.,](\d+))?\s*(Z|[+-]\d\d(?::?\d\d)?)?", re.IGNORECASE)
# A count since 1970 in a unit smaller than seconds is known by its size: as seconds, 1e11 would be the year 5138.
_UNITS = ((Decimal("1e17"), 1), (Decimal("1e14"), 1_000), (Decimal("1e11"), 1_000_000))
# Decimal accepts 1e999999; no recording needs an instant beyond what 64 bits of nanoseconds hold.
_LIMIT_NS = 2**63 - 1

INSTANT_NAMES = ("timestamp", "time", "arrival", "arrival_s")
DURATION_NAMES = ("service_s", "processing_s", "hold_s", "duration_s", "gap_s")


class RecordingError(ValueError):
    """A file that cannot be read as a recording; the message names file, line, value and remedy."""


def instant_ns(text: str) -> int:
    """Return an instant in nanoseconds: seconds (also since 1970, also in ms, µs or ns), or an ISO 8601 date.

    A date without a zone is taken as UTC: only differences between instants matter here.

    >>> instant_ns("0.25")
    250000000
    >>> instant_ns("2023-11-16 18:15:46.6805900") - instant_ns("2023-11-16T19:15:46+01:00")
    680590000
    """
    date = _DATE.fullmatch(text)
    if date is None:
        return _number_ns(text, scale_epochs=True)
    whole, fraction, zone = date.groups()
    moment = datetime.fromisoformat(whole + (zone or "Z").upper())
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * NS + int((fraction or "0")[:9].ljust(9, "0"))


def duration_ns(text: str) -> int:
    """Return a duration given in seconds, in nanoseconds; a ValueError if it is negative or no number.

    >>> duration_ns("0.005")
    5000000
    """
    value = _number_ns(text, scale_epochs=False)
    if value < 0:
        raise ValueError(text)
    return value


def _number_ns(text: str, *, scale_epochs: bool) -> int:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if not number.is_finite() or number.adjusted() > 30:
        raise ValueError(text)
    unit_ns = next((unit for least, unit in _UNITS if scale_epochs and number >= least), NS)
    nanoseconds = round(number * unit_ns)
    if abs(nanoseconds) > _LIMIT_NS:
        raise ValueError(text)
    return nanoseconds


def locate(spec: str) -> tuple[Path, str | None]:
    """Split FILE[:COLUMN]; a colon that belongs to the name of an existing file stays with the file."""
    whole = Path(spec)
    if whole.exists() or ":" not in spec:
        return whole, None
    name, _, column = spec.rpartition(":")
    return Path(name), column


def read_instants(path: Path, column: str | None = None) -> list[int]:
    """Read a column of instants: the one named, else one headed timestamp, time or arrival, else the first."""
    return _read(
        path,
        column,
        instant_ns,
        INSTANT_NAMES,
        "seconds or an ISO 8601 date, such as 12.5 or 2023-11-16T18:15:46Z",
    )


def read_durations(path: Path, column: str | None = None) -> list[int]:
    """Read a column of durations in seconds, all ≥ 0."""
    return _read(path, column, duration_ns, DURATION_NAMES, "seconds ≥ 0, such as 0.005")


def _read(
    path: Path, column: str | None, parse: Callable[[str], int], usual_names: tuple[str, ...], expected: str
) -> list[int]:
    rows = _rows(path, parse)
    first = next(rows, None)
    if first is None:
        raise RecordingError(f"{path}: no rows; expected one {expected.partition(',')[0]} a line")
    line, cells = first
    values = []
    if _is_header(cells, parse):
        index = _column_index(path, cells, column, usual_names)
    else:
        index = _column_number(path, cells, column)
        values.append(_cell(path, line, cells, index, parse, expected))
    for line, cells in rows:
        values.append(_cell(path, line, cells, index, parse, expected))
    if not values:
        raise RecordingError(f"{path}: a header and no rows; expected one {expected.partition(',')[0]} a line")
    return values


def _rows(path: Path, parse: Callable[[str], int]) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells) of each line that is neither blank nor a # comment."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise RecordingError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise RecordingError(f"{path}: not UTF-8 text; expected CSV or one value a line") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a file name"
        raise RecordingError(f"{path}: cannot be read: {reason}") from None
    numbered = [
        (number, line.strip())
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    split = _splitter([line for _, line in numbered[:2]], parse)
    for number, line in numbered:
        try:
            yield number, [cell.strip() for cell in split(line)]
        except csv.Error as error:
            raise RecordingError(f"{path}:{number}: not a row of CSV ({error}): {_quote(line)}") from None


def _splitter(sample: list[str], parse: Callable[[str], int]) -> Callable[[str], list[str]]:
    """Tell how lines fall into cells from the first two: commas, semicolons, tabs, else blanks."""
    for delimiter in ",;\t":
        if any(delimiter in line for line in sample):
            return lambda line: next(csv.reader([line], delimiter=delimiter, strict=True))
    if any(_parses(line, parse) for line in sample):  # a date may hold a blank of its own
        return lambda line: [line] if _parses(line, parse) else line.split()
    return str.split


def _parses(text: str, parse: Callable[[str], int]) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _is_header(cells: list[str], parse: Callable[[str], int]) -> bool:
    words = [cell for cell in cells if re.match(r"[A-Za-z_]", cell) and cell.lower() not in ("nan", "inf", "infinity")]
    return bool(words) and not any(_parses(cell, parse) for cell in cells)


def _column_index(path: Path, header: list[str], column: str | None, usual_names: tuple[str, ...]) -> int:
    names = [name.lower() for name in header]
    if column is None:
        return next((names.index(name) for name in usual_names if name in names), 0)
    if column.lower() in names:
        return names.index(column.lower())
    if column.isdecimal() and 1 <= int(column) <= len(header):
        return int(column) - 1
    raise RecordingError(f"{path}: no column {column!r}; it has {', '.join(header)}")


def _column_number(path: Path, cells: list[str], column: str | None) -> int:
    if column is None:
        return 0
    if column.isdecimal() and 1 <= int(column) <= len(cells):
        return int(column) - 1
    raise RecordingError(f"{path}: no column {column!r}; it has no header, so give a number from 1 to {len(cells)}")


def _cell(path: Path, line: int, cells: list[str], index: int, parse: Callable[[str], int], expected: str) -> int:
    if index >= len(cells):
        raise RecordingError(
            f"{path}:{line}: only {len(cells)} of the {index + 1} columns needed: {_quote(' '.join(cells))}"
        )
    try:
        return parse(cells[index])
    except (ValueError, OverflowError):
        raise RecordingError(f"{path}:{line}: {_quote(cells[index])} is not {expected}") from None


def _quote(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
