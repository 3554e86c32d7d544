"""What the report says first: how good predictions were, where theory alone misses, and what the machine did."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from compare.attribution import FINITE_SAMPLE, REST
from compare.machine.noise import Noise, of_document
from compare.verdict import NEAR_THE_LIMIT
from sim.units import digits, percent, seconds

ATTRIBUTED = ("mean", "p99")
IN_PRINT = (
    "For comparison: the best figures found in print for a queueing model of latency percentiles are 4.4 % on average "
    "(Su, Feng, Hua and Shi, ICPP 2017) and, two years later, 2.6 % (J. Parallel Distrib. Comput. 128), both of the "
    "share of requests that are fast enough. That model is of a system that nobody built to be modelled. This one was."
)


def headline(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return (what it is about, the sentence that matters, what else there is to say of it), three of them."""
    entries = summary["experiments"]
    told: list[tuple[str, list[str]]] = [
        (
            "How good the predictions were",
            [*predicted(summary["accuracy"]), *held(summary.get("inside_band")), IN_PRINT],
        ),
        ("Where theory alone misses", [*theory_alone(entries)]),
        ("What the machine did", [*machine(entries, summary["calibrations"])]),
    ]
    return [(title, sentences[0], " ".join(sentences[1:])) for title, sentences in told]


def predicted(accuracy: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the median path errors by kind of work, and the correlation message by message."""
    works = sorted((work for work, of in accuracy.items() if of["mean"] is not None), key=lambda work: work != "sleep")
    if not works:
        yield "No run up to a utilization of 0.9 had its latency predicted."
        return
    first, *others = (f"with {work} work {_apart(accuracy[work])}" for work in works)
    yield f"Measured against predicted on the same arrivals, in the median of runs up to a utilization of 0.9: {first}."
    if others:
        yield f"{'; '.join(others).capitalize()}."


def held(inside_band: Mapping[str, int] | None) -> Iterator[str]:
    """Say how many latencies lay inside their band: a band that is right holds 95 % of them."""
    if inside_band and inside_band["of"]:
        share = percent(inside_band["inside"] / inside_band["of"])
        yield f"Of {inside_band['of']} latencies {inside_band['inside']} ({share}) lay inside their band of 95 %."


def _apart(of: Mapping[str, Any]) -> str:
    """Say how far apart they were, and in how many runs."""
    p99 = "" if of["p99"] is None else f" and {percent(of['p99'])} of p99"
    runs = "1 run" if of["runs"] == 1 else f"{of['runs']} runs"
    alike = "" if of["correlation"] is None else f", correlation message by message {correlation(of['correlation'])}"
    return f"{percent(of['mean'])} of mean latency{p99} ({runs}{alike})"


def correlation(value: float | None) -> str:
    """Return a correlation; only one that is 1 reads 1.

    >>> correlation(0.99304), correlation(0.99998), correlation(1.0), correlation(None)
    ('0.993', '> 0.9999', '1', '–')
    """
    return "> 0.9999" if value is not None and 0.99995 <= value < 1 else digits(value, 4)


def theory_alone(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Tell of the point that theory from the flags misses by most once the luck of its arrivals is taken out."""
    gaps = [(entry, point) for entry in entries for point in entry["points"] if gap(point) is not None]
    if not gaps:
        yield "In this run theory from the flags has no latency that could be held against a measured one."
        return
    entry, point = max(gaps, key=lambda found: abs(gap(found[1]) or 0.0))
    nominal_s, estimate_s = point["nominal"], point["ensemble"]["estimate"]
    steady = f"{seconds(estimate_s)} is what this run says of the steady state, {percent(gap(point), signed=True)}"
    yield (
        f"Theory from the flags alone is furthest off at {point['label']} ({entry['name']}): it says a "
        f"{point['title']} of {seconds(nominal_s)}, and {steady}."
    )
    yield from named(entry, point)


def gap(point: Mapping[str, Any]) -> float | None:
    """Return by how much theory misses the steady state as a run tells it, as a share; None where it cannot be told."""
    kind, _, statistic = point["metric"].partition(".")
    steady = point["utilization"] is not None and point["utilization"] < NEAR_THE_LIMIT[0]
    if kind != "latency_s" or statistic not in ATTRIBUTED or not steady:
        return None
    known = point["ensemble"] and point["nominal"]
    return float(point["ensemble"]["estimate"] / point["nominal"] - 1) if known else None


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
        yield f"The attribution names {told}; without a name is {seconds(abs(parts[REST]))}."


def _added(value_s: float) -> str:
    return f"{'+' if value_s >= 0 else '−'}{seconds(abs(value_s))}"


def machine(entries: Sequence[Mapping[str, Any]], calibrations: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Say how often runs were repeated, for how long the machine stalled, and how far it has drifted."""
    noises = [noise for entry in entries for noise in entry["noise"]]
    runs = [noise_of(noise) for noise in noises]
    repeats = sum(len(noise["repeated"]) for noise in noises)
    loud = sum(run.loud is not None for run in runs)
    if repeats or loud:
        tried = "attempt was" if repeats == 1 else "attempts were"
        still = (
            f"; of the {len(runs)} that count, {loud} {'is' if loud == 1 else 'are'} over it even so" if loud else ""
        )
        yield f"{repeats} {tried} repeated because the machine was over the limit for noise{still}."
    else:
        yield f"It was quiet enough: of {len(runs)} run{'' if len(runs) == 1 else 's'} none had to be repeated."
    measured_s, stalled_s = sum(run.seconds_s for run in runs), sum(run.stalled_s for run in runs)
    longest_s = max((run.longest_s for run in runs), default=0.0)
    if measured_s:
        share = percent(stalled_s / measured_s)
        yield f"It stalled for {share} of the time measured, {seconds(longest_s)} at the longest."
    drifts = [found for found in calibrations if found["drift"] is not None]
    if drifts:
        most = max(drifts, key=lambda found: abs(float(found["drift"])))
        kind = f" ({most['work']}, {seconds(most['service_s'])})" if len(drifts) > 1 else ""
        yield (
            f"By the end, how long a message holds the thread had drifted by {percent(most['drift'], signed=True)}"
            f"{' at most' if len(drifts) > 1 else ''}{kind}."
        )


def noise_of(noise: Mapping[str, Any]) -> Noise:
    """Return a run's noise as its entry has it, beside the run's label and its repeats."""
    return of_document({name: value for name, value in noise.items() if name not in ("label", "repeated")})
