"""Messages over TCP, with real sockets and clients in this very thread: nothing read is lost, nothing bad gets in."""

import json
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from real.clients import MOST_CLIENTS, MOST_DROPPED, MOST_NONSENSE
from real.clock import FakeClock
from real.inbox import Inbox
from real.loop import Loop
from real.machine import MOST_KEYS, TOO_MANY_KEYS
from real.message import Message
from real.net import CHUNK, LONGEST_LINE, SHOWN_COMPLAINTS, SMALL_CHUNK, Intake
from real.query import Queries
from real.router import Router
from real.sockets import Sockets
from real.ticket import Ticket
from real.wire import LONGEST_AGO_S, Rejected, decoded
from real.work import sleeping

NOW_NS = 10_000 * 10**9
SERVICE_NS = 1_000_000
MANY_TURNS = 100_000


class Tickets(list[Ticket[Message]]):
    """A record that keeps whole tickets."""

    record = list.append


class Hurried(Sockets):
    """Sockets that nobody waits for: what clients in this very thread have said has come by then."""

    def wait_until(self, at_ns: int) -> None:
        """Come back at once."""


class Server:
    """A processor that others send to, on a fake clock; it does something when it is given a turn."""

    def __init__(self, inbox: int | None = None, workers: list[str] | None = None) -> None:
        self.clock = FakeClock(NOW_NS)
        self.sockets = Hurried(self.clock)
        self.router = Router(sleeping(self.clock, SERVICE_NS), workers)
        self.tickets = Tickets()
        places = Inbox("fifo", float("inf") if inbox is None else inbox)
        self.intake = Intake(self.sockets, self.router, self.tickets, places)
        self.address = self.intake.listen(("127.0.0.1", 0))
        self.loop = Loop(self.intake, (), places, self.router, Queries(self.router), self.sockets)

    def turns_until(self, condition: Callable[[], bool]) -> None:
        """Go on until something is so."""
        for _ in range(MANY_TURNS):
            if condition():
                return
            self.check(self.loop.turn())
        raise AssertionError("it never came to that")

    def check(self, more: bool) -> None:
        """Every message that was received is somewhere, and no instant before another that must be."""
        queued = len(self.loop.inbox) + len(self.intake._received)
        assert self.intake.received == len(self.tickets) + queued
        assert more or self.intake._listener is None

    def drain(self) -> None:
        """Let the clients, who have said all, be read to the end."""
        self.turns_until(lambda: not self.intake._clients and not self.loop.inbox and not self.intake._received)

    def clients(self, count: int, **options: int) -> list[socket.socket]:
        """Return clients, let in."""
        before = self.intake.clients
        made = [socket.socket() for _ in range(count)]
        for client in made:
            if "buffer" in options:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, options["buffer"])
            client.connect(self.address)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.turns_until(lambda: self.intake.clients == before + count)
        return made

    @property
    def processed(self) -> list[Any]:
        """What the messages set, in the order in which they were processed."""
        return [ticket.item.payload[0].get("value") for ticket in self.tickets]


@contextmanager
def serving(inbox: int | None = None, workers: list[str] | None = None) -> Iterator[Server]:
    """A server, closed whatever happens."""
    server = Server(inbox, workers)
    try:
        yield server
    finally:
        server.sockets.close()


def line(value: Any, worker: str = "w0", **more: Any) -> bytes:
    """A message as it is sent."""
    payload = [{"op": "set", "key": "k", "value": value}]
    return json.dumps({"worker_id": worker, "payload": payload, **more}).encode() + b"\n"


def sent_by_one(data: bytes, **given: Any) -> Server:
    """What became of the bytes of one client that sends them at once and goes."""
    with serving(**given) as server:
        (client,) = server.clients(1)
        with client:
            client.settimeout(30)
            for start in range(0, len(data), 50_000):
                client.sendall(data[start : start + 50_000])
                server.loop.turn()
        server.drain()
    return server


def test_messages_of_several_clients_are_processed_in_order_of_receipt() -> None:
    with serving() as server, ExitStack() as stack:
        clients = [stack.enter_context(client) for client in server.clients(3)]
        for value in range(30):
            clients[value % 3].sendall(line(value, f"w{value % 2}"))
            server.turns_until(lambda value=value: server.intake.received == value + 1)
        for client in clients:
            client.close()
        server.drain()
    assert server.processed == list(range(30))
    assert [ticket.number for ticket in server.tickets] == list(range(30))
    assert {name: machine.messages for name, machine in server.router.machines.items()} == {"w0": 15, "w1": 15}
    assert server.intake.clients == 3


