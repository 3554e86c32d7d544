"""What `python -m compare` shows a person."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from compare.calibrate import Calibration
from compare.experiment import in_short
from compare.metric import TIME
from compare.progress import clock
from compare.verdict import AGREES, DIFFERS, INCONCLUSIVE, Point
from sim.command import as_typed
from sim.terminal import indented, table
from sim.units import digits, percent, seconds, signed

if TYPE_CHECKING:
    from compare.case import Case

EXAMPLES = """examples:
  python -m compare list                  the experiments
  python -m compare all                   every experiment, about 12 minutes
  python -m compare all --quick           fewer and shorter runs, 2.5 minutes
  python -m compare throughput            one experiment
  python -m compare throughput --arrivals trace:requests.csv
  python -m compare point --rate 150 --service-ms 5
  python -m compare report                draw everything again from the files
"""
POINT_EXAMPLES = """examples:
  python -m compare point --rate 150 --service-ms 5
  python -m compare point --rate 180 --work precise --duration 20
  python -m compare point --rate 160 --inject service=1.05
"""
_STYLE = {AGREES: "green", DIFFERS: "bold red", INCONCLUSIVE: "yellow"}


def show_plan(
    console: Console, names: Sequence[str], cases: Iterable["Case"], planned_s: float, out: Path, *, finished: int = 0
) -> None:
    """Print what is about to be done, before anything is."""
    for line in plan_lines(names, cases, planned_s, out, finished=finished):
        console.print(line, soft_wrap=True, markup=False)


def plan_lines(
    names: Sequence[str], cases: Iterable["Case"], planned_s: float, out: Path, *, finished: int = 0
) -> list[str]:
    """Say what will be done, about how long it takes, where results go, and what Ctrl-C leaves of it.

    `names` are of the experiments that are still to be run, `finished` is how many are not.
    """
    sizes = [len(case.workload) for case in cases]
    what = names[0] if len(names) == 1 else f"{len(names)} {'more ' if finished else ''}experiments"
    done = f" ({finished} done)" if finished else ""
    kept = "keeps the experiments that are finished; --resume goes on from there"
    together = len(names) + finished > 1
    return [
        f"Plan    {what}{done}: {_counted(len(sizes), 'run')}, {_counted(sum(sizes), 'message')}, "
        f"about {clock(planned_s)} min",
        f"Files   {out}, {'as each experiment ends' if together else 'when it ends'}",
        f"Ctrl-C  {kept if together else 'ends it; nothing half-written is left'}",
    ]


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def calibration_lines(made: Sequence[Calibration]) -> Iterator[str]:
    """Say what a message costs on this machine, a line for each kind of work."""
    for found in made:
        yield (
            f"Calibrated: {found.work} {seconds(found.service_s)} takes {seconds(found.hold_s, 4)}: "
            f"limit {digits(1 / found.hold_s, 4)}/s, not {digits(1 / found.service_s)}/s."
        )


def show_experiment(console: Console, entry: dict[str, Any], points: Sequence[Point]) -> None:
    """Print an experiment as it ends: its question, what was predicted and measured, and the answer."""
    console.print(f"\n[bold]{entry['name']}[/bold]: {entry['question']}\n")
    console.print(experiment_table(points))
    console.print()
    _print_hanging(console, in_short(entry["answer"]), ("Answer  ", "bold"), " " * 8)


def _print_hanging(console: Console, text: str, first: str | tuple[str, str], rest: str) -> None:
    """Print a paragraph behind `first` (or that and its style), and its other lines behind `rest`, as wide as that."""
    for place, line in enumerate(Text(text).wrap(console, console.width - len(rest))):
        console.print(Text.assemble(rest if place else first, line.plain.rstrip()), soft_wrap=True)


def experiment_table(points: Sequence[Point]) -> Padding:
    """Return a line for each number that is worth reading first: not p50 and p95, as long as they agree."""
    grid = table("run", "", "theory", "predicted", "measured", "off", "verdict")
    label = ""
    for point in points:
        if point.metric.endswith(("p50", "p95")) and point.word == AGREES:
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
    counted, *reasons = verdict_lines(summary)
    console.print()
    _print_hanging(console, counted, ("Verdict ", "bold"), " " * 8)
    for reason in reasons:
        _print_hanging(console, reason.strip(), "  ", " " * 4)
    console.print(f"Report  {out}/report.html", soft_wrap=True, markup=False)


def show_again(console: Console, out: Path) -> None:
    """Print what draws it all again, as it is typed."""
    console.print(f"Again   {as_typed('compare', ['report', '--out', str(out)])}", soft_wrap=True, markup=False)


def show_list(console: Console, questions: Iterable[tuple[str, str]]) -> None:
    """Print the experiments' names, each with its question below."""
    for name, question in questions:
        console.print(f"[bold]{name}[/bold]")
        _print_hanging(console, question, "  ", "  ")


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
