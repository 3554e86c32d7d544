"""What a run leaves: plain numbers, to be told and written once it is over."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from real.histogram import Histogram
from real.metrics import Rows
from real.recent import Columns
from real.running import Ended
from real.ticket import NOT_YET


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run, over and done with.

    `workload` is the document's; `service_s` is None where each message had its own. `counts` is what came in, and
    what became of it. `queries` is None where none could be asked. Where the columns hold only what came last,
    `all_metrics` are the metrics of all messages, and `all_queries` the latencies of all questions. `streamed`: the
    trajectory was written while it ran; `broken` says what went wrong with that, if anything did.
    """

    workload: dict[str, Any]
    service_s: float | None
    origin_ns: int
    messages: Columns
    queries: Columns | None
    ended: Ended
    counts: dict[str, Any]
    measuring_s: float
    allocation: dict[str, Any]
    all_metrics: dict[str, Any] | None = None
    all_queries: Histogram | None = None
    streamed: bool = False
    broken: str = ""


def columns_of(rows: Rows, worker_numbers: Sequence[int]) -> Columns:
    """Return what was recorded of a plan, as far as it is finished."""
    numbers = rows.finished()
    instants = (rows.arrival_ns, rows.taken_ns, rows.start_ns, rows.finish_ns, rows.cpu_ns)
    arrival, taken, start, finish, cpu = ([column[number] for number in numbers] for column in instants)
    workers = [f"w{worker_numbers[number]}" for number in numbers]
    return Columns(arrival, taken, start, finish, cpu, [NOT_YET] * len(numbers), workers)


def merged(some: Columns, others: Columns) -> Columns:
    """Return both, in order of arrival."""
    rows = sorted((*zip(*some, strict=True), *zip(*others, strict=True)), key=lambda row: row[0])
    return Columns._make(map(list, zip(*rows, strict=True))) if rows else some