def test_messages_for_which_a_state_has_no_room_are_counted_and_shown_and_the_others_untouched() -> None:
    with serving() as server:
        (client,) = server.clients(1)
        with client:
            for number in range(MOST_KEYS // 5 + 3):
                keys = ({"op": "set", "key": f"{number}.{key}", "value": 0} for key in range(5))
                client.sendall(json.dumps({"worker_id": "w0", "payload": list(keys)}).encode() + b"\n")
                server.turns_until(lambda number=number: server.intake.received == number + 1)
            client.sendall(line(7, "w1"))
        server.drain()
    crowded, other = server.router.machines["w0"], server.router.machines["w1"]
    assert (len(crowded.state), crowded.failed, crowded.over_full) == (MOST_KEYS, 3, 3)
    assert other.state == {"k": 7}
    assert server.intake.complaints == [f"message {number} of w0: {TOO_MANY_KEYS}" for number in (200, 201, 202)]


THREE = line("ä", "first") + b'{"worker_id": 7}\n\r\n' + line([1, {"b": None}], "second") + line(3, "last").rstrip()


@settings(max_examples=40)
@given(st.sets(st.integers(1, len(THREE) - 1), max_size=12))
def test_lines_may_be_cut_anywhere(cuts: set[int]) -> None:
    with serving() as server:
        (client,) = server.clients(1)
        with client:
            for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(THREE)], strict=True):
                client.sendall(THREE[start:end])
                server.turns_until(lambda end=end: server.intake.bytes == end)
        server.drain()
    assert server.processed == ["ä", [1, {"b": None}], 3]
    assert list(server.router.machines) == ["first", "second", "last"]
    assert server.intake.rejected == {"not a message": 1}


def test_a_client_may_send_a_byte_at_a_time() -> None:
    with serving() as server:
        (client,) = server.clients(1)
        with client:
            for place in range(len(THREE)):
                client.sendall(THREE[place : place + 1])
                server.turns_until(lambda place=place: server.intake.bytes == place + 1)
        server.drain()
    assert server.processed == ["ä", [1, {"b": None}], 3]


def test_line_ends_of_every_kind_and_empty_lines() -> None:
    server = sent_by_one(b"\n\r\n" + line(1).replace(b"\n", b"\r\n") + b"  \n\n" + line(2) + b"\n" + line(3)[:-1])
    assert server.processed == [1, 2, 3]
    assert not server.intake.rejected


DEEP = b"[" * 30_000 + b"]" * 30_000
GOOD = b'{"worker_id": "w0", "payload": [{"op": "increment", "key": "n"}]'


def payload(*operations: bytes) -> bytes:
    return b'{"worker_id": "w0", "payload": [' + b", ".join(operations) + b"]}"


