"""Messages on their way to the processor: each handed to the kernel at its planned instant, or as soon after as can be.

Nothing is skipped: what is overdue is sent at once, with its planned timestamp. One thread sends, so that a connection
on which the kernel takes no more holds up the others too; how often and how long is recorded. This is the sender's
side, a process of its own: nothing here runs in the processor.
"""

import select
import socket
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from real.clock import LONGEST_NS, Clock
from real.sockets import SMALL_BUFFER

NS = 10**9
PATIENCE_NS = NS  # after the end: for the rest of a line that is half gone, and for the processor to close
SHOWN_BLOCKS = 100
_CONNECT_S = 5.0
_CHUNK = 1024  # bytes


class Wire(Protocol):
    """A socket that does not block, as far as sending goes."""

    def send(self, data: bytes, /) -> int:
        """Hand bytes to the kernel; return how many it took. BlockingIOError: none."""

    def fileno(self) -> int:
        """Return the kernel's number for it."""


class Asked(Protocol):
    """Whether someone asked for an end, and what is lost if someone asks again."""

    requested: bool
    lost: Callable[[], str]


@dataclass(slots=True, eq=False)
class Blocked:
    """How often and how long (ns) the kernel took no more; of the first SHOWN_BLOCKS times also when, on the clock."""

    times: int = 0
    total_ns: int = 0
    longest_ns: int = 0
    first: list[tuple[int, int]] = field(default_factory=list)

    def add(self, start_ns: int, length_ns: int) -> None:
        """Count one."""
        self.times += 1
        self.total_ns += length_ns
        self.longest_ns = max(self.longest_ns, length_ns)
        if len(self.first) < SHOWN_BLOCKS:
            self.first.append((start_ns, length_ns))


def stamped(heads: Iterable[bytes], arrivals_ns: Iterable[int], origin_ns: int) -> list[bytes]:
    """Return lines up to the value of `sent`, of lines up to the value of `timestamp`.

    >>> stamped([b'{"timestamp": '], [5], 2_000_000_000)
    [b'{"timestamp": 2.000000005, "sent": ']
    """
    planned = zip(heads, arrivals_ns, strict=True)
    return [b'%b%d.%09d, "sent": ' % (head, *divmod(origin_ns + at_ns, NS)) for head, at_ns in planned]


def complete(line: bytes, sent_ns: int) -> bytes:
    r"""Return a line with the instant at which it is sent, ns on the clock.

    >>> complete(b'{"sent": ', 1_500_000_000)
    b'{"sent": 1.500000000}\n'
    """
    return b"%b%d.%09d}\n" % (line, *divmod(sent_ns, NS))


def writable(wire: Wire) -> None:
    """Wait until a socket takes more, or for LONGEST_NS."""
    select.select([], [wire], [], LONGEST_NS / NS)


