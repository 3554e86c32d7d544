"""How the parts make a processor that costs more than its own: a slower loop, larger states."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from real.clock import FakeClock
from real.command.assembly import Plans, allocation, inbox_of, loop_of, messages, plans, router_for
from real.inbox import Inbox
from real.message import Message
from real.router import Router
from real.source import Plan
from real.ticket import Ticket
from sim import Workload

ROOT = Path(__file__).parents[2]
SECOND_NS = 1_000_000_000
# Messages at 1, 2 and 3 s that take 2 s each.
THREE = Workload(rate_per_s=1, service_s=2, messages=3, arrivals="deterministic")
FLAGS = ["--dispatch-ms", "0.2", "--state-keys", "3", "--work", "none", "--json"]


class Unheard(Plan[str]):
    """Questions of somebody who does not listen to the answers."""

    def answer(self, ticket: Ticket[str], state: dict[str, Any] | None) -> None:
        pass


def run(workload: Workload, work: str, dispatch_s: float) -> Plans:
    """Run a workload on a fake clock, in a loop that costs so much more."""
    clock = FakeClock()
    planned = plans(workload, messages(workload), 0)
    router = router_for(workload, work, clock, dispatch_s=dispatch_s)
    inbox = inbox_of(workload, clock, dispatch_s)
    loop_of(workload, planned.messages, [planned.queries], router, clock, inbox).run()
    return planned


def in_seconds(instants_ns: list[int]) -> list[float]:
    return [at_ns / SECOND_NS for at_ns in instants_ns]


@pytest.mark.parametrize("work", ["sleep", "precise"])
def test_a_slower_loop_takes_its_time_between_the_turn_of_a_message_and_its_start(work: str) -> None:
    rows = run(THREE, work, 0.5).messages.rows
    assert in_seconds(rows.arrival_ns) == [1.0, 2.0, 3.0]
    assert in_seconds(rows.taken_ns) == [1.0, 3.5, 3.5]
    assert in_seconds(rows.start_ns) == [1.5, 4.0, 6.5]
    assert in_seconds(rows.finish_ns) == [3.5, 6.0, 8.5]


@pytest.mark.parametrize("work", ["sleep", "precise"])
def test_a_loop_that_is_not_made_slower_costs_nothing_more(work: str) -> None:
    rows = run(THREE, work, 0.0).messages.rows
    assert in_seconds(rows.start_ns) == [1.0, 3.0, 5.0]
    assert in_seconds(rows.finish_ns) == [3.0, 5.0, 7.0]


def test_a_question_is_answered_before_the_next_message_and_never_within_its_dispatch() -> None:
    clock, workload = FakeClock(), Workload(rate_per_s=1, service_s=2, messages=2, arrivals="deterministic")
    planned = plans(workload, messages(workload), 0)
    asked = Unheard(["w0"], [1_200_000_000], 0)  # while the first message is not yet started
    router, inbox = router_for(workload, "sleep", clock, dispatch_s=0.5), inbox_of(workload, clock, 0.5)
    loop_of(workload, planned.messages, [asked], router, clock, inbox).run()
    assert in_seconds(asked.rows.start_ns) == [3.5]
    assert in_seconds(planned.messages.rows.start_ns) == [1.5, 4.0]


@pytest.mark.parametrize(("order", "turns"), [("fifo", "aab"), ("round-robin", "aba"), ("per-worker", "aab")])
def test_a_slower_loop_keeps_the_order_and_the_places(order: str, turns: str) -> None:
    clock = FakeClock()
    inbox = inbox_of(Workload(order=order, inbox=3), clock, 0.5)
    plan = plans(THREE, [Message(worker, ()) for worker in "aab"], 0).messages
    for _ in range(3):
        inbox.put(plan.take(3 * SECOND_NS))
    assert not inbox.has_room()
    assert "".join(inbox.next().item.worker_id for _ in range(3)) == turns
    assert clock.now_ns() == 1_500_000_000


@pytest.mark.parametrize("eager", [False, True])
def test_states_begin_with_so_many_keys_whenever_they_are_made(eager: bool) -> None:
    router = router_for(Workload(workers=2), "none", FakeClock(), eager=eager, state_keys=3)
    assert list(router.machines) == (["w0", "w1"] if eager else [])
    for name in ("w0", "w1"):
        assert router.route(Message(name, ())).state == {"s0": 0, "s1": 0, "s2": 0}
    message = Message("w0", ({"op": "increment", "key": "s1"}, {"op": "set", "key": "k", "value": 7}))
    router.route(message).process_message(message)
    assert router.route(message).get_state() == {"s0": 0, "s1": 1, "s2": 0, "k": 7}
    assert router.route(Message("w1", ())).get_state() == {"s0": 0, "s1": 0, "s2": 0}


def test_the_largest_state_has_room_for_the_ten_keys_of_a_workload_and_no_more() -> None:
    router = router_for(Workload(), "none", FakeClock(), state_keys=990)
    for number in range(11):
        message = Message("w0", ({"op": "set", "key": f"k{number}", "value": 1},))
        router.route(message).process_message(message)
    (machine,) = router.machines.values()
    assert (len(machine.state), machine.messages, machine.failed) == (1_000, 11, 1)
    assert "k10" not in machine.state


def test_who_asks_for_nothing_more_gets_the_plain_parts() -> None:
    assert type(router_for(THREE, "none", FakeClock())) is Router
    assert type(inbox_of(THREE, FakeClock())) is Inbox


def test_a_first_message_pays_for_the_state_and_is_told_how_much() -> None:
    told = allocation(eager=False, state_keys=990)
    assert told["when"] == "lazy"
    assert told["first_s"] > told["later_s"] > 0


def test_the_command_takes_both_flags_and_tells_them() -> None:
    command = [sys.executable, "-m", "real", "--rate", "5000", "--messages", "50", *FLAGS]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    document = json.loads(result.stdout)
    assert (document["run"]["dispatch_s"], document["run"]["state_keys"]) == (0.0002, 3)
    assert document["run"]["processed"] == 50
    assert document["instruments"]["dispatch_s"]["p50"] >= 0.0002  # spun until then, and no sooner


def test_a_server_takes_both_flags_and_tells_them() -> None:
    words = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", *FLAGS]
    with subprocess.Popen(
        [sys.executable, "-m", "real", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    ) as server:  # fmt: skip
        try:
            assert server.stderr is not None
            here, http = (server.stderr.readline().replace("http://", "").split()[-1] for _ in range(2))
            line = b'{"worker_id": "me", "payload": [{"op": "set", "key": "a", "value": 7}]}\n'
            said(here, line * 5)
            state = json.loads(said(http, b"GET /workers/me HTTP/1.0\r\n\r\n").partition(b"\r\n\r\n")[2])
            server.send_signal(signal.SIGTERM)
            document: dict[str, Any] = json.loads(server.communicate(timeout=60)[0])
        finally:
            server.kill()
    assert state["state"] == {"s0": 0, "s1": 0, "s2": 0, "a": 7}
    assert (document["run"]["dispatch_s"], document["run"]["state_keys"]) == (0.0002, 3)
    assert document["run"]["processed"] == 5
    assert document["instruments"]["dispatch_s"]["p50"] >= 0.0002  # what came in one piece waits for its turn


def said(address: str, data: bytes) -> bytes:
    """Send to an address, and return what it answers until it has heard all."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65_536), b""))
