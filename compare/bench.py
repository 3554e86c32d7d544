"""The bench: what experiments share. A canary, the calibrations, and the rule about noise."""

import math
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from compare.calibrate import Answering, Calibration, answering, answering_case, calibrate, cases
from compare.case import Case
from compare.inject import Injection
from compare.machine.awake import Awake
from compare.machine.buffers import Buffers, filled, filling_case
from compare.machine.canary import Canary
from compare.measure import Measurement, expected_s, measure
from compare.predict import Prediction, predict
from compare.progress import Watch

CALIBRATION_S, QUICK_CALIBRATION_S = 6.0, 3.0
MANY = 10  # runs of a quick comparison that hang on one calibration: it takes as long as in any other then
RENEWED_S = 100.0  # a machine is another one after some minutes
AGAIN = 0.5  # of that, at the end: to notice a machine that drifted takes less than to predict from it
REPEATS = 2  # of a run over the noise limit, at most
REPEATED = 0.05  # of the time planned may be spent on them, so that a comparison ends about when it said it would

Kind = tuple[str, float]  # of work, and its service time (s)
Manner = tuple[bool, bool, int]  # of asking: over HTTP, on connections that are kept, about so many keys


class Bench:
    """Measures cases, each on a machine that was calibrated for it before."""

    def __init__(
        self, canary: Canary, awake: Awake, watch: Watch, injection: Injection, *, quick: bool, seed: int
    ) -> None:
        self.watch, self.injection, self.awake = watch, injection, awake
        self.made: dict[Kind, list[Calibration]] = {}
        self.afterwards: dict[Kind, Calibration] = {}
        self.answers: dict[Manner, Answering] = {}
        # Of what comes over TCP to an inbox that can be full:
        self.buffers: dict[Kind, Buffers] = {}
        self.buffers_afterwards: dict[Kind, Buffers] = {}
        self._fillings: dict[Kind, Case] = {}
        self._canary, self._seed, self._quick = canary, seed, quick
        self._runs: Counter[Kind] = Counter()
        self._repeats_left_s = 0.0

    def keep(self, made: Iterable[Calibration]) -> None:
        """Go on with calibrations that an interrupted session has made."""
        for one in made:
            self.made.setdefault((one.work, one.service_s), []).append(one)

    def allow(self, wanted: Sequence[Case]) -> None:
        """Fix how long calibrations take, and how much time may be spent on repeats, for all these cases together."""
        self._runs = Counter(case.calibration for case in wanted)
        longest_s = max(map(expected_s, wanted), default=0.0)
        self._repeats_left_s = max(REPEATED * self.watch.planned_s, REPEATS * longest_s)

    def prepare(self, wanted: Sequence[Case]) -> list[Calibration]:
        """Make the calibrations that these cases need; return those that are the first of their kind."""
        first = []
        for case in wanted:
            if case.calibration not in self.made:
                first.append(self._calibrated(case.calibration, "calibrating"))
                self.made[case.calibration] = first[-1:]
            manner = manner_of(case)
            if manner is not None and manner not in self.answers:
                self.answers[manner] = answering(self._plainly, answering_case(case, self._seed))
            if can_be_full(case) and case.calibration not in self.buffers:
                self._fillings[case.calibration] = filling_case(case, self._seed)
                self.buffers[case.calibration] = self._filled(case.calibration, "calibrating")
        self._renew(wanted)
        return first

    def _renew(self, wanted: Iterable[Case]) -> None:
        """Add to the calibrations of these cases where they have become old."""
        now_s = time.monotonic()
        # One that a resumed session has kept may be of another clock, if the machine was started anew.
        old = {
            case.calibration for case in wanted if not 0.0 <= now_s - self.made[case.calibration][-1].at_s <= RENEWED_S
        }
        for kind in sorted(old):
            self.watch.more(_calibrating_s(kind, AGAIN * self._lasting_s(kind), self._seed))
            self.made[kind].append(self._calibrated(kind, "calibrating anew", AGAIN))

    def calibrate_again(self) -> None:
        """Repeat the calibrations of messages, to notice a machine that has become another one."""
        for kind in self.made:
            self.afterwards[kind] = self._calibrated(kind, "calibrating again", AGAIN)
        for kind in self._fillings:
            self.buffers_afterwards[kind] = self._filled(kind, "calibrating again")

    def predicted(self, case: Case, *, afterwards: bool = False) -> Prediction:
        """Return what is predicted from the calibration made before, or from the one made at the end."""
        known = self.afterwards[case.calibration] if afterwards else self.known(case.calibration)
        if case.threads is None:  # which compute at a pace of their own
            case = replace(case, pace_per_s=known.pace_per_s, computes_s=known.computes_s)
        found = self.answering(case)
        buffers = None
        if can_be_full(case):
            buffers = (self.buffers_afterwards if afterwards else self.buffers)[case.calibration]
            known = replace(known, samples=buffers.samples)
        return predict(case, known, None if found is None else found.answer_s, buffers=buffers)

    def known(self, kind: Kind, before_s: float = math.inf) -> Calibration:
        """Return the calibration of a kind of work as it was known at an instant, on the monotonic clock."""
        made = self.made[kind]
        return Calibration.of([one for one in made if one.at_s < before_s] or made)

    def drifted(self, kind: Kind, since_s: float) -> bool:
        """Whether the machine is another one at the end than it was known to be at an instant."""
        return self.known(kind, since_s).drifted_to(self.afterwards[kind])

    def answering(self, case: Case) -> Answering | None:
        """Return what questions cost; None where there are none."""
        manner = manner_of(case)
        return None if manner is None else self.answers[manner]

    def measured(self, name: str, case: Case) -> Measurement:
        """Measure a case; once more, at most REPEATS times, as long as the machine was too noisy meanwhile."""
        repeated: list[str] = []
        while True:
            took_s = expected_s(case)
            found = self._run(f"{name}: {case.label}", case, self.injection)
            loud = found.noise.loud
            if loud is None or len(repeated) == REPEATS or took_s > self._repeats_left_s:
                return replace(found, repeated=tuple(repeated))
            repeated.append(loud)
            self._repeats_left_s -= took_s
            self.watch.more(took_s)
            self.watch.console.print(f"  {case.label}: once more; {loud}", style="yellow")

    def documents(self) -> list[dict[str, Any]]:
        """Return what results say of the calibrations: before, afterwards, and by how much the hold has drifted."""
        found = []
        for kind, made in self.made.items():
            before = self.known(kind)
            after = self.afterwards.get(kind)
            drift = None if after is None else after.hold_s / before.hold_s - 1
            times = [one.document() for one in made]
            found.append(before.document() | {"made": times, "afterwards": after and after.document(), "drift": drift})
        return found

    def _lasting_s(self, kind: Kind) -> float:
        return calibration_s(self._runs[kind], quick=self._quick)

    def _calibrated(self, kind: Kind, what: str, part: float = 1.0) -> Calibration:
        planned = cases(*kind, part * self._lasting_s(kind), self._seed)
        if kind in self.made:
            first, second = (replace(case, pace_per_s=self.made[kind][-1].pace_per_s) for case in planned)
            planned = first, second
        return calibrate(*kind, partial(self._plainly, what=f"{what}: {kind[0]} {kind[1] * 1e3:g} ms"), planned)

    def _filled(self, kind: Kind, what: str) -> Buffers:
        measured = partial(self._plainly, what=what)
        return filled(measured, self._fillings[kind], self.made[kind][-1])

    def _plainly(self, case: Case, what: str = "calibrating") -> Measurement:
        return self._run(f"{what}, {case.label}", case, Injection())

    def _run(self, what: str, case: Case, injection: Injection) -> Measurement:
        self.watch.begin(what, expected_s(case))
        # Where a thread computes throughout, nothing falls asleep that could be kept awake.
        with self.awake.during(wanted=case.sleeps):
            found = measure(case, self._canary, injection, self.watch.passed)
        self.watch.end()
        return found


