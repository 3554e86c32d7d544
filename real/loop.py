"""The one loop. Between two messages it takes what is due, then answers or processes one thing, or waits.

While a message is processed nothing else happens: what becomes due meanwhile has to stand until the loop comes round.
"""

from real.clock import Clock
from real.inbox import Inbox
from real.message import Message
from real.query import Queries
from real.router import Router
from real.source import NEVER_NS, Source


class Loop:
    """One processor: messages in, state out; the instants of both are in the rows of `messages` and `asked`."""

    def __init__(
        self,
        messages: Source[Message],
        asked: Source[str],
        inbox: Inbox,
        router: Router,
        queries: Queries,
        clock: Clock,
    ) -> None:
        self.messages, self.asked, self.inbox = messages, asked, inbox
        self.router, self.queries, self.clock = router, queries, clock
        self._oldest = 0  # every message before this one is processed

    def run(self) -> None:
        """Process until every planned message is processed and every planned query answered."""
        while self.turn():
            pass

    def turn(self) -> bool:
        """Do one thing; False when nothing is left to do."""
        self.take(self.clock.now_ns())
        if self.queries.may_answer(not self.inbox, self.done):
            self.answer()
        elif self.inbox:
            self.process()
        else:
            next_ns = min(self.messages.next_ns, self.asked.next_ns)
            if next_ns == NEVER_NS:
                return False
            self.clock.wait_until(next_ns)
        return True

    def take(self, now_ns: int) -> None:
        """Take every message that is due and finds a place, and see every query that is due."""
        while self.messages.next_ns <= now_ns and self.inbox.has_room():
            self.inbox.put(self.messages.take(now_ns))
        while self.asked.next_ns <= now_ns:
            self.queries.see(*self.asked.take(now_ns), self.messages.due_by(now_ns))

    def process(self) -> None:
        """Process the message whose turn it is."""
        number, message = self.inbox.next()
        rows = self.messages.rows
        rows.start_ns[number] = self.clock.now_ns()
        self.router.route(message).process_message(message)
        rows.finish_ns[number] = self.clock.now_ns()

    def answer(self) -> None:
        """Answer the query whose turn it is."""
        number, worker_id = self.queries.next()
        rows = self.asked.rows
        rows.start_ns[number] = self.clock.now_ns()
        self.queries.query_state(worker_id)
        rows.finish_ns[number] = self.clock.now_ns()

    def done(self, first: int) -> bool:
        """Whether the first so many messages are processed, in whatever order."""
        finish_ns = self.messages.rows.finish_ns
        while self._oldest < first and finish_ns[self._oldest] >= 0:
            self._oldest += 1
        return self._oldest >= first
