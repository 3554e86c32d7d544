"""HTTP: questions about workers' states, which the loop answers between messages; what else is asked, at once.

Here is what is said; how it is read and written, and for how long a client is waited for, is in `connections`.
"""

import re
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any

from real.http.connections import Client, Connections
from real.http.prometheus import CONTENT_TYPE
from real.http.reply import Reply, failed, told
from real.http.request import METHODS, Request
from real.metrics import Record
from real.router import Router
from real.sockets import Sockets
from real.source import NEVER_NS
from real.ticket import NOT_YET, Ticket
from real.wire import instant_ns

PAGE = 1_000  # worker ids: a hundred thousand would hold the thread for tens of ms


class HttpServer:
    """A source of questions, by worker id. `asked`: how many; its connections and their counts are in `connections`.

    `metrics` returns the text for /metrics.
    """

    def __init__(self, sockets: Sockets, router: Router, record: Record, metrics: Callable[[], str]) -> None:
        self.rows = record
        self.asked = 0
        self.connections = Connections(sockets, self._serve)
        self._router, self._metrics = router, metrics
        self._received: deque[Ticket[str]] = deque()
        self._standing: dict[int, tuple[Client, Request]] = {}

    def listen(self, address: tuple[str, int]) -> tuple[str, int]:
        """Let clients in; return the address they find."""
        return self.connections.listen(address)

    def close(self) -> None:
        """Let nobody in any more, and drop everybody; the questions that stand are answered all the same."""
        self.connections.close()

    @property
    def next_ns(self) -> int:
        """Instant of the next question that was received; NEVER_NS if there is none, though one may still come."""
        return self._received[0].arrival_ns if self._received else NEVER_NS

    def take(self, now_ns: int) -> Ticket[str]:
        """Hand over the next one."""
        ticket = self._received.popleft()
        ticket.taken_ns = now_ns
        return ticket

    def due_by(self, now_ns: int) -> int:
        """Return how many were received."""
        return self.asked

    def done(self, first: int) -> bool:
        """Return whether the first so many are answered."""
        return next(iter(self._standing), self.asked) >= first

    def answer(self, ticket: Ticket[str], state: dict[str, Any] | None) -> None:
        """Reply with a state, or with 404; into the void if the client has gone meanwhile."""
        client, request = self._standing.pop(ticket.number)
        if state is None:
            reply = failed(404, f"worker {ticket.item[:80]!r} has not been heard of")
        else:
            messages = self._router.machines[ticket.item].messages
            reply = told({"worker_id": ticket.item, "state": state, "messages": messages})
        self.connections.reply(client, request, reply, ticket.start_ns)

    def record(self, ticket: Ticket[str]) -> None:
        """Keep the instants of one that is finished."""
        self.rows.record(ticket)

    def _serve(self, client: Client, request: Request, now_ns: int) -> None:
        """Reply to a request, or make a question of it."""
        match request.path:
            case ("workers", worker_id) if worker_id:
                self._let_stand(client, request, worker_id)
            case _:
                self.connections.reply(client, request, self._at_once(request), now_ns)

    def _let_stand(self, client: Client, request: Request, worker_id: str) -> None:
        """Make a question of a request: it arrived when it was to be sent, or else when it was read."""
        intended_ns = instant_ns(request.intended_s, client.heard_ns)
        self._received.append(Ticket(self.asked, worker_id, client.heard_ns if intended_ns == NOT_YET else intended_ns))
        self._standing[self.asked] = client, request
        self.asked += 1
        self.connections.let_stand(client)

    def _at_once(self, request: Request) -> Reply:
        if request.method not in METHODS:
            return failed(405, f"{request.method[:80]} is not {' or '.join(METHODS)}")
        match request.path:
            case ("workers",):
                return page(self._router, request.query)
            case ("metrics",):
                return Reply(200, self._metrics().encode(), CONTENT_TYPE)
            case ("healthz",):
                return told({"status": "ok"})
        return failed(404, "there are /workers, /workers/ID, /metrics and /healthz")


def page(router: Router, query: str) -> Reply:
    r"""Return the ids of the workers heard of so far, in the order of their first message: PAGE of them at most.

    >>> page(Router(lambda message, began_ns: None, ["w0", "w1"]), "from=1").body
    b'{"count": 2, "workers": ["w1"], "next": null}\n'
    """
    begin = re.fullmatch(r"(?:from=([0-9]{1,9}))?", query)
    if begin is None:
        return failed(400, f"query {query[:80]!r} is not from=NUMBER")
    first, count = int(begin[1] or 0), len(router.machines)
    following = f"/workers?from={first + PAGE}" if first + PAGE < count else None
    return told({"count": count, "workers": list(islice(router.machines, first, first + PAGE)), "next": following})
