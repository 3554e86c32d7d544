"""One seed: a processor, its clients, the faults, and the order in which all of it happens."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from real.command.assembly import SlowInbox
from real.http.prometheus import Counts, exposition
from real.http.server import HttpServer
from real.inbox import Inbox
from real.loop import Loop
from real.net import Intake
from real.query import Queries
from real.recent import Recent
from real.router import Router
from real.sockets import Sockets
from real.work import precise, sleeping
from tests.faults.clients import Client, asker, sender
from tests.faults.ends import finish, settle
from tests.faults.lines import WORKERS, Lines
from tests.faults.link import Link
from tests.faults.network import UNLIMITED, Network
from tests.faults.oracle import Oracle
from tests.faults.replies import Replies
from tests.faults.weather import BEGIN_NS, MS, RoughClock, S, Weather

TCP, HTTP = 1, 2
CROWD_SEEDS = 400  # one of so many has more askers than may be connected, and another more senders


@dataclass(frozen=True, slots=True)
class Passed:
    """What a seed went through."""

    steps: int
    faults: Counter[str]


class Failed(AssertionError):  # noqa: N818 - it reads as what it is
    """A seed that found something, and the step it found it in."""

    def __init__(self, seed: int, step: int, error: BaseException) -> None:
        super().__init__(
            f"seed {seed}, step {step}: {type(error).__name__}: {error}\n"
            f"replay it: python -m tests.faults --seed {seed} --trace"
        )
        self.seed, self.step, self.text = seed, step, f"{type(error).__name__}: {error}"


def run_seed(seed: int, tell: Callable[[str], object] | None = None) -> Passed:
    """Run a scenario; Failed if anything is not as it must be."""
    scenario = Scenario(seed, tell)
    try:
        scenario.run()
    except Exception as error:  # whatever the processor raises is a find, too
        raise Failed(seed, scenario.steps, error) from error
    return Passed(scenario.steps, scenario.weather.seen)


class Scenario:
    """The processor and its clients, and one step after the other."""

    def __init__(self, seed: int, tell: Callable[[str], object] | None) -> None:
        random = self.random = Random(seed)
        self.tell, self.steps = tell, 0
        self.weather = Weather(random)
        self.weather.tell = tell
        self.clock = RoughClock(self.weather)
        self.network = Network(self.weather, self.clock)
        self.crowd_on = {CROWD_SEEDS - 1: HTTP, CROWD_SEEDS // 2 - 1: TCP}.get(seed % CROWD_SEEDS)
        self.clients: list[Client] = []
        self.born: list[Client] = []
        self.stopped, self.more = False, True
        self._build(random)
        self.network.act = self.client_acts

    def _build(self, random: Random) -> None:
        known = random.choice((None, None, frozenset(WORKERS)))
        policy = random.choice(("first", "fifo", "idle"))
        order = random.choice(("fifo", "round-robin", "per-worker"))
        places = random.choice((float("inf"), 1, 2, 7))
        self.lines = Lines(random)
        self.sockets = Sockets(self.clock, random.choice((0, 0, 200_000)), self.network.system())
        service_ns = random.choice((0, 1, 1 * MS, 30 * MS))
        work = random.choice((sleeping, precise))(self.clock, service_ns)
        router, rows, asked = Router(work, known and sorted(known)), Recent(keep=64), Recent(keep=64)
        asked.listeners.append(rows.busy_with)
        slow = SlowInbox(order, places, self.clock, 1 * MS)
        inbox = slow if random.random() < 0.1 else Inbox(order, places)
        self.intake = Intake(self.sockets, router, rows, inbox)
        self.http = HttpServer(self.sockets, router, asked, self._metrics)
        self.loop = Loop(self.intake, (self.http,), inbox, router, Queries(router, policy), self.sockets)
        self.intake.listen(("127.0.0.1", TCP))
        self.http.listen(("127.0.0.1", HTTP))
        self.rows = rows
        self.oracle = Oracle(self.network, self.lines, known, TCP)
        self.oracle.watch(self.loop, self.intake, self.http, rows, asked)
        only = "workers known beforehand, " if known else ""
        self._say(f"{order}, {places} places, questions {policy}, {only}rough {self.weather.rough}")

    def _metrics(self) -> str:
        return exposition(
            Counts(
                *(self.intake.received, self.rows.count, len(self.loop.inbox), len(self.loop.router.machines), 0),
                *(self.rows.latency, self.rows.processing),
                rejected=self.intake.rejected,
            )
        )

    def _say(self, text: str) -> None:
        if self.tell:
            self.tell(f"{self.steps:4} {(self.clock.instant_ns() - BEGIN_NS) / 1e9:12.6f} s  {text}")

    # -- steps -----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Everything from the beginning to the end, with a check after each step."""
        random = self.random
        stop_at = random.randint(5, 120) if random.random() < 0.25 else None
        to_come = random.choice((1, 3, 6, 10))
        if self.crowd_on == HTTP:
            self.crowd("more than 512 askers", 530, 60)
        elif self.crowd_on == TCP:
            self.crowd("more than 480 senders", 560, 200)
        for step in range(random.choice((40, 90, 140))):
            draw = random.random()
            if step == stop_at:
                self.step("stop", self.stop)
                break
            if to_come and (draw < 0.12 or not step):
                to_come -= 1
                self.step("a client comes", self.client_comes)
            elif draw < 0.5:
                self.step("a client acts", self.client_acts)
            elif draw < 0.515:
                self.step("descriptors", self.descriptors)
            elif draw < 0.53:
                self.step("time passes", self.time_passes)
            else:
                self.step("turn", self.turn)
        if not self.stopped:
            settle(self)
            self.stop()
        finish(self)

    def step(self, what: str, do: Callable[[], object]) -> None:
        """Do one thing, and look whether all is as it must be."""
        self.steps += 1
        self._say(what)
        do()
        self.oracle.check()

    def turn(self) -> None:
        """Give the processor a turn."""
        self.network.turn_ns = self.clock.instant_ns()
        self.more = self.loop.turn()

    def client_comes(self) -> None:
        """Let somebody in, who may speak at once."""
        random = self.random
        port = random.choice((TCP, HTTP))
        link = self.network.connect(port, random.choice((30, 500, 65_536)), 65_536)
        if link is None:
            return
        client = self.made(port, link)
        self.clients.append(client)
        self.born.append(client)
        while random.random() < 0.6:
            client.act()

    def made(self, port: int, link: Link) -> Client:
        """Return a client at its end of a connection."""
        if port == TCP:
            return sender(link, self.weather, self.clock.instant_ns, self.lines)
        return asker(link, self.weather, self.clock.instant_ns, WORKERS, Replies(self.oracle.past))

    def client_acts(self) -> None:
        """Give somebody a turn."""
        if self.clients:
            place = self.random.randrange(len(self.clients))
            client = self.clients[place]
            client.act()
            if client.over and (client.heard_end or client.link.reset or client.link.client_gone):
                self.clients[place] = self.clients[-1]
                self.clients.pop()

    def descriptors(self) -> None:
        """Let there be few descriptors, or enough again."""
        network = self.network
        network.limit = network.open + self.random.randint(0, 3) if network.limit == UNLIMITED else UNLIMITED

    def time_passes(self) -> None:
        """Let nobody do anything for a while."""
        self.weather.note("everybody stalls")
        self.clock.sleep(self.random.choice((200 * MS, 2 * S, 11 * S, 61 * S)))

    def stop(self) -> None:
        """Ask for the end."""
        if not self.stopped:
            self.weather.note("stop at rest" if self.weather.calm else "stop in the middle")
            self.stopped = self.oracle.stopping = True
            self.intake.close()

    def crowd(self, what: str, count: int, turns: int) -> None:
        """Let more in than may be connected; senders may speak at once, or later."""
        self.weather.note(what)
        self.clock.look_ns = 1  # or a turn would be over when a few of so many have been looked at
        for _ in range(count):
            link = self.network.connect(self.crowd_on, 500, 500)
            assert link is not None
            client = self.made(self.crowd_on, link)
            self.born.append(client)
            if self.crowd_on == TCP:
                del client.script[300:]  # enough for each of so many
                client.stops_at = 0
            while self.crowd_on == TCP and self.random.random() < 0.3:
                client.act()
        for _ in range(turns):
            self.step("turn in a crowd", self.turn)
