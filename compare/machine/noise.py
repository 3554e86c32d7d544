"""Noise: what the machine did to a run while it was measured, and from when on that is too much.

The limit is fixed here, beforehand. What the run did to itself, such as collecting garbage, is told but is no noise.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, fields
from math import isfinite
from typing import Any

from sim.units import digits, percent, seconds

LEAST_STALL_S = 0.001  # shorter ones are how any machine wakes a sleeper
MOST_SHARE = 0.005  # of the time
LONGEST_S = 0.020
QUEUED_S = 1e-5  # a message or a query: at each waking a thread stands ready for some microseconds, on any machine


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing ran from `at_s` on, for `lasting_s`; or, if it `waited`, the run stood ready that long.

    Of the one, a sleeper loses what goes beyond its sleep; of the other everything, for it wanted to go on throughout.
    """

    at_s: float
    lasting_s: float
    waited: bool = False

    @property
    def end_s(self) -> float:
        """When things ran again."""
        return self.at_s + self.lasting_s

    def overlaps(self, begin_s: float, end_s: float) -> bool:
        """Whether it took something away of the time between two instants."""
        return self.at_s < end_s and self.end_s > begin_s


@dataclass(frozen=True, slots=True)
class Noise:
    """What the machine did to a run of `seconds_s`; instants in seconds from its start, None where nobody can tell.

    `stalls` were noted by a process beside it. `stolen_s` is what the hypervisor gave to others, `run_delay_s` how
    long the thread stood ready and had no processor. Of that, `usual_delay_s` is what so many messages and queries
    cost on a machine with nothing else to do: it is told, and only what goes beyond it is noise. `gc_pauses` are the
    longest collections of the run's own garbage.
    """

    seconds_s: float
    stalls: tuple[Stall, ...] = ()
    gc_pauses: tuple[Stall, ...] = ()
    stolen_s: float | None = None
    run_delay_s: float | None = None
    involuntary_switches: int | None = None
    usual_delay_s: float = 0.0

    @property
    def stalled_s(self) -> float:
        """How long the machine stalled, in all."""
        return sum(stall.lasting_s for stall in self.stalls)

    @property
    def longest(self) -> Stall | None:
        """The longest stall."""
        return max(self.stalls, key=lambda stall: stall.lasting_s, default=None)

    @property
    def longest_s(self) -> float:
        """How long the longest stall took; 0 without one."""
        return self.longest.lasting_s if self.longest else 0.0

    @property
    def share(self) -> float:
        """The share of the time that was taken away, by whichever account says the most."""
        # Not their sum: the same stall is seen by all of them.
        taken_s = max(self.stalled_s, self.stolen_s or 0.0, (self.run_delay_s or 0.0) - self.usual_delay_s)
        return taken_s / self.seconds_s if self.seconds_s > 0 else 0.0

    @property
    def loud(self) -> str | None:
        """Why the run is over the limit; None if it is not.

        >>> Noise(10.0, (Stall(3.2, 0.041),)).loud
        'the machine stalled for 41 ms at 3.2 s'
        >>> Noise(10.0, stolen_s=0.12).loud
        'the machine was taken away for 1.2 % of the time, more than 0.5 %'
        >>> Noise(10.0, (Stall(3.2, 0.012),), run_delay_s=0.06, usual_delay_s=0.02).loud
        """
        if self.longest and self.longest.lasting_s >= LONGEST_S:
            return f"the machine stalled for {seconds(self.longest.lasting_s)} at {self.longest.at_s:,.1f} s"
        if self.share > MOST_SHARE:
            taken, most = digits(100 * self.share), percent(MOST_SHARE)
            return f"the machine was taken away for {taken} % of the time, more than {most}"
        return None

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


