"""The asker: its plan, its instants, what it makes of each answer, and the floor's processor, which is always ended."""

import contextlib
import csv
import json
import math
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import real.ask.__main__ as command
from real.ask.answers import Asked, NoAnswer, Response, messages_of, response, went_back
from real.ask.asked import csv_of, document
from real.ask.asking import Asker
from real.ask.floor import idle_processor
from real.ask.questions import Manner, Peer, Question, plan
from real.ask.screen import show
from real.clock import FakeClock
from sim.command import CommandError, UsageError

ROOT = Path(__file__).parent.parent.parent
MS = 1_000_000
TURNS = 2_000  # more than any answer here takes

Reply = bytes | None


def http(status: int, body: bytes, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d Reason\r\nContent-Length: %d\r\n%s\r\n" % (status, len(body), more) + body


def state(worker: str, messages: Any = 1) -> bytes:
    return http(200, json.dumps({"worker_id": worker, "state": {}, "messages": messages}).encode())


class StandIn:
    """A server in the test's own thread. `heard` holds each request and the connection that it came on."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.clients: list[socket.socket] = []
        self.heard: list[tuple[bytes, socket.socket]] = []

    def turn(self) -> None:
        with contextlib.suppress(BlockingIOError):
            client = self.listener.accept()[0]
            client.setblocking(False)
            self.clients.append(client)
        for client in [client for client in self.clients if client.fileno() >= 0]:
            with contextlib.suppress(BlockingIOError, ConnectionResetError):
                if data := client.recv(65_536):
                    self.heard.append((data, client))

    def reset(self, client: socket.socket) -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()

    def close(self) -> None:
        for client in (self.listener, *self.clients):
            client.close()


@pytest.fixture
def server() -> Iterator[StandIn]:
    made = StandIn()
    yield made
    made.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(now_ns=7_000_000_000_123)


Make = Callable[..., Asker]


@pytest.fixture
def make(server: StandIn, clock: FakeClock) -> Iterator[Make]:
    made: list[Asker] = []

    def asker(*questions: Question, keep_alive: bool = False) -> Asker:
        host, port = server.listener.getsockname()
        peer = Peer(socket.AF_INET, (host, port), f"{host}:{port}")
        made.append(Asker(peer, questions, clock.now_ns(), clock.now_ns, Manner(keep_alive, 10_000 * MS)))
        return made[-1]

    yield asker
    for each in made:
        each.close()


def until(asker: Asker, server: StandIn, there: Callable[[], bool]) -> None:
    for _ in range(TURNS):
        asker.turn()
        server.turn()
        if there():
            return
    raise AssertionError("it does not come")


def answered(asker: Asker, server: StandIn, reply: bytes) -> Asked:
    """Ask the only question, answer it, and close both ends."""
    until(asker, server, lambda: bool(server.heard))
    client = server.heard[0][1]
    if reply:
        client.send(reply)
    client.close()
    until(asker, server, lambda: asker.done)
    asker.close()
    return asker.asked[0]


# -- the plan --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_plan_is_a_poisson_process_of_the_rate_asked_for(seed: int) -> None:
    instants = [question.at_ns / 1e9 for question in plan(50.0, 4, seed, count=20_000)]
    gaps = [after - before for before, after in zip([0.0, *instants], instants, strict=False)]
    mean = sum(gaps) / len(gaps)
    assert abs(mean * 50.0 - 1.0) < 4.0 / math.sqrt(len(gaps))
    # An exponential gap's standard deviation is its mean; the ratio scatters by 1/√n.
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert abs(deviation / mean - 1.0) < 4.0 / math.sqrt(len(gaps))
    longer = sum(gap > 1.0 / 50.0 for gap in gaps) / len(gaps)
    assert abs(longer - math.exp(-1.0)) < 4.0 * math.sqrt(0.2325 / len(gaps))


def test_the_plan_asks_about_every_worker_about_as_often() -> None:
    workers = [question.worker for question in plan(50.0, 4, 1, count=20_000)]
    assert set(workers) == {"w0", "w1", "w2", "w3"}
    assert all(abs(workers.count(worker) - 5_000) < 4 * math.sqrt(20_000 * 0.1875) for worker in set(workers))


def test_a_duration_holds_what_is_planned_before_its_end_and_another_seed_plans_something_else() -> None:
    within, beyond = plan(50.0, 4, 1, duration_s=2.0), plan(50.0, 4, 1, count=500)
    assert within == [question for question in beyond if question.at_ns < 2e9]
    assert plan(50.0, 4, 2, count=500) != beyond


# -- instants --------------------------------------------------------------------------------------------------------


def test_a_server_that_answers_nothing_delays_no_later_question(make: Make, server: StandIn, clock: FakeClock) -> None:
    begin_ns = clock.now_ns()
    asker = make(*(Question(k * 10 * MS, f"w{k}") for k in range(20)))
    for k in range(20):
        clock.wait_until(begin_ns + k * 10 * MS)
        until(asker, server, lambda: len(server.heard) == len(asker.asked) == k + 1)  # noqa: B023 - called at once
    assert [row.sent_ns - begin_ns for row in asker.asked] == [k * 10 * MS for k in range(20)]
    assert not any(row.over for row in asker.asked)
    clock.wait_until(begin_ns + 500 * MS)
    for k, (_, client) in enumerate(server.heard):
        client.send(state(f"w{k}"))
    until(asker, server, lambda: asker.done)
    asker.close()
    assert [row.complete_ns - row.intended_ns for row in asker.asked] == [(500 - k * 10) * MS for k in range(20)]
    assert [row.failed for row in asker.asked] == [None] * 20


def test_latency_counts_from_the_planned_instant_even_if_the_asker_was_late(
    make: Make, server: StandIn, clock: FakeClock
) -> None:
    begin_ns = clock.now_ns()
    asker = make(Question(0, "w0"), Question(1 * MS, "w1"))
    clock.wait_until(begin_ns + 30 * MS)  # it was somewhere else
    until(asker, server, lambda: len(server.heard) == 2)
    clock.wait_until(begin_ns + 35 * MS)
    server.heard[0][1].send(state("w0")[:10])
    until(asker, server, lambda: asker.asked[0].first_byte_ns > 0)
    clock.wait_until(begin_ns + 40 * MS)
    server.heard[0][1].send(state("w0")[10:])
    server.heard[1][1].send(state("w1"))
    until(asker, server, lambda: asker.done)
    asker.close()
    first, second = asker.asked
    assert (first.sent_ns, first.first_byte_ns, first.complete_ns) == (
        begin_ns + 30 * MS,
        begin_ns + 35 * MS,
        begin_ns + 40 * MS,
    )
    told = document("", {}, asker.asked, [])
    assert told["latency_s"]["mean"] == pytest.approx(0.0395, abs=1e-12)
    assert told["latency_s"]["max"] == pytest.approx(0.040, abs=1e-12)
    assert told["late_s"]["mean"] == pytest.approx(0.0295, abs=1e-12)
    assert told["server_s"]["mean"] == pytest.approx(0.010, abs=1e-12)
    assert second.intended_ns == begin_ns + 1 * MS


def test_a_request_says_when_it_was_intended_and_that_nothing_more_will_come(
    make: Make, server: StandIn, clock: FakeClock
) -> None:
    asker = make(Question(5, "w3"))
    clock.wait_until(clock.now_ns() + 1 * MS)
    until(asker, server, lambda: bool(server.heard))
    lines = server.heard[0][0].decode().split("\r\n")
    host, port = server.listener.getsockname()
    assert lines == [
        "GET /workers/w3 HTTP/1.1",
        f"Host: {host}:{port}",
        "Intended-At: 7000.000000128",
        "Connection: close",
        "",
        "",
    ]


def test_kept_connections_are_used_again_and_a_new_one_is_made_when_all_are_busy(
    make: Make, server: StandIn, clock: FakeClock
) -> None:
    begin_ns = clock.now_ns()
    asker = make(*(Question(k * MS, f"w{k}") for k in range(4)), keep_alive=True)
    until(asker, server, lambda: len(server.heard) == 1)
    assert b"Connection:" not in server.heard[0][0]
    clock.wait_until(begin_ns + 1 * MS)
    until(asker, server, lambda: len(server.heard) == 2)  # the first is still busy
    server.heard[0][1].send(state("w0"))
    until(asker, server, lambda: asker.asked[0].over)
    clock.wait_until(begin_ns + 2 * MS)
    until(asker, server, lambda: len(server.heard) == 3)
    assert server.heard[2][1] is server.heard[0][1]
    server.heard[2][1].send(state("w2"))
    until(asker, server, lambda: asker.asked[2].over)
    server.heard[2][1].close()  # while it is idle: nobody's failure
    for _ in range(20):
        asker.turn()
    clock.wait_until(begin_ns + 3 * MS)
    until(asker, server, lambda: len(server.heard) == 4)
    for place, worker in ((1, "w1"), (3, "w3")):
        server.heard[place][1].send(state(worker))
    until(asker, server, lambda: asker.done)
    asker.close()
    assert [row.failed for row in asker.asked] == [None] * 4
    assert len(server.clients) == 3


def test_a_connection_that_the_server_will_close_is_not_used_again(
    make: Make, server: StandIn, clock: FakeClock
) -> None:
    asker = make(Question(0, "w0"), Question(MS, "w0"), keep_alive=True)
    until(asker, server, lambda: len(server.heard) == 1)
    server.heard[0][1].send(http(404, b"{}", b"Connection: close\r\n"))
    until(asker, server, lambda: asker.asked[0].over)
    clock.wait_until(clock.now_ns() + MS)
    until(asker, server, lambda: len(server.heard) == 2)
    assert server.heard[1][1] is not server.heard[0][1]


# -- answers ---------------------------------------------------------------------------------------------------------


GOOD = {"worker_id": "w0", "state": {"a": 1}, "messages": 3}


def spelled(**changes: Any) -> bytes:
    return http(200, json.dumps(GOOD | changes).encode())


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (spelled(), None),
        (http(404, b'{"error": "unknown"}'), None),
        (b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(GOOD).encode(), None),  # until the end
        (http(503, b"{}"), "status 503"),
        (http(200, b"{"), "not JSON"),
        (http(200, b'{"worker_id": "w0", "state": {"a": NaN}, "messages": 3}'), "not JSON"),
        (http(200, b'{"worker_id": "\xff", "state": {}, "messages": 3}'), "not JSON"),
        (http(200, b"[]"), "not a state"),
        (spelled(state=[]), "not a state"),
        (spelled(messages="3"), "not a state"),
        (spelled(messages=True), "not a state"),
        (spelled(messages=-1), "not a state"),
        (spelled(worker_id="w1"), "another worker's"),
        (b"SSH-2.0 hello\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "not HTTP"),
        (spelled()[:-1], "cut short"),
        (b"HTTP/1.1 200", "cut short"),
        (b"", "closed"),
    ],
)
def test_each_answer_is_what_it_is(make: Make, server: StandIn, reply: bytes, kind: str | None) -> None:
    asker = make(Question(0, "w0"))
    row = answered(asker, server, reply)
    told = document("", {}, asker.asked, [])["answers"]
    assert row.failed == kind
    assert told["count"] == (kind is None)
    assert told["failed"] == ({} if kind is None else {kind: 1})
    assert told["unknown"] == (row.status == 404)


def test_a_reset_is_counted_as_one(make: Make, server: StandIn) -> None:
    asker = make(Question(0, "w0"))
    until(asker, server, lambda: bool(server.heard))
    server.reset(server.heard[0][1])
    until(asker, server, lambda: asker.done)
    assert asker.asked[0].failed == "reset"


def test_a_processor_that_is_gone_is_refused_and_the_rest_is_asked_all_the_same(
    make: Make, server: StandIn, clock: FakeClock
) -> None:
    asker = make(Question(0, "w0"), Question(MS, "w1"))
    server.listener.close()
    clock.wait_until(clock.now_ns() + MS)
    for _ in range(TURNS):
        asker.turn()
    assert [row.failed for row in asker.asked] == ["refused", "refused"]
    assert asker.done


def test_no_answer_in_time_is_given_up_at_that_instant_and_not_before(
    make: Make, server: StandIn, clock: FakeClock
) -> None:
    asker = make(Question(0, "w0"), Question(MS, "w1"))
    begin_ns = clock.now_ns()
    until(asker, server, lambda: len(server.heard) == 1)
    clock.wait_until(begin_ns + MS)
    until(asker, server, lambda: len(server.heard) == 2)
    assert asker.next_ns == begin_ns + 10_000 * MS
    clock.wait_until(begin_ns + 10_000 * MS - 1)
    asker.turn()
    assert [row.failed for row in asker.asked] == [None, None]
    clock.wait_until(begin_ns + 10_000 * MS)
    asker.turn()
    assert [row.failed for row in asker.asked] == ["timeout", None]
    clock.wait_until(begin_ns + 10_001 * MS)
    asker.turn()
    assert [row.failed for row in asker.asked] == ["timeout", "timeout"]
    assert asker.done


def test_what_is_interrupted_is_counted_and_what_was_not_asked_yet_is_not(make: Make, server: StandIn) -> None:
    asker = make(Question(0, "w0"), Question(MS, "w1"))
    until(asker, server, lambda: bool(server.heard))
    asker.close()
    assert [row.failed for row in asker.asked] == ["interrupted"]


def test_answers_that_tell_of_fewer_messages_than_before_are_counted(
    make: Make, server: StandIn, clock: FakeClock
) -> None:
    begin_ns = clock.now_ns()
    told = [("w0", 5), ("w1", 2), ("w0", 5), ("w0", 4), ("w1", 3), ("w0", None)]
    asker = make(*(Question(k * MS, worker) for k, (worker, _) in enumerate(told)))
    for k, (worker, messages) in enumerate(told):
        clock.wait_until(begin_ns + k * MS)
        until(asker, server, lambda: len(server.heard) == k + 1)  # noqa: B023 - called at once
        server.heard[k][1].send(http(404, b"") if messages is None else state(worker, messages))
        until(asker, server, lambda: asker.asked[k].over)  # noqa: B023
    asker.close()
    assert document("", {}, asker.asked, [])["answers"]["went_back"] == 2  # the 4, and the worker forgotten


def test_an_answer_may_tell_of_fewer_messages_than_one_that_it_overlapped() -> None:
    long = Asked("w0", 0, sent_ns=0, complete_ns=100, messages=3)
    short = Asked("w0", 0, sent_ns=10, complete_ns=20, messages=4)
    assert went_back([long, short]) == 0
    assert went_back([long, short, Asked("w0", 0, sent_ns=21, complete_ns=30, messages=3)]) == 1


@given(st.binary(max_size=200), st.booleans())
def test_whatever_comes_is_a_response_or_no_answer(garbage: bytes, ended: bool) -> None:
    for received in (garbage, b"HTTP/1.1 200 OK\r\n" + garbage + b"\r\n\r\n"):
        with contextlib.suppress(NoAnswer):
            assert isinstance(response(received, ended=ended), Response | None)
    with contextlib.suppress(NoAnswer):
        assert messages_of("w0", 200, garbage) >= 0


@given(st.binary(max_size=50), st.data())
def test_a_response_in_two_pieces_is_not_whole_before_the_second(body: bytes, data: st.DataObject) -> None:
    whole = http(200, body)
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert response(whole[:cut], ended=False) is None
    assert response(whole, ended=False) == Response(200, body, reusable=True)


# -- the report ------------------------------------------------------------------------------------------------------


def test_the_screen_is_at_most_80_columns_wide_and_tells_latency_less_the_floor(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = [Asked("w0", 0, 0, 2_000, 3_000, 5 * MS, 200, 1), Asked("w0", 0, 0, failed="timeout")]
    floor = [Asked("w0", 0, 0, 1_000, 1_000, 1 * MS, 404, 0)]
    told = {"to": "127.0.0.1:8080", "rate_per_s": 20.0, "queries": 2, "planned": 2, "keep_alive": False, "workers": 10}
    show(document("", told, asked, floor))
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.split("less the floor")[1].split()[:2] == ["4", "ms"]
    assert "1 timeout" in shown
    show(document("", told, [], []))
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert "not measured" in shown


def test_the_file_tells_what_became_of_each_question() -> None:
    asked = [Asked("w0", 10 * MS, 0, 11 * MS, 12 * MS, 15 * MS, 200, 1), Asked("w1", 20 * MS, failed="refused")]
    rows = list(csv.DictReader(csv_of(asked, 5 * MS).splitlines()))
    assert list(rows[0].values()) == ["0.005", "0.006", "0.007", "0.01", "w0", "200"]
    assert list(rows[1].values()) == ["0.015", "", "", "", "w1", "refused"]


# -- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--to is missing"),
        (["--to", "8080"], "--to 8080: must be HOST:PORT"),
        (["--to", "127.0.0.1:0"], "--to 127.0.0.1:0: nobody answers at port 0"),
        (["--to", "127.0.0.1:1", "--rate", "0"], "--rate 0: must be questions/s"),
        (["--to", "127.0.0.1:1", "--rate", "nan"], "--rate nan: must be questions/s"),
        (["--to", "127.0.0.1:1", "--duration", "-1"], "--duration -1: must be seconds"),
        (["--to", "127.0.0.1:1", "--duration", ""], "--duration : must be seconds"),
        (["--to", "127.0.0.1:1", "--duration", "1", "--queries", "1"], "give one of them, not both"),
        (["--to", "127.0.0.1:1", "--queries", "0"], "--queries 0: must be a whole number from 1"),
        (["--to", "127.0.0.1:1", "--rate", "1e5", "--duration", "1e6"], "--rate 1e5 for --duration 1e6: more than"),
        (["--to", "127.0.0.1:1", "--workers", "0"], "--workers 0: must be a whole number from 1"),
        (["--to", "127.0.0.1:1", "--seed", "x"], "--seed x: must be a whole number from 0"),
        (["--to", "127.0.0.1:1", "--floor", "-1"], "--floor -1: must be a whole number from 0"),
        (["--to", "127.0.0.1:1", "--timeout-s", "0"], "--timeout-s 0: must be seconds"),
        (["--to", "127.0.0.1:1", "--out", "/dev/null"], "--out /dev/null: "),
        (["--to", "127.0.0.1:1", "--rat", "20"], "did you mean --rate?"),
    ],
)
def test_bad_input_is_refused_in_one_line(words: list[str], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        command.main(words)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_nobody_there_is_said_in_one_line_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as once:
        to = f"127.0.0.1:{once.getsockname()[1]}"
    with pytest.raises(CommandError, match="connection refused; start the processor first: python -m real"):
        command.main(["--to", to])


PROCESSOR = """
import json, socket, sys
listener = socket.create_server(("127.0.0.1", 0), backlog=100)
port = listener.getsockname()[1]
print(f"listening on 127.0.0.1:1\\nhttp on http://127.0.0.1:{port}", file=sys.stderr, flush=True)
messages = 0
while True:
    client, _ = listener.accept()
    head = b""
    while b"\\r\\n\\r\\n" not in head and (data := client.recv(65536)):
        head += data
    if head:
        messages += 1
        worker = head.split()[1].decode().rpartition("/")[2]
        body = json.dumps({"worker_id": worker, "state": {}, "messages": messages}).encode()
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
    client.close()
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)" + PROCESSOR


