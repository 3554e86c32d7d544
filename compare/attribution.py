"""Attribution: which part of a difference between measured and nominal comes from what, in parts that add up.

Causes are substituted one after the other into the recursion on the same arrivals, in the order printed. They
interact (a message that takes longer makes every delay count for more), so each part also has the range that it
takes over all orders in which they could have been substituted.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, combinations, pairwise
from typing import Any

from compare.explain.causes import CAUSES, Event, taken_apart
from compare.scene import Scene
from sim import Trajectory
from sim.summary import summary

STATISTICS = ("mean", "p50", "p95", "p99")
FINITE_SAMPLE, REST = "finite sample of arrivals", "rest"

Values = dict[frozenset[str], float]  # one statistic, s, by the causes that it was replayed with


@dataclass(frozen=True, slots=True)
class Part:
    """What one cause adds, s, and the least and the most that it adds in any order of the causes."""

    cause: str
    value_s: float
    low_s: float
    high_s: float


@dataclass(frozen=True, slots=True)
class Attribution:
    """A statistic of latency, nominal and measured (s), and the parts that lead from the one to the other."""

    statistic: str
    nominal: float
    measured: float
    parts: tuple[Part, ...]

    @property
    def named_share(self) -> float | None:
        """The share of the difference that has a name; None where there is no difference."""
        difference = self.measured - self.nominal
        return 1.0 - abs(self.parts[-1].value_s) / abs(difference) if difference else None

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "statistic": self.statistic,
            "nominal_s": self.nominal,
            "measured_s": self.measured,
            "named_share": self.named_share,
            "parts": [asdict(part) for part in self.parts],
        }

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> "Attribution":
        """Return what `document` was made of."""
        parts = tuple(Part(**part) for part in document["parts"])
        return cls(document["statistic"], document["nominal_s"], document["measured_s"], parts)


def attribute(
    scene: Scene,
    service_s: float,
    measured: Trajectory,
    stalls: Sequence[Event],
    theory: Mapping[str, float | None] | None,
) -> list[Attribution]:
    """Return where measured − nominal comes from: one attribution each for the mean, p50, p95 and p99 of latency.

    `scene` has the planned arrivals and the rules that were really followed, `service_s` is the time asked for,
    `stalls` are those that the machine logged. Nominal is `theory` by statistic, s; where it says nothing, as above
    capacity, it is the recursion with `service_s` for every message, and the sample of arrivals has no part.
    ValueError for a run that has other messages than the scene, or none.
    """
    if not 0 < len(measured) == len(scene.arrival_ns):
        raise ValueError(f"{len(measured)} messages measured, {len(scene.arrival_ns)} planned: measure all of them")
    causes = taken_apart(scene, service_s, measured, stalls)
    replays = {subset: summary(causes.latency_s(subset)) for subset in _subsets(causes.active)}
    seen = summary(measured.latency_s)
    found = []
    for name in STATISTICS:
        values = {subset: float(numbers[name] or 0.0) for subset, numbers in replays.items()}
        nominal = (theory or {}).get(name)
        found.append(_attribution(name, values, causes.active, nominal, float(seen[name] or 0.0)))
    return found


def _subsets(causes: Sequence[str]) -> Iterator[frozenset[str]]:
    sizes = range(len(causes) + 1)
    return (frozenset(subset) for subset in chain.from_iterable(combinations(causes, size) for size in sizes))


def _attribution(
    statistic: str, values: Values, active: Sequence[str], theory: float | None, measured: float
) -> Attribution:
    replayed, everything = values[frozenset()], values[frozenset(active)]
    nominal = replayed if theory is None else theory
    steps = dict(zip(active, _steps(values, active), strict=True))
    middle = (steps.get(cause, Part(cause, 0.0, 0.0, 0.0)) for cause in CAUSES)
    parts = _alone(FINITE_SAMPLE, replayed - nominal), *middle, _alone(REST, measured - everything)
    return Attribution(statistic, nominal, measured, parts)


def _steps(values: Values, active: Sequence[str]) -> Iterator[Part]:
    """Yield each cause's step in the order printed, and its least and most over all sets of causes before it."""
    sets = [frozenset(active[:count]) for count in range(len(active) + 1)]
    for cause, (before, after) in zip(active, pairwise(sets), strict=True):
        steps = [values[others | {cause}] - values[others] for others in values if cause not in others]
        yield Part(cause, values[after] - values[before], min(steps), max(steps))


def _alone(cause: str, value_s: float) -> Part:
    """Return a part that no order of the causes changes."""
    return Part(cause, value_s, value_s, value_s)
