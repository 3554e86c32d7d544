"""The sentences at the top of the report: how good predictions were, where theory alone misses, what the machine did."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from compare.attribution import FINITE_SAMPLE, REST
from compare.noise import of_document
from compare.verdict import NEAR_THE_LIMIT
from sim.units import digits, percent, seconds

ATTRIBUTED = ("mean", "p99")
IN_PRINT = (
    "For comparison: the best figure found in print for a queueing model of latency percentiles is 4.4 % on average, "
    "and 10 to 20 % is usual. Those models are of systems that nobody built to be modelled. This one was."
)


def headline(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (what it is about, the sentence), three of them."""
    entries = summary["experiments"]
    return [
        ("How good the predictions were", " ".join([*predicted(summary["accuracy"]), IN_PRINT])),
        ("Where theory alone misses", " ".join(theory_alone(entries))),
        ("What the machine did", " ".join(machine(entries, summary["calibrations"]))),
    ]


def predicted(accuracy: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield a sentence for each kind of work: the median path errors, and the correlation message by message."""
    found = {work: of for work, of in accuracy.items() if of["mean"] is not None}
    if not found:
        yield "No run up to a utilization of 0.9 had its latency predicted."
    for work, of in found.items():
        p99 = "" if of["p99"] is None else f" and p99 within {percent(of['p99'])}"
        correlation = of["correlation"]
        alike = "" if correlation is None else f"; message by message the correlation is {digits(correlation, 4)}"
        yield (
            f"With {work} work, mean latency was predicted within {percent(of['mean'])}{p99} in the median of "
            f"{of['runs']} runs with a utilization up to 0.9{alike}."
        )


def theory_alone(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Tell of the point that theory from the flags misses by most once the luck of its arrivals is taken out."""
    gaps = [(entry, point) for entry in entries for point in entry["points"] if gap(point) is not None]
    if not gaps:
        yield "In this run theory from the flags has no latency that could be held against a measured one."
        return
    entry, point = max(gaps, key=lambda found: abs(gap(found[1]) or 0.0))
    nominal_s, estimate_s = point["nominal"], point["ensemble"]["estimate"]
    yield (
        f"Theory from the flags alone is furthest off at {point['label']} ({entry['name']}): it says a {point['title']} of "
        f"{seconds(nominal_s)}, and {seconds(estimate_s)} is what this run says of the steady state, "
        f"{percent(gap(point), signed=True)}."
    )
    yield from named(entry, point)


def gap(point: Mapping[str, Any]) -> float | None:
    """Return by how much theory misses the steady state as a run tells it, as a share; None where it cannot be told."""
    kind, _, statistic = point["metric"].partition(".")
    steady = point["utilization"] is not None and point["utilization"] < NEAR_THE_LIMIT[0]
    if kind != "latency_s" or statistic not in ATTRIBUTED or not steady or not point["ensemble"] or not point["nominal"]:
        return None
    return float(point["ensemble"]["estimate"] / point["nominal"] - 1)


def named(entry: Mapping[str, Any], point: Mapping[str, Any]) -> Iterator[str]:
    """Say what the attribution names as the causes of that gap, the largest first."""
    statistic = point["metric"].partition(".")[2]
    alike = (
        one for one in entry["attribution"] if one["label"] == point["label"] and one["statistic"] == statistic
    )  # fmt: skip
    found = next(alike, None)
    if found is None:
        return
    parts = {part["cause"]: part["value_s"] for part in found["parts"]}
    causes = sorted(parts.keys() - {FINITE_SAMPLE, REST}, key=lambda cause: -abs(parts[cause]))
    told = " and ".join(f"{cause} ({_added(parts[cause])})" for cause in causes[:2] if parts[cause])
    if told:
        yield f"Most of that is {told}; without a name is {seconds(abs(parts[REST]))}."


def _added(value_s: float) -> str:
    return f"{'+' if value_s >= 0 else '−'}{seconds(abs(value_s))}"


def machine(entries: Sequence[Mapping[str, Any]], calibrations: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Say how often runs were repeated, for how long the machine stalled, and how far it has drifted."""
    noises = [noise for entry in entries for noise in entry["noise"]]
    runs = [
        of_document({name: value for name, value in noise.items() if name not in ("label", "repeated")})
        for noise in noises
    ]
    repeats = sum(len(noise["repeated"]) for noise in noises)
    loud = sum(run.loud is not None for run in runs)
    yield (
        f"{_counted(repeats, 'run')} of {len(runs)} had to be repeated because the machine was taken away, and "
        f"{loud} of those that count were still over the limit for noise."
        if repeats or loud
        else f"None of {len(runs)} runs had to be repeated."
    )
    measured_s, stalled_s = sum(run.seconds_s for run in runs), sum(run.stalled_s for run in runs)
    longest_s = max((run.longest_s for run in runs), default=0.0)
    if measured_s:
        yield f"It stalled for {percent(stalled_s / measured_s)} of the time measured, {seconds(longest_s)} at the longest."
    drifts = [found["drift"] for found in calibrations if found["drift"] is not None]
    if drifts:
        most = max(drifts, key=abs)
        yield f"From the first calibration to the last, a message's hold drifted by {percent(most, signed=True)}" + (
            "." if len(drifts) == 1 else f" at most ({len(drifts)} kinds of work and service time)."
        )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count or 'No'} {what}s"
