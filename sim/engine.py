"""The same queue as a plain compiled loop over arrays: the recursion that the model is checked against.

First come, first served, no queries: a function of its arguments, with no randomness in it.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Nanoseconds = npt.NDArray[np.int64]


def replay(
    arrival_ns: Nanoseconds,
    dispatch_ns: Nanoseconds,
    processing_ns: Nanoseconds,
    wakeup_ns: Nanoseconds,
    woken_processing_ns: Nanoseconds,
) -> tuple[Nanoseconds, Nanoseconds, Nanoseconds]:
    """Return (taken, start, finish), ns, each of shape (n,): exactly what the model makes of the same arrays.

    All have shape (n,), int64; what they mean is said at `HoldTimes`.
    """
    taken, start, finish = _replay(arrival_ns, dispatch_ns, processing_ns, wakeup_ns, woken_processing_ns)
    return taken, start, finish


@njit(cache=True)
def _replay(arrival: Any, dispatch: Any, processing: Any, wakeup: Any, woken_processing: Any) -> Any:
    taken, start, finish = np.empty_like(arrival), np.empty_like(arrival), np.empty_like(arrival)
    held = np.empty_like(arrival)  # when the thread took each message up
    free = np.int64(-1)  # when the thread was last let go
    ended = 0  # the first message whose finish is later than the arrival at hand
    for i in range(len(arrival)):
        at = arrival[i]
        while ended < i and finish[ended] <= at:
            ended += 1
        taken[i] = finish[ended] if ended < i and held[ended] < at else at
        if free >= at:
            held[i] = free
            start[i] = free + dispatch[i]
            finish[i] = start[i] + processing[i]
        else:
            held[i] = at
            start[i] = at + wakeup[i]
            finish[i] = start[i] + woken_processing[i]
        free = finish[i]
    return taken, start, finish
