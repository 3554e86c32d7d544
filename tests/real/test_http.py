"""HTTP on real sockets and a fake clock: the server's loop and its clients take turns in one thread."""

import contextlib
import json
import os
import platform
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from real.clock import FakeClock
from real.histogram import Histogram
from real.http import connections
from real.http.reply import told
from real.http.server import HttpServer, page
from real.inbox import Inbox
from real.loop import Loop
from real.message import Message
from real.query import Queries
from real.router import Router
from real.sockets import READ, Sockets
from real.source import Plan
from real.ticket import Ticket

S, MS = 10**9, 10**6
BEGIN_NS = 10_000 * S
ROUNDS = 2_000  # of server and client; loopback needs one or two
GET = b"GET /workers/w1 HTTP/1.1\r\nHost: lab\r\n\r\n"


class Kept:
    """A record that keeps the tickets."""

    def __init__(self) -> None:
        self.latency, self.processing = Histogram(), Histogram()
        self.tickets: list[Ticket[str]] = []

    def record(self, ticket: Ticket[str]) -> None:
        self.latency.add(ticket.finish_ns - ticket.arrival_ns)
        self.tickets.append(ticket)


@dataclass
class Answer:
    """A reply as a client sees it."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body, parse_constant=pytest.fail)


@dataclass
class Caller:
    """A client's side of a connection, and what it has read of it."""

    lab: "Lab"
    socket: socket.socket
    read: bytes = b""
    ended: bool = False
    reset: bool = False

    def say(self, data: bytes) -> "Caller":
        self.socket.sendall(data)
        return self

    def look(self, most: int = 1 << 20) -> None:
        try:
            data = self.socket.recv(most)
        except BlockingIOError:
            return
        except ConnectionResetError:
            self.ended = self.reset = True
            return
        self.ended = self.ended or not data
        self.read += data

    def answer(self, *, head: bool = False) -> Answer:
        """Return the next reply, while the server goes on."""
        for _ in range(ROUNDS):
            start, _, rest = self.read.partition(b"\r\n\r\n")
            line, *fields = start.decode().split("\r\n")
            headers = dict(one.split(": ", 1) for one in fields)
            length = 0 if head else int(headers.get("Content-Length", 0))
            if b"\r\n\r\n" in self.read and len(rest) >= length:
                self.read = rest[length:]
                return Answer(int(line.split()[1]), headers, rest[:length])
            assert not self.ended, f"ended after {self.read!r}"
            self.lab.loop.turn()
            self.look()
        raise AssertionError(f"no reply; only {self.read!r}")

    def end(self) -> bytes:
        """Wait until the server has closed its side; return what else it had said."""
        for _ in range(ROUNDS):
            if self.ended:
                return self.read
            self.lab.loop.turn()
            self.look()
        raise AssertionError("the server did not close the connection")


@dataclass
class Lab:
    """A processor that nobody sends messages, its HTTP server, and the clients of that."""

    policy: str = "first"
    clock: FakeClock = field(default_factory=lambda: FakeClock(BEGIN_NS))
    record: Kept = field(default_factory=Kept)
    callers: list[Caller] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sockets = Sockets(self.clock)
        self.router = Router(lambda message, began_ns: None)
        self.http = HttpServer(self.sockets, self.router, self.record, lambda: "up 1\n")
        self.address = self.http.listen(("127.0.0.1", 0))
        queries = Queries(self.router, self.policy)
        self.loop = Loop(Plan([], [], 0), [self.http], Inbox(), self.router, queries, self.sockets)

    def call(self) -> Caller:
        made = socket.create_connection(self.address, timeout=10)
        made.setblocking(False)
        self.callers.append(Caller(self, made))
        return self.callers[-1]

    def ask(self, data: bytes) -> Answer:
        return self.call().say(data).answer()

    def set(self, worker_id: str, value: Any) -> None:
        message = Message(worker_id, ({"op": "set", "key": "x", "value": value},))
        self.router.route(message).process_message(message)

    def turns(self, count: int = 20) -> None:
        for _ in range(count):
            self.loop.turn()

    def unsent(self) -> int:
        return sum(len(client.unsent) for client in self.http.connections._clients.values())

    def pass_s(self, seconds: float) -> None:
        self.clock.sleep(round(seconds * S))
        self.http.connections.sweep(self.clock.now_ns())

    def check(self) -> None:
        """Every question is recorded once and in order, after its arrival."""
        self.turns()
        assert [ticket.number for ticket in self.record.tickets] == list(range(self.http.asked))
        for ticket in self.record.tickets:
            assert ticket.arrival_ns <= ticket.taken_ns <= ticket.start_ns <= ticket.finish_ns
        assert self.http.done(self.http.asked)
        assert not self.http.done(self.http.asked + 1)

    def close(self) -> None:
        for caller in self.callers:
            caller.socket.close()
        self.http.close()
        self.sockets.close()


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab()
    made.set("w1", "hello")
    try:
        yield made
        made.check()
    finally:
        made.close()