ONE = b'{"op": "increment", "key": "%d"}'
BAD = {
    "nonsense": (b"nonsense", "not JSON"),
    "half an object": (GOOD, "not JSON"),
    "two objects": (GOOD + b"}" + GOOD + b"}", "not JSON"),
    "no number": (payload(b'{"op": "set", "key": "k", "value": NaN}'), "not JSON"),
    "infinity": (payload(b'{"op": "set", "key": "k", "value": -Infinity}'), "not JSON"),
    "too large a number": (payload(b'{"op": "set", "key": "k", "value": 1e999}'), "not JSON"),
    "a huge integer": (payload(b'{"op": "set", "key": "k", "value": ' + b"9" * 5_000 + b"}"), "not JSON"),
    "not UTF-8": (payload(b'{"op": "set", "key": "k", "value": "\xff\xfe"}'), "not JSON"),
    "nested deeply": (payload(b'{"op": "set", "key": "k", "value": ' + DEEP + b"}"), "not JSON"),
    "nested less deeply": (GOOD + b', "timestamp": ' + b"[" * 1_000 + b"]" * 1_000 + b"}", "not a message"),
    "a list": (b"[1, 2]", "not a message"),
    "a number": (b"7", "not a message"),
    "nothing": (b"null", "not a message"),
    "nobody": (b'{"payload": [{"op": "increment", "key": "n"}]}', "not a message"),
    "a worker that is a number": (GOOD.replace(b'"w0"', b"0") + b"}", "not a message"),
    "a worker without a name": (GOOD.replace(b"w0", b"") + b"}", "not a message"),
    "an unknown field": (GOOD + b', "priority": 1}', "not a message"),
    "an unknown operation": (payload(b'{"op": "drop", "key": "n"}'), "not a message"),
    "an operation that is a list": (payload(b"[]"), "not a message"),
    "no operation": (payload(), "not a message"),
    "six operations": (payload(*(ONE % k for k in range(6))), "not a message"),
    "the same key twice": (payload(ONE % 1, ONE % 1), "not a message"),
    "a field too many": (payload(b'{"op": "increment", "key": "n", "value": 2}'), "not a message"),
    "half a round": (payload(b'{"op": "compute", "key": "n", "value": 0.5}'), "not a message"),
    "too many rounds": (payload(b'{"op": "compute", "key": "n", "value": 1000001}'), "not a message"),
    "a time in words": (GOOD + b', "timestamp": "now"}', "not a message"),
    "a time that is true": (GOOD + b', "sent": true}', "not a message"),
    "a line too long": (b"x" * (LONGEST_LINE + 1), "line too long"),
    "a line far too long": (b" " * (3 * LONGEST_LINE + 5), "line too long"),
    "a long message": (line("x" * LONGEST_LINE)[:-1], "line too long"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_message_is_rejected_by_itself_and_shown_with_its_place(name: str) -> None:
    bad, reason = BAD[name]
    server = sent_by_one(line(1) + bad + b"\n" + line(2) + bad + b"\n" + line(3))
    assert server.processed == [1, 2, 3]
    assert server.intake.rejected == {reason: 2}
    places = [len(line(1)), len(line(1)) + len(bad) + 1 + len(line(2))]
    for complaint, place in zip(server.intake.complaints, places, strict=True):
        peer, _, rest = complaint.partition(", ")
        assert peer.startswith("127.0.0.1:")
        assert rest.startswith(f"byte {place}: ")
    assert server.router.machines.keys() == {"w0"}
    assert server.router.machines["w0"].messages == 3


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_message_is_none_at_the_end_either(name: str) -> None:
    server = sent_by_one(line(1) + BAD[name][0])
    assert server.processed == [1]
    assert server.intake.rejected == {BAD[name][1]: 1}


def test_the_longest_line_there_may_be_is_a_message() -> None:
    longest = line("x" * (LONGEST_LINE - len(line("")) + 1))
    assert len(longest) == LONGEST_LINE + 1  # its end is not counted
    server = sent_by_one(longest + line(2))
    assert [type(value) for value in server.processed] == [str, int]


def test_a_line_without_an_end_takes_no_memory() -> None:
    with serving() as server:
        (client,) = server.clients(1)
        with client:
            state = next(iter(server.intake._clients.values()))
            for sent in range(50_000, 1_000_001, 50_000):
                client.sendall(b"y" * 50_000)
                while server.intake.bytes < sent:
                    server.loop.turn()
                    assert len(state.line) <= LONGEST_LINE + CHUNK
            client.sendall(b"\n" + line(2))
        server.drain()
    assert server.processed == [2]
    assert server.intake.rejected == {"line too long": 1}
    assert server.intake.complaints[0].endswith(f"byte 0: more than {LONGEST_LINE} bytes")


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=30).map(lambda raw: raw.replace(b"\n", b"")) | st.integers(), max_size=20))
def test_every_line_that_is_not_empty_is_received_or_rejected(lines: list[bytes | int]) -> None:
    data = b"".join(line(some) if isinstance(some, int) else some + b"\n" for some in lines)
    server = sent_by_one(data)
    intake = server.intake
    assert intake.received + intake.rejected.total() == sum(1 for some in data.split(b"\n") if some.strip())
    assert intake.bytes == len(data)
    # Beyond 18 digits a number is none that is taken; raw bytes that happen to be a message are none worth waiting for.
    assert server.processed == [some for some in lines if isinstance(some, int) and len(str(abs(some))) <= 18]


def test_no_more_complaints_are_kept_than_anyone_reads() -> None:
    server = sent_by_one((b"nonsense\n" * 9 + line(1)) * 14)  # a message now and then: not cut off
    assert server.intake.rejected == {"not JSON": 126}
    assert len(server.intake.complaints) == SHOWN_COMPLAINTS < 126
    assert (server.intake.received, server.intake.cut_off) == (14, 0)


