"""A connection, and the processor's end of it: a socket that does all that a real one may."""

import errno
import socket
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.network import Network


class Link:
    """A connection: what is under way in it, and which end of it has said or done what."""

    def __init__(self, number: int, port: int, window: int, room: int) -> None:
        self.number, self.port = number, port
        self.window, self.room = window, room  # bytes that the client's and the processor's kernel keep
        self.to_server, self.to_client = bytearray(), bytearray()
        self.fin = self.reset = self.client_gone = False  # by the client
        self.accepted = self.looked_after = self.server_fin = self.server_closed = self.turned_away = (
            False  # by the processor
        )
        self.broken = False  # closed by the processor though it might have said more: for its deadline, or for others
        self.told_end = self.told_error = False  # what the processor's calls have returned
        self.held_up = False  # the processor has something to say that was not taken
        self.moved_ns = 0  # when the turn began in which it was accepted, or took the last byte
        self.waits_since_ns: int | None = None  # since when something stands unread

    @property
    def readable(self) -> bool:
        """Whether a read returns at once."""
        return bool(self.to_server) or self.fin or self.reset

    @property
    def answerable(self) -> bool:
        """Whether its client has heard all that the processor said, and stayed for it."""
        done = self.accepted and not (self.reset or self.client_gone or self.to_client or self.turned_away)
        return done and not self.broken

    @property
    def writable(self) -> bool:
        """Whether a write is taken."""
        return self.reset or self.client_gone or len(self.to_client) < self.window


class FakeSocket:
    """The processor's end."""

    def __init__(self, network: "Network", link: Link) -> None:
        self.network, self.link, self._open = network, link, True
        network.open += 1

    def fileno(self) -> int:
        return self.link.number if self._open else -1

    def setblocking(self, flag: bool) -> None:
        assert not flag

    @property
    def readable(self) -> bool:
        return self.link.readable

    @property
    def writable(self) -> bool:
        return self.link.writable

    def recv(self, most: int, flags: int = 0) -> bytes:
        network, link = self.network, self.link
        network.meanwhile()
        assert self._open, "a read of what is closed"
        if flags == socket.MSG_PEEK and link.to_server and not link.reset:
            return bytes(link.to_server[:most])
        if link.reset:
            link.told_error = True
            raise ConnectionResetError(errno.ECONNRESET, "reset")
        if not link.to_server:
            if link.fin:
                link.told_end = True
                return b""
            raise BlockingIOError(errno.EAGAIN, "nothing")
        if network.weather.strikes("EAGAIN"):
            link.waits_since_ns = None  # it was listened to
            raise BlockingIOError(errno.EAGAIN, "nothing yet")
        if len(link.to_server) > 1 and network.weather.strikes("short read"):
            most = min(most, network.weather.random.randint(1, len(link.to_server) - 1))
        data = bytes(link.to_server[:most])
        del link.to_server[:most]
        link.waits_since_ns = None
        network.heard(link, data)
        return data

    def send(self, data: memoryview) -> int:
        network, link = self.network, self.link
        network.meanwhile()
        assert self._open, "a write to what is closed"
        assert not link.server_fin, "a write after the end"
        if link.reset or link.client_gone:
            link.told_error = True
            raise BrokenPipeError(errno.EPIPE, "broken pipe")
        link.held_up = True
        room = min(len(data), link.window - len(link.to_client))
        if room <= 0 or network.weather.strikes("EAGAIN on write"):
            raise BlockingIOError(errno.EAGAIN, "full")
        if room > 1 and network.weather.strikes("short write"):
            room = network.weather.random.randint(1, room - 1)
        elif room < len(data):
            network.weather.note("full pipe")
        link.to_client += data[:room]
        link.held_up = room < len(data)
        link.moved_ns = network.turn_ns
        return room

    def shutdown(self, how: int) -> None:
        assert how == socket.SHUT_WR
        self.network.meanwhile()
        if self.link.reset:
            self.link.told_error = True
            raise OSError(errno.ENOTCONN, "not connected")
        self.link.server_fin = True

    def close(self) -> None:
        if self._open:
            self._open, self.link.server_closed = False, True
            self.link.turned_away = not self.link.looked_after
            self.network.open -= 1
            self.network.closed(self.link)


class FakeListener:
    """Where clients come in."""

    def __init__(self, network: "Network") -> None:
        self.network, self.standing, self._open, self.port = network, deque[Link](), True, 0
        network.open += 1

    writable = False

    @property
    def readable(self) -> bool:
        return bool(self.standing)

    def setsockopt(self, *option: int) -> None: ...
    def setblocking(self, flag: bool) -> None: ...
    def listen(self, backlog: int) -> None: ...

    def bind(self, address: tuple[str, int]) -> None:
        self.port = address[1]
        self.network.listeners[self.port] = self

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def fileno(self) -> int:
        return self.port if self._open else -1

    def accept(self) -> tuple[FakeSocket, tuple[str, int]]:
        network = self.network
        network.meanwhile()
        if not self.standing:
            raise BlockingIOError(errno.EAGAIN, "nobody")
        if network.open >= network.limit:
            network.weather.note("EMFILE")
            raise OSError(errno.EMFILE, "too many open files")
        if network.weather.strikes("ECONNABORTED"):
            raise ConnectionAbortedError(errno.ECONNABORTED, "gone before it was let in")
        link = self.standing.popleft()
        link.accepted, link.moved_ns = True, network.turn_ns
        return FakeSocket(network, link), ("127.0.0.1", 1_000 + link.number)

    def close(self) -> None:
        if self._open:
            self._open = False
            self.network.open -= 1
            for link in self.standing:
                link.server_closed = link.turned_away = True
