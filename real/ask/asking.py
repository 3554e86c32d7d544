"""The asker: puts each question at its planned instant, whatever the answers do, and keeps every instant.

One thread and sockets that never block: what answers are like is looked at when there is time for it. It is an
instrument, and no part of the processor.
"""

import contextlib
import errno
import os
import select
import selectors
import socket
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from real.ask.answers import Asked, NoAnswer, kind_of, messages_of, response
from real.ask.questions import Manner, Peer, Question, request
from real.clock import COARSE_NS, LONGEST_NS, SPIN_NS
from real.source import NEVER_NS
from real.ticket import NOT_YET

CHUNK = 262_144  # bytes read at a time
# Answers are looked at only while nothing else is expected for so long, unless they would fill the memory.
IDLE_NS, MOST_UNREAD = 5_000_000, 64 * 2**20
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
# A connection that is not yet made says EAGAIN on Linux, and ENOTCONN elsewhere.
_NOT_NOW = {errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOTCONN}


@dataclass(slots=True, eq=False)
class Connection:
    """A connection, the question that it is about now, and what is left to send and has been received."""

    socket: socket.socket
    asked: Asked | None = None
    left: bytes = b""
    received: bytearray = field(default_factory=bytearray)
    events: int = 0


class Asker:
    """Asks questions planned from `origin_ns` on the clock; `asked` holds those whose instant has come, in order."""

    def __init__(
        self,
        peer: Peer,
        questions: Sequence[Question],
        origin_ns: int,
        now_ns: Callable[[], int],
        manner: Manner,
    ) -> None:
        self.asked: list[Asked] = []
        self._peer, self._questions, self._origin_ns, self._now_ns = peer, questions, origin_ns, now_ns
        self._manner = manner
        self._selector = selectors.DefaultSelector()
        self._free: list[Connection] = []
        self._made: socket.socket | None = None
        self._standing: deque[tuple[Asked, Connection]] = deque()
        self._unread: deque[tuple[Asked, bytes]] = deque()
        self._unread_bytes = 0

    def run(self, stopped: Callable[[], bool]) -> None:
        """Ask all of them and hear every answer, or until someone wants it stopped."""
        try:
            while not self.done and not stopped():
                self.turn()
                self.wait()
        finally:
            self.close()

    @property
    def done(self) -> bool:
        """Whether everything is asked, and answered or given up."""
        return len(self.asked) == len(self._questions) and not self._standing

    @property
    def next_ns(self) -> int:
        """The instant at which there is something to do, even if nothing is heard; NEVER_NS if there is none."""
        overdue_ns = self._standing[0][0].begun_ns + self._manner.timeout_ns if self._standing else NEVER_NS
        return min(self._next_question_ns, overdue_ns)

    @property
    def _next_question_ns(self) -> int:
        number = len(self.asked)
        return self._origin_ns + self._questions[number].at_ns if number < len(self._questions) else NEVER_NS

    def turn(self) -> None:
        """Ask one question if one is due, hear what has come, and give up what was waited for too long."""
        now_ns = self._now_ns()
        if self._next_question_ns <= now_ns:
            self._ask(now_ns)
        for key, events in self._selector.select(0):
            if events & _WRITE:
                self._write(key.data)
            if events & _READ and key.data.events:
                self._read(key.data)
        self._give_up(now_ns)

    def wait(self) -> None:
        """Let time pass until something is heard, or until shortly before the next instant: then turns follow at once.

        The selector's own timeout is in whole milliseconds on Linux; but it is itself something to select.
        """
        left_ns = self.next_ns - self._now_ns()
        if self._unread and not self._standing and left_ns > IDLE_NS:
            self._look_at_one()
        elif left_ns > SPIN_NS and not self.done:
            # Whoever slept for long wakes late; so a long sleep ends early, and a short one follows.
            ahead_ns = COARSE_NS if left_ns > COARSE_NS else SPIN_NS
            select.select([self._selector], [], [], min(left_ns - ahead_ns, LONGEST_NS) / 1e9)
        else:
            self._prepare()

    def close(self) -> None:
        """End: what is not answered stays without an answer, and is counted as interrupted."""
        for asked, connection in self._standing:
            if not asked.over:
                self._fail(connection, "interrupted")
        self._standing.clear()
        while self._free:
            self._drop(self._free.pop())
        if self._made is not None:
            self._made.close()
        self._selector.close()
        while self._unread:
            self._look_at_one()

    def _ask(self, now_ns: int) -> None:
        question = self._questions[len(self.asked)]
        asked = Asked(question.worker, self._origin_ns + question.at_ns, now_ns)
        self.asked.append(asked)
        try:
            connection = self._free.pop() if self._free else self._connect()
        except OSError as error:
            asked.failed = kind_of(error)
            return
        connection.asked, connection.left = (
            asked,
            request(asked.worker, asked.intended_ns, self._peer.host, self._manner),
        )
        self._standing.append((asked, connection))
        self._write(connection)  # at once: over loopback the connection is made by now

    def _give_up(self, now_ns: int) -> None:
        # Questions are begun in order, and each is waited for equally long.
        while self._standing:
            asked, connection = self._standing[0]
            if not asked.over:
                if now_ns < asked.begun_ns + self._manner.timeout_ns:
                    return
                self._fail(connection, "timeout")
            self._standing.popleft()

    def _connect(self) -> Connection:
        made, self._made = self._made or self._socket(), None
        if (code := made.connect_ex(self._peer.address)) not in (0, errno.EINPROGRESS):
            made.close()
            raise OSError(code, os.strerror(code))
        return Connection(made)

    def _socket(self) -> socket.socket:
        made = socket.socket(self._peer.family, socket.SOCK_STREAM)
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def _prepare(self) -> None:
        # A socket takes 0.05 ms to make, which is no part of asking.
        if self._made is None and not self._free and self._next_question_ns <= self._now_ns() + SPIN_NS:
            with contextlib.suppress(OSError):  # if there is none, the question has to tell
                self._made = self._socket()

    def _write(self, connection: Connection) -> None:
        sent_ns = self._now_ns()  # before: the other side may read it before the kernel has returned
        try:
            connection.left = connection.left[connection.socket.send(connection.left) :]
        except OSError as error:
            if error.errno not in _NOT_NOW:
                self._fail(connection, kind_of(error))
                return
        if connection.asked is not None and not connection.left:
            connection.asked.sent_ns = sent_ns
        self._want(connection, _READ | _WRITE if connection.left else _READ)

    def _want(self, connection: Connection, events: int) -> None:
        if not connection.events:
            self._selector.register(connection.socket, events, connection)
        elif connection.events != events:
            self._selector.modify(connection.socket, events, connection)
        connection.events = events

    def _read(self, connection: Connection) -> None:
        try:
            data = connection.socket.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(connection, kind_of(error))
            return
        now_ns, asked = self._now_ns(), connection.asked
        if asked is None:  # nobody asked: the other side has closed a connection that was kept
            self._fail(connection, "")
            return
        if data and asked.first_byte_ns == NOT_YET:
            asked.first_byte_ns = now_ns
        connection.received += data
        self._hear(connection, asked, now_ns, ended=not data)

    def _hear(self, connection: Connection, asked: Asked, now_ns: int, *, ended: bool) -> None:
        try:
            heard = response(connection.received, ended=ended)
        except NoAnswer as error:
            self._fail(connection, str(error))
            return
        if heard is None:
            return
        asked.complete_ns, asked.status = now_ns, heard.status
        self._unread.append((asked, heard.body))
        self._unread_bytes += len(heard.body)
        if heard.reusable and self._manner.keep_alive and not connection.left:
            connection.asked = None
            connection.received.clear()
            self._free.append(connection)
        else:
            self._drop(connection)
        while self._unread_bytes > MOST_UNREAD:
            self._look_at_one()

    def _look_at_one(self) -> None:
        asked, body = self._unread.popleft()
        self._unread_bytes -= len(body)
        try:
            asked.messages = messages_of(asked.worker, asked.status or 0, body)
        except NoAnswer as error:
            asked.failed = str(error)

    def _fail(self, connection: Connection, kind: str) -> None:
        if connection.asked is None:
            self._free.remove(connection)
        else:
            connection.asked.failed = kind
        self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        if connection.events:
            self._selector.unregister(connection.socket)
            connection.events = 0
        connection.socket.close()
