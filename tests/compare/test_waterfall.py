"""The waterfall: what it paints is what was found, and nothing that it writes covers anything."""

from itertools import combinations

import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from compare.attribution import Attribution, Part
from compare.drawing.waterfall import waterfall
from compare.explain.causes import CAUSES

STEPS_S = (-0.0012, 0.002, -0.00003, 0.0004, 0.0, 0.0031, 0.000009, 0.004, 0.0001)
NAMES = ("finite sample of arrivals", *CAUSES, "rest")


def attribution_of(steps_s: tuple[float, ...], nominal_s: float = 0.0125, spread: float = 0.3) -> Attribution:
    """Steps with ranges that are partly longer, partly shorter than the steps themselves."""
    parts = [
        Part(name, step, min(step, step * (1 - spread)), max(step, step * (1 + spread)))
        for name, step in zip(NAMES, steps_s, strict=True)
    ]
    return Attribution("p99", nominal_s, nominal_s + sum(steps_s), tuple(parts))


def painted(*attributions: Attribution) -> list[Axes]:
    figure = Figure(figsize=(10, 4), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2)
    for one, attribution in zip(axes, attributions, strict=True):
        waterfall(one, attribution)
    canvas.draw()
    return list(axes)


def labels(axes: Axes) -> list[Annotation]:
    return [text for text in axes.texts if isinstance(text, Annotation)]


def bars(axes: Axes) -> list[Rectangle]:
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


CASES = {
    "mixed": attribution_of(STEPS_S),
    "all up": attribution_of((0.001,) * 9, spread=2.0),
    "all down": attribution_of((-0.001,) * 9, spread=0.5),
    "huge": attribution_of((0.4, 60.0, 0.0, 0.2, 0.0, 0.0, 0.0, 3.0, -0.1)),
    "nothing": attribution_of((0.0,) * 9),
}


def test_bars_lead_from_nominal_to_measured_each_from_where_the_last_ended() -> None:
    axes = painted(CASES["mixed"], CASES["nothing"])[0]
    at_ms = 12.5
    for bar, step_s in zip(bars(axes), STEPS_S, strict=True):
        # A bar of negative width has its corner at its right end.
        assert bar.get_x() == pytest.approx(at_ms)
        assert bar.get_width() == pytest.approx(step_s * 1e3)
        at_ms += step_s * 1e3
    assert at_ms == pytest.approx(CASES["mixed"].measured * 1e3)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["theory", *NAMES, "measured"]


def test_without_theory_the_way_begins_with_the_recursion_and_says_so() -> None:
    # Above capacity theory has no latency, and so the sample of arrivals no part.
    begun = painted(attribution_of((0.0, *STEPS_S[1:])), CASES["mixed"])
    assert [axes.get_yticklabels()[0].get_text() for axes in begun] == ["recursion at D each", "theory"]


def test_values_are_written_with_sign_and_unit() -> None:
    words = [label.get_text() for label in labels(painted(CASES["mixed"], CASES["nothing"])[0])]
    assert words[0] == "12.5 ms"
    assert words[1:4] == ["−1.2 ms", "+2 ms", "−30 µs"]
    assert words[-3:] == ["+4 ms", "+100 µs", "20.9 ms"]
    assert words[5] == "0 ms"


def test_the_title_says_how_much_and_how_much_of_it_is_named() -> None:
    left, right = painted(CASES["mixed"], CASES["nothing"])
    assert left.get_title("left") == "latency, p99: +8.38 ms, 98.8 % of it named"
    assert right.get_title("left") == "latency, p99: 0 ms"


@pytest.mark.parametrize("name", CASES)
def test_no_label_leaves_its_axes_or_covers_a_bar_a_whisker_or_another(name: str) -> None:
    for axes in painted(CASES[name], CASES[name]):
        written = [label.get_window_extent() for label in labels(axes)]
        inside = axes.get_window_extent()
        assert all(inside.x0 <= box.x0 and box.x1 <= inside.x1 for box in written)
        assert not any(first.overlaps(second) for first, second in combinations(written, 2))
        covered: list[Bbox] = [bar.get_window_extent() for bar in bars(axes)]
        covered += [line.get_window_extent() for line in axes.lines if line.get_linestyle() == "-"]
        covered += [line.get_window_extent() for line in axes.lines if line.get_marker() == "D"]
        assert not any(box.overlaps(other) for box in written for other in covered if other.width > 1)


def test_ticks_and_titles_of_two_side_by_side_do_not_cover_one_another() -> None:
    left, right = painted(CASES["mixed"], CASES["all up"])
    first, second = left.get_tightbbox(), right.get_tightbbox()
    assert first is not None
    assert second is not None
    assert first.x1 <= second.x0
    assert second.x1 <= right.figure.bbox.x1


def test_the_whisker_is_the_range_from_where_the_bar_begins() -> None:
    axes = painted(CASES["all up"], CASES["nothing"])[0]
    # Up by 1 ms each, range 1 × (1 − 2) … 1 × (1 + 2) ms: −1 … +3; the third bar begins at 14.5 ms.
    whiskers = [line.get_xdata() for line in axes.lines if line.get_marker() == "|"]
    assert len(whiskers) == 9
    assert list(whiskers[2]) == pytest.approx([13.5, 17.5])
