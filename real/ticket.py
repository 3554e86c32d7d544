"""The ticket that goes with a message, or a question, on its way through the thread."""

from dataclasses import dataclass
from typing import Any

NOT_YET = -1


@dataclass(slots=True, eq=False)
class Ticket[Item]:
    """A number in order of receipt, what it is about, and its instants, ns on the clock, as far as they have come.

    `cpu_ns` is the processor time that it took; `sent_ns` is when its sender really sent it, if it came from one.
    """

    number: int
    item: Item
    arrival_ns: int
    taken_ns: int = NOT_YET
    start_ns: int = NOT_YET
    finish_ns: int = NOT_YET
    cpu_ns: int = 0
    sent_ns: int = NOT_YET

    @property
    def worker_id(self) -> str:
        """For whom it is: a question is only that, a message says it."""
        item: Any = self.item
        return item if isinstance(item, str) else str(item.worker_id)
