"""What processing a message costs: the work that a state machine does before it updates its state."""

from collections.abc import Callable

from real.clock import Clock
from real.message import Message

Work = Callable[[Message], object]


def sleeping(clock: Clock, service_ns: int) -> Work:
    """Return work that sleeps: for as long as the message asks, else `service_ns`."""

    def work(message: Message) -> None:
        clock.sleep(service_ns if message.service_ns is None else message.service_ns)

    return work


KINDS = {"sleep": sleeping}
