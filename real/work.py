"""What processing a message costs: the work that a state machine does with every message."""

from collections.abc import Callable

from real.clock import Clock
from real.machine import Work, compute
from real.message import Message

# The first tenths of a second of a process are slower than the rest: they are half of what is tried, and not counted.
_CALIBRATION_ROUNDS, _CALIBRATIONS = 20_000, 101


def sleeping(clock: Clock, service_ns: int) -> Work:
    """Return work that sleeps: for as long as the message asks, else `service_ns`."""

    def work(message: Message, began_ns: int | None) -> None:
        clock.sleep(service_ns if message.service_ns is None else message.service_ns)

    return work


def computing(clock: Clock, service_ns: int, rounds_per_ns: float | None = None) -> Work:
    """Return work that computes: as many rounds of `compute` as take that long on this machine."""
    pace = rounds_per_ns or calibrated(clock)

    def work(message: Message, began_ns: int | None) -> None:
        compute(round(pace * (service_ns if message.service_ns is None else message.service_ns)))

    return work


def mixed(clock: Clock, service_ns: int, rounds_per_ns: float | None = None) -> Work:
    """Return work of which the first half is computed and the second slept."""
    pace = rounds_per_ns or calibrated(clock)

    def work(message: Message, began_ns: int | None) -> None:
        half_ns = (service_ns if message.service_ns is None else message.service_ns) // 2
        compute(round(pace * half_ns))
        clock.sleep(half_ns)

    return work


def precise(clock: Clock, service_ns: int) -> Work:
    """Return work that ends at an instant: so long after the message took the thread, whatever else that has cost.

    This is the server of the textbook's M/D/1: a message *holds the thread* for exactly its service time, and what
    the loop itself costs is a part of it. It spins, since a sleep would end late.
    """

    def work(message: Message, began_ns: int | None) -> None:
        began = clock.now_ns() if began_ns is None else began_ns
        clock.spin_until(began + (service_ns if message.service_ns is None else message.service_ns))

    return work


def none(clock: Clock, service_ns: int) -> Work:
    """Return no work at all: what is left is the loop's own cost."""
    return lambda message, began_ns: None


def calibrated(clock: Clock) -> float:
    """Return how many rounds of `compute` this machine does in a ns: the median of the later of some trials."""
    paces = []
    for _ in range(_CALIBRATIONS):
        begin_ns = clock.now_ns()
        compute(_CALIBRATION_ROUNDS)
        paces.append(_CALIBRATION_ROUNDS / max(clock.now_ns() - begin_ns, 1))
    later = paces[_CALIBRATIONS // 2 :]
    return sorted(later)[len(later) // 2]


KINDS: dict[str, Callable[[Clock, int], Work]] = {
    "sleep": sleeping,
    "cpu": computing,
    "mixed": mixed,
    "precise": precise,
    "none": none,
}
PACED = {"cpu": computing, "mixed": mixed}  # so many rounds, however long they take


def work_of(kind: str, clock: Clock, service_ns: int, rounds_per_ns: float | None = None) -> Work:
    """Return work of a kind; `rounds_per_ns` is the pace at which it expects to compute, else it is measured."""
    if kind in PACED:
        return PACED[kind](clock, service_ns, rounds_per_ns)
    return KINDS[kind](clock, service_ns)