def never() -> bool:
    return False


@contextlib.contextmanager
def processor() -> Iterator[str]:
    with idle_processor([sys.executable, "-c", PROCESSOR], never) as address:
        assert address is not None
        yield command.at(*address)


def gone(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    return False


def started(text: str, folder: Path) -> tuple[list[str], Path]:
    """Return a command that writes its process's number into a file."""
    written = folder / "number"
    return [sys.executable, "-c", f"import os; open({str(written)!r}, 'w').write(str(os.getpid()))\n{text}"], written


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, CommandError])
def test_the_floor_s_processor_is_ended_however_it_is_left(tmp_path: Path, error: type[BaseException] | None) -> None:
    words, written = started(PROCESSOR, tmp_path)
    with contextlib.suppress(KeyboardInterrupt, CommandError), idle_processor(words, never):
        assert not gone(int(written.read_text()))
        if error is not None:
            raise error
    assert gone(int(written.read_text()))


def test_a_processor_that_does_not_end_when_told_to_is_killed(tmp_path: Path) -> None:
    words, written = started(STUBBORN, tmp_path)
    with idle_processor(words, never):
        pass
    assert gone(int(written.read_text()))


def test_a_processor_that_cannot_start_is_told_with_its_last_words() -> None:
    words = [sys.executable, "-c", "import sys; sys.exit('no such thing')"]
    with pytest.raises(CommandError, match=r"has ended \(no such thing\); --floor 0"), idle_processor(words, never):
        pass


