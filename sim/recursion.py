"""Lindley's recursion over whole arrays, in floating point; the compiled engine is exact, but takes longer to load."""

import numpy as np
import numpy.typing as npt

from sim.summary import Seconds


def waits(arrivals_s: npt.ArrayLike, service_s: npt.ArrayLike) -> Seconds:
    """Return each message's wait (s), shape (n,): W_1 = 0, W_{i+1} = max(0, W_i + S_i − A_i) (Lindley 1952, eq. 1).

    `arrivals_s`: instants in order, shape (n,). `service_s`: shape (n,), or one for all. Solved, the recursion is
    W_i = C_i − min(C_1 … C_i) with C_i the sum over j < i of S_j − A_j.

    >>> waits([0.0, 1.0, 2.0], 2.0).tolist()
    [0.0, 1.0, 2.0]
    """
    arrivals = np.asarray(arrivals_s, dtype=np.float64)
    service = np.broadcast_to(np.asarray(service_s, dtype=np.float64), arrivals.shape)
    steps = np.concatenate([[0.0], service[:-1] - np.diff(arrivals)])[: len(arrivals)]
    walk = np.cumsum(steps)
    waiting: Seconds = walk - np.minimum.accumulate(walk)
    return waiting
