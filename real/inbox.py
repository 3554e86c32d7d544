"""The inbox: messages that were taken and not yet started, and whose turn is next.

Every order keeps each worker's own messages in order.
"""

from collections import OrderedDict, deque

from real.message import Message
from real.ticket import Ticket

FIFO, ROUND_ROBIN = "fifo", "round-robin"  # the third, per-worker, is what is left


class Inbox:
    """Queues in the order of their turns, remembered by an ordered dictionary; `places` bounds what waits in all.

    fifo: one queue. round-robin: one a worker, who gives up the turn with each message. per-worker: one a worker, who
    keeps the turn until nothing of it waits, not even what came meanwhile.
    """

    def __init__(self, order: str = FIFO, places: float = float("inf")) -> None:
        self._order, self.places, self.bounded = order, places, places < float("inf")
        # Of a plain one, to find the first takes the longer the more of those before it are gone.
        self._queues: OrderedDict[str, deque[Ticket[Message]]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def has_room(self) -> bool:
        """Whether one more may be put."""
        return self._size < self.places

    def put(self, ticket: Ticket[Message]) -> None:
        """Queue a message behind its worker's others; a worker without a turn gets the last."""
        turn = "" if self._order == FIFO else ticket.item.worker_id
        self._queues.setdefault(turn, deque()).append(ticket)
        self._size += 1

    def next(self) -> Ticket[Message]:
        """Take the message whose turn it is."""
        while not self._queues[turn := next(iter(self._queues))]:
            del self._queues[turn]
        self._size -= 1
        ticket = self._queues[turn].popleft()
        if self._order == ROUND_ROBIN and (rest := self._queues.pop(turn)):
            self._queues[turn] = rest
        return ticket
