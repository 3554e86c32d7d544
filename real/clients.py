"""Clients of the intake: what is known of each, and who is missed least when there is no room for one more."""

import resource
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

# With the 512 connections that may ask over HTTP they fit into the 1,024 descriptors that a process usually has.
MOST_CLIENTS = 480
LINE_NS = 60 * 10**9  # who has said nothing for so long within a line is not in the middle of one
# Who has sent so many lines, or bytes of them, one after the other that were no messages (empty ones too), or so many
# bytes without a line's end, is cut off: reading nonsense takes the thread's time too.
MOST_NONSENSE, MOST_NONSENSE_BYTES, MOST_DROPPED = 100, 131_072, 1_048_576


@dataclass(slots=True, eq=False)
class Client:
    """One connection: who it is, what came of the line that is not yet complete, and where that line began.

    `heard_ns` is when it last said something, or came. Of a line that is too long nothing is kept: `dropped` is how
    many bytes of it there were so far. `nonsense`: how many lines there were since the last that was a message, and
    `nonsense_bytes` of them.
    """

    peer: str
    heard_ns: int
    line: bytearray = field(default_factory=bytearray)
    offset: int = 0
    dropped: int = 0
    nonsense: int = 0
    nonsense_bytes: int = 0

    @property
    def within_a_line(self) -> bool:
        """Whether it has begun a line and not ended it."""
        return bool(self.line or self.dropped)

    @property
    def talks_nonsense(self) -> bool:
        """Whether it is enough."""
        enough = self.nonsense >= MOST_NONSENSE or self.nonsense_bytes >= MOST_NONSENSE_BYTES
        return enough or self.dropped > MOST_DROPPED


def allow_descriptors() -> None:
    """Let this process have as many descriptors as it may: each connection has one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def missed_least(clients: Mapping[socket.socket, Client], now_ns: int) -> socket.socket | None:
    """Return who has been silent for longest; None if everybody has said something unread.

    Those within a line come last, unless they have been so for longer than anybody takes to say one.
    """

    def order(of: socket.socket) -> tuple[bool, int]:
        client = clients[of]
        return client.within_a_line and now_ns - client.heard_ns < LINE_NS, client.heard_ns

    return next((of for of in sorted(clients, key=order) if not _stands_unread(of)), None)


def _stands_unread(of: socket.socket) -> bool:
    """Whether a client has said something that nobody has read: to close it now would lose that."""
    try:
        return bool(of.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    except OSError:  # reset: nobody will ever read it
        return False