def test_nobody_waits_for_a_processor_once_a_stop_is_wanted(tmp_path: Path) -> None:
    words, _ = started("import time; time.sleep(1000)", tmp_path)
    with idle_processor(words, lambda: True) as address:
        assert address is None


def test_the_command_asks_every_question_and_tells_what_came_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with processor() as to:
        words = ["--to", to, "--rate", "500", "--queries", "40", "--floor", "0", "--json", "--out", str(tmp_path)]
        command.main(words)
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((tmp_path / "asked.json").read_text())
    assert told["answers"] == {"count": 40, "unknown": 0, "failed": {}, "went_back": 0}
    assert told["asked"]["queries"] == told["asked"]["planned"] == 40
    assert told["floor_s"] is None
    rows = list(csv.DictReader((tmp_path / "asked.csv").read_text().splitlines()))
    planned = plan(500.0, 10, 1, count=40)
    assert [row["worker"] for row in rows] == [question.worker for question in planned]
    assert [float(row["intended_s"]) for row in rows] == [question.at_ns / 1e9 for question in planned]
    for row in rows:
        instants = [float(row[name]) for name in ("intended_s", "sent_s", "first_byte_s", "complete_s")]
        assert instants == sorted(instants)


def test_the_floor_is_asked_in_the_same_manner() -> None:
    settings = command.settings_from(command.parser().parse(["--to", "127.0.0.1:1", "--rate", "100", "--floor", "5"]))
    asked = command.ask_idle([sys.executable, "-c", PROCESSOR], settings, never)
    assert [row.failed for row in asked] == [None] * 5
    floor = document("", {}, [], asked)["floor_s"]
    assert floor["count"] == 5
    assert 0 < floor["median"] <= floor["p99"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_reports_what_was_asked_so_far(number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        to = f"127.0.0.1:{listener.getsockname()[1]}"
        words = ["--to", to, "--rate", "50", "--queries", "1000", "--floor", "0", "--json"]
        asking = subprocess.Popen(
            [sys.executable, "-m", "real.ask", *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            for _ in range(4):  # the one that looks whether anyone is there, and three questions
                listener.accept()[0].close()
            asking.send_signal(number)
            out, err = asking.communicate()
        finally:
            asking.kill()
            asking.wait()
    assert asking.returncode == 0, err
    told = json.loads(out)
    assert 3 <= told["asked"]["queries"] < told["asked"]["planned"] == 1000
    assert sum(told["answers"]["failed"].values()) + told["answers"]["count"] == told["asked"]["queries"]
