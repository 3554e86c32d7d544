"""Named random streams, and the variates drawn from them.

Standard library only, and every draw is one call of `random()`: the only method whose sequence Python promises to
keep from one version to the next.
"""

import math
import random
from collections.abc import Callable

Draw = Callable[[], float]


def stream(seed: int, name: str) -> Draw:
    """Return the named random stream of a seed: independent of every other name, the same in every process.

    >>> stream(1, "arrivals")() == stream(1, "arrivals")() != stream(1, "workers")()
    True
    """
    return random.Random(f"{seed}/{name}").random


def exponential(draw: Draw, mean: float) -> float:
    """Return one exponential variate. `1 - u` is never 0, so the logarithm always exists."""
    return -math.log(1.0 - draw()) * mean


def normal(draw: Draw) -> float:
    """Return one standard normal variate (Box and Muller 1958, Annals of Mathematical Statistics 29:610)."""
    return math.sqrt(-2.0 * math.log(1.0 - draw())) * math.cos(2.0 * math.pi * draw())
