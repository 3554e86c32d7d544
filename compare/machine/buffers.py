"""Socket buffers: what they hold between a sender and a processor whose inbox is full, measured before it is predicted.

A sender is refused once inbox and buffers are full. How many messages buffers hold depends on how the kernel has packed
them, so it is a sample of numbers, not one number; and reading sockets costs the thread more than reading a plan.
"""

from dataclasses import dataclass, replace

import numpy as np

from compare.calibrate import Calibration, Measure, body
from compare.case import Case
from compare.scene import Counts
from sim import Trajectory
from sim.bands import HoldSamples

PLACES, LOAD, MESSAGES = 20, 3.0, 240  # of the run that fills them: inbox, offered load, length
# A source has to wait when it is so many service times late. It is refused for shorter whiles before that, while the
# kernel packs what it holds ever more tightly: each for no longer than the thread takes to read some more.
SERVICE_TIMES_LATE = 20


@dataclass(frozen=True, slots=True, eq=False)
class Buffers:
    """What a kind of work is like over TCP.

    `samples` are how long its messages hold the thread. `held` is how many messages the buffers held whenever the
    kernel took one from a sender that had waited, in order.
    """

    samples: HoldSamples
    held: Counts

    @property
    def mean(self) -> int:
        """How many messages they hold on average."""
        return round(float(self.held.mean()))

    def drawn(self, messages: int, rng: np.random.Generator) -> Counts:
        """Return how many they may hold as each of so many messages is handed over: the sample, begun anywhere."""
        found: Counts = self.held[(int(rng.integers(len(self.held))) + np.arange(messages)) % len(self.held)]
        return found


def filling_case(case: Case, seed: int) -> Case:
    """Return a run over TCP that fills the buffers: a sender three times as fast as the same kind of work."""
    service_s = case.workload.service_s or 0.0
    workload = replace(
        case.workload,
        rate_per_s=LOAD / service_s,
        duration_s=None,
        messages=MESSAGES,
        arrivals="deterministic",
        order="fifo",
        inbox=PLACES,
        query_rate_per_s=0.0,
        # Of a seed of its own: messages differ in size, and buffers hold bytes.
        seed=(seed + 3) % 2**63,
    )
    return Case("buffers", workload, case.work, over_tcp=True)


def filled(measure: Measure, planned: Case, known: Calibration) -> Buffers:
    """Measure what buffers hold, and how long messages over TCP hold the thread; `known` tells of woken ones."""
    found = measure(planned)
    run, least_s = found.trajectory, SERVICE_TIMES_LATE * (planned.workload.service_s or 0.0)
    dispatch_s, processing_s = run.start_s[1:] - run.finish_s[:-1], run.processing_s[1:]
    busy = run.arrival_s[1:] < run.finish_s[:-1]
    calm = busy & body(run.finish_s[:-1], dispatch_s + processing_s, found.noise.stalls)
    samples = replace(known.samples, dispatch_s=dispatch_s[calm], processing_s=processing_s[calm])
    held = held_by(run, planned.workload.inbox or 0, least_s)
    # Buffers that took all of it hold at least so much.
    return Buffers(samples, held if len(held) else np.array([len(run)], np.int64))


def held_by(run: Trajectory, places: int, least_late_s: float) -> Counts:
    """Return how many messages buffers held as each message was sent, of those that were sent `least_late_s` late.

    Those that were sent before it and not yet started, less the `places` of the inbox.
    """
    assert run.sent_s is not None
    waited = np.flatnonzero(run.sent_s - run.arrival_s > least_late_s)
    started = np.searchsorted(np.sort(run.start_s), run.sent_s[waited], side="right")
    held: Counts = waited - started - places
    return held