def calibration_s(runs: int, *, quick: bool) -> float:
    """Return how long a calibration is to take on which so many runs hang, s."""
    return QUICK_CALIBRATION_S if quick and runs < MANY else CALIBRATION_S


def _calibrating_s(kind: Kind, seconds: float, seed: int) -> float:
    return sum(expected_s(case) for case in cases(*kind, seconds, seed))


def manner_of(case: Case) -> Manner | None:
    """Return in which manner questions are asked; None where there are none."""
    if case.asking is not None:
        return True, case.asking.keep_alive, case.state_keys
    return (False, False, case.state_keys) if case.workload.query_rate_per_s else None


def can_be_full(case: Case) -> bool:
    """Return whether a sender may have to wait until socket buffers and an inbox have room."""
    return case.over_tcp and case.workload.inbox is not None


def planned_s(wanted: Iterable[Case], *, quick: bool, seed: int) -> float:
    """Return about how long calibrating for, and measuring, these cases takes, s; without repeats."""
    every = list(wanted)
    kinds = Counter(case.calibration for case in every)
    manners = {manner: case for case in every if (manner := manner_of(case)) is not None}
    twice = sum(
        _calibrating_s(kind, part * calibration_s(runs, quick=quick), seed)
        for kind, runs in kinds.items()
        for part in (1.0, AGAIN)
    )
    asking = sum(expected_s(answering_case(case, seed)) for case in manners.values())
    over_tcp = {case.calibration: case for case in every if can_be_full(case)}
    filling = 2 * sum(expected_s(filling_case(case, seed)) for case in over_tcp.values())
    return twice + asking + filling + sum(map(expected_s, every))
