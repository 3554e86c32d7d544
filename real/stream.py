"""A trajectory written while it grows, for a run that may have no end, and whole under its name once it has one.

Nothing that goes wrong with the file stops the processor: the stream breaks, and says so.
"""

import csv
import math
from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from pathlib import Path
from typing import Any, BinaryIO

from real.ticket import NOT_YET, Ticket

COLUMNS = ("arrival_s", "taken_s", "start_s", "finish_s", "worker")
BUFFER = 65_536  # characters that are kept until they are written at once
_LATEST_NS = 1_000_000_000
_MARGIN_NS = 1_000  # more than seconds as floats can be off by, for 200 days


def unbuffered(path: Path) -> BinaryIO:
    """Open a file for writing, empty."""
    return path.open("wb", buffering=0)


class Stream:
    """Rows for `path`, in seconds; until `finish` they are in `path` + `.partial`, and a second late at most.

    `origin_ns` is asked for second 0 at the first row; without it that row's arrival is second 0. `sent`: with a column
    `sent_s`, where a message whose sender did not say has the instant at which it was taken: it was sent no later.
    `complaint` tells what broke the stream, if anything did; `unwritten` of all `rows` are then missing from the file.
    A worker's name that is no Unicode (half of a surrogate pair) is written with an escape.
    """

    def __init__(
        self,
        path: Path,
        origin_ns: Callable[[], int] | None = None,
        *,
        sent: bool = True,
        opened: Callable[[Path], BinaryIO] = unbuffered,
    ) -> None:
        self.path, self.partial = path, path.with_name(path.name + ".partial")
        self.rows = self.unwritten = 0
        self.complaint: str | None = None
        self._sent, self._header = sent, _line([*COLUMNS, "sent_s"] if sent else COLUMNS)
        self._file = opened(self.partial)
        self._lines, self._size, self._written = [self._header], len(self._header), 0
        self._origin_ns = self._last_ns = self._written_ns = NOT_YET
        self._asked_origin_ns, self._most_late_ns, self._shift_ns = origin_ns, 0, 0

    def append(self, ticket: Ticket[Any]) -> None:
        """Add a message that is finished; made to be a listener of its record."""
        self.rows += 1
        if self.complaint is not None:
            self.unwritten += 1
            return
        line = self._row(ticket)
        self._lines.append(line)
        self._size += len(line)
        if self._written_ns == NOT_YET:
            self._written_ns = ticket.finish_ns
        if self._size >= BUFFER or ticket.finish_ns - self._written_ns >= _LATEST_NS:
            self._written_ns = ticket.finish_ns
            self._write()

    def flush(self) -> None:
        """Write what is kept, unless the stream is broken."""
        if self.complaint is None:
            self._write()

    def finish(self, origin_ns: int | None = None) -> None:
        """Write the rest, and let the file appear whole and in order of arrival; a broken one stays `.partial`.

        `origin_ns`: second 0 as it turned out to be, where the first row could not know it.
        """
        self.flush()
        if origin_ns is not None and self.rows:
            self._shift_ns = origin_ns - self._origin_ns
        try:
            self._file.close()
            if self.complaint is None:
                self._show()
        except OSError as error:
            there = f"; what there is of it is in {self.partial.name}" if self.partial.exists() else ""
            self.complaint = f"{self.path}: {error.strerror or error}{there}"
            self.unwritten = 0 if there else self.rows

    def _show(self) -> None:
        if self._most_late_ns or self._shift_ns:
            self._rewrite()
        else:
            self.partial.replace(self.path)

    def _row(self, ticket: Ticket[Any]) -> str:
        arrival_ns = ticket.arrival_ns
        if self.rows == 1:  # asked once: a question may come before any message, and all rows have one second 0
            self._origin_ns = arrival_ns if self._asked_origin_ns is None else self._asked_origin_ns()
        if arrival_ns >= self._last_ns:
            self._last_ns = arrival_ns
        else:
            self._most_late_ns = max(self._most_late_ns, self._last_ns - arrival_ns)
        origin_ns, taken_ns = self._origin_ns, ticket.taken_ns
        instants_ns = (arrival_ns, taken_ns, ticket.start_ns, ticket.finish_ns)
        cells = [repr((at_ns - origin_ns) / 1e9) for at_ns in instants_ns]
        cells.append(_cell(ticket.worker_id))
        if self._sent:
            sent_ns = taken_ns if ticket.sent_ns == NOT_YET else ticket.sent_ns
            cells.append(repr((sent_ns - origin_ns) / 1e9))
        return ",".join(cells) + "\n"

    def _write(self) -> None:
        waiting = len(self._lines) - (not self._written)  # the header is none
        data = "".join(self._lines).encode(errors="backslashreplace")
        self._lines, self._size = [], 0
        try:
            _write_all(self._file, data)
            self._written += len(data)
        except OSError as error:
            self._break(f"{self.partial}: {error.strerror or error}", waiting)

    def _break(self, complaint: str, unwritten: int) -> None:
        self.complaint, self.unwritten = complaint, unwritten
        try:
            self._file.truncate(self._written)  # whole rows only
        except OSError:
            self.complaint += "; its last row may be cut off"

    def _rewrite(self) -> None:
        whole = self.path.with_name(self.path.name + ".sorted.partial")
        try:
            with (
                self.partial.open(newline="", encoding="utf-8") as file,
                whole.open("w", newline="", encoding="utf-8") as out,
            ):
                rows = csv.reader(file)
                out.write(_line(next(rows)))
                ordered = in_order(rows, self._most_late_ns) if self._most_late_ns else rows
                shift_ns = self._shift_ns
                out.writelines(_line(shifted(row, shift_ns) if shift_ns else row) for row in ordered)
            whole.replace(self.path)
        finally:
            whole.unlink(missing_ok=True)
        self.partial.unlink()


def in_order(rows: Iterable[list[str]], most_late_ns: int) -> Iterator[list[str]]:
    """Yield rows in order of arrival, none of which comes later than `most_late_ns` after its turn.

    No more of them are held at a time than arrived within that.

    >>> list(in_order([["0.0"], ["2.0"], ["1.0"]], 1_000_000_000))
    [['0.0'], ['1.0'], ['2.0']]
    """
    held: list[tuple[float, int, list[str]]] = []
    latest_s, patience_s = -math.inf, (most_late_ns + _MARGIN_NS) / 1e9
    for number, row in enumerate(rows):
        arrival_s = float(row[0])
        heappush(held, (arrival_s, number, row))
        latest_s = max(latest_s, arrival_s)
        while held[0][0] < latest_s - patience_s:
            yield heappop(held)[2]
    while held:
        yield heappop(held)[2]


def shifted(row: list[str], by_ns: int) -> list[str]:
    """Return a row whose second 0 is so much later.

    >>> shifted(["1.5", "2.0", "2.0", "3.0", "w0"], 1_500_000_000)
    ['0.0', '0.5', '0.5', '1.5', 'w0']
    """
    place_of_worker = COLUMNS.index("worker")
    return [
        cell if place == place_of_worker else repr((round(float(cell) * 1e9) - by_ns) / 1e9)
        for place, cell in enumerate(row)
    ]


def _write_all(file: BinaryIO, data: bytes) -> None:
    while data:
        data = data[file.write(data) :]


def _line(cells: Iterable[str]) -> str:
    return ",".join(map(_cell, cells)) + "\n"


def _cell(text: str) -> str:
    # Not csv's own writer: before Python 3.13 it leaves a lone carriage return, which ends a row, without quotes.
    if text.isalnum() or not any(sign in text for sign in '",\r\n'):
        return text
    return '"' + text.replace('"', '""') + '"'
