"""A network on which everything can go wrong, as often as a seed says: all that the processor asks of its system.

A `Link` is a connection. The processor has one end of it, a `FakeSocket`; a client of the scenario has the other, and
is given turns in the middle of whatever the processor does.
"""

import errno
from collections.abc import Callable
from selectors import EVENT_READ, EVENT_WRITE, SelectorKey
from typing import Any

from real.sockets import System
from tests.faults.link import FakeListener, FakeSocket, Link
from tests.faults.weather import MS, US, RoughClock, S, Weather

UNLIMITED = 1 << 30
SPARE = -7  # no number that the operating system would give


class FakeSelector:
    """Who is ready, in any order."""

    def __init__(self, network: "Network") -> None:
        self._network, self._keys = network, dict[Any, SelectorKey]()

    def register(self, added: Any, events: int, data: object) -> None:
        assert added.fileno() >= 0
        assert added not in self._keys
        if isinstance(added, FakeSocket):
            added.link.looked_after = True
        self._keys[added] = SelectorKey(added, added.fileno(), events, data)

    def modify(self, of: Any, events: int, data: object) -> None:
        self._keys[of] = SelectorKey(of, of.fileno(), events, data)

    def unregister(self, dropped: Any) -> None:
        del self._keys[dropped]

    def get_key(self, of: Any) -> SelectorKey:
        return self._keys[of]

    def get_map(self) -> dict[Any, SelectorKey]:
        return self._keys

    def select(self, timeout: float) -> list[tuple[SelectorKey, int]]:
        assert timeout == 0
        self._network.clock.sleep(20 * US)  # who stays awake to look round comes to an end some time
        self._network.meanwhile()
        found, weather = self.ready(), self._network.weather
        idle = [key for of, key in self._keys.items() if key.events & EVENT_READ and not of.readable]
        if idle and weather.strikes("ready for nothing", 0.3 * weather.rough):
            found.append((weather.random.choice(idle), EVENT_READ))
        return found

    def ready(self) -> list[tuple[SelectorKey, int]]:
        """Return whoever is ready."""
        found = []
        for of, key in self._keys.items():
            assert of.fileno() >= 0, "closed, and still looked after"
            events = (EVENT_READ * of.readable | EVENT_WRITE * of.writable) & key.events
            if events:
                found.append((key, events))
        if len(found) > 1:
            self._network.weather.random.shuffle(found)
        return found

    def close(self) -> None:
        assert not self._keys


class Network:
    """All that the processor asks of its system. `open`: how many descriptors it has; `limit`: how many it may."""

    def __init__(self, weather: Weather, clock: RoughClock) -> None:
        self.weather, self.clock = weather, clock
        self.open, self.limit, self.spares = 0, UNLIMITED, 0
        self.listeners: dict[int, FakeListener] = {}
        self.links = self.turn_ns = 0
        self.act: Callable[[], object] = lambda: None  # gives a client a turn
        self.heard: Callable[[Link, bytes], object] = lambda link, data: None
        self.closed: Callable[[Link], object] = lambda link: None
        self._selector: FakeSelector | None = None

    def system(self) -> System:
        return System(self._socket, self._select_with, self._select, self._spare, self._close)  # type: ignore[arg-type]

    def connect(self, port: int, window: int, room: int) -> Link | None:
        """Return a new connection, which stands until it is accepted; None where nobody listens."""
        listener = self.listeners[port]
        if listener.fileno() < 0:
            return None
        self.links += 1
        link = Link(10_000 + self.links, port, window, room)
        listener.standing.append(link)
        return link

    def meanwhile(self) -> None:
        """Let happen what happens in the middle of a call."""
        weather = self.weather
        if weather.calm:
            return
        if weather.pauses and weather.strikes("pause", weather.pauses):
            self.clock.sleep(weather.random.choice((1 * MS, 20 * MS, 12 * S)))
        if weather.acting and weather.random.random() < weather.acting:
            self.act()

    def _socket(self, family: int, kind: int) -> FakeListener:
        return FakeListener(self)

    def _select_with(self) -> FakeSelector:
        self._selector = FakeSelector(self)
        return self._selector

    def _select(self, looked: list[FakeSelector], _w: object, _x: object, timeout_s: float) -> tuple[Any, ...]:
        """Wait: until somebody is ready, or the time is over."""
        timeout_ns = round(timeout_s * 1e9)
        for _ in range(3):
            if looked[0].ready():
                return (looked,)
            self.clock.sleep(timeout_ns // 3 + 1)
            self.meanwhile()
        return ([],)

    def _spare(self) -> int:
        if self.open >= self.limit:
            raise OSError(errno.EMFILE, "too many open files")
        self.open, self.spares = self.open + 1, self.spares + 1
        return SPARE

    def _close(self, descriptor: int) -> None:
        assert descriptor == SPARE
        self.open, self.spares = self.open - 1, self.spares - 1
        if self.limit < UNLIMITED and self.weather.strikes("ENFILE"):
            self.limit -= 1  # another process has taken it
