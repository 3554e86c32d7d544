"""How figures look: one style, and one colour for each of nominal, predicted and measured in every figure."""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from sim.plot import CALIBRATED, MEASURED, NOMINAL, STYLE

__all__ = ["CALIBRATED", "MEASURED", "NOMINAL", "draw"]


def draw(
    directory: Path, name: str, caption: str, paint: Callable[[Figure], None], size: tuple[float, float]
) -> list[str]:
    """Write `name`.png and .svg, the caption below the picture; return their names."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        paint(figure)
        figure.supxlabel(caption, fontsize=9, color="#555555", x=0.01, ha="left")
        names = [f"{name}.png", f"{name}.svg"]
        for file in names:
            figure.savefig(directory / file, dpi=140, metadata={"Date": None} if file.endswith("svg") else None)
    return names
