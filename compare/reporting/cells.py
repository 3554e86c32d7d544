"""Numbers of a summary as cells of the report's tables: text with units, and nothing that was not there before."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from compare.reporting.headline import noise_of
from compare.screen import number
from compare.verdict import Point
from sim.units import digits, lasting, percent, seconds, span

_TELLABLE_S = 0.5e-9  # what is shorter is written as nothing

Row = dict[str, Any]


def grouped(points: Sequence[Point]) -> dict[str, list[Row]]:
    """Return a row for each point, by the run that it is of, in the order in which runs come first."""
    runs: dict[str, list[Row]] = {}
    for point in points:
        runs.setdefault(point.label, []).append(point_row(point))
    return runs


def point_row(point: Point) -> Row:
    """Return a point as cells: what it is, and each number with its unit."""
    of = "of capacity" if point.metric == "queue_growth_per_s" else ""
    return {
        "title": point.title or point.metric,
        "theory": number(point, point.nominal),
        "predicted": number(point, point.predicted),
        "band": span(point.band[0], point.band[1], point.unit) if point.band else "",
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


def attribution_table(attributions: Sequence[Mapping[str, Any]], statistic: str, title: str) -> Row:
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
            "named": named(one["named_share"]),
        }
        for one in found
    ]
    return {"title": title, "causes": causes, "rows": rows}


def named(share: float | None) -> str:
    """Return the share that has a name; a dash where less than nothing has, because the rest is all there is."""
    return percent(share) if share is None or share >= 0.0 else "–"


def _tellable(part: Mapping[str, Any]) -> bool:
    return any(abs(part[name]) >= _TELLABLE_S for name in ("value_s", "low_s", "high_s"))


def part_cell(part: Mapping[str, Any]) -> tuple[str, str]:
    """Return what a cause adds, and the range over orders where it has one."""
    low, high = signed_seconds(part["low_s"]), signed_seconds(part["high_s"])
    return signed_seconds(part["value_s"]), f"{low} … {high}" if low != high else ""


def signed_seconds(value_s: float) -> str:
    """Return a time with its sign; nothing has none.

    >>> signed_seconds(0.0015), signed_seconds(-2e-6), signed_seconds(1e-12)
    ('+1.5 ms', '−2 µs', '0 ms')
    """
    if abs(value_s) < _TELLABLE_S:
        return seconds(0.0)
    return f"{'+' if value_s > 0 else '−'}{seconds(abs(value_s))}"


def noise_row(noise: Mapping[str, Any]) -> Row:
    """Return what the machine did to a run, as cells."""
    found = noise_of(noise)
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
        "usual": f"usual: {seconds(found.usual_delay_s)}" if found.usual_delay_s else "",
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


def calibration_row(found: Mapping[str, Any]) -> Row:
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
