"""The rules, fixed before anything is measured: when a prediction agrees with a measurement and when it does not."""

from dataclasses import asdict, dataclass
from typing import Any

from compare.predict import Prediction, nominal_value, value
from sim.units import percent

AGREES, DIFFERS, INCONCLUSIVE = "AGREES", "DIFFERS", "INCONCLUSIVE"
NEAR_THE_LIMIT = (0.95, 1.05)


@dataclass(frozen=True, slots=True)
class Point:
    """One number, predicted and measured.

    `path_error` and `tolerance` are in the same unit: shares of the prediction, for growth shares of capacity.
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

    def document(self) -> dict[str, Any]:
        """Return the point as JSON has it."""
        return asdict(self)


def latency_tolerance(utilization: float) -> float | None:
    """Return 5 % up to utilization 0.8, 10 % up to 0.95; None, which is no verdict, beyond."""
    if utilization <= 0.8:
        return 0.05
    return 0.10 if utilization <= NEAR_THE_LIMIT[0] else None


def judge(
    label: str, prediction: Prediction, measured: dict[str, Any], metric: str, tolerance: float | None, scale: float = 0
) -> Point:
    """Compare one metric; errors are shares of `scale`, or of the prediction where that is 0.

    DIFFERS: outside the band *and* beyond the tolerance. INCONCLUSIVE: a band wider than twice the tolerance could
    not have told, or the rule has no tolerance there. AGREES: otherwise.
    """
    predicted, seen, band = value(prediction.metrics, metric), value(measured, metric), prediction.band[metric]
    unit = scale or predicted
    error = (seen - predicted) / unit
    theory = nominal_value(prediction, metric)
    word, reason = _word(error, (band[1] - band[0]) / unit, band[0] <= seen <= band[1], tolerance)
    if tolerance is None:
        reason = (
            f"utilization {prediction.utilization:.2f} is within {NEAR_THE_LIMIT[0]} … {NEAR_THE_LIMIT[1]}: {reason}"
        )
    return Point(
        label,
        prediction.workload.describe(),
        metric,
        theory,
        predicted,
        band,
        seen,
        error,
        (seen - theory) / (scale or theory) if theory else None,
        tolerance,
        word,
        reason,
    )


def _word(error: float, width: float, inside: bool, tolerance: float | None) -> tuple[str, str]:
    if tolerance is None:
        return INCONCLUSIVE, "shown, no verdict"
    off = f"{percent(error, signed=True)} off, tolerance {percent(tolerance)}"
    if abs(error) > tolerance and not inside:
        return DIFFERS, f"{off}, and outside the band"
    if width > 2 * tolerance:
        return INCONCLUSIVE, f"the band is {percent(width)} wide, more than twice the tolerance of {percent(tolerance)}"
    return AGREES, off if abs(error) <= tolerance else f"{off}, but inside the band"
