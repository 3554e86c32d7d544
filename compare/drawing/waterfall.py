"""The waterfall: how one gets from the nominal number to the measured one, cause by cause."""

from typing import TYPE_CHECKING

from compare.attribution import Attribution, Part
from sim.palette import CYCLE, MEASURED, NOMINAL
from sim.units import percent, seconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEIGHT = 0.62
_GAP = 7  # points between what is labelled and its label: more than half a marker
# As shares of the axis: the margin around all bars, and about what a label takes up with its gap.
_MARGIN, _LABEL = 0.04, 0.25
_TELLABLE_S = 0.5e-9  # what is shorter is written as nothing
LONGER, SHORTER, UNNAMED = CYCLE[4], CYCLE[2], "#999999"


def waterfall(axes: "Axes", attribution: Attribution) -> None:
    """Paint a bar a cause from nominal at the top to measured at the bottom, its value beside it, ms on the axis.

    A thin whisker is the range over all orders in which causes can be substituted, from where the bar begins.
    """
    names = [beginning(attribution), *(part.cause for part in attribution.parts), "measured"]
    low_s, high_s = _limits(attribution)
    axes.set_xlim(low_s * 1e3, high_s * 1e3)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), names)
    axes.grid(visible=False, axis="y")
    _whole(axes, 0, attribution.nominal, NOMINAL)
    at_s = attribution.nominal
    for row, part in enumerate(attribution.parts, start=1):
        _step(axes, row, at_s, part, UNNAMED if part is attribution.parts[-1] else None)
        at_s += part.value_s
    _whole(axes, len(names) - 1, attribution.measured, MEASURED)
    axes.set_title(_title(attribution), loc="left", fontsize=10)
    axes.set_xlabel("latency, ms")


def beginning(attribution: Attribution) -> str:
    """Return what an attribution begins with: theory, or where that has no number the recursion on these arrivals."""
    return "theory" if attribution.parts[0].value_s else "recursion at D each"


def _title(attribution: Attribution) -> str:
    what = "mean latency" if attribution.statistic == "mean" else f"latency, {attribution.statistic}"
    named = attribution.named_share
    # Sums of floats may miss by a last bit, which would read as > 99.99 %.
    share = "" if named is None else f", {percent(round(named, 6))} of it named"
    return f"{what}: {_signed(attribution.measured - attribution.nominal)}{share}"


def _whole(axes: "Axes", row: int, value_s: float, colour: str) -> None:
    """Paint where the way begins or ends: a line across all rows would hide bars, so a marker."""
    axes.plot([value_s * 1e3], [row], "D", color=colour, ms=7)
    _label(axes, row, value_s, seconds(value_s))


def _step(axes: "Axes", row: int, from_s: float, part: Part, colour: str | None) -> None:
    to_s = from_s + part.value_s
    shade = colour or (LONGER if part.value_s >= 0 else SHORTER)
    axes.barh(row, part.value_s * 1e3, _HEIGHT, left=from_s * 1e3, color=shade)
    low_s, high_s = from_s + part.low_s, from_s + part.high_s
    if high_s - low_s > _TELLABLE_S:
        axes.plot([low_s * 1e3, high_s * 1e3], [row, row], "-|", color="#333333", lw=1, ms=6)
    # The way goes on in the next row, from here.
    axes.plot([to_s * 1e3] * 2, [row, row + 1], ":", color="#777777", lw=0.8, zorder=0.5)
    _label(axes, row, max(high_s, from_s, to_s), _signed(part.value_s))


def _label(axes: "Axes", row: int, right_s: float, words: str) -> None:
    """Write on the right of what ends there: the axis has room for it."""
    axes.annotate(words, (right_s * 1e3, row), (_GAP, 0), textcoords="offset points", va="center", fontsize=9)


def _limits(attribution: Attribution) -> tuple[float, float]:
    """Return the axis' ends, s: around every bar and whisker, with room for a label on the right of each."""
    ends, at_s = [attribution.nominal, attribution.measured], attribution.nominal
    for part in attribution.parts:
        ends += [at_s + part.low_s, at_s + part.high_s, at_s, at_s + part.value_s]
        at_s += part.value_s
    low_s, high_s = min(ends), max(ends)
    width_s = (high_s - low_s) or max(abs(high_s), 1e-6)
    share = 1.0 - _MARGIN - _LABEL
    return low_s - _MARGIN * width_s / share, high_s + _LABEL * width_s / share


def _signed(value_s: float) -> str:
    """Return a time with its sign; nothing has none."""
    if abs(value_s) < _TELLABLE_S:
        return seconds(0.0)
    return f"{'+' if value_s > 0 else '−'}{seconds(abs(value_s))}"