def of_document(document: Mapping[str, Any]) -> Noise:
    """Return what `Noise.document` wrote; ValueError, with the field and its value, if it is anything else.

    `usual_delay_s` may be missing and is 0 then: there was a time when it was not written.

    >>> noise = Noise(10.0, (Stall(3.2, 0.041),), (), None, 0.01, 3)
    >>> of_document(noise.document()) == noise
    True
    """
    _only(document, Noise, "noise", may_lack={"usual_delay_s"})
    switches = document["involuntary_switches"]
    if isinstance(switches, bool) or not isinstance(switches, int | None):
        raise ValueError(f"noise: involuntary_switches is {switches!r}; it must be a whole number or null")
    return Noise(
        _number(document, "seconds_s", "noise"),
        _stalls(document, "stalls"),
        _stalls(document, "gc_pauses"),
        _number_or_none(document, "stolen_s"),
        _number_or_none(document, "run_delay_s"),
        switches,
        _number({"usual_delay_s": 0.0, **document}, "usual_delay_s", "noise"),
    )


def noise_of(stalls: Sequence[Stall], document: Mapping[str, Any], seconds_s: float) -> Noise:
    """Return what the machine did to a run of the real thing that took `seconds_s`.

    `stalls` are on the monotonic clock; of each, what lies within the run counts, and those that overlap are one.
    `document` is what the real thing printed. A run without messages has no beginning, so no stall can be put into it.
    """
    environment, origin_s = document["environment"], document["run"]["origin_monotonic_s"]
    messages, queries = document["measured"]["messages"], document["measured"]["queries"]
    within = [] if origin_s is None else [_within(stall, origin_s, seconds_s) for stall in stalls]
    pauses = environment["gc_pauses"]["longest"]
    return Noise(
        seconds_s,
        _apart(stall for stall in within if stall.lasting_s > 0),
        tuple(sorted((Stall(at["at_s"], at["pause_s"]) for at in pauses), key=lambda pause: pause.at_s)),
        environment["stolen_s"],
        environment["run_delay_s"],
        environment["involuntary_switches"],
        QUEUED_S * (messages + (queries["count"] if queries else 0)),
    )


def _within(stall: Stall, origin_s: float, seconds_s: float) -> Stall:
    """Return what of a stall lies within a run, in the run's own time; it lasts 0 s or less if nothing does."""
    begin_s = max(stall.at_s - origin_s, 0.0)
    return Stall(begin_s, min(stall.end_s - origin_s, seconds_s) - begin_s, stall.waited)


def _apart(stalls: Iterable[Stall]) -> tuple[Stall, ...]:
    """Return stalls in order, those that overlap as one: two who noted the same must not count it twice."""
    apart: list[Stall] = []
    for stall in sorted(stalls, key=lambda stall: stall.at_s):
        if apart and stall.at_s <= apart[-1].end_s:
            begin_s, end_s = apart[-1].at_s, max(apart[-1].end_s, stall.end_s)
            apart[-1] = Stall(begin_s, end_s - begin_s, apart[-1].waited and stall.waited)
        else:
            apart.append(stall)
    return tuple(apart)


def _stalls(document: Mapping[str, Any], name: str) -> tuple[Stall, ...]:
    found = document[name]
    if not isinstance(found, list | tuple):
        raise ValueError(f"noise: {name} is {found!r}; it must be a list")
    for number, stall in enumerate(found):
        _only(stall, Stall, f"{name}[{number}]", may_lack={"waited"})
    return tuple(
        Stall(
            _number(stall, "at_s", f"{name}[{number}]"),
            _number(stall, "lasting_s", f"{name}[{number}]"),
            bool(stall.get("waited")),
        )
        for number, stall in enumerate(found)
    )


def _only(document: Any, kind: type[Noise | Stall], place: str, may_lack: Set[str] = frozenset()) -> None:
    names = [field.name for field in fields(kind)]
    if not isinstance(document, Mapping) or {*document, *may_lack} != {*names}:
        found = ", ".join(map(str, document)) if isinstance(document, Mapping) else repr(document)
        raise ValueError(f"{place}: found {found or 'nothing'}; it must have {', '.join(names)}, and nothing else")


def _number(document: Mapping[str, Any], name: str, place: str) -> float:
    value = document[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"{place}: {name} is {value!r}; it must be a number")
    return float(value)


def _number_or_none(document: Mapping[str, Any], name: str) -> float | None:
    return None if document[name] is None else _number(document, name, "noise")
