"""Calibration: how long a message holds the thread of this machine, measured before anything is predicted.

Never taken from the run that is to be predicted.
"""

from collections.abc import Callable

import numpy as np

from compare.measure import expected_s, measure
from sim import Workload
from sim.bands import HoldSamples

RARE_LOAD = 0.3
LEAST_BUSY, LEAST_RARE = 100, 60  # messages


def workloads(service_s: float, seconds: float, seed: int) -> tuple[Workload, Workload]:
    """Return what a calibration runs: messages back to back, and messages so rare that most find the thread idle.

    Each takes about half of `seconds`, longer where a message takes so long that there would be too few of them.
    """
    busy = max(LEAST_BUSY, round(seconds / 2 / service_s))
    back_to_back = Workload(
        rate_per_s=min(20 / service_s, 1e6), service_s=service_s, messages=busy, arrivals="deterministic", seed=seed
    )
    # Its arrivals are on a seed of their own, lest a run be predicted from its very own arrivals.
    rare = Workload(
        rate_per_s=min(RARE_LOAD / service_s, 1e6),
        service_s=service_s,
        messages=max(LEAST_RARE, round(busy * RARE_LOAD)),
        seed=(seed + 1) % 2**63,
    )
    return back_to_back, rare


def calibrate(
    service_s: float, seconds: float, seed: int, on_wait: Callable[[float], object] = lambda passed_s: None
) -> HoldSamples:
    """Measure how long messages of `service_s` hold the thread, in about `seconds` s."""
    first, second = workloads(service_s, seconds, seed)
    back_to_back = measure(first, on_wait).trajectory
    rare = measure(second, lambda passed_s: on_wait(expected_s(first) + passed_s)).trajectory
    free_s = np.concatenate([[-np.inf], rare.finish_s[:-1]])
    woken = rare.arrival_s > free_s  # found the thread idle
    # The first message of all was woken: it has a processing time to show, but no dispatch before it.
    dispatch_s, processing_s = back_to_back.dispatch_s, back_to_back.processing_s[1:]
    both = min(len(dispatch_s), len(processing_s))
    return HoldSamples(dispatch_s[-both:], processing_s[-both:], rare.wait_s[woken], rare.processing_s[woken])
