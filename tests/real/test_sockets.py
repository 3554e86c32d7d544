"""Sockets: looked at without waiting, waited for no longer than need be, read for no longer than a turn, all closed."""

import errno
import gc
import os
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from real.clock import COARSE_NS, LONGEST_NS, SPIN_NS, Clock, FakeClock, WallClock
from real.sockets import READ, SWEEP_NS, TURN_NS, WRITE, Sockets

ANYWHERE = ("127.0.0.1", 0)


class Passing(FakeClock):
    """A clock on which time passes while it is looked at."""

    def __init__(self, look_ns: int) -> None:
        super().__init__()
        self._look_ns = look_ns

    def now_ns(self) -> int:
        self.sleep(self._look_ns)
        return super().now_ns()


class Reader:
    """An owner that reads what there is, and keeps it."""

    def __init__(self) -> None:
        self.heard: list[tuple[socket.socket, bytes]] = []
        self.swept_ns: list[int] = []
        self.overdue: list[bool] = []  # whether there is more of it, from the last

    def ready(self, ready: socket.socket, events: int, now_ns: int) -> None:
        self.heard.append((ready, ready.recv(100)))

    def sweep(self, heard_ns: int) -> bool:
        self.swept_ns.append(heard_ns)
        return self.overdue.pop() if self.overdue else False


class Door(Reader):
    """An owner that lets clients in and keeps them."""

    def __init__(self, sockets: Sockets) -> None:
        super().__init__()
        self.sockets, self.clients = sockets, list[socket.socket]()
        self.asked = 0

    def ready(self, ready: socket.socket, events: int, now_ns: int) -> None:
        self.asked += 1
        if accepted := self.sockets.accept(ready):
            self.clients.append(accepted[0])
            self.sockets.add(accepted[0], Reader())


@contextmanager
def opened(clock: Clock) -> Iterator[Sockets]:
    """Sockets, closed whatever happens."""
    sockets = Sockets(clock)
    try:
        yield sockets
    finally:
        sockets.close()


def pair(sockets: Sockets, owner: Reader, stack: ExitStack) -> tuple[socket.socket, socket.socket]:
    """Return two sockets that are connected: one looked after, and the other end."""
    ours, theirs = socket.socketpair()
    sockets.add(ours, owner)
    return ours, stack.enter_context(theirs)


@pytest.mark.parametrize("ahead_ns", [SPIN_NS + 1, COARSE_NS + 1, LONGEST_NS, LONGEST_NS * 1000])
def test_waiting_ends_when_something_comes(ahead_ns: int) -> None:
    clock = FakeClock()
    with opened(clock) as sockets, ExitStack() as stack:
        reader = Reader()
        _, other = pair(sockets, reader, stack)
        other.send(b"x")
        sockets.wait_until(ahead_ns)  # for ever, if it were to wait for a clock that stands still
        assert clock.now_ns() == 0
        assert not reader.heard  # that is the next turn's


