"""The report: one self-contained page, made of the summary and the figures alone.

Nothing is computed here that the summary does not say: numbers become words and cells, and the template lays them out.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from compare.claims import claims
from compare.closing import closing
from compare.headline import headline
from compare.noise import Noise
from compare.noise import of_document as noise_of_document
from compare.screen import number, verdict_lines
from compare.verdict import WORDS, Point
from sim.files import write_text
from sim.units import digits, lasting, percent, seconds, span

REPORT = "report.html"
TEMPLATE = "report.html.j2"
NOT_NOISE = ("label", "repeated")  # what an entry says of a run's noise beside the noise itself
_TELLABLE_S = 0.5e-9  # what is shorter is written as nothing
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
        loader=PackageLoader("compare"),
        autoescape=True,
        finalize=unbroken,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"seconds": seconds, "digits": digits, "signed_seconds": signed_seconds}
    return environment.get_template(TEMPLATE).render(
        summary=summary,
        counts=tally(summary["verdict"]),
        headline=headline(summary),
        disagreements=[line.strip().partition(" ")[::2] for line in verdict_lines(dict(summary))[1:]],
        experiments=[experiment_view(entry, pictures) for entry in summary["experiments"]],
        closing=closing(summary),
        claims=claims(summary),
        calibrations=[calibration_row(found) for found in summary["calibrations"]],
        machine=list(machine_lines(summary["environment"], summary["options"])),
    )


def tally(counts: Mapping[str, int]) -> list[tuple[str, int, str]]:
    """Return (word, count, the word as it is said of so many).

    >>> tally({"agrees": 2, "differs": 1, "inconclusive": 0})
    [('AGREES', 2, 'agree'), ('DIFFERS', 1, 'differs'), ('INCONCLUSIVE', 0, 'inconclusive')]
    """
    found = ((word, counts[word.lower()]) for word in WORDS)
    return [(word, count, word.lower() if count == 1 else word.lower().removesuffix("s")) for word, count in found]


def unbroken(value: Any) -> Any:
    """Return text in which no line ends between a number and its unit.

    >>> unbroken("5.2 ms, 1 % of it")
    '5.2\\xa0ms, 1\\xa0% of it'
    """
    # Whatever is marked up already is a string of another type, and must remain one.
    return _BEFORE_UNIT.sub("\xa0", value) if type(value) is str else value


# -- an experiment ----------------------------------------------------------------------------------------------------


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
        "numbers": [(name, plain(value)) for name, value in entry["facts"].items()],
    }


def grouped(points: Sequence[Point]) -> dict[str, list[View]]:
    """Return a row for each point, by the run that it is of, in the order in which runs come first."""
    runs: dict[str, list[View]] = {}
    for point in points:
        runs.setdefault(point.label, []).append(point_row(point))
    return runs


def point_row(point: Point) -> View:
    """Return a point as cells: what it is, and each number with its unit."""
    of = "of capacity" if point.metric == "queue_growth_per_s" else ""
    return {
        "title": point.title or point.metric,
        "theory": number(point, point.nominal),
        "predicted": number(point, point.predicted),
        "band": span(*point.band, point.unit) if point.band else "",
        "adjusted": number(point, point.adjusted) if point.adjusted is not None else "",
        "measured": number(point, point.measured),
        "path_error": percent(point.path_error, signed=True),
        "ensemble_error": percent(point.ensemble_error, signed=True),
        "estimate": number(point, point.ensemble["estimate"]) if point.ensemble else "–",
        "interval": interval(point),
        "tolerance": percent(point.tolerance),
        "of": of,
        "word": point.word,
        "reason": point.reason,
    }


def interval(point: Point) -> str:
    """Return the 95 % interval of the ensemble's estimate; nothing where the run is too short for one."""
    if not point.ensemble or point.ensemble["low"] is None:
        return ""
    return span(point.ensemble["low"], point.ensemble["high"], point.unit)


