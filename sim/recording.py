"""Recordings: one column of instants or durations out of a text file, exact to the nanosecond.

Standard library only. Whatever the file's form, the values come back as whole nanoseconds; a line that cannot be
read is an error that names the file, the line, the value and what was expected.
"""

import csv
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

NS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE = re.compile(
    r"(\d{4}-?\d\d-?\d\d[T ]\d\d:?\d\d:?\d\d)(?:[.,](\d+))?\s*(Z|UTC|[+-]\d\d(?::?\d\d)?)?", re.IGNORECASE
)
# A count since 1970 in a unit smaller than seconds is known by its size: as seconds, 1e11 would be the year 5138.
_UNITS = ((Decimal("1e17"), 1), (Decimal("1e14"), 1_000), (Decimal("1e11"), 1_000_000), (Decimal("-Infinity"), NS))
# Decimal accepts 1e999999; no recording needs an instant beyond what 64 bits of nanoseconds hold.
_LIMIT_NS = 2**63 - 1
# A file may have no end of line, and no end: /dev/zero has neither.
LONGEST_LINE = 65_536  # characters

INSTANT_NAMES = ("timestamp", "time", "arrival", "arrival_s")
DURATION_NAMES = ("service_s", "processing_s", "hold_s", "duration_s", "gap_s")


class RecordingError(ValueError):
    """A file that cannot be read as a recording; the message names file, line, value and remedy."""


def instant_ns(text: str, unit_ns: int = NS) -> int:
    """Return an instant in nanoseconds: a number of `unit_ns`, or an ISO 8601 date.

    A date without a zone is taken as UTC: only differences between instants matter here.

    >>> instant_ns("0.25")
    250000000
    >>> instant_ns("2023-11-16 18:15:46.6805900") - instant_ns("2023-11-16T19:15:46+01:00")
    680590000
    """
    date = _DATE.fullmatch(text)
    if date is None:
        return _nanoseconds(text, unit_ns)
    whole, fraction, zone = date.groups()
    moment = datetime.fromisoformat(whole + (zone or "Z").upper().replace("UTC", "Z"))
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * NS + int((fraction or "0")[:9].ljust(9, "0"))


def duration_ns(text: str) -> int:
    """Return a duration given in seconds, in nanoseconds; a ValueError if it is negative or no number.

    >>> duration_ns("0.005")
    5000000
    """
    value = _nanoseconds(text, NS)
    if value < 0:
        raise ValueError(text)
    return value


def unit_of(text: str) -> int:
    """Return the nanoseconds of the unit that an instant is in, by its size: s, or since 1970 in ms, µs or ns.

    >>> unit_of("1700000000.5"), unit_of("1700000000500")
    (1000000000, 1000000)
    """
    if _DATE.fullmatch(text):
        return NS
    number = Decimal(text)
    return next(unit_ns for least, unit_ns in _UNITS if number >= least)


def _nanoseconds(text: str, unit_ns: int) -> int:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if not number.is_finite() or number.adjusted() > 30:
        raise ValueError(text)
    nanoseconds = round(number * unit_ns)
    if abs(nanoseconds) > _LIMIT_NS:
        raise ValueError(text)
    return nanoseconds


def locate(spec: str) -> tuple[Path, str | None]:
    """Split FILE[:COLUMN]; a colon that belongs to the name of an existing file stays with the file."""
    whole = Path(spec)
    try:
        there = whole.exists()
    except OSError:  # a name that is too long: reading it will say so
        there = False
    if there or ":" not in spec:
        return whole, None
    name, _, column = spec.rpartition(":")
    return Path(name), column


def read_instants(path: Path, column: str | None = None) -> tuple[list[int], int]:
    """Return (instants in ns, the unit they were in, ns), in file order; one unit a file, told by its first instant.

    The column is the one named or numbered, else one headed timestamp, time or arrival, else the first.
    """
    cells = list(_column(path, column, _is_instant, INSTANT_NAMES))
    unit_ns = next((unit_of(text) for _, text in cells if _is_instant(text)), NS)
    expected = "seconds or an ISO 8601 date, such as 12.5 or 2023-11-16T18:15:46Z"
    return _parsed(path, cells, lambda text: instant_ns(text, unit_ns), expected), unit_ns


def read_durations(path: Path, column: str | None = None) -> list[int]:
    """Return a column of durations, given in seconds ≥ 0, in ns."""
    cells = _column(path, column, _is_duration, DURATION_NAMES)
    return _parsed(path, cells, duration_ns, "seconds ≥ 0, such as 0.005")


def _parsed(path: Path, cells: Iterable[tuple[int, str]], parse: Callable[[str], int], expected: str) -> list[int]:
    values = []
    for line, text in cells:
        try:
            values.append(parse(text))
        except (ValueError, OverflowError):
            raise RecordingError(f"{path}:{line}: {_quote(text)} is not {expected}") from None
    return values


