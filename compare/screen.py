"""What `python -m compare` shows a person."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from compare.experiment import Run
from compare.verdict import AGREES, DIFFERS, INCONCLUSIVE, Point
from sim.bands import HoldSamples
from sim.terminal import indented, table
from sim.units import digits, percent, seconds, signed

_STYLE = {AGREES: "green", DIFFERS: "bold red", INCONCLUSIVE: "yellow"}


def calibration_line(calibration: HoldSamples, service_s: float) -> str:
    """Say what a message costs on this machine, in one sentence."""
    return (
        f"Calibrated: a message of {seconds(service_s)} holds the thread for {seconds(calibration.hold_s)} "
        f"(dispatch {seconds(float(calibration.dispatch_s.mean()))} of it), so the limit is "
        f"{digits(1 / calibration.hold_s)}/s, not {digits(1 / service_s)}/s."
    )


def experiment_table(runs: list[Run], points: list[Point]) -> Padding:
    """Return one line a judged number of each run that is worth reading first: mean and p99, or growth."""
    grid = table("run", "", "theory", "predicted", "measured", "off", "verdict")
    for run in runs:
        shown = [point for point in points if point.label == run.label and not point.metric.endswith(("p50", "p95"))]
        for place, point in enumerate(shown):
            grid.add_row(
                f"{run.label}" if place == 0 else "",
                _NAMES[point.metric],
                _number(point, point.nominal),
                _number(point, point.predicted),
                _number(point, point.measured),
                _off(point),
                Text(point.word, style=_STYLE[point.word]),
            )
    return indented(grid)


_NAMES = {
    "latency_s.mean": "mean latency",
    "latency_s.p50": "p50",
    "latency_s.p95": "p95",
    "latency_s.p99": "p99",
    "queue_growth_per_s": "queue growth",
    "throughput_per_s": "throughput",
}


def _off(point: Point) -> str:
    if point.metric == "queue_growth_per_s":  # whose error is a share of capacity, not of the prediction
        return f"{signed(point.measured - point.predicted)}/s"
    return percent(point.path_error, signed=True)


def _number(point: Point, value: float | None) -> str:
    if point.metric.startswith("latency"):
        return seconds(value)
    return "–" if value is None else f"{digits(value)}/s"


def show_answers(console: Console, summary: dict[str, Any], out: Path) -> None:
    """Print each experiment's answer, where its figures are, and the verdict over all points."""
    for entry in summary["experiments"]:
        console.print(f"\n[bold]Answer[/bold]  {entry['answer']}")
        pictures = [f"{out}/{name}" for name in entry["figures"] if name.endswith("png")]
        console.print("Figures " + "\n        ".join(pictures), soft_wrap=True)
    console.print("\n[bold]Verdict[/bold] " + "\n".join(verdict_lines(summary)))


def verdict_lines(summary: dict[str, Any]) -> list[str]:
    """Return the count of words, and the reason of each point that does not agree."""
    counts = summary["verdict"]
    lines = [f"{counts['agrees']} agree, {counts['differs']} differ, {counts['inconclusive']} inconclusive."]
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for point in (point for entry in summary["experiments"] for point in entry["points"]):
        if point["word"] != AGREES:
            alike = (point["word"], point["label"], point["reason"])
            grouped.setdefault(alike, []).append(_NAMES[point["metric"]])
    lines += [
        f"  {word} at {label} ({', '.join(metrics)}): {reason}" for (word, label, reason), metrics in grouped.items()
    ]
    return lines
