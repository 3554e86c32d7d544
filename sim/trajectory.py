"""The trajectory: what came of a workload, one row a message, and every metric that is ever quoted from it.

Whoever produced it (model, engine or the real thing), the same function computes the same number; nobody else
computes any.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.files import csv_text, write_text
from sim.summary import Seconds, ratio, slope, summary

COLUMNS = ("arrival_s", "taken_s", "start_s", "finish_s", "worker")


class TrajectoryError(ValueError):
    """A file that is not a trajectory; the message names file, line and remedy."""


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """Instants of every message in seconds from the start of the run, rows in order of arrival.

    `arrival_s`, `taken_s`, `start_s`, `finish_s`: shape (n,), float64. `worker`: shape (n,), strings. `queries` is a
    second trajectory of the same columns; `sent_s` exists where messages came over a network.
    """

    arrival_s: Seconds
    taken_s: Seconds
    start_s: Seconds
    finish_s: Seconds
    worker: npt.NDArray[np.str_]
    sent_s: Seconds | None = None
    queries: "Trajectory | None" = field(default=None)

    def __len__(self) -> int:
        return len(self.arrival_s)

    @property
    def wait_s(self) -> Seconds:
        """Start of service − arrival."""
        return self.start_s - self.arrival_s

    @property
    def processing_s(self) -> Seconds:
        """Finish − start."""
        return self.finish_s - self.start_s

    @property
    def latency_s(self) -> Seconds:
        """Finish − arrival."""
        return self.finish_s - self.arrival_s

    @property
    def dispatch_s(self) -> Seconds:
        """From the finish before to the start, of the messages that were waiting at that finish; in order of start.

        A query that the thread answered in between is what the thread was doing last, not dispatch.
        """
        starts, finishes, is_message = self.start_s, self.finish_s, np.ones(len(self), dtype=bool)
        arrivals = self.arrival_s
        if self.queries is not None:
            starts = np.concatenate([starts, self.queries.start_s])
            finishes = np.concatenate([finishes, self.queries.finish_s])
            arrivals = np.concatenate([arrivals, self.queries.arrival_s])
            is_message = np.concatenate([is_message, np.zeros(len(self.queries), dtype=bool)])
        order = np.lexsort((finishes, starts))
        gaps = starts[order][1:] - finishes[order][:-1]
        waiting = is_message[order][1:] & (arrivals[order][1:] < finishes[order][:-1])
        return gaps[waiting]

    def metrics(self, servers: int = 1) -> dict[str, Any]:
        """Return the `simulated` (or `measured`) object of the JSON documents; None for what is undefined.

        Where several servers shared one queue, utilization and busy fraction are per server.

        >>> timeline = Trajectory.of([0, 1, 2], start_s=[0, 2, 4], finish_s=[2, 4, 6])
        >>> timeline.metrics()["wait_s"]["mean"], timeline.metrics()["queue_length"]
        (1.0, {'mean': 0.5, 'max': 1, 'at_last_arrival': 1})
        """
        # Of several servers it cannot be told which of them finished before a start.
        dispatch_s = self.dispatch_s if servers == 1 else np.empty(0)
        busy_s = float(self.processing_s.sum() + dispatch_s.sum()) / servers
        hold_s = float(self.processing_s.mean() + (dispatch_s.mean() if len(dispatch_s) else 0.0)) if len(self) else 0.0
        last_arrival_s = float(self.arrival_s[-1]) if len(self) else 0.0
        last_finish_s = float(self.finish_s.max()) if len(self) else 0.0
        queue = self._queue_length(last_arrival_s)
        at_last = queue["at_last_arrival"]
        return {
            "messages": len(self),
            "throughput_per_s": ratio(len(self), last_finish_s),
            "utilization": ratio(len(self) * hold_s / servers, last_arrival_s),
            "busy_fraction": ratio(busy_s, last_finish_s),
            "wait_s": summary(self.wait_s),
            "processing_s": summary(self.processing_s),
            "latency_s": summary(self.latency_s),
            "queue_length": queue,
            "queue_growth_per_s": ratio(at_last, last_arrival_s),
            "latency_growth_s_per_s": slope(self.arrival_s, self.latency_s),
            "source_blocked": {
                "fraction": ratio(_covered_s(self.arrival_s, self.taken_s, last_arrival_s), last_arrival_s),
                "wait_s": summary(self.taken_s - self.arrival_s),
            },
            "queries": None
            if self.queries is None
            else {"count": len(self.queries), "latency_s": summary(self.queries.latency_s)},
        }

    def queue_steps(self) -> tuple[Seconds, npt.NDArray[np.int64]]:
        """Return (instants, messages waiting from each of them on), one row an instant at which the number changes.

        What happens in one instant is one change: a message that starts as it arrives was never waiting.
        """
        at = np.concatenate([self.arrival_s, self.start_s])
        change = np.concatenate([np.ones(len(self), np.int64), np.full(len(self), -1, np.int64)])
        instants, which = np.unique(at, return_inverse=True)
        net = np.zeros(len(instants), np.int64)
        np.add.at(net, which, change)
        return instants, np.cumsum(net)

    def _queue_length(self, last_arrival_s: float) -> dict[str, Any]:
        if not len(self):
            return {"mean": None, "max": None, "at_last_arrival": None}
        waited_s = np.minimum(self.start_s, last_arrival_s) - self.arrival_s
        return {
            "mean": ratio(float(np.maximum(waited_s, 0.0).sum()), last_arrival_s),
            "max": int(self.queue_steps()[1].max()),
            "at_last_arrival": int((self.start_s > last_arrival_s).sum()),
        }

    # -- files ---------------------------------------------------------------------------------------------------

    @classmethod
    def of(
        cls,
        arrival_s: Sequence[float],
        *,
        start_s: Sequence[float],
        finish_s: Sequence[float],
        taken_s: Sequence[float] | None = None,
        worker: Sequence[str] | None = None,
        sent_s: Sequence[float] | None = None,
        queries: "Trajectory | None" = None,
    ) -> "Trajectory":
        """Return a trajectory from any sequences; `taken_s` defaults to the arrivals, `worker` to w0."""
        return cls(
            np.asarray(arrival_s, dtype=np.float64),
            np.asarray(arrival_s if taken_s is None else taken_s, dtype=np.float64),
            np.asarray(start_s, dtype=np.float64),
            np.asarray(finish_s, dtype=np.float64),
            np.asarray(["w0"] * len(arrival_s) if worker is None else worker, dtype=np.str_),
            None if sent_s is None else np.asarray(sent_s, dtype=np.float64),
            queries,
        )

    def write_csv(self, path: Path | str) -> None:
        """Write the columns to `path`, and the queries, if any, beside it: `run.queries.csv` for `run.csv`."""
        names = [*COLUMNS, *(["sent_s"] if self.sent_s is not None else [])]
        columns = [getattr(self, name).tolist() for name in names]
        write_text(Path(path), csv_text(names, zip(*columns, strict=True)))
        beside = _queries_beside(Path(path))
        if self.queries is not None:
            self.queries.write_csv(beside)
        else:
            beside.unlink(missing_ok=True)

    @classmethod
    def read_csv(cls, path: Path | str) -> "Trajectory":
        """Read what `write_csv` wrote, queries and all; TrajectoryError names the line of what is not a trajectory."""
        with Path(path).open(newline="", encoding="utf-8") as file:
            rows = list(_rows(Path(path), csv.reader(file)))
        names, body = rows[0], rows[1:]
        columns = list(zip(*body, strict=True)) if body else [()] * len(names)
        values = dict(zip(names, columns, strict=True))
        numbers = {name: np.array(values[name], dtype=np.float64) for name in names if name != "worker"}
        arrival, taken, start, finish = (numbers[name] for name in COLUMNS[:4])
        beside = _queries_beside(Path(path))
        queries = cls.read_csv(beside) if beside.exists() else None
        worker = np.array(values["worker"], dtype=np.str_)
        return cls(arrival, taken, start, finish, worker, numbers.get("sent_s"), queries)


def _queries_beside(path: Path) -> Path:
    return path.with_suffix(".queries.csv")


def _rows(path: Path, reader: Iterator[list[str]]) -> Iterator[list[str]]:
    names = next(reader, [])
    if names[: len(COLUMNS)] != list(COLUMNS) or names[len(COLUMNS) :] not in ([], ["sent_s"]):
        raise TrajectoryError(f"{path}:1: expected the header {','.join(COLUMNS)}[,sent_s]")
    yield names
    before_s = float("-inf")
    for line, row in enumerate(reader, start=2):
        if len(row) != len(names):
            raise TrajectoryError(f"{path}:{line}: {len(row)} cells, expected {len(names)}")
        for name, cell in zip(names, row, strict=True):
            if name != "worker" and not _is_finite(cell):
                raise TrajectoryError(f"{path}:{line}: {name} {cell!r} is not a number of seconds")
        instants = [float(cell) for cell in row[:4]]
        if instants != sorted(instants) or instants[0] < before_s:
            raise TrajectoryError(f"{path}:{line}: arrival ≤ taken ≤ start ≤ finish does not hold, or rows by arrival")
        before_s = instants[0]
        yield row


def _is_finite(cell: str) -> bool:
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False


def _covered_s(begin_s: Seconds, end_s: Seconds, until_s: float) -> float:
    """Length of the union of [begin, end) within [0, until]; `begin_s` in ascending order."""
    if not len(begin_s):
        return 0.0
    reached_s = np.maximum.accumulate(end_s)
    before_s = np.concatenate([begin_s[:1], reached_s[:-1]])
    parts_s = np.minimum(reached_s, until_s) - np.minimum(np.maximum(begin_s, before_s), until_s)
    return float(np.maximum(parts_s, 0.0).sum())