def test_a_client_that_sends_nothing_but_nonsense_is_cut_off_and_nobody_else() -> None:
    with serving() as server:
        one, other = server.clients(2)
        with one, other:
            one.sendall(line(1) + b"nonsense\n" * (2 * MOST_NONSENSE) + line(2))
            other.sendall(b"nonsense\n" * (MOST_NONSENSE - 1) + line(3))
            server.turns_until(lambda: server.intake.cut_off == 1 and server.intake.received == 2)
            other.sendall(b"nonsense\n" * (MOST_NONSENSE - 1) + line(4))
            server.turns_until(lambda: server.intake.received == 3)
        server.drain()
    assert server.intake.rejected == {"not JSON": MOST_NONSENSE + 2 * (MOST_NONSENSE - 1)}
    assert server.intake.cut_off == 1


def test_a_flood_of_empty_lines_or_of_few_long_ones_is_nonsense_too() -> None:
    for flood in (b"\n" * 4 * MOST_NONSENSE, (b"[" + b"0," * 30_000 + b"0]\n") * 4):
        server = sent_by_one(flood + line(1))
        assert (server.intake.cut_off, server.intake.received) == (1, 0)


def test_messages_for_workers_that_there_are_not_are_no_nonsense() -> None:
    stranger, known = line(1, "nobody"), line(2)
    server = sent_by_one(stranger * (2 * MOST_NONSENSE) + known, workers=["w0"])
    assert server.intake.rejected == {"unknown worker": 2 * MOST_NONSENSE}
    assert (server.intake.cut_off, server.intake.received) == (0, 1)


def test_a_client_that_comes_while_the_inbox_is_full_and_says_nothing_keeps_nobody_waiting() -> None:
    with serving(inbox=2) as server:
        (talker,) = server.clients(1)
        with talker:
            talker.sendall(b"".join(line(k) for k in range(20)))
            server.turns_until(lambda: server.intake.received > 3)
            (silent,) = server.clients(1)
            with silent:
                talker.sendall(b"".join(line(k) for k in range(20, 40)))
                server.turns_until(lambda: server.intake.received == 40)
        server.drain()
    assert len(server.tickets) == 40


def test_whoever_always_has_more_to_say_than_there_is_room_for_is_refused_nearly_all_the_time() -> None:
    with serving(inbox=2) as server:
        (client,) = server.clients(1)
        begin_ns = server.clock.now_ns()
        with client:
            client.sendall(b"".join(line(k) for k in range(100)))
            server.turns_until(lambda: server.intake.received == 100)
        passed_ns = server.clock.now_ns() - begin_ns
        server.drain()
    assert 0.7 * passed_ns < server.intake.refused_ns <= passed_ns


def test_nobody_is_refused_while_there_is_room() -> None:
    with serving(inbox=1_000) as server:
        one, other = server.clients(2)
        with one, other:
            for k in range(5):
                one.sendall(line(k))
                other.sendall(line(k))
                server.turns_until(lambda k=k: server.intake.received == 2 * (k + 1))
        server.drain()
    assert server.intake.refused_by(server.clock.now_ns()) == 0


def test_a_worker_whose_turn_never_ends_leaves_nothing_behind_but_what_waits() -> None:
    with serving(inbox=3) as server:
        server.loop.inbox = Inbox("per-worker", 3)
        (client,) = server.clients(1)
        with client:
            client.sendall(line(0, "patient") + b"".join(line(k, "talker") for k in range(50)))
            server.turns_until(lambda: len(server.tickets) > 30)
            assert len(server.intake._unfinished) <= 4
        server.drain()


def test_a_line_without_any_end_is_cut_off_too() -> None:
    with serving() as server:
        (client,) = server.clients(1)
        with client:
            client.setblocking(False)
            turns = 0
            while not server.intake.cut_off and turns < MANY_TURNS:
                with suppress(OSError):
                    client.send(b"x" * 60_000)
                server.loop.turn()
                turns += 1
    assert server.intake.cut_off == 1
    assert MOST_DROPPED < server.intake.bytes < 2 * MOST_DROPPED


