"""Numbers as people type them: whole ones however they are written, lists and ranges.

Standard library only.
"""

from decimal import Decimal, InvalidOperation

from sim.checks import Bounds
from sim.command import UsageError


def whole(text: str) -> int:
    """Read 20000, 20_000, 2e4: whole numbers however they are written."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if not value.is_finite() or value.adjusted() > 20 or value != value.to_integral_value():
        raise ValueError(text)
    return int(value)


def number_list(name: str, text: str, most: int, bounds: Bounds) -> list[float]:
    """Return the numbers that FROM:TO:STEP or a list with commas spells, at most so many; UsageError otherwise.

    >>> loads = Bounds(0.0, 1.0, "shares from 0 to 1")
    >>> number_list("--loads", "0.1:0.3:0.1", 99, loads), number_list("--loads", "0.5,1", 99, loads)
    ([0.1, 0.2, 0.3], [0.5, 1.0])
    """
    remedy = f"{name} {text}: write FROM:TO:STEP or a list, in {bounds.remedy}"
    try:
        parts = [Decimal(part) for part in text.split(":" if ":" in text else ",")]
        if ":" in text:
            first, last, step = parts
            if first > last or step <= 0:
                raise ValueError(text)
            # Not counted by division: of steps that are tiny there may be more than even a Decimal holds.
            parts = [at for at in (first + k * step for k in range(most + 1)) if at <= last]
        values = [bounds.checked(name, float(part)) for part in parts]
    except (ArithmeticError, ValueError):
        raise UsageError(remedy) from None
    if len(values) > most:
        raise UsageError(f"{name} {text}: more than {most} points; give fewer")
    return values


def whole_number(name: str, text: str, least: int, most: int) -> int:
    """Return the whole number that a flag's text spells; UsageError if it is none or out of range."""
    try:
        value = whole(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise UsageError(f"{name} {text}: must be a whole number from {least} to {most}")
    return value


def host_and_port(flag: str, text: str) -> tuple[str, int]:
    """Return the address that a flag's value spells; port 0 is any that is free.

    >>> host_and_port("--listen", "127.0.0.1:9000"), host_and_port("--listen", "[::1]:0")
    (('127.0.0.1', 9000), ('::1', 0))
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port[:9]) > 65_535:
        raise UsageError(f"{flag} {text}: must be HOST:PORT, as in {flag} 127.0.0.1:9000")
    return host, int(port)
