"""A worker's state machine: its state changes by whole messages, all of one or none of it."""

from collections.abc import Callable, Mapping
from typing import Any

from real.message import Message

Work = Callable[[Message, int | None], object]
MOST_KEYS, TOO_MANY_KEYS, NO_NUMBER = 1_000, "more than 1,000 keys", "increment of no number"
_IMPOSSIBLE = object()


class StateMachine:
    """State of one worker. `work`, called with each message, is what makes processing it take time.

    Of its `messages`, `failed` could change nothing, `over_full` of these because there would have been too many keys;
    `refused` is why the latest could not.
    """

    def __init__(self, worker_id: str, work: Work = lambda message, began_ns: None) -> None:
        self.worker_id = worker_id
        self.state: dict[str, Any] = {}
        self.messages = self.failed = self.over_full = 0
        self.refused: str | None = None
        self._work = work

    def process_message(self, message: Message, began_ns: int | None = None) -> None:
        """Update 1 to 5 keys, and work; an operation that cannot be done leaves all of them as they were.

        The message has kept the thread since `began_ns` on the clock, for work that is due at an instant.

        >>> machine = StateMachine("w0")
        >>> machine.process_message(Message("w0", ({"op": "set", "key": "a", "value": "x"},)))
        >>> both = {"op": "set", "key": "b", "value": 1}, {"op": "increment", "key": "a"}
        >>> machine.process_message(Message("w0", both))
        >>> machine.state, machine.messages, machine.refused
        ({'a': 'x'}, 2, 'increment of no number')
        """
        changes = {operation["key"]: self._result(operation) for operation in message.payload}
        self.messages += 1
        # A state that can grow by a whole payload is the usual case, and is not looked through.
        too_many = len(self.state) + len(changes) > MOST_KEYS and len(self.state.keys() | changes.keys()) > MOST_KEYS
        self.refused = TOO_MANY_KEYS if too_many else NO_NUMBER if _IMPOSSIBLE in changes.values() else None
        self.failed += self.refused is not None
        self.over_full += too_many
        self.state.update({} if self.refused else changes)
        self._work(message, began_ns)  # last: work that ends at an instant has nothing after it that would take time

    def get_state(self) -> dict[str, Any]:
        """Return a copy, which later messages do not change; lists and objects in it are the state's own."""
        return dict(self.state)

    def _result(self, operation: Mapping[str, Any]) -> Any:
        if operation["op"] == "set":
            return operation["value"]
        if operation["op"] == "compute":
            return compute(operation["value"])
        current = self.state.get(operation["key"], 0)
        return current + 1 if type(current) in (int, float) else _IMPOSSIBLE


def compute(rounds: int) -> int:
    """Return x after `rounds` steps of x ← (1103515245·x + 12345) mod 2³¹ from x = 1 (ISO C's sample rand).

    >>> compute(0), compute(1)
    (1, 1103527590)
    """
    x = 1
    for _ in range(rounds):
        x = (1103515245 * x + 12345) & 0x7FFFFFFF
    return x
