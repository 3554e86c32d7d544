"""How much goes wrong, and when: the chances of a seed, and the clock that time passes on."""

from collections import Counter
from collections.abc import Callable
from random import Random

from real.clock import FakeClock

S, MS, US = 10**9, 10**6, 10**3
BEGIN_NS = 10_000 * S


class Weather:
    """How much goes wrong: the seed's random numbers, the chances of each fault, and how many there were of each."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.seen: Counter[str] = Counter()
        self.calm = False
        self.rough = random.choice((0.0, 0.02, 0.1, 0.3))  # of all calls
        self.pauses = random.choice((0.0, 0.002, 0.02))
        self.acting = random.choice((0.0, 0.05, 0.3))
        self.tell: Callable[[str], object] | None = None

    def strikes(self, kind: str, chance: float | None = None) -> bool:
        """Whether a fault of a kind happens now; it is counted if it does."""
        if self.calm or self.random.random() >= (self.rough if chance is None else chance):
            return False
        self.note(kind)
        return True

    def note(self, kind: str) -> None:
        """Count a fault."""
        self.seen[kind] += 1
        if self.tell:
            self.tell(f"  fault: {kind}")


class RoughClock(FakeClock):
    """A clock on which time passes whenever it is looked at: a little, and now and then a lot."""

    def __init__(self, weather: Weather) -> None:
        super().__init__(BEGIN_NS)
        self._weather = weather
        self.look_ns = weather.random.choice((1, 100, 10 * US, 300 * US))

    def now_ns(self) -> int:
        """Return the time, which is later each time."""
        self._now_ns += self.look_ns
        if self._weather.pauses and self._weather.strikes("clock jump", self._weather.pauses):
            self._now_ns += self._weather.random.choice((5 * MS, 300 * MS, 11 * S, 70 * S))
        return self._now_ns

    def instant_ns(self) -> int:
        """The time, without any passing."""
        return self._now_ns
