"""Stalls as vacations of the server: what a run would have been on a machine that stalls just then."""

from collections.abc import Iterable, Sequence

import numpy as np

from compare.machine.noise import Stall
from compare.scene import Holds, Replayed, Scene
from sim.recording import NS


def with_stalls(scene: Scene, holds: Holds, stalls: Sequence[Stall], *, sleeps: bool) -> Holds:
    """Return hold times with each stall put in: from its beginning until before its end nothing starts or finishes.

    `stalls` are in the scene's time. `sleeps`: the work is over at an instant that was fixed as it started (sleeping,
    or computing until then), so that only a message that would end within a stall is held until its end; otherwise
    (computing) nothing is done meanwhile, and it takes longer by the whole stall. So it does if the run `waited` for a
    processor: it was awake, and wanted to go on.

    Answers to questions are left as they are: they take far less than messages, and are rarely what a stall meets.
    """
    # Each of its own: a constant scene has the same array twice, which would be lengthened twice.
    dispatch, processing, wakeup, woken = (column.copy() for column in holds)
    for begin_ns, end_ns, waited in _apart(stalls):
        # What came before is settled by now: a later stall changes nothing earlier.
        run = scene.replay((dispatch, processing, wakeup, woken))
        # To both columns, although the scene uses one: a scene with other questions may use the other.
        if (serving := _served(run, begin_ns)) is not None:
            finish_ns = run.messages[2, serving]
            longer_ns = max(end_ns - finish_ns, 0) if sleeps and not waited else end_ns - begin_ns
            processing[serving] += longer_ns
            woken[serving] += longer_ns
        elif (first := _first_started(run, begin_ns, end_ns)) is not None:
            later_ns = end_ns - (begin_ns if waited else run.messages[1, first])
            dispatch[first] += later_ns
            wakeup[first] += later_ns
    return dispatch, processing, wakeup, woken


def _apart(stalls: Iterable[Stall]) -> list[tuple[int, int, bool]]:
    """Return (begin, end) in ns, in order, those that overlap as one: the same time is not lost twice."""
    apart: list[tuple[int, int, bool]] = []
    for begin_ns, end_ns, waited in sorted(
        (round(stall.at_s * NS), round(stall.end_s * NS), stall.waited) for stall in stalls
    ):
        if apart and begin_ns <= apart[-1][1]:
            apart[-1] = (apart[-1][0], max(apart[-1][1], end_ns), apart[-1][2] and waited)
        elif end_ns > begin_ns:
            apart.append((begin_ns, end_ns, waited))
    return apart


def _served(run: Replayed, at_ns: int) -> int | None:
    """Return the message that has started before an instant and is not finished before it."""
    _, start, finish = run.messages
    found = np.flatnonzero((start < at_ns) & (finish >= at_ns))
    return int(found[0]) if len(found) else None


def _first_started(run: Replayed, begin_ns: int, end_ns: int) -> int | None:
    """Return the first message to start within a stall.

    At its end it does start, so nothing else starts within: the thread is busy.
    """
    start = run.messages[1]
    found = np.flatnonzero((start >= begin_ns) & (start < end_ns))
    return int(found[np.argmin(start[found])]) if len(found) else None
