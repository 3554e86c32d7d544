"""One workload in, one trajectory out, on either engine."""

from numbers import Integral

import numpy as np
import numpy.typing as npt

from sim.model import HoldTimes, Model
from sim.recording import NS
from sim.trajectory import Trajectory
from sim.workload import Workload

Nanoseconds = npt.NDArray[np.int64]
ENGINES = ("simpy", "compiled")


def simulate(workload: Workload, engine: str = "simpy", hold: HoldTimes | None = None, servers: int = 1) -> Trajectory:
    """Return what the model makes of a workload, to the nanosecond the same on both engines.

    `engine` is "simpy" (the reference, which reads like the system) or "compiled" (for speed). `hold` replaces the
    workload's service times by measured ones; it needs one entry a message (ValueError otherwise). `servers` is how
    many such threads are fed from one queue; more than one are for fifo without queries and inbox, on the compiled
    engine (ValueError otherwise).

    >>> simulate(Workload(rate_per_s=400, service_s=0.005, arrivals="deterministic", messages=3)).finish_s.tolist()
    [0.0075, 0.0125, 0.0175]
    """
    if engine not in ENGINES:
        raise ValueError(f"engine={engine!r}: must be one of {', '.join(ENGINES)}")
    if servers != 1:
        _check_several(workload, engine, servers)
    if hold is not None and {len(column) for column in hold.columns} != {len(workload)}:
        raise ValueError(f"hold: needs one entry for each of the {len(workload)} messages")
    messages, queries = _compiled(workload, hold, servers) if engine == "compiled" else _simpy(workload, hold)
    answered = None
    if workload.query_rate_per_s:
        answered = _trajectory(workload.queries_ns, queries, workload.query_workers)
    return _trajectory(workload.arrivals_ns, messages, workload.worker_numbers, answered)


def _simpy(workload: Workload, hold: HoldTimes | None) -> tuple[npt.ArrayLike, npt.ArrayLike]:
    model = Model(workload, hold or HoldTimes.nominal(workload)).run()
    return model.messages.columns, model.queries.columns


def _check_several(workload: Workload, engine: str, servers: int) -> None:
    if isinstance(servers, bool) or not isinstance(servers, Integral) or servers < 1:
        raise ValueError(f"servers={servers!r}: must be a whole number from 1")
    if engine != "compiled" or workload.query_rate_per_s or workload.order != "fifo" or workload.inbox is not None:
        raise ValueError(
            f"servers={servers}: several servers are simulated by engine='compiled', for order='fifo' without queries "
            "and inbox"
        )


def _compiled(workload: Workload, hold: HoldTimes | None, servers: int) -> tuple[npt.ArrayLike, npt.ArrayLike]:
    from sim.engine import Rules, replay, replay_many  # noqa: PLC0415 - numba takes longer to load than a first run takes

    rules = Rules(workload.order, workload.query_policy, workload.inbox, round(workload.query_service_s * NS))
    if hold is None:
        service_ns, nothing = np.asarray(workload.service_ns), np.zeros(len(workload), np.int64)
        hold_ns = [nothing, service_ns, nothing, service_ns]
    else:
        hold_ns = [np.asarray(column, dtype=np.int64) for column in hold.columns]
    arrival_ns, worker, query_ns = map(np.asarray, (workload.arrivals_ns, workload.worker_numbers, workload.queries_ns))
    if servers > 1:
        return replay_many(arrival_ns, hold_ns[1], servers), np.empty((3, 0), np.int64)
    return replay(arrival_ns, hold_ns, worker, query_ns, rules)


def _trajectory(
    arrival_ns: npt.ArrayLike, instants_ns: npt.ArrayLike, workers: npt.ArrayLike, queries: Trajectory | None = None
) -> Trajectory:
    arrival = np.asarray(arrival_ns, dtype=np.int64) / NS
    taken, start, finish = np.asarray(instants_ns, dtype=np.int64) / NS
    number = np.asarray(workers, dtype=np.int64)
    names = np.array([f"w{k}" for k in range(int(number.max(initial=-1)) + 1)], dtype=np.str_)
    return Trajectory(arrival, taken, start, finish, names[number], None, queries)
