"""Numbers that sum up many: percentiles, slopes, and ratios that may be undefined."""

import numpy as np
import numpy.typing as npt

Seconds = npt.NDArray[np.float64]
SUMMARY = ("mean", "p50", "p95", "p99", "max")


def summary(values: Seconds) -> dict[str, float | None]:
    """Return mean, p50, p95, p99 and max; percentiles by linear interpolation (Hyndman and Fan 1996, type 7).

    >>> summary(np.array([1.0, 2.0, 4.0]))["p50"]
    2.0
    """
    if not len(values):
        return dict.fromkeys(SUMMARY)
    p50, p95, p99 = np.percentile(values, [50, 95, 99])
    numbers = (values.mean(), p50, p95, p99, values.max())
    return {name: float(number) for name, number in zip(SUMMARY, numbers, strict=True)}


def slope(x: Seconds, y: Seconds) -> float | None:
    """Return the least-squares slope of y over x; None where all x are the same.

    >>> slope(np.array([0.0, 1.0, 2.0]), np.array([5.0, 5.5, 6.0]))
    0.5
    """
    if not len(x):
        return None
    from_mean = x - x.mean()
    return ratio(float(from_mean @ (y - y.mean())), float(from_mean @ from_mean))


def ratio(over: float, under: float) -> float | None:
    """Return a ratio; None where nothing can be divided by."""
    return over / under if under else None
