"""The report: one self-contained page, made of the summary and the figures alone.

Nothing is computed here that the summary does not say: numbers become words and cells, and the template lays them out.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from compare.reporting.cells import attribution_table, calibration_row, grouped, noise_row, plain, signed_seconds
from compare.reporting.claims import claims
from compare.reporting.closing import closing
from compare.reporting.evidence import flat
from compare.reporting.headline import correlation, headline
from compare.screen import verdict_lines
from compare.verdict import WORDS, Point
from sim.files import write_text
from sim.units import digits, seconds

REPORT = "report.html"
TEMPLATE = "report.html.j2"
_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:%|s|ms|µs|min|h)(?!\w))")
_MEDIA = {".png": "image/png", ".svg": "image/svg+xml"}

View = dict[str, Any]


def write_report(out: Path, summary: Mapping[str, Any]) -> None:
    """Write `report.html` beside the summary."""
    names = [name for entry in summary["experiments"] for name in entry["captions"]]
    pictures = {name: picture for name in names if (picture := embedded(out / name)) is not None}
    write_text(out / REPORT, page(summary, pictures))


def embedded(path: Path) -> str | None:
    """Return a figure as a data URL: its PNG or its SVG, whichever is smaller; None where there is neither."""
    files = [file for file in (path, path.with_suffix(".svg")) if file.exists()]
    if not files:
        return None
    smallest = min(files, key=lambda file: file.stat().st_size)
    return f"data:{_MEDIA[smallest.suffix]};base64,{b64encode(smallest.read_bytes()).decode()}"


def page(summary: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    """Return the page; `pictures` are data URLs by the names that the captions have."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - commands without a report need none

    environment = Environment(
        loader=PackageLoader("compare.reporting"),
        autoescape=True,
        finalize=unbroken,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "seconds": seconds,
        "digits": digits,
        "signed_seconds": signed_seconds,
        "correlation": correlation,
    }
    return environment.get_template(TEMPLATE).render(
        summary=summary,
        counts=tally(summary["verdict"]),
        headline=headline(summary),
        disagreements=[line.strip().partition(" ")[::2] for line in verdict_lines(dict(summary))[1:]],
        experiments=[experiment_view(entry, pictures) for entry in summary["experiments"]],
        closing=closing(summary),
        claims=claims(summary),
        calibrations=[calibration_row(found) for found in summary["calibrations"]],
        machine=list(machine_lines(summary)),
    )


def tally(counts: Mapping[str, int]) -> list[tuple[str, int, str]]:
    """Return (word, count, the word as it is said of so many).

    >>> tally({"agrees": 2, "differs": 1, "inconclusive": 0})
    [('AGREES', 2, 'agree'), ('DIFFERS', 1, 'differs'), ('INCONCLUSIVE', 0, 'inconclusive')]
    """
    found = ((word, counts[word.lower()]) for word in WORDS)
    return [(word, count, word.lower() if count == 1 else word.lower().removesuffix("s")) for word, count in found]


def unbroken(value: Any) -> Any:
    r"""Return text in which no line ends between a number and its unit.

    >>> print(unbroken("5.2 ms, 1 % of it").replace("\N{NO-BREAK SPACE}", "~"))
    5.2~ms, 1~% of it
    """
    # Whatever is marked up already is a string of another type, and must remain one.
    return _BEFORE_UNIT.sub("\N{NO-BREAK SPACE}", value) if type(value) is str else value


def experiment_view(entry: Mapping[str, Any], pictures: Mapping[str, str]) -> View:
    """Return what the template shows of an experiment: what its entry says, and its numbers as cells of tables."""
    points = [Point.of_document(point) for point in entry["points"]]
    words = [point.word for point in points]
    noises = [noise_row(noise) for noise in entry["noise"]]
    return dict(entry) | {
        "counts": tally({word.lower(): words.count(word) for word in WORDS}),
        "runs": grouped(points),
        "shown": [(name, caption, pictures.get(name)) for name, caption in entry["captions"].items()],
        "attributions": [
            attribution_table(entry["attribution"], statistic, title)
            for statistic, title in (("mean", "Mean latency"), ("p99", "p99 of latency"))
            if any(one["statistic"] == statistic for one in entry["attribution"])
        ],
        "noises": noises,
        "repeats": sum(len(noise["repeated"]) for noise in noises),
        "numbers": [(name, plain(value)) for name, value in flat(entry["facts"]).items()],
    }


def machine_lines(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (what, value) of the machine that a comparison ran on."""
    environment, awake, options = summary["environment"], summary["awake"], summary["options"]
    yield "Processor", f"{environment['processor'] or environment['machine']}, {digits(environment['cores'])} cores"
    yield (
        "Kept awake",
        (
            f"{awake['processors']} processors, while work sleeps: a process of the lowest priority runs on each"
            if awake["processors"]
            else f"no processor ({awake['why_not']}): each falls asleep when it has nothing to do, and wakes up late"
        ),
    )
    yield "System", f"{environment['system']}, {environment['machine']}"
    gil = "" if environment["gil"] else ", without GIL"
    yield "Python", f"{environment['implementation']} {environment['python']}{gil}"
    yield "Packages", ", ".join(f"{name} {version}" for name, version in environment["packages"].items())
    yield "Load average", f"{plain(environment['load_average'])} at the end"
    quick = ", fewer and shorter runs" if options["quick"] else ""
    yield "Messages", (
        f"{seconds(options['service_s'])} each, {options['arrivals']} arrivals, {options['workers']:,} workers "
        f"({options['popularity']}), seed {options['seed']}{quick}; an experiment changes what it is about"
    )  # fmt: skip
