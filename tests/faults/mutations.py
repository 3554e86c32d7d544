"""Processors with a fault of their own, each of which the simulator has to find: what it cannot find, it does not test.

Each is a small change to the real code, made with pytest's monkeypatch and undone after it.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from real.http.connections import Connections
from real.http.server import HttpServer
from real.inbox import Inbox
from real.loop import Loop
from real.machine import StateMachine
from real.net import LONGEST_LINE, Intake
from real.query import Queries
from real.sockets import Sockets
from real.ticket import Ticket

Mutation = Callable[[pytest.MonkeyPatch], None]


def loses_the_rest_of_a_line(patch: pytest.MonkeyPatch) -> None:
    """Of a read that ends within a line, the part of the line is forgotten."""
    read = Intake._read

    def forgetful(self: Intake, ready: Any, client: Any) -> None:
        client.line.clear()
        read(self, ready, client)

    patch.setattr(Intake, "_read", forgetful)


def counts_rejected_twice(patch: pytest.MonkeyPatch) -> None:
    """A line that is no message is counted when it is found to be none, and again."""
    line = Intake._line

    def counting(self: Intake, client: Any, end: bytes, now_ns: int) -> None:
        before = self.rejected.copy()
        line(self, client, end, now_ns)
        self.rejected.update(self.rejected - before)

    patch.setattr(Intake, "_line", counting)


def drops_a_message_when_many_wait(patch: pytest.MonkeyPatch) -> None:
    """A received message is counted, and not kept if there are five already."""
    receive = Intake._receive

    def dropping(self: Intake, message: Any, now_ns: int) -> None:
        receive(self, message, now_ns)
        if len(self._received) > 5:
            self._received.pop()

    patch.setattr(Intake, "_receive", dropping)


def mixes_up_one_worker(patch: pytest.MonkeyPatch) -> None:
    """The message of a worker with others waiting overtakes them."""

    def put(self: Inbox, ticket: Ticket[Any]) -> None:
        self._queues.setdefault(ticket.item.worker_id, deque()).appendleft(ticket)
        self._size += 1

    patch.setattr(Inbox, "put", put)


def does_half_a_message(patch: pytest.MonkeyPatch) -> None:
    """Operations are done one by one, up to the one that cannot be."""

    def process(self: StateMachine, message: Any, began_ns: int | None = None) -> None:
        self.messages += 1
        for operation in message.payload:
            result = self._result(operation)
            if type(result) is object:
                break
            self.state[operation["key"]] = result
        self._work(message, began_ns)

    patch.setattr(StateMachine, "process_message", process)


def starts_before_it_is_taken(patch: pytest.MonkeyPatch) -> None:
    """Service begins when the thread was last free, even if the message was not there."""
    process = Loop.process

    def early(self: Loop) -> None:
        record, free_ns = self.messages.record, self.free_ns

        def recorded(ticket: Ticket[Any]) -> None:
            ticket.start_ns = free_ns
            record(ticket)

        self.messages.record = recorded  # type: ignore[method-assign]
        try:
            process(self)
        finally:
            self.messages.record = record  # type: ignore[method-assign]

    patch.setattr(Loop, "process", early)


def begins_a_reply_again(patch: pytest.MonkeyPatch) -> None:
    """The rest of a reply that was not taken at once is sent again from its beginning."""
    send = Connections._send

    def again(self: Connections, client: Any, now_ns: int) -> None:
        whole = client.unsent
        send(self, client, now_ns)
        if client.unsent:
            client.unsent = whole

    patch.setattr(Connections, "_send", again)


def answers_a_question_twice(patch: pytest.MonkeyPatch) -> None:
    """An answer is given, and given again if its client is still there."""
    answer = HttpServer.answer

    def twice(self: HttpServer, ticket: Ticket[str], state: Any) -> None:
        client, request = self._standing[ticket.number]
        answer(self, ticket, state)
        if not client.unsent and not client.last:
            self._standing[ticket.number] = client, request
            answer(self, ticket, state)

    patch.setattr(HttpServer, "answer", twice)


def keeps_the_descriptor_of_who_reset(patch: pytest.MonkeyPatch) -> None:
    """Who takes a reply no more is forgotten, and its descriptor is not."""
    drop = Connections._drop

    def forgotten(self: Connections, client: Any) -> None:
        if client.unsent:
            del self._clients[client.socket]
            self._sockets._selector.unregister(client.socket)
        else:
            drop(self, client)

    patch.setattr(Connections, "_drop", forgotten)


def keeps_the_turned_away(patch: pytest.MonkeyPatch) -> None:
    """Without descriptors nobody is turned away, and the processor ends."""

    def turn_away(self: Sockets, listener: Any) -> None:
        self._system.close(self._spare or 0)
        listener.accept()[0].close()
        self._spare = self._system.spare()

    patch.setattr(Sockets, "_turn_away", turn_away)


def keeps_all_of_a_long_line(patch: pytest.MonkeyPatch) -> None:
    """A line may be as long as it likes."""
    patch.setattr("real.net.LONGEST_LINE", LONGEST_LINE * 100)


def reads_without_room(patch: pytest.MonkeyPatch) -> None:
    """A client is read whether its messages find a place or not."""
    patch.setattr(Intake, "_has_its_turn", lambda self, client, now_ns: True)


def never_sweeps(patch: pytest.MonkeyPatch) -> None:
    """Who says nothing is kept for ever."""
    patch.setattr(Connections, "sweep", lambda self, heard_ns: False)


def sweeps_who_is_unheard(patch: pytest.MonkeyPatch) -> None:
    """Silence is judged by the clock, and not by when all were heard: a pause makes everybody silent."""
    poll = Sockets.poll

    def impatient(self: Sockets) -> None:
        poll(self)
        for owner in self._owners:
            owner.sweep(self.now_ns())

    patch.setattr(Sockets, "poll", impatient)


def answers_last(patch: pytest.MonkeyPatch) -> None:
    """A question waits until the inbox is empty, whatever the policy."""
    patch.setattr(Queries, "may_answer", lambda self, idle, done: bool(self._standing) and idle)


def forgets_what_was_read_with_a_request(patch: pytest.MonkeyPatch) -> None:
    """Of two requests that are read together the second is lost."""
    serve = HttpServer._serve

    def forgetful(self: HttpServer, client: Any, request: Any, now_ns: int) -> None:
        client.heard.clear()
        serve(self, client, request, now_ns)

    patch.setattr(HttpServer, "_serve", forgetful)


def crowds_out_whoever_came_first(patch: pytest.MonkeyPatch) -> None:
    """Where there are too many senders, the first is closed, silent or not."""
    patch.setattr("real.net.missed_least", lambda clients, now_ns: next(iter(clients)))


def lets_in_any_number(patch: pytest.MonkeyPatch) -> None:
    """Nobody is closed, however many come."""
    patch.setattr("real.net.MOST_CLIENTS", 1 << 30)


MUTATIONS: tuple[Mutation, ...] = (
    *(loses_the_rest_of_a_line, counts_rejected_twice, drops_a_message_when_many_wait, mixes_up_one_worker),
    *(does_half_a_message, starts_before_it_is_taken, begins_a_reply_again, answers_a_question_twice),
    *(keeps_the_descriptor_of_who_reset, keeps_the_turned_away, keeps_all_of_a_long_line, reads_without_room),
    *(never_sweeps, sweeps_who_is_unheard, answers_last, forgets_what_was_read_with_a_request),
    *(crowds_out_whoever_came_first, lets_in_any_number),
)