def _is_instant(text: str) -> bool:
    try:
        # In nanoseconds, so that a count since 1970 in any unit is one.
        instant_ns(text, 1)
    except ValueError:
        return False
    return True


def _is_duration(text: str) -> bool:
    try:
        duration_ns(text)
    except ValueError:
        return False
    return True


def _column(
    path: Path, column: str | None, is_value: Callable[[str], bool], usual_names: tuple[str, ...]
) -> Iterator[tuple[int, str]]:
    """Yield (line number, cell) of one column, less its header."""
    rows = list(_rows(path, is_value))
    headed = bool(rows) and _is_header(rows[0][1], is_value)
    if len(rows) == headed:
        raise RecordingError(f"{path}: {'a header and ' if headed else ''}no rows; expected one value a line")
    index = _column_index(path, rows[0][1], column, usual_names) if headed else _column_number(path, rows[0][1], column)
    for line, cells in rows[headed:]:
        if index >= len(cells):
            short = f"only {len(cells)} of the {index + 1} columns needed"
            raise RecordingError(f"{path}:{line}: {short}: {_quote(' '.join(cells))}")
        yield line, cells[index]


def _rows(path: Path, is_value: Callable[[str], bool]) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells) of each line that is neither blank nor a # comment."""
    try:
        numbered = [
            (number, line.strip())
            for number, line in enumerate(_lines(path), start=1)
            if line.strip() and not line.lstrip().startswith("#")
        ]
    except FileNotFoundError:
        raise RecordingError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise RecordingError(f"{path}: not UTF-8 text; expected CSV or one value a line") from None
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None
    split = _splitter([line for _, line in numbered[:2]], is_value) if numbered else str.split
    for number, line in numbered:
        try:
            yield number, [cell.strip() for cell in split(line)]
        except csv.Error as error:
            raise RecordingError(f"{path}:{number}: not a row of CSV ({error}): {_quote(line)}") from None


def _lines(path: Path) -> Iterator[str]:
    """Yield a file's lines; RecordingError for what is no file, and for a line that goes on for too long."""
    try:
        mode = path.stat().st_mode
    except ValueError:  # a name with a NUL in it
        raise RecordingError(f"{path}: cannot be read: not a file name") from None
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise RecordingError(f"{path}: cannot be read: a device, which may have no end")
    with path.open(encoding="utf-8-sig") as file:
        number = 1
        while text := file.readline(LONGEST_LINE + 1):
            if len(text) > LONGEST_LINE and not text.endswith("\n"):
                raise RecordingError(f"{path}:{number}: a line of more than {LONGEST_LINE} characters: {_quote(text)}")
            lines = text.splitlines()  # there are other ends of lines than a file has
            number += len(lines)
            yield from lines


def _splitter(sample: list[str], is_value: Callable[[str], bool]) -> Callable[[str], list[str]]:
    """Tell how lines fall into cells from the first two: not at all, by semicolons, tabs, commas, else by blanks."""
    if is_value(sample[-1]):  # a date may hold a blank and a comma of its own
        return lambda line: [line] if is_value(line) else line.split()
    for delimiter in ";\t,":  # where numbers have decimal commas, cells are separated by something else
        if any(delimiter in line for line in sample):
            return lambda line: next(csv.reader([line], delimiter=delimiter, strict=True))
    return lambda line: _by_blanks(line, is_value)


def _by_blanks(line: str, is_value: Callable[[str], bool]) -> list[str]:
    cells = line.split()
    if len(cells) > 1 and not is_value(cells[0]) and is_value(" ".join(cells[:2])):
        return [" ".join(cells[:2]), *cells[2:]]  # a date, and the time of day
    return cells


def _is_header(cells: list[str], is_value: Callable[[str], bool]) -> bool:
    words = [cell for cell in cells if re.match(r"[A-Za-z_]", cell) and cell.lower() not in ("nan", "inf", "infinity")]
    return bool(words) and not any(is_value(cell) for cell in cells)


def _column_index(path: Path, header: list[str], column: str | None, usual_names: tuple[str, ...]) -> int:
    names = [name.lower() for name in header]
    if column is None:
        return next((names.index(name) for name in usual_names if name in names), 0)
    if column.lower() in names:
        return names.index(column.lower())
    if len(column) < 10 and column.isdecimal() and 1 <= int(column) <= len(header):
        return int(column) - 1
    raise RecordingError(f"{path}: no column {column!r}; it has {', '.join(header)}")


def _column_number(path: Path, cells: list[str], column: str | None) -> int:
    if column is None:
        return 0
    if len(column) < 10 and column.isdecimal() and 1 <= int(column) <= len(cells):
        return int(column) - 1
    raise RecordingError(f"{path}: no column {column!r}; it has no header, so give a number from 1 to {len(cells)}")


def _quote(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
