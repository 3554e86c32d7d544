"""The sender: planned and actual instants, what the wire carries, and what is told when the kernel takes no more."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from real.clock import FakeClock, WallClock
from real.send.__main__ import Progress, lines, main, send
from real.send.sending import PATIENCE_NS, SHOWN_BLOCKS, Sender, close, connect, stamped, writable
from real.send.sent import complain, show, summary, told
from real.wire import decoded
from sim import Workload
from sim.command import CommandError, UsageError

ROOT = Path(__file__).parent.parent.parent
MS, NS = 10**6, 10**9
HEADS = [b'{"worker_id": "w0", "sent": ', b'{"worker_id": "w1", "sent": ', b'{"worker_id": "w2", "sent": ']


@dataclass
class Asked:
    requested: bool = False


@dataclass
class Wire:
    """A kernel that takes `room` bytes (None: all), and what it took; taking costs `takes_ns`."""

    clock: FakeClock
    room: int | None = None
    takes_ns: int = 0
    fails_after: int | None = None
    taken: bytearray = field(default_factory=bytearray)

    def send(self, data: bytes, /) -> int:
        if self.fails_after is not None and self.taken.count(b"\n") >= self.fails_after:
            raise ConnectionResetError
        if self.room == 0:
            raise BlockingIOError
        count = len(data) if self.room is None else min(self.room, len(data))
        self.room = None if self.room is None else self.room - count
        self.taken += data[:count]
        self.clock.sleep(self.takes_ns)
        return count

    def fileno(self) -> int:
        raise AssertionError("nobody waits for this one")

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in bytes(self.taken).splitlines()]


def reads_after(clock: FakeClock, wait_ns: int, room: int | None) -> Callable[[Any], None]:
    """Return a wait, at the end of which the processor has made so much room."""

    def ready(wire: Wire) -> None:
        clock.sleep(wait_ns)
        wire.room = room

    return ready


# -- instants --------------------------------------------------------------------------------------------------------


def test_each_message_is_sent_at_its_planned_instant() -> None:
    clock = FakeClock(now_ns=5)
    wire = Wire(clock)
    sender = Sender([wire], clock, Asked())
    sender.send_all(HEADS, [10, 2 * NS, 2 * NS + 7], [0, 0, 0])
    assert list(sender.sent_ns) == [10, 2 * NS, 2 * NS + 7]
    assert wire.messages[2] == {"worker_id": "w2", "sent": 2.000000007}
    assert sender.bytes == len(wire.taken)
    assert (sender.blocked.times, sender.ended_ns, sender.closed, sender.half_sent) == (0, 2 * NS + 7, False, False)


def test_overdue_messages_are_sent_at_once_and_the_plan_does_not_move() -> None:
    clock = FakeClock()
    sender = Sender([Wire(clock, takes_ns=15)], clock, Asked())
    sender.send_all(HEADS, [10, 20, 100], [0, 0, 0])
    assert list(sender.sent_ns) == [10, 25, 100]


def test_a_wait_that_ends_early_is_gone_on_with() -> None:
    class Hasty(FakeClock):
        def wait_until(self, at_ns: int) -> None:
            super().wait_until(min(at_ns, self.now_ns() + 3))

    clock = Hasty()
    waits: list[tuple[int, int]] = []
    sender = Sender([Wire(clock)], clock, Asked())
    sender.send_all(HEADS[:2], [4, 6], [0, 0], lambda at_ns, sent: waits.append((at_ns, sent)))
    assert list(sender.sent_ns) == [4, 6]
    assert waits == [(4, 0), (4, 0), (6, 1)]


# -- a kernel that takes no more -------------------------------------------------------------------------------------


def test_a_short_send_is_blocked_until_the_rest_of_the_line_is_gone() -> None:
    clock = FakeClock()
    wire = Wire(clock, room=3)
    sender = Sender([wire], clock, Asked(), reads_after(clock, 2 * MS, None))
    sender.send_all(HEADS[:2], [1 * MS, 2 * MS], [0, 0])
    assert list(sender.sent_ns) == [1 * MS, 3 * MS]  # the second was due while the first was in the way
    assert [message["sent"] for message in wire.messages] == [0.001, 0.003]
    assert sender.blocked.first == [(1 * MS, 2 * MS)]
    assert (sender.blocked.times, sender.blocked.total_ns, sender.blocked.longest_ns) == (1, 2 * MS, 2 * MS)
    assert not sender.half_sent


def test_a_line_of_which_nothing_was_taken_is_sent_when_it_goes_and_says_so() -> None:
    clock = FakeClock()
    wire = Wire(clock, room=0)
    sender = Sender([wire], clock, Asked(), reads_after(clock, 2 * MS, None))
    sender.send_all(HEADS[:1], [1 * MS], [0])
    assert list(sender.sent_ns) == [3 * MS]
    assert wire.messages == [{"worker_id": "w0", "sent": 0.003}]


def test_a_kernel_that_takes_three_bytes_at_a_time_gets_the_whole_line_and_counts_as_blocked_once() -> None:
    clock = FakeClock()
    wire = Wire(clock, room=3)
    sender = Sender([wire], clock, Asked(), reads_after(clock, MS, 3))
    sender.send_all(HEADS[:1], [0], [0])
    assert wire.messages == [{"worker_id": "w0", "sent": 0.0}]
    rest = -(-(len(wire.taken) - 3) // 3)
    assert (sender.blocked.times, sender.blocked.total_ns) == (1, rest * MS)


def test_one_connection_that_blocks_holds_up_the_others() -> None:
    clock = FakeClock()
    full, free = Wire(clock, room=0), Wire(clock)
    sender = Sender([full, free], clock, Asked(), reads_after(clock, 5 * MS, None))
    sender.send_all(HEADS[:2], [0, 0], [0, 1])
    assert list(sender.sent_ns) == [5 * MS, 5 * MS]


def test_of_many_times_blocked_only_the_first_are_kept_one_by_one() -> None:
    clock = FakeClock()
    many = SHOWN_BLOCKS + 20

    def ready(wire: Any) -> None:
        clock.sleep(MS)
        wire.room = 10**3

    class Reluctant(Wire):
        def send(self, data: bytes, /) -> int:
            count = super().send(data)
            self.room = 0
            return count

    sender = Sender([Reluctant(clock, room=0)], clock, Asked(), ready)
    sender.send_all([HEADS[0]] * many, [0] * many, [0] * many)
    assert (sender.blocked.times, sender.blocked.total_ns) == (many, many * MS)
    assert sender.blocked.first == [(k * MS, MS) for k in range(SHOWN_BLOCKS)]


def test_a_real_kernel_blocks_until_the_processor_reads_and_nothing_is_lost() -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        [ours] = connect(listener.getsockname(), 1, small_buffers=True)
        theirs, _ = listener.accept()
        theirs.setblocking(False)
        read = bytearray()

        def ready(wire: Any) -> None:
            with suppress(BlockingIOError):
                read.extend(theirs.recv(65_536))
            writable(wire)

        with ours, theirs:
            sender = Sender([ours], WallClock(), Asked(), ready)
            sender.send_all([HEADS[0] + b" " * 200] * 1000, [0] * 1000, [0] * 1000)
            ours.close()
            theirs.setblocking(True)
            read += b"".join(iter(lambda: theirs.recv(65_536), b""))
    assert (len(sender.sent_ns), sender.bytes) == (1000, len(read))
    assert sender.blocked.times >= 10
    assert [json.loads(line)["sent"] for line in read.splitlines()] == [at_ns / NS for at_ns in sender.sent_ns]


# -- the end ---------------------------------------------------------------------------------------------------------


def test_a_stop_is_heeded_after_the_current_line() -> None:
    clock, stop = FakeClock(), Asked()

    class Asking(Wire):
        def send(self, data: bytes, /) -> int:
            stop.requested = True
            return super().send(data)

    wire = Asking(clock)
    sender = Sender([wire], clock, stop)
    sender.send_all(HEADS, [1, 2, 3], [0, 0, 0])
    assert list(sender.sent_ns) == [1]
    assert len(wire.messages) == 1
    assert not sender.closed


def test_a_stop_while_nothing_of_a_line_is_taken_leaves_it_here() -> None:
    clock, stop = FakeClock(), Asked()

    def ready(wire: Any) -> None:
        clock.sleep(50 * MS)
        stop.requested = True

    sender = Sender([Wire(clock, room=0)], clock, stop, ready)
    sender.send_all(HEADS, [0, 0, 0], [0, 0, 0])
    assert (len(sender.sent_ns), sender.bytes, sender.half_sent) == (0, 0, False)
    assert sender.blocked.first == [(0, 50 * MS)]


def test_a_stop_in_the_middle_of_a_line_gives_the_rest_a_second() -> None:
    for turns_until_room, whole in ((3, True), (10**6, False)):
        clock, stop, turns = FakeClock(), Asked(), iter(range(10**6))

        def ready(
            wire: Any,
            clock: FakeClock = clock,
            stop: Asked = stop,
            turns: Iterator[int] = turns,
            room_at: int = turns_until_room,
        ) -> None:
            clock.sleep(50 * MS)
            stop.requested = True
            if next(turns) == room_at:
                wire.room = None

        sender = Sender([Wire(clock, room=4)], clock, stop, ready)
        sender.send_all(HEADS, [0, 0, 0], [0, 0, 0])
        assert (len(sender.sent_ns), sender.half_sent) == (int(whole), not whole)
        assert sender.blocked.total_ns == (4 * 50 * MS if whole else 50 * MS + PATIENCE_NS)


def test_a_processor_that_closes_ends_it_and_the_rest_is_unsent() -> None:
    clock = FakeClock()
    workload = Workload(rate_per_s=100, arrivals="deterministic", messages=5)
    sender = Sender([Wire(clock, fails_after=2)], clock, Asked())
    sender.send_all(stamped(lines(workload), workload.arrivals_ns, 0), workload.arrivals_ns, [0] * 5)
    numbers = told(sender, workload, 0) | {"to": "host:9", "stopped": False, "all_read": False}
    assert (numbers["messages"], numbers["unsent"], numbers["closed"]) == (2, 3, True)
    with pytest.raises(
        CommandError, match=r"closed the connection; the kernel had taken 2 messages \(.*, 3 were never"
    ):
        complain(numbers)


@contextmanager
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


def test_a_processor_that_closes_after_the_end_has_read_all_and_one_that_closes_before_has_not() -> None:
    with pair() as (ours, theirs):
        theirs.setblocking(False)

        class Answering(FakeClock):
            def now_ns(self) -> int:  # asked for the first time once the end has been said
                theirs.close()
                return super().now_ns()

        assert close([ours], Answering()) is True
    with pair() as (ours, theirs):
        theirs.close()
        assert close([ours], WallClock()) is False


def test_a_processor_that_is_still_reading_is_not_waited_for_without_end() -> None:
    class Leaping(FakeClock):
        def now_ns(self) -> int:
            self.sleep(PATIENCE_NS)
            return super().now_ns()

    with pair() as (ours, theirs):
        ours.send(b"x\n")
        assert close([ours], Leaping()) is None
        assert theirs.recv(9) == b"x\n"


# -- the wire --------------------------------------------------------------------------------------------------------


def sent_over(connections: int, workload: Workload) -> tuple[list[Wire], Sender, int]:
    clock = FakeClock(now_ns=7 * NS)
    wires = [Wire(clock, takes_ns=2 * MS) for _ in range(connections)]
    sender, origin_ns = send(workload, wires, clock, Asked(), Progress(clock, len(workload), None))  # type: ignore[arg-type]
    return wires, sender, origin_ns


def test_the_processor_reads_the_workload_s_messages_with_planned_and_actual_instants() -> None:
    workload = Workload(rate_per_s=300, messages=60, seed=4)
    [wire], sender, origin_ns = sent_over(1, workload)
    messages = [decoded(line) for line in bytes(wire.taken).splitlines()]
    assert [message.worker_id for message in messages] == [f"w{worker}" for worker in workload.worker_numbers]
    assert [list(message.payload) for message in messages] == [workload.payload(k) for k in range(60)]
    assert [message.timestamp for message in messages] == [(origin_ns + at) / NS for at in workload.arrivals_ns]
    expected, free_ns = [], 0
    for at_ns in workload.arrivals_ns:  # a line keeps the sender for 2 ms
        expected.append(max(origin_ns + at_ns, free_ns))
        free_ns = expected[-1] + 2 * MS
    assert list(sender.sent_ns) == expected
    assert [message.sent for message in messages] == [at_ns / NS for at_ns in expected]


def test_each_worker_s_messages_go_over_one_connection_in_order() -> None:
    workload = Workload(rate_per_s=1000, messages=90, workers=7)
    wires, _, origin_ns = sent_over(3, workload)
    planned = list(zip(workload.worker_numbers, workload.arrivals_ns, strict=True))
    for number, wire in enumerate(wires):
        got = [(message["worker_id"], message["timestamp"]) for message in wire.messages]
        assert got == [(f"w{w}", (origin_ns + at) / NS) for w, at in planned if w % 3 == number]


# -- what is told ----------------------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_a_run_computed_by_hand() -> None:
    clock = FakeClock(now_ns=NS)
    workload = Workload(rate_per_s=10, arrivals="deterministic", messages=4)  # at 0.1, 0.2, 0.3, 0.4 s
    wire = Wire(clock, room=0)
    sender = Sender([wire], clock, Asked(), reads_after(clock, 150 * MS, None))
    instants_ns = [NS + at for at in workload.arrivals_ns]
    sender.send_all(stamped(lines(workload), workload.arrivals_ns, NS), instants_ns, [0] * 4)
    numbers = told(sender, workload, NS)
    assert numbers["late_s"] == pytest.approx(
        {"mean": 0.05, "p50": 0.025, "p95": 0.135, "p99": 0.147, "max": 0.15}, rel=1e-12
    )
    assert numbers["blocked"] == {
        "times": 1,
        "total_s": 0.15,
        "longest_s": 0.15,
        "fraction": 0.375,
        "first": [{"start_s": 0.1, "length_s": 0.15}],
    }
    assert (numbers["messages"], numbers["unsent"], numbers["bytes"]) == (4, 0, len(wire.taken))
    assert (numbers["duration_s"], numbers["rate_per_s"], numbers["origin_monotonic_s"]) == (0.4, 10.0, 1.0)


def test_percentiles_lie_between_values_as_everywhere_else() -> None:
    numpy = pytest.importorskip("numpy")
    times_ns = [k * k % 101 * MS for k in range(57)]
    for name, percent in (("p50", 50), ("p95", 95), ("p99", 99), ("max", 100)):
        assert summary(times_ns)[name] == pytest.approx(numpy.percentile(times_ns, percent) / NS, rel=1e-12)


def test_a_screen_fits_and_names_the_difference_between_the_two_ends(capsys: pytest.CaptureFixture[str]) -> None:
    workload = Workload(rate_per_s=1000, messages=20)
    _, sender, origin_ns = sent_over(1, workload)
    sender.blocked.add(origin_ns, 3 * MS)
    for messages in (workload, Workload(rate_per_s=1000, messages=10_000_000)):
        numbers = told(sender, workload, origin_ns) | {"to": "127.0.0.1:65535", "connections": 1}
        numbers["unsent"] = len(messages) - 20 if messages is workload else 9_999_980
        show(workload, numbers)
    text = capsys.readouterr().out
    assert max(len(line) for line in text.splitlines()) <= 80
    assert f"The kernel took 20 messages ({sender.bytes:,} bytes); compare with\n'received' of the processor" in text
    assert "NOT SENT        9,999,980 messages" in text


def test_a_run_that_was_stopped_before_its_first_message_has_numbers_too(capsys: pytest.CaptureFixture[str]) -> None:
    workload, clock = Workload(rate_per_s=10, messages=3), FakeClock()
    sender = Sender([Wire(clock)], clock, Asked(requested=True))
    sender.send_all(HEADS, workload.arrivals_ns, [0, 0, 0])
    numbers = told(sender, workload, NS)
    assert (numbers["messages"], numbers["rate_per_s"], numbers["late_s"]["p99"]) == (0, None, None)
    show(workload, numbers | {"to": "x:1", "connections": 1})
    assert "SENT: 0 of 3" in capsys.readouterr().out


# -- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "quoted"),
    [
        ([], "--to"),
        (["--to", "nowhere"], "--to nowhere: must be HOST:PORT"),
        (["--to", "127.0.0.1:0"], "--to 127.0.0.1:0: nobody listens on port 0"),
        (["--to", "127.0.0.1:9", "--connections", "0"], "--connections 0"),
        (["--to", "127.0.0.1:9", "--connections", "1.5"], "--connections 1.5"),
        (["--to", "127.0.0.1:9", "--rate", "-1"], "--rate -1"),
        (["--to", "127.0.0.1:9", "--messages", "5", "--duration", "5"], "not both"),
        (["--to", "127.0.0.1:9", "--service-ms", "5"], "--service-ms"),
        (["--to", "127.0.0.1:9", "--out", __file__], "--out"),
        (["--to", "..:9", "--messages", "1"], "--to ..:9: is no name of a host"),
    ],
)
def test_bad_input_is_refused_in_one_line(flags: list[str], quoted: str) -> None:
    with pytest.raises(UsageError) as refused:
        main(flags)
    assert quoted in str(refused.value)
    assert "\n" not in str(refused.value)


@contextmanager
def listening() -> Iterator[tuple[socket.socket, str]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        yield listener, f"127.0.0.1:{listener.getsockname()[1]}"


def test_where_nobody_listens_it_says_what_to_start() -> None:
    with listening() as (_, address):
        pass
    with pytest.raises(
        CommandError, match=rf"--to {address}: connection refused; start the processor first: python -m"
    ):
        main(["--to", address, "--messages", "1"])


def test_small_buffers_are_small_from_the_beginning() -> None:
    with listening() as (listener, _):
        sizes = []
        for small in (False, True):
            [connection] = connect(listener.getsockname(), 1, small_buffers=small)
            with connection:
                sizes.append(connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF))
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert not connection.getblocking()
        assert sizes[1] <= 16_384 < sizes[0]


@contextmanager
def sending(*flags: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "real.send", *flags]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def received(client: socket.socket) -> bytes:
    with client:
        client.settimeout(30)
        return b"".join(iter(lambda: client.recv(65_536), b""))


def test_a_whole_run_arrives_and_is_told_in_json_and_files(tmp_path: Path) -> None:
    flags = ["--rate", "1000", "--messages", "30", "--connections", "2", "--json", "--out", str(tmp_path / "new")]
    with listening() as (listener, address), sending("--to", address, *flags) as child:
        clients = [listener.accept()[0] for _ in range(2)]
        data = [received(client) for client in clients]
        text, complaint = child.communicate(timeout=30)
    assert (child.returncode, complaint) == (0, "")
    document = json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} in JSON"))
    workload, sent = Workload(rate_per_s=1000, messages=30), document["sent"]
    assert set(document) == {"schema_version", "command", "workload", "sent"}
    assert document["workload"] == workload.describe()
    assert (sent["messages"], sent["unsent"], sent["bytes"]) == (30, 0, sum(map(len, data)))
    assert (sent["all_read"], sent["closed"], sent["stopped"]) == (True, False, False)
    messages = sorted(map(decoded, b"".join(data).splitlines()), key=lambda message: message.timestamp or 0.0)
    assert [message.worker_id for message in messages] == [f"w{worker}" for worker in workload.worker_numbers]
    assert all((message.sent or 0.0) >= (message.timestamp or 0.0) for message in messages)
    assert messages[0].timestamp == pytest.approx(sent["origin_monotonic_s"] + workload.arrivals_s[0], abs=2e-9)
    assert json.loads((tmp_path / "new" / "sent.json").read_text()) == document
    rows = list(csv.DictReader((tmp_path / "new" / "sent.csv").read_text().splitlines()))
    assert [float(row["arrival_s"]) for row in rows] == workload.arrivals_s
    assert all(float(row["sent_s"]) >= float(row["arrival_s"]) for row in rows)
    assert [row["worker"] for row in rows] == [message.worker_id for message in messages]


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_its_numbers_and_exit_0(asked: signal.Signals) -> None:
    with listening() as (listener, address), sending("--to", address, "--rate", "100", "--duration", "100") as child:
        client, _ = listener.accept()
        begun = client.recv(65_536)
        child.send_signal(asked)
        data = begun + received(client)
        text, complaint = child.communicate(timeout=30)
    assert (child.returncode, complaint) == (0, "")
    assert data.endswith(b"}\n")  # no half line
    assert f"The kernel took {data.count(b'\n'):,} messages ({len(data):,} bytes)" in text


def test_a_processor_that_goes_away_is_told_after_the_summary_with_exit_1() -> None:
    with listening() as (listener, address), sending("--to", address, "--rate", "1000", "--duration", "20") as child:
        client, _ = listener.accept()
        client.recv(10)
        client.close()
        text, complaint = child.communicate(timeout=30)
    assert child.returncode == 1
    assert "SENT:" in text
    assert "NOT SENT" in text
    assert complaint.startswith(f"real.send: --to {address}: the processor closed the connection; the kernel had taken")
    assert complaint.count("\n") == 1
