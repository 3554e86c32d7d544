"""A single workload of the user's choosing, compared as an experiment's runs are."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from compare.case import COMPUTES, Case
from compare.experiment import Options, Run
from compare.figures import draw, message_by_message
from compare.judge import judge, judge_run
from compare.metric import LEAST_MESSAGES, MEAN, P99, QUERY_P99
from compare.predict import Prediction
from compare.verdict import AGREES, NEAR_THE_LIMIT, QUERY_TOLERANCE, Point
from sim.command import UsageError
from sim.flags import FLAGS
from sim.units import digits, percent, seconds
from sim.workload import Workload

POINT_FLAGS = [flag for flag in FLAGS if flag not in ("--service", "--query-ms")]
WORKS = tuple(COMPUTES)


@dataclass(frozen=True, slots=True)
class SinglePoint:
    """An experiment of one case."""

    workload: Workload
    work: str
    QUESTION: str = "Does this workload behave as predicted?"
    TRIED: str = "One run, predicted from its flags and from a calibration, then measured."
    RULES: str = (
        "Latency: 5 % up to a utilization of 0.8, 10 % up to 0.95; growth above the limit: 1 % of capacity; "
        "p99 of queries: 10 %."
    )

    def cases(self, options: Options) -> list[Case]:
        """Return the case."""
        rate = digits(self.workload.offered_rate_per_s)
        return [Case(f"{rate}/s", self.workload, self.work)]

    def hypothesis(self, predictions: Sequence[Prediction]) -> str:
        """Return what is expected."""
        found = predictions[0]
        if found.utilization >= 1:
            growth = digits(found.trajectory.metrics()["queue_growth_per_s"])
            return f"The thread cannot keep up: the queue grows by {growth} messages every second."
        low, high = found.band(MEAN)
        return (
            f"A mean latency of {seconds(MEAN.of(found.trajectory))} ({seconds(low)} to {seconds(high)} in 95 % of "
            f"runs on these arrivals), and a p99 of {seconds(P99.of(found.trajectory))}."
        )

    def judge_points(self, runs: Sequence[Run]) -> list[Point]:
        """Return latency, or growth; and queries, if there are any."""
        points = judge_run(runs[0])
        if len(runs[0].workload.queries_ns) >= LEAST_MESSAGES[P99.name]:
            points.append(judge(runs[0], QUERY_P99, QUERY_TOLERANCE))
        return points

    def figures(self, directory: Path, runs: Sequence[Run], points: Sequence[Point]) -> dict[str, str]:
        """Draw the run message by message."""
        caption = "Where they agree, the two upper curves are one, and the difference below stays near 0."
        return draw(directory, "messages", caption, lambda figure: message_by_message(figure, runs[0]), (10.0, 5.2))

    def answer(self, runs: Sequence[Run], points: Sequence[Point]) -> str:
        """Return whether it did."""
        agree = sum(point.word == AGREES for point in points)
        of_what = "growth" if runs[0].utilization >= NEAR_THE_LIMIT[1] else "mean latency"
        return (
            f"{agree} of {len(points)} numbers agree; {of_what} is {percent(points[0].path_error, signed=True)} off "
            "the prediction."
        )


def point_of(workload: Workload, work: str) -> SinglePoint:
    """Return what compares this workload; UsageError where there is no such work, or nothing to do."""
    if work not in WORKS:
        raise UsageError(f"--work {work}: must be one of {', '.join(WORKS)}")
    if not len(workload):
        asked = f"--rate {digits(workload.rate_per_s)} --duration {digits(workload.duration_s)}"
        raise UsageError(f"{asked}: no message arrives in that time; give a higher --rate, or a longer --duration")
    return SinglePoint(workload, work)