def get(target: str, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/{version}", "Host: lab", *headers, "", ""]).encode()


# -- what is asked, and what is answered -----------------------------------------------------------------------------


def test_a_worker_s_state_is_told_with_the_number_of_its_messages(lab: Lab) -> None:
    answer = lab.ask(GET)
    assert (answer.status, answer.document) == (200, {"worker_id": "w1", "state": {"x": "hello"}, "messages": 1})
    assert answer.headers == {
        "Content-Type": "application/json",
        "Content-Length": str(len(answer.body)),
        "Cache-Control": "no-store",
    }
    assert len(lab.record.tickets) == 1


def test_a_worker_that_nobody_has_heard_of_is_not_found_but_recorded(lab: Lab) -> None:
    answer = lab.ask(get("/workers/w2"))
    assert answer.status == 404
    assert "w2" in answer.document["error"]
    assert len(lab.record.tickets) == 1
    assert "w2" not in lab.router.machines


def test_a_worker_s_id_is_decoded(lab: Lab) -> None:
    lab.set("ä/ b", 1)
    assert lab.ask(get("/workers/%C3%A4%2F%20b")).document["worker_id"] == "ä/ b"
    assert lab.ask(get("/workers/a/b")).status == 404
    assert [ticket.item for ticket in lab.record.tickets] == ["ä/ b"]


def test_workers_are_listed_a_thousand_at_a_time(lab: Lab) -> None:
    for number in range(2, 2_002):
        lab.set(f"w{number}", 0)
    target, listed = "/workers", []
    while target is not None:
        document = lab.ask(get(target)).document
        assert document["count"] == 2_001
        listed.append(document["workers"])
        target = document["next"]
    assert [len(ids) for ids in listed] == [1_000, 1_000, 1]
    assert [name for ids in listed for name in ids] == [f"w{number}" for number in range(1, 2_002)]


def test_a_list_that_ends_with_its_page_has_no_next_one() -> None:
    router = Router(lambda message, began_ns: None, [f"w{number}" for number in range(1_000)])
    assert json.loads(page(router, "").body)["next"] is None
    assert json.loads(page(router, "from=5000").body)["workers"] == []


def test_a_page_that_is_no_number_is_refused(lab: Lab) -> None:
    assert lab.ask(get("/workers?from=x")).status == 400
    assert lab.ask(get("/workers?from=-1")).status == 400


def test_metrics_health_and_what_does_not_exist(lab: Lab) -> None:
    metrics = lab.ask(get("/metrics"))
    assert (metrics.status, metrics.body) == (200, b"up 1\n")
    assert metrics.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert lab.ask(get("/healthz")).document == {"status": "ok"}
    for target in ("/", "/workers/", "/metrics/x", "/favicon.ico"):
        assert "/workers/ID" in lab.ask(get(target)).document["error"]
    assert lab.http.connections.requests == {200: 2, 404: 4}
    assert lab.http.connections.accepted == 6
    assert lab.http.asked == 0


@pytest.mark.parametrize("target", ["/workers/w1", "/workers", "/healthz", "/nowhere"])
def test_head_has_the_same_head_and_no_body(lab: Lab, target: str) -> None:
    caller = lab.call().say(get(target) + get(target, method="HEAD") + get("/healthz"))
    full, bare = caller.answer(), caller.answer(head=True)
    assert (bare.status, bare.headers) == (full.status, full.headers)
    assert caller.answer().document == {"status": "ok"}


TARGETS = ("/", "/workers", "/workers/w1", "/workers/w2", "/workers/w1/x", "/metrics", "/healthz", "/workers?from=1")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"])
def test_no_request_changes_anything(lab: Lab, method: str) -> None:
    for target in TARGETS:
        lab.call().say(get(target, method=method)).answer(head=method == "HEAD")
        body = b'{"op": "set", "key": "x", "value": 7}'
        lab.ask(get(target, f"Content-Length: {len(body)}", method=method) + body)
    assert list(lab.router.machines) == ["w1"]
    assert (lab.router.machines["w1"].state, lab.router.machines["w1"].messages) == ({"x": "hello"}, 1)


def test_replies_carry_nothing_of_the_machine(lab: Lab) -> None:
    said = [get(target, method=method) for target in TARGETS for method in ("GET", "HEAD", "POST")]
    said += [b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"a" * 9_000, get("/", "X: " + "a" * 9_000)]
    answers = [lab.call().say(data).answer(head=data.startswith(b"HEAD")) for data in said]
    half = lab.call().say(b"GET /")
    lab.turns()
    lab.pass_s(10)
    answers.append(half.answer())
    assert {answer.status for answer in answers} == {200, 400, 404, 405, 408, 414, 431, 505}
    ours = {"Content-Type", "Content-Length", "Cache-Control", "Allow", "Connection"}  # no Server, no Date
    machine = (*platform.uname()[:3], platform.python_version(), "python", str(Path.cwd()), str(os.getpid()), "real/")
    for answer in answers:
        assert set(answer.headers) <= ours
        told = f"{answer.headers} {answer.body.decode()}".lower()
        assert not [word for word in machine if word and word.lower() in told]


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "get"])
def test_other_methods_are_not_allowed_and_the_connection_goes_on(lab: Lab, method: str) -> None:
    caller = lab.call().say(get("/workers/w1", method=method))
    answer = caller.answer()
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert caller.say(GET).answer().status == 200


