"""What an experiment is given, and what it has to be."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from compare.attribution import Attribution
from compare.case import Case
from compare.explain.pairing import Pairing
from compare.measure import Measurement
from compare.metric import Metric
from compare.predict import Prediction
from compare.verdict import Point
from sim import Trajectory, Workload
from sim.nominal import Nominal, nominal


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for."""

    quick: bool = False
    service_s: float = 0.005
    arrivals: str = "poisson"
    workers: int = 10
    popularity: str = "uniform"
    seed: int = 1
    recorded: int | None = None  # messages that a recording holds: no run can have more
    trace: str | None = None  # a recording for the experiment that is about arrivals

    def workload(self, rate_per_s: float, messages: int, **changes: Any) -> Workload:
        """Return a workload of this rate; of a recording the first messages, stretched so that *they* have it.

        `changes` are fields of the workload that are not to be as the user has them.
        """
        made = self._workload(rate_per_s, messages, changes)
        own = made.offered_rate_per_s
        if made.arrivals_kind != "trace" or own is None or own == rate_per_s:
            return made
        return self._workload(rate_per_s * rate_per_s / own, messages, changes)

    def _workload(self, rate_per_s: float, messages: int, changes: dict[str, Any]) -> Workload:
        recorded = self.recorded if changes.get("arrivals", self.arrivals) == self.arrivals else None
        fields: dict[str, Any] = {
            "rate_per_s": rate_per_s,
            "service_s": self.service_s,
            "messages": min(messages, recorded or messages),
            "arrivals": self.arrivals,
            "workers": self.workers,
            "popularity": self.popularity,
            "seed": self.seed,
        }
        return Workload(**fields | changes)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One case, predicted and measured. `adjusted`: what was predicted, with the machine's logged stalls put in.

    `attributions` say which causes the difference to theory is made of; none where theory has no number. `floor_s` is
    the least that asking takes the client, in the median; `answer_s` for how long a question holds the thread.
    """

    case: Case
    prediction: Prediction
    measurement: Measurement
    adjusted: Trajectory | None = None
    attributions: Sequence[Attribution] = ()
    pairing: Pairing | None = None
    floor_s: float = 0.0
    answer_s: float = 0.0

    @property
    def label(self) -> str:
        """The case's."""
        return self.case.label

    @property
    def workload(self) -> Workload:
        """What was run."""
        return self.case.workload

    @property
    def rate_per_s(self) -> float:
        """Messages that arrive, per second."""
        return self.prediction.offered_per_s

    @property
    def utilization(self) -> float:
        """The calibrated one."""
        return self.prediction.utilization

    @property
    def predicted(self) -> Trajectory:
        """These arrivals, hold times from the calibration."""
        return self.prediction.trajectory

    @property
    def measured(self) -> Trajectory:
        """What the real thing recorded."""
        return self.measurement.trajectory

    def values(self, metric: Metric) -> tuple[float, float]:
        """Return a number as predicted and as measured."""
        return metric.of(self.predicted), metric.of(self.measured)

    @property
    def alone(self) -> Nominal:
        """What theory says of its messages alone, beside no questions."""
        return nominal(replace(self.workload, query_rate_per_s=0.0), self.case.servers)

    def theory(self, metric: Metric) -> float | None:
        """Return what theory says from the flags alone; None where it says nothing."""
        return metric.nominal(self.prediction.theory, self.rate_per_s)


class Experiment(Protocol):
    """A module of `compare.experiments`: one question, answered twice.

    An experiment may have `facts(runs)` too: numbers of its own, by name, for the report.
    """

    @property
    def QUESTION(self) -> str:  # noqa: N802 - the constants of a module
        """What is asked."""

    @property
    def TRIED(self) -> str:  # noqa: N802
        """What is done to answer it."""

    @property
    def RULES(self) -> str:  # noqa: N802
        """By which tolerances it is judged."""

    def cases(self, options: Options) -> list[Case]:
        """Return the runs, each with a label of its own."""

    def hypothesis(self, predictions: Sequence[Prediction]) -> str:
        """Return in a sentence or two what is expected, with the numbers predicted; nothing is measured yet."""

    def judge_points(self, runs: Sequence[Run]) -> list[Point]:
        """Return what is compared, judged by the tolerances that stand in this file."""

    def figures(self, directory: Path, runs: Sequence[Run], points: Sequence[Point]) -> dict[str, str]:
        """Draw the figures into a directory; return a caption for each file name of a PNG."""

    def answer(self, runs: Sequence[Run], points: Sequence[Point]) -> str:
        """Return the answer in one plain sentence with numbers of these runs; on a second line what it rests on."""


def in_short(answer: str) -> str:
    r"""Return the one sentence that answers the question: the first line, or all of an answer that has one line.

    >>> in_short("Yes: 1.5 ms, e.g. at 150/s.\nOf ten runs nine did.")
    'Yes: 1.5 ms, e.g. at 150/s.'
    """
    return answer.partition("\n")[0]
