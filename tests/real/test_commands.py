"""The processor's commands from beginning to end: a run, a server that others send to and ask, and how they end."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from real import Message, StateMachine
from real.clients import MOST_CLIENTS
from sim import Trajectory, Workload
from sim.flags import flags_of

ROOT = Path(__file__).parents[2]
LOAD = ["--rate", "400", "--service-ms", "1"]


@contextmanager
def started(*words: str, **given: Any) -> Iterator[subprocess.Popen[str]]:
    """A command that runs meanwhile, and ends whatever happens."""
    command = [sys.executable, "-m", *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, **given
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def serving(*words: str) -> Iterator[tuple[subprocess.Popen[str], tuple[str, int], tuple[str, int]]]:
    """A server, and its addresses for messages and for HTTP."""
    with started("real", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--json", *words) as server:
        assert server.stderr is not None
        addresses = [server.stderr.readline().replace("http://", "").split()[-1] for _ in range(2)]
        (host, port), (http_host, http_port) = (address.split(":") for address in addresses)
        yield server, (host, int(port)), (http_host, int(http_port))


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The document of a server that is asked to end."""
    process.send_signal(signal.SIGTERM)
    output, complaint = process.communicate(timeout=60)
    assert process.returncode == 0, complaint
    document: dict[str, Any] = json.loads(output)
    return document


def run(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "80"}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)


def answer(address: tuple[str, int], target: str) -> tuple[int, bytes]:
    """Ask over HTTP with nothing but a socket: status and body."""
    with socket.create_connection(address, timeout=30) as client:
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n".encode())
        reply = b"".join(iter(lambda: client.recv(65_536), b""))
    head, _, body = reply.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


@pytest.mark.parametrize("work", ["sleep", "cpu", "mixed", "precise", "none"])
def test_every_kind_of_work_runs_and_says_what_it_cost(work: str) -> None:
    result = run("real", *LOAD, "--messages", "60", "--work", work, "--allocate", "eager", "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    instruments = document["instruments"]
    assert document["run"]["processed"] == document["measured"]["messages"] == 60
    assert document["run"]["left"] == 0
    assert document["environment"]["threads"] in (1, None)
    assert document["run"]["workers"] == 10
    assert instruments["measuring_s"] > 0
    assert instruments["over_time"]["queue_length"][-1] == 0
    if work == "cpu":  # it is computed, however long others keep it from the processor
        assert instruments["cpu_s"]["p50"] > 0.2e-3
    if work == "sleep":
        assert instruments["cpu_s"]["p50"] < 0.5e-3


def test_what_is_sent_over_tcp_is_what_is_processed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with serving("--service-ms", "1", "--work", "precise", "--out", str(out)) as (server, (host, port), http):
        sent = run("real.send", "--to", f"{host}:{port}", "--rate", "400", "--messages", "120", "--json")
        assert sent.returncode == 0, sent.stderr
        states = {f"w{k}": answer(http, f"/workers/w{k}") for k in range(10)}
        unknown, metrics, health = (answer(http, target) for target in ("/workers/nobody", "/metrics", "/healthz"))
        document = ended(server)
    told = json.loads(sent.stdout)["sent"]
    assert told["messages"] == document["run"]["received"] == document["run"]["processed"] == 120
    assert told["bytes"] == document["run"]["bytes"]
    assert document["run"]["foreign_timestamps"] == 0
    assert document["workload"]["arrivals"] == "network"
    trajectory = Trajectory.read_csv(out / "trajectory.csv")
    assert len(trajectory) == 120
    assert trajectory.sent_s is not None
    assert (trajectory.sent_s >= trajectory.arrival_s).all()
    assert (trajectory.taken_s >= trajectory.sent_s).all()
    answers = {name: json.loads(body) for name, (status, body) in states.items() if status == 200}
    assert sum(state["messages"] for state in answers.values()) == 120
    assert (unknown[0], health[0], metrics[0]) == (404, 200, 200)
    assert b"lab_messages_processed_total 120" in metrics[1]
    assert document["measured"]["queries"]["count"] == len(states) + 1


def test_every_answer_during_a_load_is_a_state_that_existed() -> None:
    workload = Workload(rate_per_s=200, messages=4_000, seed=7, workers=3)  # more than there is time for
    states: dict[str, list[dict[str, Any]]] = {f"w{k}": [{}] for k in range(3)}  # after how many messages of its own
    for number, worker in enumerate(workload.worker_numbers):
        machine = StateMachine(f"w{worker}")
        machine.state = dict(states[f"w{worker}"][-1])
        machine.process_message(Message(f"w{worker}", tuple(workload.payload(number))))
        states[f"w{worker}"].append(machine.state)
    flags = [word for word in flags_of(workload) if word]
    sendable = [pair for pair in pairwise(flags) if pair[0] in ("--rate", "--messages", "--seed", "--workers")]
    with serving("--service-ms", "4") as (server, (host, port), http):
        words = [word for pair in sendable for word in pair]
        with started("real.send", "--to", f"{host}:{port}", *words) as sender:
            while answer(http, "/workers/w0")[0] == 404:
                pass  # until the sender has begun
            heard = [(f"w{k % 3}", *answer(http, f"/workers/w{k % 3}")) for k in range(150)]
            sender.send_signal(signal.SIGTERM)
            sender.communicate(timeout=60)
        document = ended(server)
    told = [(worker, json.loads(body)) for worker, status, body in heard if status == 200]
    assert document["measured"]["queries"]["count"] > len(heard) == 150
    assert len({(worker, state["messages"]) for worker, state in told}) > 10  # asked while it was changing
    assert all(state["state"] == states[worker][state["messages"]] for worker, state in told)


def test_a_line_by_hand_is_a_message_and_garbage_is_rejected_by_itself() -> None:
    with serving("--work", "none") as (server, address, http):
        with socket.create_connection(address) as client:
            client.sendall(
                b'{"worker_id": "me", "payload": [{"op": "set", "key": "a", "value": 7}]}\nnonsense\n'
                b'{"worker_id": "me", "payload": [{"op": "increment", "key": "a"}]}\n'
            )
            client.shutdown(socket.SHUT_WR)
            while client.recv(1):  # until the server has read it all
                pass
        status, body = answer(http, "/workers/me")
        document = ended(server)
    assert (status, json.loads(body)) == (200, {"worker_id": "me", "state": {"a": 8}, "messages": 2})
    assert document["run"]["rejected"] == {"not JSON": 1}
    assert "nonsense" in document["run"]["complaints"][0]
    assert document["run"]["foreign_timestamps"] == 2


def test_hundreds_that_connect_and_say_nothing_shut_nobody_out() -> None:
    if not hasattr(resource, "prlimit"):
        pytest.skip("nobody's limits can be set from outside here")
    silent, descriptors = 700, 600
    with serving("--work", "none") as (server, address, http), ExitStack() as stack:
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (descriptors, descriptors))
        for _ in range(silent):
            stack.enter_context(socket.create_connection(address, timeout=30))
        with socket.create_connection(address, timeout=30) as client:
            client.sendall(b'{"worker_id": "me", "payload": [{"op": "increment", "key": "a"}]}\n')
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""
        assert answer(http, "/workers/me")[0] == 200
        document = ended(server)
    run = document["run"]
    assert (run["received"], run["rejected"]) == (1, {})
    assert (run["clients"], run["crowded_out"]) == (silent + 1, silent + 1 - MOST_CLIENTS)


