"""What a summary knows, found by name: facts of an experiment, calibrations, and points; None where it knows nothing.

Facts that the closing questions and the claims ask for, by experiment; what is not there is told of as not tried:

work     by kind of work `cpu_share` (CPU time / wall time while a message is processed), `limit_per_s` and `hold_s` of
         one thread, and of `questions` how many `came` and were answered `meanwhile`, and `longest_wait_s`
gil      by kind of work and number of threads, as in `sleep × 4`, `throughput_per_s`, `most_times_one_thread` and
         `processors_busy`
queries  `floor_s` (the least that asking takes the client), `answer_s` (for how long an answer keeps the thread)

All else comes from points: throughput_per_s above the limit, latency_s.mean, and those of questions.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

THREADS = re.compile(r"(?P<work>\w+) × (?P<count>\d+)\.throughput_per_s")
SATURATED = 1.05  # utilization from which on throughput is the limit, not what is offered

Point = Mapping[str, Any]
Kind = tuple[str, float]  # of work, and its service time (s)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A summary that can be asked."""

    summary: Mapping[str, Any]

    def entry(self, experiment: str) -> Mapping[str, Any] | None:
        """Return what is known of an experiment; None if it was not run."""
        found = (entry for entry in self.summary["experiments"] if entry["name"] == experiment)
        return next(found, None)

    def fact(self, experiment: str, name: str) -> float | None:
        """Return one number of an experiment."""
        return self.facts(experiment).get(name)

    def facts(self, experiment: str) -> dict[str, float]:
        """Return the numbers of an experiment by name, those of groups as `group.name`."""
        entry = self.entry(experiment)
        told = flat(entry["facts"]) if entry else {}
        return {name: float(value) for name, value in told.items() if isinstance(value, int | float)}

    def points(self, metric: str, *, without: tuple[str, ...] = ()) -> Iterator[tuple[str, Point]]:
        """Yield the points of a metric, each with its experiment's name."""
        for entry in self.summary["experiments"]:
            if entry["name"] not in without:
                yield from ((entry["name"], point) for point in entry["points"] if point["metric"] == metric)

    def calibration(self, work: str, service_s: float) -> Mapping[str, Any] | None:
        """Return how long a message of a kind holds the thread."""
        found = self.summary["calibrations"]
        return next((one for one in found if (one["work"], one["service_s"]) == (work, service_s)), None)

    @property
    def kinds(self) -> list[Kind]:
        """What was calibrated, in that order."""
        return [(found["work"], found["service_s"]) for found in self.summary["calibrations"]]

    @property
    def works(self) -> list[str]:
        """The kinds of work of this summary."""
        return list(dict.fromkeys([work for work, _ in self.kinds] + self._worked_with))

    @property
    def _worked_with(self) -> list[str]:
        """What the points were of: where a session was resumed, no calibration tells."""
        entries = self.summary["experiments"]
        return [point["work"] for entry in entries for point in entry["points"] if point["work"]]

    @property
    def main(self) -> Mapping[str, Any] | None:
        """The calibration of what most experiments are about: sleep of the time asked for, else the first; or None."""
        asked = self.calibration("sleep", self.summary["options"]["service_s"])
        return asked or next(iter(self.summary["calibrations"]), None)

    def limits(self) -> dict[Kind, Point]:
        """Return the points that tell the limit of one thread, by kind of work and service time (s)."""
        found: dict[Kind, Point] = {}
        for _, point in self.points("throughput_per_s", without=("gil",)):
            if (point["utilization"] or 0.0) >= SATURATED and point["nominal"]:
                found.setdefault((point["work"], point["workload"]["service_s"]), point)
        return found

    def asked(self, work: str | None = None) -> list[Point]:
        """Return the p99s of questions as a client saw them, the busiest thread last; p95s where there are no p99s."""
        for metric in ("queries.seen_p99_s", "queries.seen_p95_s"):
            found = [point for _, point in self.points(metric) if work in (None, point["work"])]
            if found:
                return sorted(found, key=lambda point: point["utilization"] or 0.0)
        return []

    def threads(self, work: str) -> dict[int, float]:
        """Return messages/s by number of threads, fewest first."""
        found = {}
        for name, per_s in self.facts("gil").items():
            match = THREADS.fullmatch(name)
            if match and match["work"] == work:
                found[int(match["count"])] = per_s
        return dict(sorted(found.items()))


def flat(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts that may be in groups as one list of them.

    >>> flat({"p99_s": 0.1, "sleep": {"2": {"limit_per_s": 200.0}}})
    {'p99_s': 0.1, 'sleep.2.limit_per_s': 200.0}
    """
    found: dict[str, Any] = {}
    for name, value in facts.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{inner}": one for inner, one in flat(value).items()}
        else:
            found[name] = value
    return found


def not_run(experiment: str) -> str:
    """Say that a question is left open, and what would answer it."""
    return f"not tried in this run (python -m compare {experiment})"
