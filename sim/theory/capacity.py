"""How much capacity a target for latency asks for: servers, processes, a service time, a rate.

Latency falls with every server and rises with the rate and with the service time, so each answer is found by halving;
whether the target is met is asked of the exact M/D/c, never of an approximation.
"""

import math
from collections.abc import Callable

from sim.checks import MOST_SERVERS
from sim.theory.domain import check_queue
from sim.theory.mdc import MDc

_PRECISION = 1e-10  # of a service time or a rate, relative


def servers_needed(rate_per_s: float, service_s: float, target_s: float, tail: float | None = 0.01) -> int:
    """Return the fewest servers fed from one queue with which the latency meets the target.

    Met is the target if P(latency > `target_s`) ≤ `tail`, 0.01 for p99; with tail=None if the mean is at most
    `target_s`. ValueError if no number of servers meets it, or none up to 2,000.

    >>> servers_needed(rate_per_s=150, service_s=0.005, target_s=0.013, tail=None)  # one takes 5 + 7.5 ms
    1
    >>> servers_needed(rate_per_s=2000, service_s=0.005, target_s=0.020)
    11
    """
    return _fewest(rate_per_s, service_s, target_s, tail, lambda n: MDc(rate_per_s, service_s, n))


def processes_needed(rate_per_s: float, service_s: float, target_s: float, tail: float | None = 0.01) -> int:
    """Return the fewest processes, each with a queue of its own, with which the latency meets the target.

    Each of n is an M/D/1 with a rate of `rate_per_s`/n: messages routed at random remain Poisson. Target, tail and
    errors as for `servers_needed`.
    """
    return _fewest(rate_per_s, service_s, target_s, tail, lambda n: MDc(rate_per_s / n, service_s, 1))


def service_needed(rate_per_s: float, target_s: float, tail: float | None = 0.01, servers: int = 1) -> float:
    """Return the longest service time (s) with which so many servers fed from one queue meet the target, to 1e-9.

    Target and tail as for `servers_needed`; some service time is always short enough.
    """
    _check_target(target_s, tail)
    MDc(rate_per_s, target_s, servers)  # refuses what is no rate or no number of servers
    limit_s = min(target_s, servers / rate_per_s)
    return _largest(limit_s, lambda service_s: _meets(MDc(rate_per_s, service_s, servers), target_s, tail))


def rate_sustained(service_s: float, target_s: float, tail: float | None = 0.01, servers: int = 1) -> float:
    """Return the highest rate (messages/s) with which so many servers fed from one queue meet the target, to 1e-9.

    Target and tail as for `servers_needed`. ValueError if the target is shorter than the service, or if it is the
    service itself and meant for the mean: then there may be no messages at all.
    """
    capacity_per_s = MDc(1.0, service_s, servers).capacity_per_s
    _check_target(target_s, tail, service_s)
    return _largest(capacity_per_s, lambda rate: _meets(MDc(rate, service_s, servers), target_s, tail))


def _check_target(target_s: float, tail: float | None, service_s: float = 0.0) -> None:
    """Raise a ValueError for what is no target, and for one that no capacity meets."""
    if not 0.0 < target_s < math.inf:
        raise ValueError(f"target_s={target_s!r}: must be positive and finite")
    if tail is not None and not 1e-200 <= tail < 1.0:
        raise ValueError(f"tail={tail!r}: must lie between 1e-200 and 1, as 0.01 for p99, or be None for the mean")
    if target_s < service_s or (tail is None and target_s == service_s):
        raise ValueError(
            f"target {target_s * 1e3:g} ms, service {service_s * 1e3:g} ms: no number of servers makes a message faster"
            " than its own service, nor the mean as fast; ask for a longer target, or make the service shorter"
        )


def _meets(queue: MDc, target_s: float, tail: float | None) -> bool:
    """Whether latency meets the target: its mean, or the chance to exceed it; never without a steady state."""
    if not queue.stable:
        return False
    if tail is None:
        return queue.latency.mean() <= target_s
    return float(queue.latency.sf(target_s)) <= tail


def _fewest(
    rate_per_s: float, service_s: float, target_s: float, tail: float | None, queue: Callable[[int], MDc]
) -> int:
    """Return the least n up to MOST_SERVERS for which `queue(n)` meets the target."""
    check_queue(rate_per_s, service_s)
    _check_target(target_s, tail, service_s)
    if not _meets(queue(MOST_SERVERS), target_s, tail):
        raise ValueError(
            f"rate {rate_per_s:g}/s × service {service_s * 1e3:g} ms, target {target_s * 1e3:g} ms: more than "
            f"{MOST_SERVERS:,} would be needed; ask for a longer target, or make the rate or the service smaller"
        )
    low, high = 0, MOST_SERVERS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _meets(queue(middle), target_s, tail) else (middle, high)
    return high


def _largest(limit: float, met: Callable[[float], bool]) -> float:
    """Return the largest value up to `limit` that is met: down by halves to one that is, then between the two."""
    high, low = limit, limit
    while not met(low):
        high, low = low, low / 2.0
    while high - low > _PRECISION * high:
        middle = (low + high) / 2.0
        low, high = (middle, high) if met(middle) else (low, middle)
    return low