@pytest.mark.parametrize("ahead_ns", [0, SPIN_NS // 2, SPIN_NS + 1, COARSE_NS + 1, 3 * COARSE_NS])
def test_waiting_does_not_end_before_its_time_when_nothing_comes(ahead_ns: int) -> None:
    for clock in (WallClock(), Passing(look_ns=SPIN_NS)):
        with opened(clock) as sockets, ExitStack() as stack:
            pair(sockets, Reader(), stack)
            at_ns = clock.now_ns() + ahead_ns
            sockets.wait_until(at_ns)
            assert clock.now_ns() >= at_ns


def test_who_waits_for_something_far_off_looks_round_now_and_then() -> None:
    clock = FakeClock()
    with opened(clock) as sockets:
        sockets.wait_until(LONGEST_NS + 1)
        assert clock.now_ns() == 0


def test_what_has_passed_is_not_waited_for() -> None:
    clock = FakeClock(1_000)
    with opened(clock) as sockets:
        sockets.wait_until(999)
        assert clock.now_ns() == 1_000


def test_looking_reads_what_has_come_and_nothing_else() -> None:
    with opened(FakeClock()) as sockets, ExitStack() as stack:
        reader = Reader()
        ours, other = pair(sockets, reader, stack)
        for _ in range(3):
            sockets.poll()  # of a socket that blocks and has nothing to say, a read would never return
        assert reader.heard == []
        other.send(b"x")
        sockets.poll()
        sockets.poll()
        assert reader.heard == [(ours, b"x")]
        assert not ours.getblocking()


@pytest.mark.parametrize("count", [1, 3, 12])
def test_a_turn_ends_in_time_and_the_rest_have_the_next_ones(count: int) -> None:
    with opened(Passing(look_ns=TURN_NS * 2 // 5)) as sockets, ExitStack() as stack:
        reader = Reader()
        pairs = [pair(sockets, reader, stack) for _ in range(count)]
        for number, (_, other) in enumerate(pairs):
            other.send(bytes([number]) * 150)  # more than is read at once
        turns = 0
        while len(reader.heard) < count:
            before = len(reader.heard)
            sockets.poll()
            assert 1 <= len(reader.heard) - before <= 3
            turns += 1
        assert turns == -(-count // 3)
        # All have been read before any is read again, and then what was left of each.
        assert {ours for ours, _ in reader.heard[:count]} == {ours for ours, _ in pairs}
        while len(reader.heard) < 2 * count:
            sockets.poll()
        for number, (ours, _) in enumerate(pairs):
            assert b"".join(data for of, data in reader.heard if of is ours) == bytes([number]) * 150


def test_what_was_closed_since_it_was_found_ready_is_let_be() -> None:
    with opened(FakeClock()) as sockets, ExitStack() as stack:

        class Closer(Reader):
            def ready(self, ready: socket.socket, events: int, now_ns: int) -> None:
                super().ready(ready, events, now_ns)
                for ours, _ in pairs:
                    if ours is not ready:
                        sockets.drop(ours)

        closer = Closer()
        pairs = [pair(sockets, closer, stack) for _ in range(2)]
        for _, other in pairs:
            other.send(b"x")
        sockets.poll()
        sockets.poll()
        assert len(closer.heard) == 1


def test_an_owner_hears_of_what_it_wants_to_do() -> None:
    with opened(FakeClock()) as sockets, ExitStack() as stack:
        seen: list[int] = []

        class Writer(Reader):
            def ready(self, ready: socket.socket, events: int, now_ns: int) -> None:
                seen.append(events)

        ours, other = pair(sockets, Writer(), stack)
        sockets.poll()
        sockets.want(ours, WRITE)
        sockets.poll()
        other.send(b"x")
        sockets.want(ours, READ | WRITE)
        sockets.poll()
        sockets.want(ours, READ)
        sockets.poll()
        assert seen == [WRITE, READ | WRITE, READ]


def test_owners_look_after_the_silent_ones_now_and_then() -> None:
    clock = FakeClock()
    with opened(clock) as sockets:
        owner = Reader()
        sockets.listen(ANYWHERE, owner)
        for _ in range(10):
            sockets.poll()
            clock.sleep(SWEEP_NS // 2)
        assert owner.swept_ns == [number * SWEEP_NS for number in range(5)]


def test_an_owner_with_more_to_close_goes_on_in_the_next_turn() -> None:
    clock = FakeClock()
    with opened(clock) as sockets:
        owner, idle = Reader(), Reader()
        owner.overdue = [False, True, True]
        for one in (owner, idle):
            sockets.listen(ANYWHERE, one)
        for _ in range(6):
            sockets.poll()
            clock.sleep(1)
        assert owner.swept_ns == idle.swept_ns == [0, 1, 2]
        clock.sleep(SWEEP_NS)
        sockets.poll()
        assert len(owner.swept_ns) == 4


class Exhausted:
    """A listener in a process that has no descriptor for a client; with one freed it has."""

    def __init__(self, *answers: OSError | socket.socket) -> None:
        self.answers = list(answers)

    def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer, ("127.0.0.1", 7)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_where_descriptors_have_run_out_a_client_is_turned_away(number: int) -> None:
    ours, theirs = socket.socketpair()
    with opened(FakeClock()) as sockets, theirs:
        listener = Exhausted(OSError(number, "too many"), ours, OSError(number, "too many"), BlockingIOError())
        assert sockets.accept(listener) is None  # type: ignore[arg-type]
        assert ours.fileno() == -1
        assert sockets.accept(listener) is None  # type: ignore[arg-type]
        assert listener.answers == []


@pytest.mark.parametrize("error", [BlockingIOError(), ConnectionAbortedError(errno.ECONNABORTED, "gone")])
def test_a_client_that_has_gone_is_none(error: OSError) -> None:
    with opened(FakeClock()) as sockets:
        assert sockets.accept(Exhausted(error)) is None  # type: ignore[arg-type]


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """A process that may not open anything more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_process_without_descriptors_goes_on_and_lets_clients_in_when_it_has_some_again() -> None:
    with opened(FakeClock()) as sockets:
        door = Door(sockets)
        address = sockets.listen(ANYWHERE, door).getsockname()
        with socket.create_connection(address) as unlucky, socket.create_connection(address) as unlucky_too:
            with no_more_descriptors():
                for _ in range(5):
                    sockets.poll()
            assert door.clients == []
            assert door.asked == 2  # a client that is left standing would keep the thread awake for ever
            assert [unlucky.recv(1), unlucky_too.recv(1)] == [b"", b""]
        with socket.create_connection(address):
            sockets.poll()
            assert len(door.clients) == 1


def test_closing_closes_all() -> None:
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    sockets = Sockets(FakeClock())
    door = Door(sockets)
    listener = sockets.listen(ANYWHERE, door)
    with socket.create_connection(listener.getsockname()):
        sockets.poll()
        sockets.close()
    assert [listener.fileno(), *(client.fileno() for client in door.clients)] == [-1, -1]
    if descriptors is not None:
        assert len(os.listdir("/proc/self/fd")) == descriptors


def test_an_address_that_is_taken_is_refused_and_nothing_stays_open() -> None:
    with opened(FakeClock()) as sockets:
        taken = sockets.listen(ANYWHERE, Reader()).getsockname()
        with pytest.raises(OSError, match="in use"):
            sockets.listen(taken, Reader())
        gc.collect()  # a socket left open would be warned of now


def test_clients_of_whoever_asks_for_small_buffers_have_small_ones() -> None:
    def buffer(small: bool) -> int:
        with opened(FakeClock()) as sockets:
            door = Door(sockets)
            address = sockets.listen(ANYWHERE, door, small_buffers=small).getsockname()
            with socket.create_connection(address):
                sockets.poll()
                return door.clients[0].getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

    assert buffer(small=True) < buffer(small=False) / 4


@pytest.mark.parametrize("of", [lambda clock: clock.sleep(7), lambda clock: clock.spin_until(7)])
def test_letting_time_pass_as_work_is_the_clock_s(of: Callable[[Sockets], None]) -> None:
    clock = FakeClock()
    with opened(clock) as sockets:
        of(sockets)
        assert sockets.now_ns() == clock.now_ns() == 7
        assert sockets.cpu_ns() == 0
