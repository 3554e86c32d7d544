"""What is timed: each piece of work takes a number of messages, and does them once.

Whatever is compared does the same: M/D/1 at utilization 0.75, every wait known at the end.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import simpy

from sim import HoldTimes, Workload
from sim.engine import Rules, replay, waits_ns
from sim.model import Model
from sim.montecarlo import monte_carlo

RATE_PER_S, SERVICE_S, SEED = 150.0, 0.005, 1
Work = Callable[[], Any]


def workload(messages: int) -> Workload:
    """M/D/1 at utilization 0.75."""
    return Workload(rate_per_s=RATE_PER_S, service_s=SERVICE_S, messages=messages, seed=SEED)


def fill(messages: int) -> Work:
    """Fill an array with numpy's exponential variates: what no simulation that draws its gaps can outrun."""
    rng, array = np.random.default_rng(SEED), np.zeros(min(messages, 1_000_000))

    def run() -> None:
        for begin in range(0, messages, len(array)):
            rng.standard_exponential(out=array[: messages - begin])

    return run


def drawn(messages: int) -> Work:
    """Simulate by Monte Carlo."""
    asked = workload(messages)
    return lambda: monte_carlo(asked)


def recursion(messages: int) -> Work:
    """Compute the waits of given arrivals and service times, into a given array."""
    arrival_ns, service_ns = arrays(messages)
    waits = np.zeros_like(arrival_ns)
    return lambda: waits_ns(arrival_ns, service_ns, waits)


def replayed(messages: int) -> Work:
    """Compute every instant (taken, start, finish) of given arrivals and hold times."""
    arrival_ns, service_ns = arrays(messages)
    nothing, worker, nobody = np.zeros_like(arrival_ns), np.zeros_like(arrival_ns), np.empty(0, np.int64)
    hold_ns = nothing, service_ns, nothing, service_ns
    return lambda: replay(arrival_ns, hold_ns, worker, nobody, Rules())


def arrays(messages: int) -> tuple[Any, Any]:
    """Arrivals and service times, ns: drawn by numpy, which takes less time than a workload."""
    gaps = np.random.default_rng(SEED).standard_exponential(messages) / RATE_PER_S
    return np.rint(np.cumsum(gaps) * 1e9).astype(np.int64), np.full(messages, round(SERVICE_S * 1e9))


def model(messages: int) -> Work:
    """Run the SimPy model of this project."""
    asked = workload(messages)
    hold = HoldTimes.nominal(asked)
    _ = asked.arrivals_ns, asked.worker_numbers
    return lambda: Model(asked, hold).run()


def bare_store(messages: int) -> Work:
    """Run the shortest SimPy program that does it: a source that puts into a Store, a server that gets from it."""
    gaps_s = (np.random.default_rng(SEED).standard_exponential(messages) / RATE_PER_S).tolist()

    def run() -> list[float]:
        env: Any = simpy.Environment()
        store, waits = simpy.Store(env), []

        def source() -> Any:
            for gap_s in gaps_s:
                yield env.timeout(gap_s)
                yield store.put(env.now)

        def server() -> Any:
            for _ in gaps_s:
                arrived_s = yield store.get()
                waits.append(env.now - arrived_s)
                yield env.timeout(SERVICE_S)

        env.process(source())
        env.process(server())
        env.run()
        return waits

    return run
