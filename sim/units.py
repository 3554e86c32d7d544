"""The one place where numbers become text for people: three digits and a unit."""

import math
from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"


def seconds(value: float | None, significant: int = 3) -> str:
    """Return a time with a unit that suits its size.

    >>> seconds(0.0125), seconds(0.5), seconds(4.2e-5), seconds(0.0), seconds(None)
    ('12.5 ms', '500 ms', '42 µs', '0 ms', '–')
    """
    if value is None:
        return "–"
    size = abs(value)
    if size >= 0.9995:
        return f"{digits(value, significant)} s"
    if size >= 0.0009995:
        return f"{digits(value * 1e3, significant)} ms"
    if size < 0.5e-9:  # nothing here is told more finely than in nanoseconds
        return "0 ms"
    return f"{digits(value * 1e6, significant)} µs"


def bars(values: Sequence[float], top: float) -> str:
    """Return a line of bars, each as high as its value's share of the top.

    >>> bars([0, 1, 2, 4], 4.0)
    '▁▃▅█'
    """
    return "".join(_BARS[min(int(len(_BARS) * value / top), len(_BARS) - 1)] if top else _BARS[0] for value in values)


def lasting(value: float) -> str:
    """Return how long something takes, as people say it.

    >>> lasting(42.0), lasting(3610.0), lasting(90_000.0)
    ('42 s', '60.2 min', '25 h')
    """
    for unit, length_s, least in (("days", 86_400.0, 2.0), ("h", 3600.0, 2.0), ("min", 60.0, 2.0)):
        if value >= least * length_s:
            return f"{digits(value / length_s)} {unit}"
    return seconds(value)


def digits(value: float | None, significant: int = 3) -> str:
    """Return a number to three significant digits, never in powers of ten where it can be read without.

    >>> digits(1234567.0), digits(0.5), digits(99.96), digits(2.0), digits(-0.00012), digits(7.50062, 5)
    ('1,230,000', '0.5', '100', '2', '-0.00012', '7.5006')
    """
    if value is None:
        return "–"
    if value == 0:
        return "0"
    rounded = float(f"{value:.{significant}g}")
    if abs(rounded) >= 10 ** max(significant, 3):
        return f"{rounded:,.0f}"
    return f"{rounded:.{significant}g}" if abs(rounded) >= 1e-4 else f"{rounded:.2g}"


def roundly(count: int) -> str:
    """Return a number of messages that is enough: three digits, rounded up.

    >>> roundly(99_437), roundly(541_000), roundly(357)
    ('99,500', '541,000', '357')
    """
    step = 10 ** max(len(str(count)) - 3, 0)
    return f"{-(-count // step) * step:,}"


def signed(value: float | None) -> str:
    """Return a number with its sign.

    >>> signed(0.5), signed(-0.0197), signed(0.0)
    ('+0.5', '−0.0197', '0')
    """
    if not value:
        return "–" if value is None else "0"
    return f"{'+' if value > 0 else '−'}{digits(abs(value))}"


def percent(value: float | None, *, signed: bool = False) -> str:
    """Return a share as a percentage to one decimal; to more where it is not the whole, but would be rounded to it.

    >>> percent(0.754), percent(0.1, signed=True), percent(-0.043, signed=True), percent(12345.0)
    ('75.4 %', '+10 %', '−4.3 %', '1,234,500 %')
    >>> percent(0.99972), percent(1 - 1e-9)
    ('99.97 %', '> 99.99 %')
    """
    if value is None:
        return "–"
    if 0.9995 <= value < 1.0:
        missing = 1.0 - value
        if missing < 1e-5:
            return "> 99.99 %"
        return f"{100.0 * value:.{-math.floor(math.log10(missing)) - 2}f}".rstrip("0") + " %"
    tenths = round(1000.0 * value) / 10.0
    sign = "−" if tenths < 0 else "+" if signed and tenths > 0 else ""
    return f"{sign}{abs(tenths):,.1f}".removesuffix(".0") + " %"


def span(low: float, high: float | None, unit: str = "s") -> str:
    """Return an interval of times (or of plain numbers with unit ""), with as many digits as tell its ends apart.

    >>> span(0.0104, 0.0152), span(89.0, 111.0, ""), span(0.0074931, 0.0075008), span(0.0104, None)
    ('10.4 … 15.2 ms', '89 … 111', '7.493 … 7.501 ms', '10.4 ms or more')
    """
    if high is None:
        return f"{seconds(low)} or more"
    apart = abs(high - low) / max(abs(high), abs(low)) if high != low else 1.0
    significant = min(max(1 - math.floor(math.log10(apart)), 3), 7)
    if unit != "s":
        return f"{digits(low, significant)} … {digits(high, significant)}{unit}"
    first, last = seconds(low, significant), seconds(high, significant)
    if first.split()[-1] == last.split()[-1]:
        first = first.split()[0]
    return f"{first} … {last}"
