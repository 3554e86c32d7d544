"""What a parameter may be: checks that quote the value and say what would be accepted."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real

MOST_SERVERS = 2000  # of one queue: theory of more would take too long


class InvalidWorkload(ValueError):  # noqa: N818 - it reads as what it is
    """A parameter that cannot be: `field` names it, `remedy` says what would be accepted."""

    def __init__(self, field: str, value: object, remedy: str) -> None:
        super().__init__(f"{field}={value!r}: {remedy}")
        self.field, self.value, self.remedy = field, value, remedy


def number(field: str, value: object, low: float, high: float, remedy: str, *, above: bool = False) -> float:
    """Return `value` as a float between `low` (or above it) and `high`; NaN and infinities are neither."""
    known = isinstance(value, Real) and not isinstance(value, bool)
    # A comparison with NaN is false, so NaN falls through to the error.
    if not (known and (low < value if above else low <= value) and value <= high):  # type: ignore[operator]
        raise InvalidWorkload(field, value, f"must be {remedy}")
    return float(value)  # type: ignore[arg-type]


def whole(field: str, value: object, low: int, high: int, remedy: str) -> int:
    """Return `value`, an int between `low` and `high`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or not low <= int(value) <= high:
        raise InvalidWorkload(field, value, f"must be {remedy}")
    return int(value)


def choice(field: str, value: object, choices: Sequence[str]) -> str:
    """Return `value`, one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise InvalidWorkload(field, value, f"must be one of {', '.join(choices)}")
    return value


def positive(text: str, most: float) -> float | None:
    """Return the number above 0 and at most `most` that a piece of a specification spells; None if it does not.

    >>> positive("1.5", 10.0), positive("nan", 10.0), positive("x", 10.0)
    (1.5, None, None)
    """
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0.0 < value <= most else None


@dataclass(frozen=True, slots=True)
class Bounds:
    """The numbers that a field of a workload accepts: from `low` (or above it) to `high`."""

    low: float
    high: float
    remedy: str
    above: bool = False
    integer: bool = False

    def checked(self, field: str, value: object) -> float:
        """Return the value as a number; InvalidWorkload where it is none of these."""
        if self.integer:
            return whole(field, value, int(self.low), int(self.high), self.remedy)
        return number(field, value, self.low, self.high, self.remedy, above=self.above)


BOUNDS = {
    "rate_per_s": Bounds(0.0, 1e6, "messages/s: more than 0, at most 1e6", above=True),
    "service_s": Bounds(1e-6, 1e2, "seconds from 1e-6 to 100"),
    "duration_s": Bounds(0.0, 1e6, "seconds: more than 0, at most 1e6", above=True),
    "query_rate_per_s": Bounds(0.0, 1e6, "queries/s from 0 to 1e6"),
    "query_service_s": Bounds(1e-6, 1e2, "seconds from 1e-6 to 100"),
    "messages": Bounds(1, 10**9, "a whole number from 1 to 1e9", integer=True),
    "workers": Bounds(1, 100_000, "a whole number from 1 to 100000", integer=True),
    "inbox": Bounds(1, 10**9, "a whole number of places from 1 to 1e9", integer=True),
    "seed": Bounds(0, 2**63 - 1, "a whole number from 0 to 2^63 - 1", integer=True),
}
