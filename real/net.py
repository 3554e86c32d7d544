"""Messages over TCP: one JSON object a line, from any number of clients, in the order in which they are received.

Nothing that was read is dropped. What is not read stays with the sender: while the inbox is full nobody reads.
"""

import socket
from collections import Counter, OrderedDict, deque

from real.clients import MOST_CLIENTS, Client, missed_least
from real.inbox import Inbox
from real.message import Message, MessageError
from real.metrics import Record
from real.router import Router
from real.sockets import Sockets
from real.source import NEVER_NS, OPEN_NS
from real.ticket import NOT_YET, Ticket
from real.wire import Rejected, decoded, instant_ns

LONGEST_LINE = 65_536  # bytes
CHUNK, SMALL_CHUNK = 8_192, 1_024  # bytes read at a time; where the inbox is bounded, not to hold many beside it
SHOWN_COMPLAINTS, ACCEPTED_AT_ONCE = 100, 16


class Intake:
    """A source without a plan. Its counts: `received` messages, `rejected` by reason, `foreign_timestamps`, `clients`.

    `cut_off` is how many clients sent nothing but nonsense for too long; what they still had to say is not counted.
    `crowded_out`: how many were closed because there were MOST_CLIENTS, each when one more came: the longest silent,
    after what it had said; or the one that came, where everybody else had something to say.
    `refused_ns` is how long clients had something to say while the inbox had no room for it.
    """

    def __init__(self, sockets: Sockets, router: Router, record: Record, inbox: Inbox) -> None:
        self.rows = record
        self.received = self.foreign_timestamps = self.clients = self.bytes = self.refused_ns = 0
        self.cut_off = self.crowded_out = 0
        self.rejected: Counter[str] = Counter()
        self.complaints: list[str] = []
        self._sockets, self._router = sockets, router
        self._bounded = inbox.bounded
        self._listener: socket.socket | None = None
        self._clients: dict[socket.socket, Client] = {}
        self._received: deque[Ticket[Message]] = deque()
        # Numbers, in order. The first of a dictionary is found by passing over all that were deleted before it.
        self._unfinished: OrderedDict[int, None] = OrderedDict()
        self._refused: dict[socket.socket, int] = {}  # clients not read when they had something to say: last round
        self._refused_since_ns = self._read_turn = 0

    def listen(self, address: tuple[str, int]) -> tuple[str, int]:
        """Let clients in; return the address they find."""
        self._listener = self._sockets.listen(address, self, small_buffers=self._bounded)
        name: tuple[str, int] = self._listener.getsockname()[:2]
        return name

    # -- as a source ---------------------------------------------------------------------------------------------

    @property
    def next_ns(self) -> int:
        """Instant of the next one that was received; OPEN_NS while one may still come."""
        if self._received:
            return self._received[0].arrival_ns
        return NEVER_NS if self._listener is None else OPEN_NS

    def take(self, now_ns: int) -> Ticket[Message]:
        """Hand over the next one."""
        ticket = self._received.popleft()
        ticket.taken_ns = now_ns
        self._unfinished[ticket.number] = None
        return ticket

    def due_by(self, now_ns: int) -> int:
        """Return how many were received; what still stands in a socket nobody knows."""
        return self.received

    def done(self, first: int) -> bool:
        """Return whether the first so many are finished, in whatever order."""
        return next(iter(self._unfinished), self.received - len(self._received)) >= first

    def record(self, ticket: Ticket[Message]) -> None:
        """Keep the instants of one that is finished."""
        del self._unfinished[ticket.number]
        self.rows.record(ticket)
        refused = self._router.machines[ticket.item.worker_id].refused
        if refused and len(self.complaints) < SHOWN_COMPLAINTS:  # where it stood nobody remembers: it was a message
            self.complaints.append(f"message {ticket.number} of {ticket.item.worker_id:.40}: {refused}")

    # -- as the owner of sockets ---------------------------------------------------------------------------------

    def ready(self, ready: socket.socket, events: int, now_ns: int) -> None:
        """Let a client in, or read what one sent; where places are few, in turn."""
        if ready is self._listener:
            self._let_in(ready, now_ns)
        elif not self._bounded or self._has_its_turn(ready, now_ns):
            self._read(ready, self._clients[ready])

    def _let_in(self, listener: socket.socket, now_ns: int) -> None:
        """Let clients in: those that say nothing are many before one that has something to say costs a turn."""
        for _ in range(ACCEPTED_AT_ONCE):
            accepted, crowd, before = self._sockets.accept(listener), self.crowded_out, self.bytes
            if accepted is None:
                return
            client, peer = accepted
            if not self._make_room():
                client.close()
                return
            self._clients[client] = Client(peer, now_ns)
            self._sockets.add(client, self)
            self.clients += 1
            if not self._bounded:
                self._read(client, self._clients[client])  # it may have come with something to say
            if self.bytes > before or self.crowded_out > crowd:
                return

    def _make_room(self) -> bool:
        """Close who is missed least, if there are too many; return whether another client may come."""
        if len(self._clients) < MOST_CLIENTS:
            return True
        self.crowded_out += 1
        now_ns = self._sockets.now_ns()
        silent = missed_least(self._clients, now_ns)
        if silent is not None:
            self._end(silent, now_ns)
        return silent is not None

    def _has_its_turn(self, client: socket.socket, now_ns: int) -> bool:
        """Whether a client may be read: once all that was read has found its place, whoever was refused first."""
        if not self._received:
            self._refused_no_more(now_ns)
        elif self._read_turn != self._sockets.turns:  # else what stands was read in this very turn
            self._refused_since_ns = self._refused_since_ns or now_ns
        if self._received or self._first_refused(client) is not client:
            self._refused[client] = self._sockets.rounds
            return False
        self._refused.pop(client, None)
        self._read_turn = self._sockets.turns
        return True

    def _first_refused(self, otherwise: socket.socket) -> socket.socket:
        """Return whose turn it is. Who was not ready in all the last round has nothing to say, and holds up nobody."""
        rounds, refused = self._sockets.rounds, self._refused
        while (first := next(iter(refused), otherwise)) is not otherwise and refused[first] < rounds - 1:
            del refused[first]
        return first

    def refused_by(self, now_ns: int) -> int:
        """Return how long clients were refused so far, ns, the present spell included."""
        return self.refused_ns + (now_ns - self._refused_since_ns if self._refused_since_ns else 0)

    def _refused_no_more(self, now_ns: int) -> None:
        if self._refused_since_ns:
            self.refused_ns += now_ns - self._refused_since_ns
            self._refused_since_ns = 0

    def sweep(self, heard_ns: int) -> bool:
        """Let them be: a client may be silent for as long as it likes, until its place is needed."""
        return False

    def close(self) -> None:
        """Take nothing more in. What was not read, or is half a line, remains the sender's."""
        if self._listener is not None:
            self._sockets.drop(self._listener)
            self._listener = None
        self._refused_no_more(self._sockets.now_ns())
        for client in list(self._clients):
            self._drop(client)

    def _drop(self, client: socket.socket) -> None:
        del self._clients[client]
        self._refused.pop(client, None)
        self._sockets.drop(client)

    def _read(self, ready: socket.socket, client: Client) -> None:
        try:
            data = ready.recv(SMALL_CHUNK if self._bounded else CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # reset: as good as the end
        now_ns = self._sockets.now_ns()  # not before: what has been read was sent before it
        if not data:
            self._end(ready, now_ns)
            return
        client.heard_ns = now_ns
        self.bytes += len(data)
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._line(client, line, now_ns)
            if client.talks_nonsense:
                break
        client.line += rest
        if len(client.line) > LONGEST_LINE:
            client.dropped += len(client.line)
            client.line.clear()
        if client.talks_nonsense:
            self.cut_off += 1
            self._drop(ready)

    def _end(self, of: socket.socket, now_ns: int) -> None:
        """Part with a client. The last line may do without its end."""
        client = self._clients[of]
        if client.within_a_line:
            self._line(client, b"", now_ns)
        self._drop(of)

    def _line(self, client: Client, end: bytes, now_ns: int) -> None:
        """Receive the message that a line spells, or reject it by itself."""
        line = bytes(client.line) + end if client.line else end
        length, client.dropped = client.dropped + len(line), 0
        offset, client.offset = client.offset, client.offset + length + 1
        client.line.clear()
        if length <= LONGEST_LINE and not line.strip():
            client.nonsense += 1
            return
        try:
            if length > LONGEST_LINE:
                raise Rejected("line too long", f"more than {LONGEST_LINE} bytes")
            self._receive(decoded(line), now_ns)
            client.nonsense = client.nonsense_bytes = 0
        except Rejected as rejected:
            if rejected.reason != "unknown worker":
                client.nonsense += 1
                # Of a line that is too long a part, however its bytes have come: it is rejected by itself.
                client.nonsense_bytes += CHUNK if length > LONGEST_LINE else length
            self.rejected[rejected.reason] += 1
            if len(self.complaints) < SHOWN_COMPLAINTS:
                self.complaints.append(f"{client.peer}, byte {offset}: {rejected}")

    def _receive(self, message: Message, now_ns: int) -> None:
        try:
            self._router.route(message)
        except MessageError as error:
            raise Rejected("unknown worker", str(error)) from None
        arrival_ns, sent_ns = instant_ns(message.timestamp, now_ns), instant_ns(message.sent, now_ns)
        self.foreign_timestamps += arrival_ns == NOT_YET
        arrival_ns = now_ns if arrival_ns == NOT_YET else arrival_ns
        if sent_ns < arrival_ns:  # nobody sends a message before it is there
            sent_ns = NOT_YET
        ticket = Ticket(self.received, message, arrival_ns, sent_ns=sent_ns)
        self.received += 1
        self._received.append(ticket)
