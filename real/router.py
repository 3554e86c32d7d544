"""The router: whose message it is. Every worker has one state machine."""

from collections.abc import Iterable

from real.machine import StateMachine, Work
from real.message import Message, MessageError

MOST_WORKERS = 100_000


class Router:
    """State machines by worker id: made when a worker first hears from somebody, or all `worker_ids` beforehand."""

    def __init__(self, work: Work, worker_ids: Iterable[str] | None = None) -> None:
        self._work = work
        self.machines = {name: StateMachine(name, work) for name in worker_ids or ()}
        self._most = MOST_WORKERS if worker_ids is None else len(self.machines)

    def route(self, message: Message) -> StateMachine:
        """Return the machine that a message is for; a MessageError where there can be none."""
        machine = self.machines.get(message.worker_id)
        if machine is None:
            if len(self.machines) >= self._most:
                raise MessageError(f"worker_id {message.worker_id!r:.80} is none of the {self._most} there can be")
            machine = self.machines[message.worker_id] = StateMachine(message.worker_id, self._work)
        return machine
