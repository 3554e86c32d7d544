"""What came of the questions, in numbers: computed from the recorded instants only, once the run is over."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from real.ask.answers import UNKNOWN, Asked, went_back
from real.ticket import NOT_YET
from sim.files import csv_text, json_text, write_text
from sim.summary import Seconds, summary

COLUMNS = ("intended_s", "sent_s", "first_byte_s", "complete_s", "worker", "status")


def document(command: str, told: dict[str, Any], asked: Sequence[Asked], floor: Sequence[Asked]) -> dict[str, Any]:
    """Return what JSON has of it: `count` answers and the failures by kind are together all that was asked.

    Latencies are those of the answers, and of them only; lateness is that of every question that was sent.
    """
    answered = [row for row in asked if row.failed is None]
    sent = [row for row in asked if row.sent_ns != NOT_YET]
    return {
        "schema_version": 1,
        "command": command,
        "asked": told,
        "answers": {
            "count": len(answered),
            "unknown": sum(row.status == UNKNOWN for row in answered),
            "failed": dict(Counter(row.failed for row in asked if row.failed is not None).most_common()),
            "went_back": went_back(answered),
        },
        "latency_s": summary(_latency_s(answered)),
        "late_s": summary(_seconds(row.sent_ns - row.intended_ns for row in sent)),
        "server_s": summary(_seconds(row.complete_ns - row.sent_ns for row in answered)),
        "floor_s": _floor_s([row for row in floor if row.failed is None]),
    }


def _floor_s(answered: Sequence[Asked]) -> dict[str, Any] | None:
    if not answered:
        return None
    told = summary(_latency_s(answered))
    return {"median": told["p50"], "p99": told["p99"], "count": len(answered)}


def _latency_s(answered: Iterable[Asked]) -> Seconds:
    return _seconds(row.complete_ns - row.intended_ns for row in answered)


def _seconds(times_ns: Iterable[int]) -> Seconds:
    return np.array([time_ns / 1e9 for time_ns in times_ns])


def write(out: Path | None, asked: Sequence[Asked], origin_ns: int, made: dict[str, Any]) -> None:
    """Write what became of each question, and the document, where they are wanted."""
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / "asked.csv", csv_of(asked, origin_ns))
        write_text(out / "asked.json", json_text(made))


def csv_of(asked: Iterable[Asked], origin_ns: int) -> str:
    """Return a row a question, in order: instants in seconds from the start, empty where there is none.

    `status` is HTTP's if it was a good answer, else the kind of failure.
    """
    rows = (
        (
            *(
                "" if at_ns == NOT_YET else (at_ns - origin_ns) / 1e9
                for at_ns in (row.intended_ns, row.sent_ns, row.first_byte_ns, row.complete_ns)
            ),
            row.worker,
            row.failed or row.status,
        )
        for row in asked
    )
    return csv_text(COLUMNS, rows)