def attribution_table(attributions: Sequence[Mapping[str, Any]], statistic: str, title: str) -> View:
    """Return a row for each run, from theory to measured; only causes that any of these runs has get a column."""
    found = [one for one in attributions if one["statistic"] == statistic]
    causes = [
        part["cause"]
        for place, part in enumerate(found[0]["parts"])
        if place == len(found[0]["parts"]) - 1 or any(_tellable(one["parts"][place]) for one in found)
    ]
    rows = [
        {
            "label": one["label"],
            "nominal": seconds(one["nominal_s"]),
            "parts": [part_cell(part) for part in one["parts"] if part["cause"] in causes],
            "measured": seconds(one["measured_s"]),
            "named": percent(one["named_share"]),
        }
        for one in found
    ]
    return {"title": title, "causes": causes, "rows": rows}


def _tellable(part: Mapping[str, Any]) -> bool:
    return max(abs(part[name]) for name in ("value_s", "low_s", "high_s")) >= _TELLABLE_S


def part_cell(part: Mapping[str, Any]) -> tuple[str, str]:
    """Return what a cause adds, and the range over orders where it has one."""
    low_s, high_s = part["low_s"], part["high_s"]
    ranged = high_s - low_s > 1e-3 * max(abs(low_s), abs(high_s), _TELLABLE_S)
    return signed_seconds(part["value_s"]), f"{signed_seconds(low_s)} … {signed_seconds(high_s)}" if ranged else ""


def signed_seconds(value_s: float) -> str:
    """Return a time with its sign; nothing has none.

    >>> signed_seconds(0.0015), signed_seconds(-2e-6), signed_seconds(1e-12)
    ('+1.5 ms', '−2 µs', '0 ms')
    """
    if abs(value_s) < _TELLABLE_S:
        return seconds(0.0)
    return f"{'+' if value_s > 0 else '−'}{seconds(abs(value_s))}"


def noise_row(noise: Mapping[str, Any]) -> View:
    """Return what the machine did to a run, as cells."""
    found: Noise = noise_of_document({name: value for name, value in noise.items() if name not in NOT_NOISE})
    longest = found.longest
    return {
        "label": noise["label"],
        "repeated": noise["repeated"],
        "lasting": lasting(found.seconds_s),
        "stalls": len(found.stalls),
        "stalled": seconds(found.stalled_s),
        "longest": f"{seconds(longest.lasting_s)} at {longest.at_s:,.2f} s" if longest else "–",
        "stolen": seconds(found.stolen_s),
        "run_delay": seconds(found.run_delay_s),
        "switches": digits(found.involuntary_switches),
        "share": percent(found.share),
        "loud": found.loud,
    }


def plain(value: Any) -> str:
    """Return a fact as text; whatever is no number as it is.

    >>> plain(192.554), plain(True), plain(None), plain("free-threaded")
    ('192.6', 'yes', '–', 'free-threaded')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    return digits(value, 4) if isinstance(value, int | float) or value is None else str(value)


# -- the machine ------------------------------------------------------------------------------------------------------


def machine_lines(environment: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (what, value) of the machine that a comparison ran on."""
    yield "Processor", f"{environment['processor'] or environment['machine']}, {digits(environment['cores'])} cores"
    yield "System", f"{environment['system']}, {environment['machine']}"
    gil = "" if environment["gil"] else ", without GIL"
    yield "Python", f"{environment['implementation']} {environment['python']}{gil}"
    yield "Packages", ", ".join(f"{name} {version}" for name, version in environment["packages"].items())
    yield "Load average", f"{plain(environment['load_average'])} at the end"
    yield "Options", ", ".join(f"{name} {plain(value)}" for name, value in options.items() if value is not None)


def calibration_row(found: Mapping[str, Any]) -> View:
    """Return a calibration as cells: what was asked for, what it took, and how far the machine has drifted since."""
    after = found["afterwards"]
    return {
        "work": found["work"],
        "service": seconds(found["service_s"]),
        "messages": digits(found["messages"]),
        "stalled": digits(found["stalled"]),
        "hold": seconds(found["hold_s"], 4),
        "limit": f"{digits(1 / found['hold_s'], 4)}/s",
        "times": list(times(found)),
        "afterwards": seconds(after["hold_s"], 4) if after else "–",
        "drift": percent(found["drift"], signed=True),
    }


def times(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield mean and p99 of processing, of dispatch, and of waking up."""
    for name in ("processing_s", "dispatch_s", "wakeup_s"):
        yield seconds(found[name]["mean"], 4 if name == "processing_s" else 3), seconds(found[name]["p99"])
