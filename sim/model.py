"""The SimPy model: a source, one server with a queue, and people who ask; the reference that reads like the system.

Time is whole nanoseconds. What arrives in the very instant in which the thread becomes free is seen by it, so the
server's own events come last among those of one instant.
"""

from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import simpy
from simpy.events import EventPriority

from sim.workload import Workload

_LAST_OF_THE_INSTANT = EventPriority(2)  # SimPy's own events have priority 0 (urgent) or 1 (normal)

Process = Generator[simpy.Event, Any, None]


@dataclass(frozen=True, slots=True)
class HoldTimes:
    """How long each message holds the thread, ns: its processing, and what the loop spends before it.

    `dispatch_ns` and `processing_ns` apply to a message that was waiting when the thread became free, `wakeup_ns` and
    `woken_processing_ns` to one that found the thread idle: after a pause everything takes longer. All four have one
    entry a message, in order of arrival.
    """

    dispatch_ns: Sequence[int]
    processing_ns: Sequence[int]
    wakeup_ns: Sequence[int]
    woken_processing_ns: Sequence[int]

    @classmethod
    def nominal(cls, workload: Workload) -> "HoldTimes":
        """Return the service times asked for, and a loop that costs nothing."""
        nothing, service_ns = [0] * len(workload), workload.service_ns.tolist()
        return cls(nothing, service_ns, nothing, service_ns)

    @property
    def columns(self) -> tuple[Sequence[int], ...]:
        """All four, in their order."""
        return self.dispatch_ns, self.processing_ns, self.wakeup_ns, self.woken_processing_ns


class _Held(simpy.Event):
    """The thread is held for a while; it is free again after everything else of that instant has happened."""

    def __init__(self, env: simpy.Environment, for_ns: int = 0) -> None:
        super().__init__(env)
        self._ok, self._value = True, None
        env.schedule(self, _LAST_OF_THE_INSTANT, for_ns)


class Rows:
    """Instants of messages (or of queries) as they come about, ns; one entry a message, in order of arrival."""

    def __init__(self, arrival_ns: Sequence[int]) -> None:
        self.arrival_ns = arrival_ns
        self.taken_ns, self.start_ns, self.finish_ns = ([0] * len(arrival_ns) for _ in range(3))

    @property
    def columns(self) -> tuple[Sequence[int], ...]:
        """Taken, start, finish."""
        return self.taken_ns, self.start_ns, self.finish_ns


