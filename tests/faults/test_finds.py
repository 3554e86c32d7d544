"""What the simulator has found, each in as few steps as show it."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from real.http.server import HttpServer
from real.inbox import Inbox
from real.loop import Loop
from real.net import Intake
from real.query import Queries
from real.recent import Recent
from real.router import Router
from real.sockets import READ, Sockets
from tests.faults.link import Link
from tests.faults.network import UNLIMITED, Network
from tests.faults.weather import RoughClock, S, Weather

TCP, HTTP = 1, 2
GET = b"GET /workers/w%d HTTP/1.1\r\nHost: lab\r\n\r\n"
MESSAGE = b'{"worker_id": "w0", "payload": [{"op": "increment", "key": "count"}]}\n'


class Lab:
    """A processor in calm weather, on which a test does what the simulator did."""

    def __init__(self, places: float = float("inf")) -> None:
        weather = Weather(Random(0))
        weather.calm = True
        self.clock = RoughClock(weather)
        self.network = Network(weather, self.clock)
        self.sockets = Sockets(self.clock, 0, self.network.system())
        router, inbox, self.rows = Router(lambda message, began_ns: None), Inbox("fifo", places), Recent(keep=10)
        self.intake = Intake(self.sockets, router, self.rows, inbox)
        self.http = HttpServer(self.sockets, router, Recent(keep=10), lambda: "")
        self.loop = Loop(self.intake, (self.http,), inbox, router, Queries(router), self.sockets)
        self.intake.listen(("127.0.0.1", TCP))
        self.http.listen(("127.0.0.1", HTTP))

    def connect(self, port: int, said: bytes = b"") -> Link:
        """Return the client's end of a connection that stands at the door."""
        link = self.network.connect(port, 65_536, 65_536)
        assert link is not None
        link.to_server += said
        return link

    def ours(self, link: Link) -> Any:
        """Return the processor's end."""
        everybody = (*self.intake._clients, *self.http.connections._clients)
        return next(ours for ours in everybody if ours.link is link)  # type: ignore[attr-defined]

    def turns(self, count: int = 20) -> None:
        for _ in range(count):
            self.loop.turn()


@pytest.fixture
def lab() -> Lab:
    return Lab()


def test_a_descriptor_that_another_process_takes_meanwhile_ends_nothing(lab: Lab) -> None:
    lab.network.limit = lab.network.open
    give_back = lab.network._close

    def taken(descriptor: int) -> None:
        give_back(descriptor)
        lab.network.limit -= 1

    object.__setattr__(lab.sockets._system, "close", taken)
    lab.connect(TCP, MESSAGE)
    lab.turns(3)
    lab.network.limit = UNLIMITED
    lab.turns()
    assert lab.rows.count == 1
    lab.intake.close()
    lab.sockets.close()
    assert not lab.network.open


def test_two_requests_before_a_half_close_are_answered_however_late_the_end_is_seen(lab: Lab) -> None:
    link = lab.connect(HTTP, GET % 1 + GET % 2)
    link.fin = True
    lab.loop.turn()
    assert link.to_client.count(b"HTTP/1.1 404") == 1
    # It was found ready before it was answered, in a round for which one turn had not been enough.
    lab.http.connections.ready(lab.ours(link), READ, lab.clock.now_ns())
    lab.turns()
    assert link.to_client.count(b"HTTP/1.1 404") == 2
    assert b"HTTP/1.1 400" not in link.to_client
    assert link.server_closed


def while_it_reads(lab: Lab, does: Callable[[], object]) -> None:
    """Let something happen in the middle of the next read."""
    lab.connect(TCP, MESSAGE)
    meanwhile = lab.network.meanwhile

    def once() -> None:
        if lab.intake._clients:
            lab.network.meanwhile = meanwhile  # type: ignore[method-assign]
            does()

    lab.network.meanwhile = once  # type: ignore[method-assign]
    lab.turns(3)
    assert lab.network.meanwhile == meanwhile


def test_who_speaks_while_the_thread_is_stopped_for_longer_than_the_deadline_is_heard(lab: Lab) -> None:
    link = lab.connect(HTTP)
    lab.turns(3)

    def stopped() -> None:
        lab.clock.sleep(5 * S)
        link.to_server += GET % 1
        lab.clock.sleep(10 * S)

    while_it_reads(lab, stopped)
    lab.turns()
    assert b"HTTP/1.1 404" in link.to_client
    assert not link.server_closed


def test_who_is_told_of_a_deadline_has_the_time_to_hear_it_though_the_thread_was_stopped(lab: Lab) -> None:
    link = lab.connect(HTTP, b"GET /half")
    link.window = 20
    lab.turns(3)
    lab.clock.sleep(11 * S)
    while_it_reads(lab, lambda: lab.clock.sleep(15 * S))
    assert link.to_client.startswith(b"HTTP/1.1 408")
    lab.turns()
    assert not link.server_closed


def test_a_sender_that_was_ready_for_nothing_holds_up_nobody_where_places_are_few() -> None:
    lab = Lab(places=1)
    full, silent = lab.connect(TCP, MESSAGE * 5), lab.connect(TCP)
    while not lab.intake._received:
        lab.loop.turn()
    assert full.accepted
    lab.intake.ready(lab.ours(silent), READ, lab.clock.now_ns())  # as a kernel may say that has nothing
    other = lab.connect(TCP, MESSAGE)
    lab.turns(40)
    assert not other.to_server
    assert lab.rows.count == 6
