"""The inbox: messages that were taken and not yet started, and whose turn is next.

Every order keeps each worker's own messages in order.
"""

from collections import deque

from real.message import Message

Entry = tuple[int, Message]  # a message's number, in order of arrival, and the message


class Fifo:
    """First come, first served; `places` bounds how many wait here."""

    def __init__(self, places: float = float("inf")) -> None:
        self._places = places
        self._waiting: deque[Entry] = deque()
        self.put, self.next = self._waiting.append, self._waiting.popleft

    def __len__(self) -> int:
        return len(self._waiting)

    def has_room(self) -> bool:
        """Whether one more may be put."""
        return len(self._waiting) < self._places


class RoundRobin:
    """One message of each worker in turn; who has none gives up the turn, and gets the last one with its next message.

    The first of `_queues` is whose turn it is: dictionaries remember the order of insertion.
    """

    def __init__(self, places: float = float("inf")) -> None:
        self._places = places
        self._queues: dict[str, deque[Entry]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def has_room(self) -> bool:
        """Whether one more may be put."""
        return self._size < self._places

    def put(self, entry: Entry) -> None:
        """Queue a message behind its worker's others."""
        self._queues.setdefault(entry[1].worker_id, deque()).append(entry)
        self._size += 1

    def next(self) -> Entry:
        """Take one, and let its worker go last."""
        self._size -= 1
        worker_id = next(iter(self._queues))
        queue = self._queues.pop(worker_id)
        entry = queue.popleft()
        if queue:
            self._queues[worker_id] = queue
        return entry


class PerWorker(RoundRobin):
    """All of one worker's messages, also those that come meanwhile, then the next worker's."""

    def next(self) -> Entry:
        """Take one; its worker keeps the turn until nothing of it waits."""
        self._size -= 1
        worker_id = next(iter(self._queues))
        while not self._queues[worker_id]:
            del self._queues[worker_id]
            worker_id = next(iter(self._queues))
        return self._queues[worker_id].popleft()


ORDERS: dict[str, type[Fifo] | type[RoundRobin]] = {"fifo": Fifo, "round-robin": RoundRobin, "per-worker": PerWorker}
