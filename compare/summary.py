"""The summary: what all experiments of a directory say together, as JSON and as a report."""

import json
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from compare.experiment import Experiment
from compare.metric import MEAN, P99
from compare.report import write_report
from compare.run import Entry, drawn_again
from compare.verdict import WORDS
from sim.command import UsageError
from sim.files import json_text, write_text

SUMMARY = "summary.json"
QUIET_UTILIZATION = 0.9  # up to which path errors are summed up


def beside(
    out: Path,
    names: Container[str],
    inject: str | None,
    calibrations: Sequence[dict[str, Any]],
    awake: dict[str, Any],
) -> tuple[list[Entry], list[dict[str, Any]]]:
    """Return what the summary in `out` has of other experiments than `names`, and calibrations of other kinds of work.

    One experiment, measured again, takes nothing away from the results of all. What was made to differ on purpose
    (`inject`) and what was not are never in one summary, nor are machines kept `awake` and not.
    """
    try:
        summary = json.loads((out / SUMMARY).read_text(encoding="utf-8"))
        if summary["inject"] != inject or summary["awake"] != awake:
            return [], []
        named = {"command": summary["command"]}
        entries = [named | entry for entry in summary["experiments"] if entry["name"] not in names]
        made = {(one["work"], one["service_s"]) for one in calibrations}
        known = [one for one in summary["calibrations"] if (one["work"], one["service_s"]) not in made]
    except (OSError, ValueError, KeyError, TypeError):  # none, or of another version
        return [], []
    return entries, known if entries else []


def write_summary(out: Path, summary: Entry) -> None:
    """Write the summary, and the report made of it."""
    write_text(out / SUMMARY, json_text(summary))
    write_report(out, summary)


def over_all(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return what is counted over all points."""
    return {"verdict": counted(entries), "inside_band": inside(entries), "accuracy": accuracy(entries)}


def counted(entries: Sequence[Entry]) -> dict[str, int]:
    """Return how often each word was the verdict."""
    words = [point["word"] for entry in entries for point in entry["points"]]
    return {word.lower(): words.count(word) for word in WORDS}


def inside(entries: Sequence[Entry]) -> dict[str, int]:
    """Return how many latencies lay inside their band, and of how many: with bands as they should be, 95 %."""
    bands = [
        point["band"][0] <= point["measured"] <= point["band"][1]
        for entry in entries
        for point in entry["points"]
        if point["metric"].startswith("latency_s.") and point["band"][0] < point["band"][1]
    ]
    return {"inside": sum(bands), "of": len(bands)}


def accuracy(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return by kind of work the median path error of mean and p99, up to a utilization of 0.9, and the correlations.

    Of all runs of the processor, whatever their verdict; a run's correlation is between its messages' predicted and
    measured latencies.
    """
    points = [
        (entry["name"], point)
        for entry in entries
        if entry["name"] != "gil"  # whose threads are no processor
        for point in entry["points"]
        if point["utilization"] is not None and point["utilization"] <= QUIET_UTILIZATION
    ]
    found: dict[str, Any] = {}
    for work in sorted({point["work"] for _, point in points}):
        errors = {
            metric.name.rpartition(".")[2]: [
                abs(point["path_error"])
                for _, point in points
                if point["work"] == work and point["metric"] == metric.name
            ]
            for metric in (MEAN, P99)
        }
        judged = {(name, point["label"]) for name, point in points if point["work"] == work}
        alike = [
            pairing["correlation"]
            for entry in entries
            for pairing in entry["pairing"]
            if (entry["name"], pairing["label"]) in judged and pairing["correlation"] is not None
        ]
        found[work] = {name: median(values) if values else None for name, values in errors.items()} | {
            "runs": len(judged),
            "correlation": median(alike) if alike else None,
        }
    return found


def report_again(out: Path, load: Callable[[str], Experiment]) -> Entry:
    """Draw figures and report again from the files of a finished or an interrupted session, measuring nothing."""
    try:
        summary: Entry = json.loads((out / SUMMARY).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{out / SUMMARY}: not there; run python -m compare all first, or give --out") from None
    except OSError as error:
        raise UsageError(f"{out / SUMMARY}: {error.strerror}; measure again, or give --out") from None
    except ValueError as error:
        raise UsageError(f"{out / SUMMARY}: {error}; measure again, or give --out") from None
    try:
        if not {"environment", "awake", "options", "calibrations", "inject", "command"} <= set(summary):
            raise KeyError
        named = [(entry["name"], load(entry["name"]), entry) for entry in summary["experiments"]]
    except (KeyError, TypeError):
        raise UsageError(f"{out / SUMMARY}: is no summary of a comparison; measure again, or give --out") from None
    entries = [drawn_again(out / name, name, experiment, entry) for name, experiment, entry in named]
    summary |= {"experiments": entries} | over_all(entries)
    write_summary(out, summary)
    return summary
