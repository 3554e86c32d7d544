"""The router: whose message it is. Every worker has one state machine, made when it first hears from somebody."""

from collections.abc import Callable

from real.machine import StateMachine
from real.message import Message, MessageError

MOST_WORKERS = 100_000


class Router:
    """State machines by worker id."""

    def __init__(self, work: Callable[[Message], object]) -> None:
        self.machines: dict[str, StateMachine] = {}
        self._work = work

    def route(self, message: Message) -> StateMachine:
        """Return the machine that a message is for; a MessageError beyond MOST_WORKERS of them."""
        machine = self.machines.get(message.worker_id)
        if machine is None:
            if len(self.machines) >= MOST_WORKERS:
                raise MessageError(f"worker_id {message.worker_id!r} would be one more than {MOST_WORKERS} workers")
            machine = self.machines[message.worker_id] = StateMachine(message.worker_id, self._work)
        return machine