class Model:
    """One run of the model. `run()` simulates it to the end; then `messages` and `queries` hold every instant."""

    def __init__(self, workload: Workload, hold: HoldTimes) -> None:
        self.workload, self.hold = workload, hold
        self.messages, self.queries = Rows(workload.arrivals_ns.tolist()), Rows(workload.queries_ns.tolist())
        self.query_ns = round(workload.query_service_s * 1e9)
        self.env: Any = simpy.Environment()  # its types would have time in floats too
        self.woken = self.env.event()
        self.due: deque[int] = deque()  # arrived, but not taken: the thread is busy or the inbox full
        self.asked: deque[int] = deque()  # queries that the thread has not seen
        self.standing: deque[tuple[int, int]] = deque()  # (query seen, messages that had arrived by then)
        self.inbox = INBOXES[workload.order](workload.worker_numbers)
        self.arrived = self.unserved = 0
        self.served = bytearray(len(workload))

    def run(self) -> "Model":
        """Simulate until everything that arrived is processed and answered."""
        self.env.process(self.source(self.messages.arrival_ns, self.message_arrives))
        self.env.process(self.source(self.queries.arrival_ns, self.asked.append))
        self.env.process(self.server())
        self.env.run()
        return self

    def source(self, instants_ns: Sequence[int], arrive: Any) -> Process:
        """Let things arrive at their instants, whatever the server is doing."""
        for number, at_ns in enumerate(instants_ns):
            if at_ns > self.env.now:
                yield self.env.timeout(at_ns - self.env.now)
            arrive(number)
            if not self.woken.triggered:
                self.woken.succeed()

    def message_arrives(self, number: int) -> None:
        """Note an arrival."""
        self.due.append(number)
        self.arrived += 1

    def server(self) -> Process:
        """Between messages: take what is due; answer or process one thing; with nothing to do, wait."""
        idle = True
        while True:
            self.take()
            if self.may_answer():
                yield from self.answer()
                idle = False
            elif self.inbox:
                yield from self.process(woken=idle)
                idle = False
            else:
                self.woken = self.env.event()
                yield self.woken
                yield _Held(self.env)  # see everything that arrives in this instant
                idle = True

    def take(self) -> None:
        """Hand over what is due, as far as the inbox has room; see who is asking."""
        places = self.workload.inbox
        while self.due and (places is None or len(self.inbox) < places):
            number = self.due.popleft()
            self.messages.taken_ns[number] = self.env.now
            self.inbox.put(number)
        while self.asked:
            query = self.asked.popleft()
            self.queries.taken_ns[query] = self.env.now
            self.standing.append((query, self.arrived))

    def may_answer(self) -> bool:
        """Whether the policy lets the oldest query go before the next message."""
        if not self.standing:
            return False
        if self.workload.query_policy == "first":
            return True
        if self.workload.query_policy == "idle":
            return not self.inbox
        _, ahead = self.standing[0]
        while self.unserved < ahead and self.served[self.unserved]:
            self.unserved += 1
        return self.unserved >= ahead

    def answer(self) -> Process:
        """Answer the oldest query."""
        query, _ = self.standing.popleft()
        self.queries.start_ns[query] = self.env.now
        yield _Held(self.env, self.query_ns)
        self.queries.finish_ns[query] = self.env.now

    def process(self, *, woken: bool) -> Process:
        """Process the next message, in the order asked for."""
        number, hold = self.inbox.next(), self.hold
        before_ns = hold.wakeup_ns[number] if woken else hold.dispatch_ns[number]
        if before_ns:
            yield _Held(self.env, before_ns)
        self.messages.start_ns[number] = self.env.now
        yield _Held(self.env, hold.woken_processing_ns[number] if woken else hold.processing_ns[number])
        self.messages.finish_ns[number] = self.env.now
        self.served[number] = True


class Fifo:
    """First come, first served."""

    def __init__(self, worker_of: Sequence[int]) -> None:
        self.waiting: deque[int] = deque()
        self.put, self.next = self.waiting.append, self.waiting.popleft

    def __len__(self) -> int:
        return len(self.waiting)


class _ByWorker:
    """A queue a worker, and the workers whose turn is to come in `turns`."""

    def __init__(self, worker_of: Sequence[int]) -> None:
        self.worker_of = worker_of
        self.waiting: dict[int, deque[int]] = {}
        self.turns: deque[int] = deque()
        self.size = 0

    def __len__(self) -> int:
        return self.size

    def put(self, number: int) -> None:
        """Queue a message behind its worker's others; a worker without a turn gets the last."""
        worker = self.worker_of[number]
        if worker not in self.waiting:
            self.waiting[worker] = deque()
            self.turns.append(worker)
        self.waiting[worker].append(number)
        self.size += 1


class RoundRobin(_ByWorker):
    """One message of each worker in turn."""

    def next(self) -> int:
        """Take one from the worker whose turn it is, who then goes last if more of its messages wait."""
        self.size -= 1
        worker = self.turns.popleft()
        number = self.waiting[worker].popleft()
        if self.waiting[worker]:
            self.turns.append(worker)
        else:
            del self.waiting[worker]
        return number


class PerWorker(_ByWorker):
    """All of one worker's messages, also those that come meanwhile, then the next worker's."""

    def next(self) -> int:
        """Take one from the worker whose turn it is, who keeps the turn until nothing of it waits."""
        self.size -= 1
        while not self.waiting[self.turns[0]]:
            del self.waiting[self.turns.popleft()]
        return self.waiting[self.turns[0]].popleft()


INBOXES: dict[str, type[Fifo] | type[RoundRobin] | type[PerWorker]] = {
    "fifo": Fifo,
    "round-robin": RoundRobin,
    "per-worker": PerWorker,
}
