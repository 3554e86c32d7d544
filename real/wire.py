"""A line of the wire: what it spells is a message or is rejected, by itself and with a reason."""

import json
from math import isfinite
from typing import Any

from real.message import Message, MessageError, parse
from real.ticket import NOT_YET

LONGEST_AGO_S = 3_600
MOST_DIGITS = 18


def instant_ns(at_s: float | None, now_ns: int) -> int:
    """Return an instant that another process of this machine names, ns on the clock; NOT_YET where it cannot be.

    It can if it was within the last hour: others' clocks are not this one.

    >>> instant_ns(5.0, 6_000_000_000), instant_ns(7.0, 6_000_000_000), instant_ns(float("inf"), 6_000_000_000)
    (5000000000, -1, -1)
    """
    # Compared before it is converted: what JSON spells may be too large for any integer, or any float.
    if at_s is None or not now_ns / 1e9 - LONGEST_AGO_S <= at_s <= now_ns / 1e9:
        return NOT_YET
    return min(round(at_s * 1e9), now_ns)


class Rejected(ValueError):  # noqa: N818 - it reads as what it is
    """A line that is no message for anyone here."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def decoded(line: bytes) -> Message:
    """Return the message that a line spells; Rejected says why it is none."""
    try:
        document = json.loads(line, parse_constant=_no_number, parse_float=_finite, parse_int=_whole)
    except (ValueError, RecursionError) as error:
        raise Rejected("not JSON", f"{line[:40]!r}: {error}") from None
    if not isinstance(document, dict):
        raise Rejected("not a message", f"{line[:40]!r}: not an object with worker_id, payload and timestamp")
    try:
        return parse(document)
    except (MessageError, RecursionError) as error:  # the latter from quoting what is nested too deeply
        raise Rejected("not a message", str(error)) from None


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text:.20} is too large a number")
    return number


def _whole(text: str) -> int:
    # Python's integers know no limits, and its way of writing them does.
    if len(text.removeprefix("-")) > MOST_DIGITS:
        raise ValueError(f"{text:.20}… has more than {MOST_DIGITS} digits")
    return int(text)
