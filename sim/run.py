"""One workload in, one trajectory out, on either engine."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sim.model import HoldTimes, Model
from sim.recording import NS
from sim.trajectory import Trajectory
from sim.workload import Workload

Nanoseconds = npt.NDArray[np.int64]
ENGINES = ("simpy", "compiled")


def simulate(workload: Workload, engine: str = "simpy", hold: HoldTimes | None = None) -> Trajectory:
    """Return what the model makes of a workload, to the nanosecond the same on both engines.

    `engine` is "simpy" (the reference: every order, policy and inbox) or "compiled" (first come, first served,
    unbounded, no queries). `hold` replaces the workload's service times by measured ones. A ValueError says what the
    compiled engine does not do.

    >>> simulate(Workload(rate_per_s=400, service_s=0.005, arrivals="deterministic", messages=3)).finish_s.tolist()
    [0.0075, 0.0125, 0.0175]
    """
    if engine not in ENGINES:
        raise ValueError(f"engine={engine!r}: must be one of {', '.join(ENGINES)}")
    hold = hold or HoldTimes.nominal(workload)
    if {len(column) for column in hold.columns} != {len(workload)}:
        raise ValueError(f"hold: needs one entry for each of the {len(workload)} messages")
    if engine == "compiled":
        return _compiled(workload, hold)
    model = Model(workload, hold).run()
    queries = _trajectory(model.queries.columns, workload.query_workers) if workload.query_rate_per_s else None
    return _trajectory(model.messages.columns, workload.worker_numbers, queries)


def _compiled(workload: Workload, hold: HoldTimes) -> Trajectory:
    from sim.engine import replay  # noqa: PLC0415 - numba takes longer to load than a first run takes

    plain = workload.order == "fifo" and workload.inbox is None and not workload.query_rate_per_s
    if not plain:
        raise ValueError("the compiled engine is for fifo without queries or inbox: use engine='simpy'")
    instants = replay(*(np.asarray(column, dtype=np.int64) for column in (workload.arrivals_ns, *hold.columns)))
    return _trajectory((workload.arrivals_ns, *instants), workload.worker_numbers)


def _trajectory(
    instants_ns: Sequence[Sequence[int] | Nanoseconds], workers: Sequence[int], queries: Trajectory | None = None
) -> Trajectory:
    arrival, taken, start, finish = (np.asarray(column, dtype=np.int64) / NS for column in instants_ns)
    worker = np.array([f"w{number}" for number in workers], dtype=np.str_)
    return Trajectory(arrival, taken, start, finish, worker, None, queries)