def test_what_json_cannot_say_is_null_and_an_endless_number_is_an_error(lab: Lab) -> None:
    lab.set("w1", [float("inf"), float("nan"), "\ud800"])
    assert lab.ask(GET).document["state"] == {"x": [None, None, "\ud800"]}
    lab.set("w1", 10**5_000)
    assert lab.ask(GET).status == 500
    assert told([]).body == b"[]\n"


# -- connections -----------------------------------------------------------------------------------------------------


def test_a_request_that_is_there_is_read_as_soon_as_its_client_is_let_in(lab: Lab) -> None:
    caller = lab.call().say(GET)
    lab.loop.turn()
    caller.look()
    assert caller.answer().status == 200
    assert lab.record.tickets[0].arrival_ns == BEGIN_NS


def test_several_clients_are_let_in_at_once(lab: Lab) -> None:
    for _ in range(20):
        lab.call()
    lab.sockets.poll()
    assert lab.http.connections.accepted == 16
    lab.sockets.poll()
    assert lab.http.connections.accepted == 20


def test_a_connection_is_kept(lab: Lab) -> None:
    caller = lab.call()
    assert [caller.say(GET).answer().status for _ in range(3)] == [200, 200, 200]
    assert lab.http.connections.accepted == 1


def test_a_connection_is_closed_where_the_client_wants_it(lab: Lab) -> None:
    caller = lab.call().say(get("/workers/w1", "Connection: close") + GET)
    assert caller.answer().headers["Connection"] == "close"
    assert caller.end() == b""
    assert not caller.reset
    assert lab.http.asked == 1


