"""What `python -m compare` shows a person."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from compare.metric import TIME
from compare.verdict import AGREES, DIFFERS, INCONCLUSIVE, Point
from sim.terminal import indented, table
from sim.units import digits, percent, seconds, signed

if TYPE_CHECKING:
    from compare.bench import Bench

_STYLE = {AGREES: "green", DIFFERS: "bold red", INCONCLUSIVE: "yellow"}


def calibration_lines(bench: "Bench") -> Iterator[str]:
    """Say what a message costs on this machine, a line for each kind of work."""
    for (work, service_s), (found, *_) in bench.made.items():
        yield (
            f"Calibrated: {work} {seconds(service_s)} holds the thread for {seconds(found.hold_s, 4)}, "
            f"so the limit is {digits(1 / found.hold_s, 4)}/s, not {digits(1 / service_s)}/s."
        )


def show_experiment(console: Console, entry: dict[str, Any], points: Sequence[Point]) -> None:
    """Print an experiment as it ends: its question, what was predicted and measured, and the answer."""
    console.print(f"\n[bold]{entry['name']}[/bold]: {entry['question']}\n")
    console.print(experiment_table(points))
    console.print(f"\n[bold]Answer[/bold]  {entry['answer']}")


def experiment_table(points: Sequence[Point]) -> Padding:
    """Return a line for each number that is worth reading first: not p50 and p95."""
    grid = table("run", "", "theory", "predicted", "measured", "off", "verdict")
    label = ""
    for point in points:
        if point.metric.endswith(("p50", "p95")):
            continue
        grid.add_row(
            point.label if point.label != label else "",
            point.title,
            number(point, point.nominal),
            number(point, point.predicted),
            number(point, point.measured),
            _off(point),
            Text(point.word, style=_STYLE[point.word]),
        )
        label = point.label
    return indented(grid)


def _off(point: Point) -> str:
    if point.metric == "queue_growth_per_s":  # whose error is a share of capacity, not of the prediction
        return f"{signed(point.measured - point.predicted)}/s"
    return percent(point.path_error, signed=True)


def number(point: Point, value: float | None) -> str:
    """Return one of a point's numbers with its unit."""
    if point.unit == TIME:
        return seconds(value)
    return "–" if value is None else f"{digits(value)}{point.unit}"


def show_figures(console: Console, entry: dict[str, Any], out: Path) -> None:
    """Print where an experiment's figures are."""
    pictures = [f"{out}/{name}" for name in entry["figures"] if name.endswith("png")]
    console.print("Figures " + "\n        ".join(pictures), soft_wrap=True, markup=False)


def show_verdict(console: Console, summary: dict[str, Any], out: Path) -> None:
    """Print the verdict over all points, and where the report is."""
    console.print("\n[bold]Verdict[/bold] " + "\n".join(verdict_lines(summary)))
    console.print(f"Report  {out}/report.html", soft_wrap=True, markup=False)


def verdict_lines(summary: dict[str, Any]) -> list[str]:
    """Return the count of words, and the reason of each point that does not agree."""
    counts = summary["verdict"]
    lines = [f"{counts['agrees']} agree, {counts['differs']} differ, {counts['inconclusive']} inconclusive."]
    grouped: dict[tuple[str, str, str, str], list[str]] = {}
    for entry in summary["experiments"]:
        for point in entry["points"]:
            if point["word"] != AGREES:
                alike = (point["word"], entry["name"], point["label"], point["reason"])
                grouped.setdefault(alike, []).append(point["title"])
    lines += [
        f"  {word} {name}, {label} ({', '.join(titles)}): {reason}"
        for (word, name, label, reason), titles in grouped.items()
    ]
    return lines
