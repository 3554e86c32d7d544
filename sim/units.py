"""The one place where numbers become text for people: three digits and a unit."""


def seconds(value: float | None) -> str:
    """Return a time with a unit that suits its size.

    >>> seconds(0.0125), seconds(0.5), seconds(4.2e-5), seconds(0.0), seconds(None)
    ('12.5 ms', '500 ms', '42 µs', '0 ms', '–')
    """
    if value is None:
        return "–"
    size = abs(value)
    if size >= 0.9995:
        return f"{digits(value)} s"
    return f"{digits(value * 1e3)} ms" if size >= 0.0009995 or value == 0 else f"{digits(value * 1e6)} µs"


def lasting(value: float) -> str:
    """Return how long something takes, as people say it.

    >>> lasting(42.0), lasting(3610.0), lasting(90_000.0)
    ('42 s', '60.2 min', '25 h')
    """
    for unit, length_s, least in (("days", 86_400.0, 2.0), ("h", 3600.0, 2.0), ("min", 60.0, 2.0)):
        if value >= least * length_s:
            return f"{digits(value / length_s)} {unit}"
    return seconds(value)


def digits(value: float | None) -> str:
    """Return a number to three significant digits, never in powers of ten where it can be read without.

    >>> digits(1234567.0), digits(0.5), digits(99.96), digits(2.0), digits(-0.00012)
    ('1,230,000', '0.5', '100', '2', '-0.00012')
    """
    if value is None:
        return "–"
    if value == 0:
        return "0"
    rounded = float(f"{value:.3g}")
    if abs(rounded) >= 1000:
        return f"{rounded:,.0f}"
    return f"{rounded:.3g}" if abs(rounded) >= 1e-4 else f"{rounded:.2g}"


def signed(value: float | None) -> str:
    """Return a number with its sign.

    >>> signed(0.5), signed(-0.0197), signed(0.0)
    ('+0.5', '−0.0197', '0')
    """
    if not value:
        return "–" if value is None else "0"
    return f"{'+' if value > 0 else '−'}{digits(abs(value))}"


def percent(value: float | None, *, signed: bool = False) -> str:
    """Return a share as a percentage to one decimal.

    >>> percent(0.754), percent(0.1, signed=True), percent(-0.043, signed=True)
    ('75.4 %', '+10 %', '−4.3 %')
    """
    if value is None:
        return "–"
    tenths = round(1000.0 * value) / 10.0
    sign = "−" if tenths < 0 else "+" if signed and tenths > 0 else ""
    return f"{sign}{abs(tenths):,g} %"


def span(low: float, high: float, unit: str = "s") -> str:
    """Return an interval of times (or of plain numbers with unit "").

    >>> span(0.0104, 0.0152), span(89.0, 111.0, "")
    ('10.4 … 15.2 ms', '89 … 111')
    """
    if unit != "s":
        return f"{digits(low)} … {digits(high)}{unit}"
    first, last = seconds(low), seconds(high)
    if first.split()[-1] == last.split()[-1]:
        first = first.split()[0]
    return f"{first} … {last}"