def test_http_1_0_is_closed_unless_it_asks_for_more(lab: Lab) -> None:
    caller = lab.call().say(get("/healthz", "Connection: keep-alive", version="1.0"))
    assert caller.answer().headers["Connection"] == "keep-alive"
    assert caller.say(get("/healthz", version="1.0")).answer().headers["Connection"] == "close"
    assert caller.end() == b""


def test_requests_sent_together_are_answered_one_by_one_and_in_order(lab: Lab) -> None:
    targets = ["/workers/w1", "/healthz", "/workers/w2", "/workers", "/workers/w1"] * 10
    caller = lab.call().say(b"".join(map(get, targets)))
    assert [caller.answer().status for _ in targets] == [200, 200, 404, 200, 200] * 10
    assert caller.say(GET).answer().status == 200


def test_one_client_asks_one_thing_at_a_time(lab: Lab) -> None:
    caller = lab.call().say(GET + GET)
    lab.sockets.poll()
    caller.say(GET)
    lab.sockets.poll()
    assert lab.http.asked == 1
    assert [caller.answer().status for _ in range(3)] == [200, 200, 200]


def test_a_request_may_come_byte_by_byte(lab: Lab) -> None:
    caller = lab.call()
    for place in range(len(GET)):
        lab.turns(1)
        lab.clock.sleep(MS)
        caller.say(GET[place : place + 1])
    assert caller.answer().status == 200
    assert lab.record.tickets[0].arrival_ns == BEGIN_NS + len(GET) * MS


def test_empty_lines_between_requests_are_nothing(lab: Lab) -> None:
    caller = lab.call().say(b"\r\n" + GET + b"\r\n")
    assert caller.answer().status == 200
    caller.socket.shutdown(socket.SHUT_WR)
    assert caller.end() == b""
    assert lab.http.connections.requests == {200: 1}


def test_who_has_nothing_more_to_say_still_gets_every_answer(lab: Lab) -> None:
    caller = lab.call().say(GET + GET)
    caller.socket.shutdown(socket.SHUT_WR)
    assert [caller.answer().status, caller.answer().status] == [200, 200]
    assert caller.end() == b""


def test_who_ends_in_the_middle_of_a_request_is_told(lab: Lab) -> None:
    caller = lab.call().say(GET[:20])
    caller.socket.shutdown(socket.SHUT_WR)
    assert caller.answer().status == 400
    assert caller.end() == b""


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (get("/", "Content-Length: 9") + b"some body", 413),
        (get("/", "Transfer-Encoding: chunked"), 413),
        (get("/", method="POST").replace(b"Host", b"Content-Length: 9\r\nHost") + b"some body", 405),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"GET /" + b"a" * 100_000, 414),
        (get("/", "X: " + "a" * 100_000), 431),
    ],
)
def test_what_is_malformed_gets_one_error_that_can_be_read_and_then_the_end(lab: Lab, data: bytes, status: int) -> None:
    caller = lab.call().say(data + GET)
    answer = caller.answer()
    assert (answer.status, answer.headers["Connection"]) == (status, "close")
    assert answer.document["error"]
    assert caller.end() == b""
    assert not caller.reset
    assert lab.http.connections.requests == {status: 1}
    assert lab.http.asked == 0


# -- as a source -----------------------------------------------------------------------------------------------------


def test_http_alone_does_not_keep_the_processor_alive(lab: Lab) -> None:
    lab.call()
    assert not lab.loop.turn()
    lab.call().say(GET)
    assert lab.loop.turn()
    assert not lab.loop.turn()


@pytest.mark.parametrize(("before_s", "counts_s"), [(0.25, 0.25), (3_599, 3_599), (3_601, 0), (-0.001, 0), (0, 0)])
def test_a_question_arrives_when_it_was_intended_if_that_can_be(lab: Lab, before_s: float, counts_s: float) -> None:
    assert lab.ask(get("/workers/w1", f"Intended-At: {BEGIN_NS / S - before_s:.9f}")).status == 200
    assert BEGIN_NS - lab.record.tickets[0].arrival_ns == pytest.approx(counts_s * S, abs=10)