def test_a_run_that_is_asked_to_end_finishes_what_is_queued_and_prints_its_numbers() -> None:
    with started("real", "--rate", "300", "--duration", "600", "--http", "127.0.0.1:0", "--json") as process:
        assert process.stderr is not None
        http = process.stderr.readline().strip().partition("//")[2].split(":")
        while b"lab_queue_length 0\n" in answer((http[0], int(http[1])), "/metrics")[1]:
            pass  # until something is queued
        process.send_signal(signal.SIGINT)
        output, complaint = process.communicate(timeout=60)
    assert process.returncode == 0, complaint
    document = json.loads(output)
    assert document["run"]["stopped"] is True
    assert 0 < document["run"]["processed"] == document["run"]["received"] < document["run"]["planned"]
    assert document["run"]["left"] == 0


def test_a_drain_has_an_end_if_it_is_given_one() -> None:
    with serving("--service-ms", "200", "--drain-s", "0") as (server, address, http):
        line = b'{"worker_id": "w", "payload": [{"op": "increment", "key": "a"}]}\n'
        with socket.create_connection(address) as client:
            client.sendall(line * 50)
            while b"lab_messages_received_total 50\n" not in answer(http, "/metrics")[1]:
                pass
            document = ended(server)
    assert document["run"]["received"] == 50
    assert document["run"]["processed"] + document["run"]["left"] == 50
    assert document["run"]["left"] > 0


