"""A scene: everything about a run but how long things take. Replay it with hold times, and see what comes of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sim import Trajectory, Workload
from sim.engine import Nanoseconds, Rules, replay, replay_many
from sim.model import HoldTimes
from sim.recording import NS
from sim.summary import Seconds

Counts = npt.NDArray[np.int64]
Holds = tuple[Nanoseconds, Nanoseconds, Nanoseconds, Nanoseconds]  # dispatch, processing, wake-up, woken processing


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Arrivals, for whom they are, questions, and whose turn it is.

    `arrival_ns` and `worker` have shape (n,), `query_ns` shape (m,); ns from the start of the run, in order. `room`,
    shape (n,), is for messages that come over TCP: how many inbox and socket buffers hold as each is handed over.
    """

    arrival_ns: Nanoseconds
    worker: Nanoseconds
    query_ns: Nanoseconds
    rules: Rules
    room: Counts | None = None

    @classmethod
    def of(cls, workload: Workload, answer_s: float | None = None) -> "Scene":
        """Return a workload's scene; an answer takes `answer_s`, or what the workload says."""
        takes_s = workload.query_service_s if answer_s is None else answer_s
        rules = Rules(workload.order, workload.query_policy, workload.inbox, round(takes_s * NS))
        arrival_ns, worker, query_ns = (
            np.asarray(column, np.int64)
            for column in (workload.arrivals_ns, workload.worker_numbers, workload.queries_ns)
        )
        return cls(arrival_ns, worker, query_ns, rules)

    def asked_at(self, query_ns: npt.ArrayLike, answer_s: float | None = None) -> "Scene":
        """Return the same with questions at other instants, ns in any order, and answers that take `answer_s`."""
        takes_ns = self.rules.answer_ns if answer_s is None else round(answer_s * NS)
        asked = np.sort(np.asarray(query_ns, np.int64))
        return replace(self, query_ns=asked, rules=replace(self.rules, answer_ns=takes_ns))

    def ruled(self, **changes: Any) -> "Scene":
        """Return the same with other rules: `order`, `policy`, `places` or `answer_ns`."""
        return replace(self, rules=replace(self.rules, **changes))

    def sent_s(self, start_s: Seconds) -> Seconds | None:
        """Return when a sender hands over each message that starts then, s; None where they come without one."""
        if self.room is None:
            return None
        start_ns = np.rint(start_s * NS).astype(np.int64)
        sent: Seconds = handed_over_ns(self.arrival_ns, start_ns, self.room) / NS
        return sent

    def replay(self, holds: Sequence[Nanoseconds], servers: int = 1) -> "Replayed":
        """Return what comes of it when messages hold the thread for so long: four columns, as `HoldTimes` has them.

        Of several servers fed from one queue it is processing alone, first come, first served and without questions.
        """
        if servers > 1:
            return Replayed(self, replay_many(self.arrival_ns, holds[1], servers), np.empty((3, 0), np.int64))
        return Replayed(self, *replay(self.arrival_ns, holds, self.worker, self.query_ns, self.rules))

    def constant(self, service_s: float) -> Holds:
        """Return hold times of messages that take `service_s` each, in a loop that costs nothing."""
        service = np.full(len(self.arrival_ns), round(service_s * NS), np.int64)
        nothing = np.zeros_like(service)
        return nothing, service, nothing, service


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """What came of a scene: (taken, start, finish) of the messages, shape (3, n), and of the questions, (3, m); ns."""

    scene: Scene
    messages: Nanoseconds
    queries: Nanoseconds

    @property
    def latency_s(self) -> Seconds:
        """Finish − arrival of every message."""
        latency: Seconds = (self.messages[2] - self.scene.arrival_ns) / NS
        return latency

    def trajectory(self, worker: npt.NDArray[np.str_]) -> Trajectory:
        """Return it as a trajectory; `worker` names each message's."""
        queries = None
        if len(self.scene.query_ns):
            nobody = np.full(len(self.scene.query_ns), "", dtype=np.str_)
            taken, start, finish = self.queries / NS
            queries = Trajectory(self.scene.query_ns / NS, taken, start, finish, nobody)
        taken, start, finish = self.messages / NS
        sent_s = self.scene.sent_s(start)
        return Trajectory(self.scene.arrival_ns / NS, taken, start, finish, worker, sent_s, queries)


def handed_over_ns(arrival_ns: Nanoseconds, start_ns: Nanoseconds, room: Counts) -> Nanoseconds:
    """Return when a source hands over each message, ns: as it arrives, or once enough of those before it have started.

    `room`: how many may have been handed over and not yet started as this one is; all of shape (n,).

    >>> handed_over_ns(np.array([0, 1, 2, 3]), np.array([0, 5, 10, 15]), np.array([1, 1, 1, 1])).tolist()
    [0, 1, 2, 5]
    """
    started = np.arange(len(arrival_ns)) - room - 1
    since_ns = np.where(started >= 0, np.sort(start_ns)[np.maximum(started, 0)], arrival_ns)
    handed: Nanoseconds = np.maximum.accumulate(np.maximum(arrival_ns, since_ns))
    return handed


def columns_of(hold: HoldTimes) -> Holds:
    """Return hold times as arrays."""
    dispatch, processing, wakeup, woken = (np.asarray(column, np.int64) for column in hold.columns)
    return dispatch, processing, wakeup, woken