def test_questions_read_together_arrived_together_however_late_they_are_answered(lab: Lab) -> None:
    caller = lab.call().say(GET + GET)
    caller.answer()
    lab.clock.sleep(S)
    caller.answer()
    first, second = lab.record.tickets
    assert second.arrival_ns == BEGIN_NS
    assert second.start_ns == BEGIN_NS + (S if first.start_ns == BEGIN_NS else 0)


def test_questions_stand_by_the_policy_while_all_else_is_answered_at_once() -> None:
    lab = Lab(policy="idle")
    try:
        lab.loop.inbox.put(Ticket(0, Message("w1", ({"op": "increment", "key": "n"},)), BEGIN_NS))
        lab.loop.messages = Plan([Message("w1", ())], [0], BEGIN_NS)
        lab.loop.messages.take(BEGIN_NS)
        asking, looking = lab.call().say(GET), lab.call().say(get("/healthz"))
        lab.loop.turn()  # the message
        asking.look()
        looking.look()
        assert (asking.read, looking.answer().status) == (b"", 200)
        assert asking.answer().document["state"] == {"n": 1}
    finally:
        lab.close()


# -- limits ----------------------------------------------------------------------------------------------------------


def test_a_silent_client_is_closed_without_a_word(lab: Lab) -> None:
    caller = lab.call()
    lab.turns()
    lab.pass_s(9.9)
    lab.turns()
    caller.look()
    assert not caller.ended
    lab.pass_s(0.1)
    assert caller.end() == b""
    assert lab.http.connections.timed_out == 1


def test_a_request_that_does_not_come_to_its_end_is_told_so(lab: Lab) -> None:
    caller = lab.call()
    lab.turns()
    for _ in range(3):
        lab.pass_s(4)
        caller.say(b"G")
        lab.turns()  # what comes after the first byte does not prolong anything
    lab.pass_s(1.9)
    caller.look()
    assert not caller.read
    lab.pass_s(0.1)
    assert caller.answer().status == 408
    assert caller.end() == b""
    assert (lab.http.connections.timed_out, lab.http.connections.requests) == (1, {408: 1})


