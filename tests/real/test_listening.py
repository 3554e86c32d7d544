"""Where a processor listens: on this machine alone, unless it is told otherwise; and then it says so."""

from io import StringIO

import pytest

from real.clock import FakeClock
from real.command.measuring import listen, say
from real.http.server import HttpServer
from real.metrics import Rows
from real.router import Router
from real.sockets import Sockets

WARNING = "anyone who can reach this machine can reach this, too"


@pytest.mark.parametrize(
    ("hosts", "warns"),
    [
        (("127.0.0.1",), False),
        (("127.0.0.1", "::1"), False),
        (("127.8.9.10",), False),
        (("0.0.0.0",), True),
        (("::",), True),
        (("192.0.2.7",), True),
        (("127.0.0.1", "0.0.0.0"), True),
        (("0.0.0.0", "127.0.0.1"), True),
    ],
)
def test_where_others_can_reach_it_it_says_so(hosts: tuple[str, ...], warns: bool) -> None:
    stderr = StringIO()
    say(stderr, [("listening on ", (host, 9_000)) for host in hosts])
    *where, last = stderr.getvalue().splitlines()
    assert (last == WARNING) == warns
    assert len([*where, last]) == len(hosts) + warns


def test_without_an_address_it_is_this_machine_s_own() -> None:
    sockets = Sockets(FakeClock())
    try:
        server = HttpServer(sockets, Router(lambda message, began_ns: None), Rows([]), lambda: "")
        host, port = listen(server, "--http", None)
        assert host == "127.0.0.1"
        assert port > 0
    finally:
        sockets.close()
