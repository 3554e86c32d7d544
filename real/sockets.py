"""Sockets: looked at between two messages without waiting, and waited for when there is nothing else to do.

This is the only place besides the clock that waits. What a socket has to say is its owner's business.
"""

import contextlib
import errno
import os
import select
import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from real.clock import COARSE_NS, LONGEST_NS, SPIN_NS, Clock

BACKLOG = 1024
SMALL_BUFFER = 4096  # bytes
# Longest that sockets are read between two messages, and how often their owners look after the silent ones.
TURN_NS, SWEEP_NS = 1_000_000, 100_000_000
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_FULL = {errno.EMFILE, errno.ENFILE}


def _spare() -> int:
    return os.open(os.devnull, os.O_RDONLY)


@dataclass(frozen=True, slots=True)
class System:
    """What is asked of the operating system: named here so that a simulated one, full of faults, can take its place."""

    socket: Callable[..., Any] = socket.socket
    selector: Callable[[], selectors.BaseSelector] = selectors.DefaultSelector
    select: Callable[..., Any] = select.select
    spare: Callable[[], int] = _spare  # a descriptor
    close: Callable[[int], None] = os.close


SYSTEM = System()


class Owner(Protocol):
    """Whoever reads and writes some of the sockets, and never waits for one."""

    def ready(self, ready: socket.socket, events: int, now_ns: int) -> None:
        """Read or write a socket that is ready for it."""

    def sweep(self, heard_ns: int) -> bool:
        """Close what has been silent for too long at an instant: all that was said until then has been heard.

        Return whether there is more of it, for the next turn.
        """


class Sockets:
    """A clock that lets sockets in.

    It stays awake for `awake_ns` after a socket was last ready before it sleeps: waking takes a thread 0.2 ms and more.
    """

    def __init__(self, clock: Clock, awake_ns: int = 0, system: System = SYSTEM) -> None:
        self.now_ns, self.cpu_ns = clock.now_ns, clock.cpu_ns
        self.sleep, self.spin_until = clock.sleep, clock.spin_until
        self._system, self._selector = system, system.selector()
        self.turns = self.rounds = 0  # between two messages, and of looking who is ready, so far
        self._owners: list[Owner] = []
        self._ready: list[tuple[selectors.SelectorKey, int]] = []  # those that the last turn had no time for, first
        self._found_ns = self._next_sweep_ns = self._awake_until_ns = 0
        self._awake_ns = awake_ns
        self._spare: int | None = system.spare()  # given up for a moment when there are no more descriptors

    def listen(self, address: tuple[str, int], owner: Owner, *, small_buffers: bool = False) -> socket.socket:
        """Return a socket that listens for clients of `owner`; OSError where it cannot."""
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        listener: socket.socket = self._system.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if small_buffers:  # clients' sockets inherit it
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
        self._owners.append(owner)
        self.add(listener, owner)
        return listener

    def add(self, added: socket.socket, owner: Owner) -> None:
        """Look after a socket: it never blocks, and its owner hears when it can be read."""
        added.setblocking(False)
        self._selector.register(added, READ, owner)

    def want(self, of: socket.socket, events: int) -> None:
        """Say what its owner wants to do with a socket from now on: READ, WRITE or both."""
        self._selector.modify(of, events, self._selector.get_key(of).data)

    def drop(self, dropped: socket.socket) -> None:
        """Close a socket."""
        self._selector.unregister(dropped)
        dropped.close()

    def accept(self, listener: socket.socket) -> tuple[socket.socket, str] | None:
        """Return the next client and its address; None if there is none.

        Where descriptors have run out the client is turned away: left standing it would keep the listener ready, and
        the thread awake, for ever.
        """
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in _FULL:
                self._turn_away(listener)
            return None
        return client, f"{address[0]}:{address[1]}"

    def _turn_away(self, listener: socket.socket) -> None:
        if self._spare is not None:
            self._system.close(self._spare)
            self._spare = None
            with contextlib.suppress(OSError):
                listener.accept()[0].close()
        with contextlib.suppress(OSError):  # another process may have been quicker; there is a next time
            self._spare = self._system.spare()

    def poll(self) -> None:
        """Let in what has come, without waiting, and for no longer than TURN_NS: the rest keeps till the next time."""
        self.turns += 1
        begin_ns = now_ns = self.now_ns()  # owners are told when the turn began: it is one and the same for all
        if not self._ready:
            self._find(begin_ns)
        while self._ready and now_ns - begin_ns <= TURN_NS:
            key, events = self._ready.pop()
            found: socket.socket = key.fileobj  # type: ignore[assignment]
            if found.fileno() >= 0:  # not closed since it was found ready
                key.data.ready(found, events, begin_ns)
                self._awake_until_ns = begin_ns + self._awake_ns
            now_ns = self.now_ns()
        # Whoever has spoken since all were looked at is not silent, only unheard: most are, when the thread has stood.
        if not self._ready and self._found_ns >= self._next_sweep_ns:
            more = [owner.sweep(self._found_ns) for owner in self._owners]
            self._next_sweep_ns = self._found_ns + SWEEP_NS * (not any(more))

    def wait_until(self, at_ns: int) -> None:
        """Wait until a socket is ready, or an instant, or LONGEST_NS: sleeping first and spinning at the end."""
        while (now_ns := self.now_ns()) < min(at_ns, self._awake_until_ns):
            if self._ready or self._find(now_ns):
                return
        if (left_ns := at_ns - self.now_ns()) > LONGEST_NS:
            self._select(LONGEST_NS - COARSE_NS)
            return
        if left_ns > COARSE_NS and self._select(left_ns - COARSE_NS):
            return
        while (left_ns := at_ns - self.now_ns()) > SPIN_NS:
            if self._select(left_ns - SPIN_NS):
                return
        self.spin_until(at_ns)

    def _find(self, now_ns: int) -> bool:
        self._found_ns, self.rounds = now_ns, self.rounds + 1
        self._ready = self._selector.select(0)[::-1]
        return bool(self._ready)

    def _select(self, for_ns: int) -> bool:
        # The selector's own timeout is in whole milliseconds on Linux; but it is itself something to select.
        return bool(self._system.select([self._selector], [], [], for_ns / 1e9)[0])

    def close(self) -> None:
        """Close all of them."""
        for key in list(self._selector.get_map().values()):
            self.drop(key.fileobj)  # type: ignore[arg-type]
        self._selector.close()
        if self._spare is not None:
            self._system.close(self._spare)