def test_a_crowd_that_is_overdue_is_closed_a_few_a_turn(lab: Lab) -> None:
    count = 5 * connections.CLOSED_AT_ONCE // 2
    for _ in range(count):
        lab.call().say(b"G")
    lab.turns(count)
    lab.clock.sleep(11 * S)
    closed = []
    for _ in range(5):
        before = lab.http.connections.timed_out
        lab.sockets.poll()
        closed.append(lab.http.connections.timed_out - before)
    most = connections.CLOSED_AT_ONCE
    assert closed == [most, most, most // 2, 0, 0]


def test_a_kept_connection_may_be_idle_for_a_minute(lab: Lab) -> None:
    caller = lab.call().say(GET)
    caller.answer()
    lab.pass_s(59)
    assert caller.say(GET).answer().status == 200
    lab.pass_s(60)
    assert caller.end() == b""


def test_a_question_stands_for_as_long_as_it_has_to(lab: Lab) -> None:
    caller = lab.call().say(GET)
    lab.sockets.poll()
    lab.pass_s(1_000)
    assert caller.answer().status == 200
    assert lab.record.latency.sum_ns == 1_000 * S


def test_a_long_answer_is_sent_as_it_is_taken_and_not_for_ever(lab: Lab) -> None:
    lab.set("w1", "x" * 20_000_000)
    patient, gone = lab.call().say(GET + get("/healthz")), lab.call().say(GET + GET)
    lab.turns()
    for _ in range(3):
        before = lab.unsent()
        for _ in range(ROUNDS):
            if lab.unsent() < before:
                break
            patient.look()
            lab.loop.turn()
        lab.pass_s(9)
    assert lab.http.connections.timed_out == 1  # the one that takes nothing
    assert len(patient.answer().document["state"]["x"]) == 20_000_000
    assert patient.answer().document == {"status": "ok"}
    assert len(gone.end()) < 20_000_000
    assert lab.http.connections.requests == {200: 3}


def test_who_is_told_all_and_stays_is_dropped_soon(lab: Lab) -> None:
    caller = lab.call().say(get("/healthz", "Connection: close"))
    caller.answer()
    assert caller.end() == b""
    caller.say(b"more")
    lab.turns()
    lab.pass_s(2)
    assert not lab.http.connections._clients
    assert lab.http.connections.timed_out == 0


def test_the_longest_idle_makes_room(lab: Lab) -> None:
    callers = [lab.call() for _ in range(connections.CONNECTIONS)]
    lab.turns(50)
    assert lab.http.connections.accepted == connections.CONNECTIONS
    lab.clock.sleep(S)
    for caller in callers[1:]:
        caller.say(b"\r\n")
    lab.turns(50)
    assert lab.ask(GET).status == 200
    assert callers[0].end() == b""
    callers[1].look()
    assert not callers[1].ended


def test_nobody_is_closed_while_a_question_stands(lab: Lab) -> None:
    callers = [lab.call().say(GET) for _ in range(connections.CONNECTIONS)]
    for _ in range(50):
        lab.sockets.poll()
    late = lab.call()
    lab.sockets.poll()
    assert lab.http.asked == connections.CONNECTIONS
    assert late.end() == b""
    assert {caller.answer().status for caller in callers} == {200}


def reset(caller: Caller) -> None:
    caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    caller.socket.close()


@pytest.mark.parametrize("how", [reset, lambda caller: caller.socket.close()], ids=["reset", "closed"])
@pytest.mark.parametrize("said", [b"", GET[:9], GET, GET * 3, b"nonsense\r\n\r\n"])
def test_a_client_may_vanish_whatever_it_has_said(lab: Lab, how: Any, said: bytes) -> None:
    caller = lab.call().say(said)
    lab.sockets.poll()
    how(caller)
    lab.turns()
    assert lab.http.asked >= (said[: len(GET)] == GET)  # and each is recorded: see check
    assert not lab.http.connections._clients
    assert lab.ask(GET).status == 200


def test_a_client_may_vanish_before_it_is_let_in(lab: Lab) -> None:
    reset(lab.call().say(GET))
    lab.turns()
    assert lab.ask(GET).status == 200


def test_who_was_closed_since_it_was_found_ready_is_left_alone(lab: Lab) -> None:
    lab.call()
    lab.turns()
    (found,) = lab.http.connections._clients
    lab.http.close()
    lab.http.connections.ready(found, READ, BEGIN_NS)
    assert not lab.http.connections._clients


@given(st.lists(st.sampled_from([GET, GET[:30], GET[30:], b"\r\n", b"x", get("/healthz"), None]), max_size=12))
def test_whatever_is_said_in_whatever_pieces_every_question_is_answered(said: list[bytes | None]) -> None:
    lab = Lab()
    try:
        caller = lab.call()
        for piece in said:
            if piece is None:
                lab.turns(2)
            else:
                with contextlib.suppress(ConnectionError):
                    caller.say(piece)
        lab.check()
        caller.socket.close()
        lab.check()
        assert not lab.http.connections._clients
    finally:
        lab.close()


def test_closing_drops_everybody_and_records_what_stands(lab: Lab) -> None:
    callers = [lab.call().say(GET), lab.call()]
    lab.sockets.poll()
    lab.http.close()
    lab.http.close()
    assert [caller.end() for caller in callers] == [b"", b""]
    with pytest.raises(ConnectionRefusedError):
        lab.call()
    lab.turns()
    assert len(lab.record.tickets) == 1
    assert lab.http.connections.requests == {200: 1}
