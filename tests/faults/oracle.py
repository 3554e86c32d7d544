"""What should have come of everything the processor read, and one `check()` that holds it against what did."""

from collections import Counter, deque
from typing import Any

from real.clients import LINE_NS
from real.http.server import HttpServer
from real.loop import Loop
from real.net import Intake
from real.recent import Recent
from real.ticket import Ticket
from tests.faults.lines import LONGEST, Lines, Said, Twin
from tests.faults.link import Link
from tests.faults.network import Network
from tests.faults.weather import S

MOST_HEARD = 8_192 + 8_192  # of an HTTP client: a head that is not complete, and one read
MOST_IN_A_READ = 1_024 // 40  # messages, where the inbox is bounded
REQUEST_NS, CONNECTIONS, SENDERS = 10 * S, 512, 480


class Oracle:
    """Knows what was read, in order, and is told of every message and question that is finished."""

    def __init__(self, network: Network, lines: Lines, known: frozenset[str] | None, tcp_port: int) -> None:
        self.network, self.lines, self.known, self._tcp = network, lines, known, tcp_port
        self.twins: dict[Link, Twin] = {}
        self.last_ns: dict[Link, int] = {}  # when a sender was last heard
        self.rejected: Counter[str] = Counter()
        self.received = self.processed = self.bytes = self.answered = 0
        self.waiting: dict[str, deque[Said]] = {}
        self.states: dict[str, dict[str, Any]] = {}
        self.history: dict[str, list[dict[str, Any]]] = {}
        self.latency_ns = self.processing_ns = 0
        self.stopping = False
        self._numbers, self._first_unfinished = set[int](), 0
        self._ahead: dict[int, int] = {}
        network.heard, network.closed = self.heard, self.closed

    def watch(self, loop: Loop, intake: Intake, http: HttpServer, rows: Recent, asked: Recent) -> None:
        """Watch a processor."""
        self.loop, self.intake, self.http, self.rows, self.asked = loop, intake, http, rows, asked
        self.order, self.policy = loop.inbox._order, loop.queries._policy
        rows.listeners.append(self.finished)
        asked.listeners.append(self.answer)

    def past(self, worker: str, messages: int) -> dict[str, Any] | None:
        """Return a worker's state after so many messages."""
        history = self.history.get(worker, [])
        return history[messages] if messages < len(history) else {} if not messages else None

    # -- what happens ----------------------------------------------------------------------------------------------

    def heard(self, link: Link, data: bytes) -> None:
        """The processor has read something."""
        if link.port == self._tcp:
            self.bytes += len(data)
            self.last_ns[link] = self.network.clock.instant_ns()
            self._expect(self.twin(link).hear(data))

    def closed(self, link: Link) -> None:
        """The processor has closed its end: there must be a reason."""
        known = link.told_end or link.told_error or self.stopping or link.server_fin
        if link.port == self._tcp and (link.told_end or link.told_error):
            self._expect(self.twin(link).end())
        if known:
            return
        link.broken = True
        crowded = len(self.http.connections._clients) >= CONNECTIONS - 1
        crowded = len(self.intake._clients) >= SENDERS - 1 if link.port == self._tcp else crowded
        if link.turned_away:
            assert not self.network.spares or crowded, f"{link.number}: turned away without a reason"
        elif link.port == self._tcp:
            if not self.twin(link).cut_off:
                assert crowded, f"{link.number}: a sender is closed without a reason"
                self._check_least_missed(link)
                self._expect(self.twin(link).end())
        elif not crowded:
            self._check_deadline(link)

    def _check_least_missed(self, link: Link) -> None:
        assert not link.to_server, f"{link.number}: a sender is closed that has said something unread"
        others = [ours.link for ours in self.intake._clients]  # type: ignore[attr-defined]
        silent = [other for other in others if not other.readable]
        assert self._missed(link) <= min(map(self._missed, silent)), f"{link.number}: another is missed less"

    def _missed(self, link: Link) -> tuple[bool, int]:
        twin, last_ns = self.twin(link), self.last_ns.get(link, link.moved_ns)
        lately = self.network.clock.instant_ns() - last_ns < LINE_NS
        return bool(twin.pending or twin.dropped) and lately, last_ns

    def _check_deadline(self, link: Link) -> None:
        due_ns = link.moved_ns + REQUEST_NS
        assert self.network.clock.instant_ns() >= due_ns, f"{link.number}: an asker is closed before its time"
        unheard = not link.held_up and link.waits_since_ns is not None and link.waits_since_ns < due_ns
        assert not unheard, f"{link.number}: an asker is closed for its silence, and had spoken in time"

    def twin(self, link: Link) -> Twin:
        """Return the twin of a sender's connection."""
        if link not in self.twins:
            self.twins[link] = Twin(self.lines, self.known, self.rejected)
        return self.twins[link]

    def _expect(self, messages: list[Said]) -> None:
        for said in messages:
            self.received += 1
            self.waiting.setdefault(said.worker, deque()).append(said)

    def finished(self, ticket: Ticket[Any]) -> None:
        """A message is finished: it must be its worker's oldest, and the state a fold over them."""
        worker, number = ticket.item.worker_id, ticket.item.payload[0]["value"]
        waiting = self.waiting.get(worker)
        assert waiting, f"message {number} of {worker} was never received"
        said = waiting.popleft()
        assert number == said.number, f"{worker}: message {number} before {said.number}"
        assert self.order != "fifo" or ticket.number == self.processed, "not in order of receipt"
        state = self.states.setdefault(worker, {})
        fold(state, said.payload)
        self.history.setdefault(worker, [{}]).append(dict(state))
        machine = self.loop.router.machines[worker]
        assert machine.state == state, f"{worker}: {machine.state}, not {state}"
        assert machine.messages == len(self.history[worker]) - 1
        self._check_instants(ticket)
        self.processed += 1
        self.latency_ns += ticket.finish_ns - ticket.arrival_ns
        self.processing_ns += ticket.finish_ns - ticket.start_ns
        self._numbers.add(ticket.number)
        while self._first_unfinished in self._numbers:
            self._numbers.remove(self._first_unfinished)
            self._first_unfinished += 1
        assert self.policy != "first" or not self.loop.queries._standing, "a message before a question"

    def answer(self, ticket: Ticket[Any]) -> None:
        """A question is answered: in its turn."""
        assert ticket.number == self.answered, "questions out of order"
        self.answered += 1
        self._check_instants(ticket)
        if self.policy == "idle":
            assert not self.loop.inbox, "a question before a message that is due"
        elif self.policy == "fifo":
            ahead = self._ahead.pop(ticket.number, self.intake.received)
            assert self._first_unfinished >= ahead, "a question before a message that came before it"

    @staticmethod
    def _check_instants(ticket: Ticket[Any]) -> None:
        assert 0 <= ticket.arrival_ns <= ticket.taken_ns <= ticket.start_ns <= ticket.finish_ns, ticket

    # -- what must hold between any two steps --------------------------------------------------------------------------

    def check(self) -> None:
        """Everything that was read is somewhere, once, and nothing is kept that should not be."""
        intake, inbox = self.intake, self.loop.inbox
        queued = len(inbox) + len(intake._received)
        assert intake.received == self.received, f"received {intake.received}, not {self.received}"
        assert intake.received == self.rows.count + queued, f"{intake.received} ≠ {self.rows.count} + {queued}"
        assert intake.rejected == self.rejected, f"rejected {intake.rejected}, not {self.rejected}"
        assert intake.bytes == self.bytes
        assert self.rows.count == self.processed
        assert self.rows.latency.sum_ns == self.latency_ns
        assert self.rows.processing.sum_ns == self.processing_ns
        assert len(inbox) <= inbox.places
        assert not inbox.bounded or len(intake._received) <= MOST_IN_A_READ, "read while there is no room"
        self._check_questions()
        self._check_connections()

    def _check_questions(self) -> None:
        http, standing = self.http, self.loop.queries._standing
        assert http.asked == self.asked.count + len(http._received) + len(standing)
        assert len(http._standing) == len(http._received) + len(standing)
        for _, _, ticket in standing:
            self._ahead.setdefault(ticket.number, self.intake.received)

    def _check_connections(self) -> None:
        intake, asking = self.intake._clients, self.http.connections._clients
        assert len(intake) <= SENDERS
        for sender in intake.values():
            assert len(sender.line) <= LONGEST, "too much is kept of a line"
        for asker in asking.values():
            assert len(asker.heard) <= MOST_HEARD, "too much is kept of a request"
        for ours in (*intake, *asking):
            link = ours.link  # type: ignore[attr-defined]
            assert not link.server_closed
            assert not link.told_error, f"{link.number}: kept after its client has gone"
            if link.port == self._tcp:
                assert not link.told_end, f"{link.number}: kept after its sender's end"
                assert not self.twin(link).cut_off, f"{link.number}: talks nonsense, and is listened to"
        own = sum(listener.fileno() >= 0 for listener in self.network.listeners.values()) + self.network.spares
        kept = self.network.open - own - len(intake) - len(asking)
        assert not kept, f"{kept} descriptors that nobody looks after"


def fold(state: dict[str, Any], payload: list[dict[str, Any]]) -> None:
    """Do a message's operations, all or none."""
    changed = dict(state)
    for operation in payload:
        key = operation["key"]
        if operation["op"] == "set":
            changed[key] = operation["value"]
        elif isinstance(changed.get(key, 0), int):
            changed[key] = changed.get(key, 0) + 1
        else:
            return
    state.update(changed)