def test_a_second_ctrl_c_ends_at_once_and_says_what_is_lost() -> None:
    with serving("--service-ms", "60000") as (server, address, _), socket.create_connection(address) as client:
        client.sendall(b'{"worker_id": "w", "payload": [{"op": "increment", "key": "a"}]}\n' * 3)
        time.sleep(2.0)  # the thread is in a message for a minute, and nobody can ask it whether it is
        server.send_signal(signal.SIGINT)
        time.sleep(0.1)  # two at once may be heard as one
        server.send_signal(signal.SIGTERM)
        _, complaint = server.communicate(timeout=30)
    assert server.returncode == 130
    assert "messages received and not processed: 3" in complaint
    assert "Traceback" not in complaint


def test_a_signal_as_soon_as_it_listens_ends_it_with_its_numbers(tmp_path: Path) -> None:
    for attempt in range(4):
        with serving("--out", str(tmp_path / str(attempt))) as (server, _, _):
            assert ended(server)["run"]["stopped"] is True


def test_a_second_signal_while_the_numbers_are_made_says_what_is_lost_or_comes_too_late() -> None:
    for wait_s in (0.02, 0.05, 0.1):
        with serving() as (server, _, _):
            server.send_signal(signal.SIGTERM)
            time.sleep(wait_s)
            server.send_signal(signal.SIGTERM)
            output, complaint = server.communicate(timeout=30)
        assert server.returncode in (0, 130, -signal.SIGTERM)
        if server.returncode == 130:
            assert "processed and not reported: 0" in complaint
        if server.returncode == -signal.SIGTERM:  # it had told everything, and the interpreter was on its way out
            assert json.loads(output)["run"]["stopped"] is True


@pytest.mark.parametrize(
    ("flags", "quoted"),
    [
        (["--work", "hard"], "--work hard"),
        (["--allocate", "never"], "--allocate never"),
        (["--listen", "9000"], "--listen 9000"),
        (["--http", "here:port"], "--http here:port"),
        (["--drain-s", "-1"], "--drain-s -1"),
        (["--pin", "4000"], "--pin 4000"),
        (["--dispatch-ms", "-1"], "--dispatch-ms -1: must be milliseconds from 0 to 1e5"),
        (["--dispatch-ms", "nan"], "--dispatch-ms nan"),
        (["--dispatch-ms", "100001"], "--dispatch-ms 100001"),
        (["--listen", "127.0.0.1:0", "--dispatch-ms", "slow"], "--dispatch-ms slow"),
        (["--state-keys", "-1"], "--state-keys -1: must be a whole number from 0 to 990"),
        (["--state-keys", "2.5"], "--state-keys 2.5"),
        (["--listen", "127.0.0.1:0", "--state-keys", "991"], "--state-keys 991"),
        (["--work", "cpu", "--pace", "fast"], "--pace fast: must be rounds a second from 1 to 1e12"),
        (["--work", "cpu", "--pace", "0"], "--pace 0"),
        (["--pace", "9e6"], "--pace 9e6 with --work sleep: nothing is computed"),
        (["--listen", "127.0.0.1:0", "--rate", "5"], "python -m real.send --rate"),
        (["--listen", "127.0.0.1:0", "--query-rate", "5"], "python -m real.ask"),
        (["--listen", "127.0.0.1:0", "--service", "exponential"], "--service exponential with --listen"),
    ],
)
def test_bad_input_ends_in_one_line_and_exit_code_2(flags: list[str], quoted: str) -> None:
    result = run("real", *flags)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert quoted in result.stderr


def test_an_address_that_is_taken_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("real", "--listen", f"127.0.0.1:{port}")
    assert result.returncode == 2
    assert "Address already in use" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_server_has_one_thread_from_beginning_to_end() -> None:
    with serving("--work", "none") as (server, address, http):
        tasks = Path(f"/proc/{server.pid}/task")
        if not tasks.exists():
            pytest.skip("no /proc here")
        with socket.create_connection(address) as client:
            client.sendall(b'{"worker_id": "w", "payload": [{"op": "increment", "key": "a"}]}\n')
            assert answer(http, "/healthz")[0] == 200
            assert len(list(tasks.iterdir())) == 1
        assert ended(server)["environment"]["threads"] == 1


def test_what_was_left_is_said() -> None:
    words = ["--rate", "1000", "--duration", "60", "--drain-s", "0", "--http", "127.0.0.1:0"]
    with started("real", *words) as process:
        assert process.stderr is not None
        host, port = process.stderr.readline().strip().partition("//")[2].split(":")
        while b"lab_queue_length 0\n" in answer((host, int(port)), "/metrics")[1]:
            pass  # until something is queued
        process.send_signal(signal.SIGINT)
        output, complaint = process.communicate(timeout=30)
    assert process.returncode == 0, complaint
    assert "messages: in none of these numbers" in output
