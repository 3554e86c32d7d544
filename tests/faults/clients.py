"""Clients of the processor: those that send and those that ask, polite or not.

Each has a script of bytes, hands them to the network in pieces of any size, reads or does not, and ends in some way.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.lines import GARBAGE, Lines
from tests.faults.link import Link
from tests.faults.replies import Expected, Replies, asked
from tests.faults.weather import Weather

# How a client ends once it has said what it wanted.
CLOSE, RESET, HALF_CLOSE, STAY = "close", "reset", "half-close", "silent"


@dataclass(slots=True, eq=False)
class Client:
    """One client: what it still has to say, at which pace, and how it ends.

    `stops_at`: it says no more once so little is left, and ends in the middle of something.
    """

    link: Link
    weather: Weather
    now_ns: Callable[[], int]
    script: bytearray
    pace: int  # bytes at a time, at most
    end: str
    stops_at: int
    reads: int = 1 << 20  # bytes at a time; 0: never
    replies: Replies | None = None
    said: int = 0
    over: bool = False
    heard_end: bool = False

    def act(self) -> None:
        """Do one thing: read, say a piece, or end."""
        link = self.link
        if self.reads and (link.to_client or link.server_closed or link.server_fin):
            self._read()
        if self.over or link.reset:
            return
        if len(self.script) > self.stops_at:
            self._say()
        else:
            self._finish()

    def _say(self) -> None:
        link, random = self.link, self.weather.random
        if link.server_closed:
            self.over = link.reset = True
            return
        room = link.room - len(link.to_server)
        size = min(len(self.script) - self.stops_at, room, random.randint(1, self.pace))
        if room <= 0:
            self.weather.note("sender held up")
            return
        if size == 1:
            self.weather.note("drip")
        elif size > 4_096:
            self.weather.note("burst")
        if not link.to_server:
            link.waits_since_ns = self.now_ns()
        link.to_server += self.script[:size]
        del self.script[:size]
        self.said += size

    def _finish(self) -> None:
        link, weather = self.link, self.weather
        self.over = True
        if self.end == STAY and not self.replies_to_come:
            weather.note("silent client")
        if self.script:
            weather.note("vanished in the middle")
        if self.end == RESET:
            weather.note("reset")
            link.reset = True
            link.to_server.clear()
        elif self.end in (CLOSE, HALF_CLOSE):
            link.fin = True
            if self.end == HALF_CLOSE:
                weather.note("half-close")
            else:
                link.client_gone = True
                if link.to_client or self.replies_to_come:
                    weather.note("vanished before a reply")

    @property
    def replies_to_come(self) -> bool:
        return self.replies is not None and self.replies.missing(self.said) > 0

    def _read(self) -> None:
        link = self.link
        size = min(self.reads, len(link.to_client))
        data = bytes(link.to_client[:size])
        del link.to_client[:size]
        if size and link.to_client:
            self.weather.note("slow reader")
        if self.replies is not None:
            self.replies.hear(data, self.said)
        elif data:
            raise AssertionError(f"the intake said {data!r}")
        self.heard_end = not link.to_client and (link.server_closed or link.server_fin)


def sender(link: Link, weather: Weather, now_ns: Callable[[], int], lines: Lines) -> Client:
    """Return a client that sends messages, and much that is none."""
    random = weather.random
    made: list[bytes] = []
    nonsense = random.choice((0.0, 0.05, 0.3))
    if random.random() < 0.04:
        nonsense = 1.0
    for _ in range(random.choice((1, 3, 8, 20))):
        if random.random() >= nonsense:
            made.append(lines.message(now_ns()))
        else:
            weather.note("garbage line")
            made.append(random.choice(GARBAGE))
    if nonsense == 1.0:
        made = [random.choice(GARBAGE) for _ in range(random.choice((50, 110)))]
    if (draw := random.random()) < 0.02:
        weather.note("line too long")
        made.insert(random.randint(0, len(made)), b"x" * random.choice((65_536, 65_537, 90_000, 200_000)))
    elif draw < 0.022:
        weather.note("line without an end")
        made.append(b"y" * 1_300_000)
    last = random.random() < 0.3
    script = b"\n".join(made) + b"\n" * (not last)
    pace = random.choice((1, 40, 300, 5_000, 1 << 20)) if len(script) < 4_000 else random.choice((20_000, 1 << 21))
    end = random.choice((CLOSE, CLOSE, HALF_CLOSE, RESET, STAY))
    stops_at = random.randint(0, min(len(script), 60)) if random.random() < 0.3 else 0
    room = random.choice((200, 4_096, 65_536)) if len(script) < 4_000 else 65_536
    link.room = room
    return Client(link, weather, now_ns, bytearray(script), pace, end, stops_at)


def asker(
    link: Link, weather: Weather, now_ns: Callable[[], int], workers: tuple[str, ...], replies: Replies
) -> Client:
    """Return a client that asks over HTTP, several things at once or badly."""
    random = weather.random
    expected: list[Expected] = [asked(random, workers, link.number, n) for n in range(random.choice((0, 1, 2, 4, 9)))]
    script = bytearray()
    for one in expected:
        script += one.request
        replies.expect(one, len(script))
        if one.garbage:
            weather.note("garbage request")
    pace = random.choice((1, 10, 60, 2_000, 1 << 20)) if len(script) < 1_500 else random.choice((900, 1 << 20))
    if pace > 1_000 and len(expected) > 1:
        weather.note("pipelining")
    end = random.choice((CLOSE, HALF_CLOSE, RESET, STAY, STAY))
    stops_at = random.randint(0, min(len(script), 60)) if random.random() < 0.3 else 0
    reads = random.choice((0, 1, 50, 1 << 20, 1 << 20))
    return Client(link, weather, now_ns, script, pace, end, stops_at, reads, replies)