class Sender:
    """Sends lines over connections; keeps when each was handed to the kernel (`sent_ns`), and `bytes` that it took.

    `closed`: the processor ended a connection before all was sent. `half_sent`: of the last line only a part is gone.
    `ended_ns` is when it was over.
    """

    def __init__(
        self, wires: Sequence[Wire], clock: Clock, stop: Asked, ready: Callable[[Wire], None] = writable
    ) -> None:
        self.sent_ns = array("q")
        self.bytes = self.ended_ns = 0
        self.blocked = Blocked()
        self.closed = self.half_sent = False
        self._wires, self._clock, self._stop, self._ready = wires, clock, stop, ready

    def send_all(
        self,
        lines: Sequence[bytes],
        instants_ns: Iterable[int],
        over: Iterable[int],
        idle: Callable[[int, int], object] = lambda at_ns, sent: None,
    ) -> None:
        """Send lines up to `sent` at instants on the clock, each over the connection of that number.

        Ends early between two lines once that is asked for, and where the processor closes a connection. `idle` is
        called before every wait, with the instant at which it ends and how many lines are sent.
        """
        try:
            for line, at_ns, number in zip(lines, instants_ns, over, strict=True):
                self._wait_until(at_ns, idle)
                if self._stop.requested:
                    break
                self._hand_over(line, self._wires[number])
        except OSError:  # reset, broken pipe: whatever the kernel calls it, it takes nothing more
            self.closed = True
        self.ended_ns = self._clock.now_ns()

    def _wait_until(self, at_ns: int, idle: Callable[[int, int], object]) -> None:
        while self._clock.now_ns() < at_ns and not self._stop.requested:
            idle(at_ns, len(self.sent_ns))
            self._clock.wait_until(at_ns)

    def _hand_over(self, line: bytes, wire: Wire) -> None:
        now_ns = self._clock.now_ns()
        whole = complete(line, now_ns)
        taken = self._offer(wire, whole)
        sent_ns = now_ns if taken == len(whole) else self._insist(wire, line, whole, taken, now_ns)
        if sent_ns is not None:
            self.sent_ns.append(sent_ns)

    def _insist(self, wire: Wire, line: bytes, whole: bytes, taken: int, sent_ns: int) -> int | None:
        """Wait until the kernel has taken a line, and return when it took the first of it; None if the end came first.

        Once the end is asked for, a line of which nothing is gone stays here, and one of which a part is gone, which is
        worth nothing to the processor, is given PATIENCE_NS.
        """
        began_ns, give_up_ns = self._clock.now_ns(), 0
        try:
            while taken < len(whole):
                if self._stop.requested:
                    give_up_ns = give_up_ns or self._clock.now_ns() + (PATIENCE_NS if taken else 0)
                    if self._clock.now_ns() >= give_up_ns:
                        return None
                self._ready(wire)
                if not taken:  # it is sent only now
                    sent_ns = self._clock.now_ns()
                    whole = complete(line, sent_ns)
                taken += self._offer(wire, whole[taken:])
            return sent_ns
        finally:
            self.half_sent = 0 < taken < len(whole)
            self.blocked.add(began_ns, self._clock.now_ns() - began_ns)

    def _offer(self, wire: Wire, data: bytes) -> int:
        try:
            taken = wire.send(data)
        except BlockingIOError:
            return 0
        self.bytes += taken
        return taken


def connect(address: tuple[str, int], connections: int, *, small_buffers: bool = False) -> list[socket.socket]:
    """Return so many connections that do not block; OSError where there is nobody."""
    made: list[socket.socket] = []
    try:
        for _ in range(connections):
            made.append(_connected(address, small_buffers=small_buffers))
    except OSError:
        for connection in made:
            connection.close()
        raise
    return made


def _connected(address: tuple[str, int], *, small_buffers: bool) -> socket.socket:
    """Return a connection to the first of the addresses of a name at which someone listens."""
    *others, last = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, place in others:
        try:
            return _connected_to(socket.socket(family, kind, protocol), place, small_buffers=small_buffers)
        except OSError:
            continue
    return _connected_to(socket.socket(*last[:3]), last[4], small_buffers=small_buffers)


def _connected_to(connection: socket.socket, place: tuple[object, ...], *, small_buffers: bool) -> socket.socket:
    try:
        if small_buffers:  # takes effect on a connection that is yet to be made
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or the kernel collects small lines
        connection.settimeout(_CONNECT_S)
        connection.connect(place)
        connection.setblocking(False)
    except OSError:
        connection.close()
        raise
    return connection


def close(connections: Sequence[socket.socket], clock: Clock) -> bool | None:
    """End connections; return whether the processor read all that the kernel took.

    True if it closes every one after its end; False if it closed one before, or with bytes unread. It is given
    PATIENCE_NS: None if it has not closed by then, and may still be reading.
    """
    answers = [_say_the_end(connection) for connection in connections]
    last_ns = clock.now_ns() + PATIENCE_NS
    while None in answers and (left_ns := last_ns - clock.now_ns()) > 0:
        waiting = [connection for connection, answer in zip(connections, answers, strict=True) if answer is None]
        for connection in select.select(waiting, [], [], left_ns / NS)[0]:
            answers[connections.index(connection)] = _end_of(connection)
    for connection in connections:
        connection.close()
    return False if False in answers else None if None in answers else True


def _say_the_end(connection: socket.socket) -> bool | None:
    if _end_of(connection) is not None:
        return False  # it closed without having been told that this was all
    try:
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        return False
    return None


def _end_of(connection: socket.socket) -> bool | None:
    """Return True where the other side closed, False where it did so with bytes unread, None where it did not."""
    try:
        return None if connection.recv(_CHUNK) else True
    except BlockingIOError:
        return None
    except OSError:
        return False
