"""Questions about a worker's state: answered by the same thread, between messages, so that none sees half an update."""

from collections import deque
from collections.abc import Callable
from typing import Any

from real.router import Router
from real.source import Asking
from real.ticket import Ticket


class Queries:
    """Questions that stand unanswered, oldest first, and the policy that says when it is their turn."""

    def __init__(self, router: Router, policy: str = "first") -> None:
        self._router, self._policy = router, policy
        self._standing: deque[tuple[int, Asking, Ticket[str]]] = deque()

    def query_state(self, worker_id: str) -> dict[str, Any] | None:
        """Return a worker's whole state, as it is between two messages; None for one that nobody has heard of."""
        machine = self._router.machines.get(worker_id)
        return machine.get_state() if machine else None

    def see(self, source: Asking, ticket: Ticket[str], ahead: int) -> None:
        """Let a question stand; `ahead` messages were due when the thread first saw it."""
        self._standing.append((ahead, source, ticket))

    def may_answer(self, idle: bool, done: Callable[[int], bool]) -> bool:
        """Whether the oldest question goes before the next message; `done(n)` tells if the first n are processed."""
        if not self._standing or self._policy == "first":
            return bool(self._standing)
        return idle if self._policy == "idle" else done(self._standing[0][0])

    def next(self) -> tuple[Asking, Ticket[str]]:
        """Take the oldest question, and who is to hear the answer."""
        return self._standing.popleft()[1:]
