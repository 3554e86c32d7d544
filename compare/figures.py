"""Figures: how they are written, and those that more than one experiment needs."""

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from compare.drawing.waterfall import beginning, waterfall
from compare.experiment import Run
from compare.metric import MEAN
from sim import Trajectory
from sim.files import write_bytes, write_figure
from sim.palette import CALIBRATED, MEASURED, NOMINAL, STYLE
from sim.units import percent, seconds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLORS = 128  # of a PNG


def draw(
    directory: Path, name: str, caption: str, paint: "Callable[[Figure], None]", size: tuple[float, float]
) -> dict[str, str]:
    """Write `name`.png and .svg, the caption below the picture; return the caption by the name of the PNG."""
    import matplotlib as mpl  # noqa: PLC0415 - it takes a second to load, which most commands need not wait for
    from matplotlib.figure import Figure  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415 - matplotlib writes PNG with it

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        paint(figure)
        figure.supxlabel(caption, fontsize=9, color="#555555", x=0.01, ha="left")
        write_figure(directory / f"{name}.svg", figure, metadata={"Date": None})
        picture, smaller = BytesIO(), BytesIO()
        figure.savefig(picture, dpi=140, format="png")
    with Image.open(picture) as drawn:
        # A few dozen colours and their shades at the edges: a third of the size, and nobody sees it.
        drawn.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(smaller, "png", optimize=True)
    write_bytes(directory / f"{name}.png", smaller.getvalue())
    return {f"{name}.png": caption}


def attribution_figure(directory: Path, runs: Sequence[Run]) -> dict[str, str]:
    """Draw what the largest gap to theory is made of, for mean and p99 of one run; nothing where none was explained."""
    explained = [run for run in runs if run.attributions]
    if not explained:
        return {}
    # Above the limit there is no theory to begin with, but the recursion.
    run = max([run for run in explained if run.utilization < 1] or explained, key=_gap)
    caption = "Where they agree, the rest is next to nothing. Whiskers: the range over all orders of the causes."

    def paint(figure: "Figure") -> None:
        shown = [one for one in run.attributions if one.statistic in ("mean", "p99")]
        for axes, one in zip(np.atleast_1d(figure.subplots(1, len(shown))), shown, strict=True):
            waterfall(axes, one)
        figure.suptitle(f"{run.label}: from {beginning(run.attributions[0])} to what was measured")

    return draw(directory, "attribution", caption, paint, (11.0, 4.6))


def _gap(run: Run) -> float:
    mean = next(one for one in run.attributions if one.statistic == "mean")
    return abs(mean.measured - mean.nominal) / mean.nominal


def message_by_message(figure: "Figure", run: Run) -> None:
    """Paint the latency of every message in the busiest seconds of a run, and how far off the prediction was."""
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    predicted, measured = run.predicted, run.measured
    shown = _busiest_seconds(predicted, 4.0)
    at_s = predicted.arrival_s[shown]
    above.plot(
        at_s, run.prediction.nominal_path.latency_s[shown] * 1e3, "--", color=NOMINAL, lw=1,
        label=f"from the flags: {seconds(run.workload.service_s)} each, these arrivals",
    )  # fmt: skip
    above.plot(at_s, predicted.latency_s[shown] * 1e3, "-", color=CALIBRATED, lw=3, label="predicted (calibrated)")
    above.plot(at_s, measured.latency_s[shown] * 1e3, ".", color=MEASURED, ms=4, label="measured")
    mean, seen = run.values(MEAN)
    above.set_title(
        f"{run.label}, every message: mean predicted {seconds(mean)}, measured {seconds(seen)} "
        f"({percent(seen / mean - 1, signed=True)})"
    )
    above.set_ylabel("latency, ms")
    above.set_ylim(bottom=0)
    figure.legend(*above.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    below.axhline(0, color=CALIBRATED, lw=1)
    below.plot(at_s, (measured.latency_s - predicted.latency_s)[shown] * 1e3, ".", color=MEASURED, ms=3)
    below.set_ylabel("measured −\npredicted, ms")
    below.set_xlabel("time of arrival, s")


def _busiest_seconds(trajectory: Trajectory, width_s: float) -> slice:
    """Return the messages of the `width_s` around the longest latency."""
    peak_s = float(trajectory.arrival_s[int(np.argmax(trajectory.latency_s))])
    begin_s = max(0.0, min(peak_s - width_s / 2, float(trajectory.arrival_s[-1]) - width_s))
    first, last = np.searchsorted(trajectory.arrival_s, [begin_s, begin_s + width_s])
    return slice(int(first), int(last))
