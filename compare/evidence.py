"""What a summary knows, found by name: facts of an experiment, calibrations, and points; None where it knows nothing.

Facts that the closing questions and the claims ask for, by experiment; each is left out where it is not there:

throughput  `limit_per_s`, `calibrated_limit_per_s`, `nominal_limit_per_s`
work        by kind of work `<work>.cpu_share` (CPU time / wall time while a message is processed),
            `<work>.limit_per_s` (measured), `<work>.hold_s`
gil         `<work>.<threads>.throughput_per_s`
queries     `floor_s` (the least that asking takes the client), `asked` and `overlapping` (questions whose answer was
            begun while a message was processed)
workers     `throughput_per_worker_per_s`
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SATURATED = 1.05  # utilization from which on throughput is the limit, not what is offered

Point = Mapping[str, Any]


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
        entry = self.entry(experiment)
        value = entry["facts"].get(name) if entry else None
        return float(value) if isinstance(value, int | float) else None

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
    def kinds(self) -> list[tuple[str, float]]:
        """The kinds of work with their service time (s), in the order in which they were calibrated."""
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
    def limit_per_s(self) -> float | None:
        """The highest throughput of the work that most experiments are about, as measured."""
        return self.fact("throughput", "limit_per_s")

    def limits(self) -> dict[tuple[str, float], Point]:
        """Return the points that tell the limit of one thread, by kind of work and service time (s)."""
        found: dict[tuple[str, float], Point] = {}
        for _, point in self.points("throughput_per_s", without=("gil",)):
            if (point["utilization"] or 0.0) >= SATURATED and point["nominal"]:
                found.setdefault((point["work"], point["workload"]["service_s"]), point)
        return found

    def threads(self, work: str) -> dict[int, float]:
        """Return messages/s by number of threads, fewest first."""
        entry = self.entry("gil")
        found = {}
        for name, value in (entry["facts"] if entry else {}).items():
            kind, _, rest = name.partition(".")
            count, _, what = rest.partition(".")
            if kind == work and count.isdecimal() and what == "throughput_per_s" and isinstance(value, int | float):
                found[int(count)] = float(value)
        return dict(sorted(found.items()))


def not_run(experiment: str) -> str:
    """Say that a question is left open, and what would answer it."""
    return f"not tried in this run (python -m compare {experiment})"