@settings(max_examples=300)
@given(st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.sampled_from(["op", "key", "value", "set", "w0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["worker_id", "payload", "timestamp", "op", "key", "value"]), inner, max_size=4),
).map(lambda document: json.dumps(document).encode()))  # fmt: skip
def test_whatever_a_line_spells_it_is_a_message_or_rejected(raw: bytes) -> None:
    with suppress(Rejected):
        assert isinstance(decoded(raw), Message)


@pytest.mark.parametrize(
    ("at_s", "foreign"),
    [
        *((10_000.0, False), (9_999, False), (10_000 - LONGEST_AGO_S, False), (None, True), (10_000.5, True)),
        *((10_000 - LONGEST_AGO_S - 1, True), (-5, True), (0, True), (1e300, True), (10**17, True)),
    ],
)
def test_latency_counts_from_the_planned_instant_and_from_receipt_where_that_is_not_ours(
    at_s: float | None, foreign: bool
) -> None:
    server = sent_by_one(line(1) if at_s is None else line(1, timestamp=at_s))
    (ticket,) = server.tickets
    assert server.intake.foreign_timestamps == foreign
    assert ticket.arrival_ns == (NOW_NS if foreign or at_s is None else at_s * 1e9)
    assert ticket.arrival_ns <= ticket.taken_ns <= ticket.start_ns
    assert ticket.finish_ns - ticket.start_ns == SERVICE_NS


def test_when_a_message_was_really_sent_is_kept() -> None:
    server = sent_by_one(line(1, timestamp=9_998.0, sent=9_999.5) + line(2, timestamp=9_998.0) + line(3, sent=20_000))
    assert [ticket.sent_ns for ticket in server.tickets] == [9_999_500_000_000, -1, -1]
    assert server.intake.foreign_timestamps == 1  # only the timestamp decides


def test_where_all_workers_are_known_another_is_rejected_at_the_door() -> None:
    server = sent_by_one(line(1, "w0") + line(2, "w2") + line(3, "w1"), workers=["w0", "w1"])
    assert server.processed == [1, 3]
    assert server.intake.rejected == {"unknown worker": 1}
    assert "'w2' is none of the 2" in server.intake.complaints[0]
    assert server.router.machines.keys() == {"w0", "w1"}


def flooded(server: Server, client: socket.socket, most: int) -> int:
    """Send until nothing more goes out although the server may take it in; return how many bytes went out."""
    client.setblocking(False)
    data, sent = b"".join(line(value) for value in range(most)), 0
    stuck = 0
    while stuck < 20 and sent < len(data):
        try:
            sent += client.send(data[sent:])
            stuck = 0
        except BlockingIOError:
            stuck += 1
        server.sockets.poll()
        server.loop.take(NOW_NS)
    return sent


def test_while_the_inbox_is_full_nobody_reads_and_the_sender_has_to_wait() -> None:
    most = 20_000
    with serving(inbox=3) as server, serving() as unbounded:
        with server.clients(1, buffer=4096)[0] as client, unbounded.clients(1)[0] as other:
            # The thread is busy all the time: messages are taken, and none is processed.
            accepted = flooded(server, client, most)
            anything = flooded(unbounded, other, most)
            assert len(server.loop.inbox) == 3
            assert server.intake.bytes <= SMALL_CHUNK
            assert anything > 20 * accepted
            before = server.intake.bytes
            for _ in range(10):
                server.sockets.poll()
            assert server.intake.bytes == before
            held = server.intake.received
            server.clock.sleep(5_000_000)
            server.turns_until(lambda: len(server.tickets) == held + 1)
            # Each message that is done made a place for one that was read; the turn after the last of them reads again.
            assert server.intake.refused_ns == 5_000_000 + (held - 3 + 1) * SERVICE_NS
        server.drain()
        unbounded.drain()
    whole = len(server.tickets)
    assert server.processed == list(range(whole))  # nothing lost, in order
    assert server.intake.received + server.intake.rejected.total() in (whole, whole + 1)  # the last may have been cut
    assert all(
        later.taken_ns >= earlier.taken_ns for earlier, later in zip(server.tickets, server.tickets[1:], strict=False)
    )
    assert server.intake.bytes == accepted


def test_where_places_never_run_out_nobody_is_refused() -> None:
    with serving() as server, ExitStack() as stack:
        for client in server.clients(4):
            stack.enter_context(client).sendall(line(1) * 300)
        server.turns_until(lambda: len(server.tickets) == 1_200)
        assert server.intake.refused_ns == 0


@pytest.mark.parametrize("inbox", [None, 1, 5])
def test_a_client_that_never_pauses_does_not_keep_another_from_being_read(inbox: int | None) -> None:
    with serving(inbox=inbox) as server:
        loud, quiet = server.clients(2)
        with loud, quiet:
            loud.sendall(line("loud") * 100)
            server.turns_until(lambda: server.intake.received > 0)
            quiet.sendall(line("quiet", "w1"))
            loud.setblocking(False)
            rest = b""
            for _ in range(1_000):
                rest = rest or line("loud") * 100
                with suppress(BlockingIOError):
                    rest = rest[loud.send(rest) :]
                server.loop.turn()
                if "w1" in server.router.machines:
                    break
            # What a read or two of the loud one bring is all that may be before it.
            server.turns_until(lambda: server.router.machines["w1"].messages == 1)
            assert server.processed.index("quiet") <= 3 * CHUNK // len(line("loud"))


def test_closing_processes_what_was_read_and_leaves_the_rest_to_the_sender() -> None:
    with serving(inbox=1) as server:
        (client,) = server.clients(1)
        with client:
            client.sendall(b"".join(line(value) for value in range(100)) + line(100)[:20])
            server.turns_until(lambda: len(server.tickets) == 2)
            read = server.intake.received
            server.intake.close()
            while server.loop.turn():
                pass
            assert len(server.tickets) == server.intake.received == read < 100
            assert server.processed == list(range(read))
            with pytest.raises(ConnectionError):
                socket.create_connection(server.address).close()
            client.settimeout(30)
            with suppress(ConnectionResetError):  # which is how it hears that not all was read
                assert client.recv(1) == b""


def test_closing_while_somebody_is_refused_counts_that_too() -> None:
    with serving(inbox=1) as server:
        (client,) = server.clients(1)
        with client:
            client.sendall(line(1) * 100)
            for _ in range(3):
                server.sockets.poll()
                server.loop.take(NOW_NS)
            server.clock.sleep(7_000_000)
            server.intake.close()
            server.intake.close()  # as often as anyone likes
            assert server.intake.refused_ns == 7_000_000


@pytest.mark.parametrize("half", [b"", line(2)[:20]])
def test_a_client_that_is_cut_off_costs_no_more_than_its_half_line(half: bytes) -> None:
    with serving() as server:
        gone, other = server.clients(2)
        with gone, other:
            gone.sendall(line(1) + half)
            server.turns_until(lambda: server.intake.bytes == len(line(1) + half))
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            gone.close()  # a reset
            server.turns_until(lambda: len(server.intake._clients) == 1)
            other.sendall(line(3))
        server.drain()
    assert server.processed == [1, 3]
    assert server.intake.rejected.total() == bool(half)


def test_a_client_that_goes_in_the_middle_of_a_line_is_told_of() -> None:
    server = sent_by_one(line(1) + line(2)[:20])
    assert server.processed == [1]
    assert server.intake.rejected == {"not JSON": 1}
    assert f"byte {len(line(1))}: " in server.intake.complaints[0]


def test_a_client_that_says_nothing_costs_nothing() -> None:
    with serving(inbox=2) as server:
        silent, other = server.clients(2)
        with silent, other:
            for value in range(20):
                other.sendall(line(value))
            server.turns_until(lambda: len(server.tickets) == 20)
        server.drain()
    assert server.processed == list(range(20))
    assert server.intake.clients == 2
    assert not server.intake.complaints


def test_more_silent_clients_than_there_is_room_for_keep_nobody_out() -> None:
    with serving() as server, ExitStack() as stack:
        silent = [stack.enter_context(client) for client in server.clients(MOST_CLIENTS)]
        silent[0].sendall(line(0)[:20])
        server.turns_until(lambda: server.intake.bytes == 20)
        (late,) = server.clients(1)
        with late:
            late.sendall(line(1))
            silent[0].sendall(line(0)[20:])
            server.turns_until(lambda: len(server.tickets) == 2)
        assert (server.intake.crowded_out, server.intake.clients) == (1, MOST_CLIENTS + 1)
        silent[1].settimeout(30)
        assert silent[1].recv(1) == b""
        assert sorted(server.processed) == [0, 1]
