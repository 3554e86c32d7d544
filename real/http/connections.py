"""HTTP connections: bytes in, requests out to whoever serves them, replies in, bytes out.

Nothing here waits for a client. One request of a connection is served at a time; until then nobody reads the next.
"""

import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from real.http.reply import Reply, failed, rendered
from real.http.request import Refused, Request, first_request
from real.sockets import READ, WRITE, Sockets
from real.source import NEVER_NS

CONNECTIONS, ACCEPTED_AT_ONCE = 512, 16
CLOSED_AT_ONCE = 32  # for silence, in one turn: all of them would hold the thread for 10 ms
CHUNK = 8_192  # bytes
_S = 10**9
# For a whole request, for the first byte of the next one, for taking some of a reply, for hearing of the end.
REQUEST_NS, IDLE_NS, TAKING_NS, LINGER_NS = 10 * _S, 60 * _S, 10 * _S, 2 * _S


@dataclass(slots=True, eq=False)
class Client:
    """One connection: what it said and nobody looked at, what it has not taken yet, how long it may be silent."""

    socket: socket.socket
    active_ns: int
    deadline_ns: int
    heard: bytearray = field(default_factory=bytearray)
    heard_ns: int = 0
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))
    standing: bool = False  # it asked for a state, and the answer is the loop's
    behind: bool = False  # its next request may have been read with the last
    last: bool = False  # there is no further reply
    lingering: bool = False  # it has been told all, and may still be reading it


class Connections:
    """The connections of one server. Their counts: replies by status (`requests`), `accepted`, `timed_out`.

    `serve(client, request, now_ns)` replies to a request, or says that its answer is to stand.
    """

    def __init__(self, sockets: Sockets, serve: Callable[[Client, Request, int], None]) -> None:
        self.accepted = self.timed_out = 0
        self.requests: Counter[int] = Counter()
        self._sockets, self._serve = sockets, serve
        self._listener: socket.socket | None = None
        self._clients: dict[socket.socket, Client] = {}

    def listen(self, address: tuple[str, int]) -> tuple[str, int]:
        """Let clients in; return the address they find."""
        self._listener = self._sockets.listen(address, self)
        # Inherited by the clients' sockets: the second of two replies does not wait until the first is acknowledged.
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name: tuple[str, int] = self._listener.getsockname()[:2]
        return name

    def ready(self, ready: socket.socket, events: int, now_ns: int) -> None:
        """Let clients in; or go on with one, unless the answer to its question is still to come."""
        if ready is self._listener:
            self._accept(ready, now_ns)
            return
        client = self._clients.get(ready)  # it may have been closed since it was found ready
        if client is None or client.standing:
            return
        client.active_ns = now_ns
        if client.unsent:
            self._send(client, now_ns)
        elif client.behind:  # whatever it was found ready for, perhaps before it was answered
            self._next(client, now_ns)
        else:
            self._read(client, now_ns)

    def sweep(self, heard_ns: int) -> bool:
        """Close what has been silent for too long, with a reply if it is in the middle of a request; not all at once.

        Return whether there is more of it.
        """
        overdue = [client for client in self._clients.values() if client.deadline_ns <= heard_ns]
        for client in overdue[:CLOSED_AT_ONCE]:
            self.timed_out += not client.lingering
            if client.heard and not client.unsent:
                text = f"the request was not complete after {REQUEST_NS // _S} s"
                self.reply(client, None, failed(408, text), self._sockets.now_ns())
            else:
                self._drop(client)
        return len(overdue) > CLOSED_AT_ONCE

    def close(self) -> None:
        """Let nobody in any more, and drop everybody."""
        if self._listener is not None:
            self._sockets.drop(self._listener)
            self._listener = None
        for client in list(self._clients.values()):
            self._drop(client)

    def let_stand(self, client: Client) -> None:
        """Leave a client alone, for as long as it may take, until the reply to its request is given."""
        client.standing, client.deadline_ns = True, NEVER_NS

    def reply(self, client: Client, request: Request | None, reply: Reply, now_ns: int) -> None:
        """Answer a request, or what nobody understood (None); into the void if the client has gone meanwhile."""
        self.requests[reply.status] += 1
        if client.socket in self._clients:
            client.unsent = memoryview(rendered(reply, request))
            client.last = request is None or not request.keep_alive
            client.standing, client.active_ns, client.deadline_ns = False, now_ns, now_ns + TAKING_NS
            self._send(client, now_ns)

    def _drop(self, client: Client) -> None:
        del self._clients[client.socket]
        self._sockets.drop(client.socket)

    def _accept(self, listener: socket.socket, now_ns: int) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            accepted = self._sockets.accept(listener)
            if accepted is None:
                return
            if not self._has_room():
                accepted[0].close()
                continue
            client = self._clients[accepted[0]] = Client(accepted[0], now_ns, now_ns + REQUEST_NS)
            self._sockets.add(client.socket, self)
            self.accepted += 1
            # Its request is often there already; next time is a whole message later.
            self._read(client, now_ns)

    def _has_room(self) -> bool:
        """Return whether one more may come, after closing the longest idle if it has to be."""
        if len(self._clients) < CONNECTIONS:
            return True
        idle = [client for client in self._clients.values() if not client.standing]
        if idle:
            self._drop(min(idle, key=lambda client: client.active_ns))
        return bool(idle)

    def _read(self, client: Client, now_ns: int) -> None:
        try:
            data = client.socket.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self._drop(client)
            return
        if data and not client.lingering:
            if not client.heard:
                data = data.lstrip(b"\r\n")  # some clients end a request with a line too many; it begins none
                if not data:
                    return
                client.deadline_ns = now_ns + REQUEST_NS
            client.heard += data
            client.heard_ns = self._sockets.now_ns()  # not before: what was read was sent before it
            self._next(client, now_ns)
        elif client.heard:
            self.reply(client, None, failed(400, "the request ends before its head does"), now_ns)
        elif not data:
            self._drop(client)

    def _next(self, client: Client, now_ns: int) -> None:
        """Answer the next request, or let it stand, if it has come as a whole."""
        client.behind = False
        client.heard[:] = client.heard.lstrip(b"\r\n")  # some clients end a request with a line too many
        try:
            found = first_request(client.heard)
        except Refused as refused:
            self.reply(client, None, failed(refused.status, str(refused)), now_ns)
            return
        if found is None:
            self._sockets.want(client.socket, READ)
            return
        request, length = found
        del client.heard[:length]
        self._serve(client, request, now_ns)

    def _send(self, client: Client, now_ns: int) -> None:
        try:
            sent = client.socket.send(client.unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(client)
            return
        client.unsent = client.unsent[sent:]
        if client.unsent:
            if sent:
                client.deadline_ns = now_ns + TAKING_NS
            self._sockets.want(client.socket, WRITE)
        elif client.last:
            self._linger(client, now_ns)
        else:
            client.behind = bool(client.heard)
            client.deadline_ns = now_ns + (REQUEST_NS if client.behind else IDLE_NS)
            self._sockets.want(client.socket, WRITE if client.behind else READ)

    def _linger(self, client: Client, now_ns: int) -> None:
        """Say that this is the end. Closing at once would take back a reply before which something stands unread."""
        try:
            client.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(client)
            return
        client.lingering, client.deadline_ns = True, now_ns + LINGER_NS
        client.heard.clear()
        self._sockets.want(client.socket, READ)
