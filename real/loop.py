"""The one loop. Between two messages it takes what is due, then answers or processes one thing, or waits.

While a message is processed nothing else happens: what becomes due meanwhile has to stand until the loop comes round.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from real.clock import Clock
from real.inbox import Inbox
from real.message import Message
from real.query import Queries
from real.router import Router
from real.source import NEVER_NS, Asking, Source


@dataclass(slots=True, eq=False)
class Loop:
    """One processor: messages and questions in, states and answers out, each with the instants on its ticket."""

    messages: Source[Message]
    asked: Sequence[Asking]
    inbox: Inbox
    router: Router
    queries: Queries
    clock: Clock
    free_ns: int = 0  # since when the thread has done nothing

    def run(self) -> None:
        """Process until no message is to come any more, every one is processed and every question answered."""
        while self.turn():
            pass

    def turn(self) -> bool:
        """Do one thing; False when nothing is left to do."""
        self.clock.poll()
        self.take(self.clock.now_ns())
        if self.queries.may_answer(not self.inbox, self.messages.done):
            self.answer()
        elif self.inbox:
            self.process()
        elif (next_ns := min((self.messages.next_ns, *(source.next_ns for source in self.asked)))) < NEVER_NS:
            self.clock.wait_until(next_ns)
            self.free_ns = self.clock.now_ns()
        else:
            return False
        return True

    def take(self, now_ns: int) -> None:
        """Take every message that is due and finds a place, and see every question that is due."""
        while self.messages.next_ns <= now_ns and self.inbox.has_room():
            self.inbox.put(self.messages.take(now_ns))
        for source in self.asked:
            while source.next_ns <= now_ns:
                self.queries.see(source, source.take(now_ns), self.messages.due_by(now_ns))

    def process(self) -> None:
        """Process the message whose turn it is. It has kept the thread since the thread was last free."""
        ticket, clock = self.inbox.next(), self.clock
        cpu_ns, ticket.start_ns = clock.cpu_ns(), clock.now_ns()
        self.router.route(ticket.item).process_message(ticket.item, max(self.free_ns, ticket.arrival_ns))
        ticket.finish_ns = self.free_ns = clock.now_ns()
        ticket.cpu_ns = clock.cpu_ns() - cpu_ns
        self.messages.record(ticket)

    def answer(self) -> None:
        """Answer the question whose turn it is."""
        source, ticket = self.queries.next()
        ticket.start_ns = self.clock.now_ns()
        source.answer(ticket, self.queries.query_state(ticket.item))
        ticket.finish_ns = self.free_ns = self.clock.now_ns()
        source.record(ticket)
