"""The verdict: AGREES, DIFFERS or INCONCLUSIVE, by rules that are fixed before anything is measured."""

from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from compare.explain.ensemble import Controlled
from sim.units import percent, seconds

AGREES, DIFFERS, INCONCLUSIVE = "AGREES", "DIFFERS", "INCONCLUSIVE"
WORDS = (AGREES, DIFFERS, INCONCLUSIVE)
NEAR_THE_LIMIT = (0.95, 1.05)  # of utilization: there a verdict would be one on luck
GROWTH_TOLERANCE = 0.01  # of capacity
LIMIT_TOLERANCE = 0.01
QUERY_TOLERANCE = 0.10  # of theory plus the client's median floor


@dataclass(frozen=True, slots=True)
class Point:
    """One number, predicted and measured.

    `path_error` and `tolerance` are in the same unit: shares of the prediction, for growth shares of capacity.
    `ensemble` is the steady state's number as this run tells it, with an interval; `adjusted` the prediction with the
    machine's logged stalls put in.
    """

    label: str
    workload: dict[str, Any]
    metric: str
    nominal: float | None
    predicted: float
    band: list[float]
    measured: float
    path_error: float
    ensemble_error: float | None
    tolerance: float | None
    word: str
    reason: str
    title: str = ""
    unit: str = "s"
    utilization: float | None = None
    adjusted: float | None = None
    ensemble: dict[str, Any] | None = None
    work: str = ""

    def document(self) -> dict[str, Any]:
        """Return the point as JSON has it."""
        return asdict(self)

    @classmethod
    def of_document(cls, document: dict[str, Any]) -> "Point":
        """Return the point that `document` tells of."""
        return cls(**document)


@dataclass(frozen=True, slots=True)
class Numbers:
    """What is compared: predicted and measured, and what else is known of both; errors are shares of `scale`.

    `adjusted` is the prediction with the machine's stalls put in, `stalls` says in words what these were.
    """

    predicted: float
    band: tuple[float, float]
    measured: float
    scale: float
    adjusted: float | None = None
    stalls: str = ""

    @property
    def error(self) -> float:
        """Measured − predicted, as a share."""
        return (self.measured - self.predicted) / self.scale

    @property
    def width(self) -> float:
        """The band's, as a share."""
        return (self.band[1] - self.band[0]) / self.scale

    @property
    def inside(self) -> bool:
        """Whether the measured number is within the band."""
        return self.band[0] <= self.measured <= self.band[1]


def latency_tolerance(utilization: float) -> float | None:
    """Return 5 % up to utilization 0.8, 10 % up to 0.95; None, which is no verdict, beyond."""
    if utilization <= 0.8:
        return 0.05
    return 0.10 if utilization <= NEAR_THE_LIMIT[0] else None


def word_of(numbers: Numbers, tolerance: float | None, utilization: float | None = None) -> tuple[str, str]:
    """Return the word and its reason.

    DIFFERS: outside the band *and* beyond the tolerance, unless the stalls that were logged explain it: then, and where
    the band is wider than twice the tolerance or there is no tolerance, INCONCLUSIVE. AGREES: otherwise.
    """
    if not isfinite(numbers.predicted):
        return INCONCLUSIVE, "nothing was predicted"
    if not isfinite(numbers.measured):  # no comparison with a number is ever true of it
        return DIFFERS, "what was measured is no number"
    off = f"{percent(numbers.error, signed=True)} off"
    if tolerance is None:
        place = "" if utilization is None else f"utilization {utilization:.2f} is close to 1: "
        return INCONCLUSIVE, f"{place}shown, no verdict"
    off += f", tolerance {percent(tolerance)}"
    if abs(numbers.error) > tolerance and not numbers.inside:
        return _beyond(numbers, tolerance, off)
    if numbers.width > 2 * tolerance:
        return (
            INCONCLUSIVE,
            f"the band is {percent(numbers.width)} wide, more than twice the tolerance of {percent(tolerance)}",
        )
    return AGREES, off if abs(numbers.error) <= tolerance else f"{off}, but inside the band"


def _beyond(numbers: Numbers, tolerance: float, off: str) -> tuple[str, str]:
    if numbers.adjusted is not None:
        # A share of what is predicted with them: long stalls may be the greater part of it.
        by_share = numbers.scale == numbers.predicted
        left = (numbers.measured - numbers.adjusted) / (numbers.adjusted if by_share else numbers.scale)
        if abs(left) <= tolerance:
            explained = f"{percent(left, signed=True)} with the logged stalls put into the prediction"
            return INCONCLUSIVE, f"{off}; {explained}: {numbers.stalls}"
    return DIFFERS, f"{off}, and outside the band"


def drifted(point: Point, again: Point, before_s: float, after_s: float) -> Point:
    """Return a point that DIFFERS as INCONCLUSIVE where a machine that has become another one explains it.

    `again` is the same point predicted from the calibration after the run; a hold was `before_s`, then `after_s`, which
    is more than the machine wanders (`Calibration.drifted_to`).
    """
    if point.word != DIFFERS or again.word != AGREES:
        return point
    reason = (
        f"{point.reason}; {percent(again.path_error, signed=True)} off by the calibration after it: the machine "
        f"drifted, a message held the thread for {seconds(before_s, 4)} before and {seconds(after_s, 4)} afterwards"
    )
    return Point(**{**point.document(), "word": INCONCLUSIVE, "reason": reason})


def controlled_document(found: Controlled | None) -> dict[str, Any] | None:
    """Return a control variate's estimate as a point has it."""
    return None if found is None else {"estimate": found.estimate_s, "low": found.low_s, "high": found.high_s}
