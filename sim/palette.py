"""One style for every figure, and one colour for each of nominal, predicted and measured.

The colours are those of Okabe and Ito (2008), which colour-blind readers can tell apart.
"""

from typing import Any

NOMINAL, CALIBRATED, MEASURED = "#000000", "#0072B2", "#D55E00"
# For curves that are told apart by something else than where their numbers come from.
CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e5e5",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "one-thread-lab",
}
