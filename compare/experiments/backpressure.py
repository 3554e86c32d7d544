"""Messages over TCP to an inbox that can be full: when the source has to wait, for how long, and what comes of it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from compare.case import Case
from compare.experiment import Options, Run
from compare.figures import draw
from compare.judge import judge, point
from compare.machine.buffers import SERVICE_TIMES_LATE, held_by
from compare.metric import SHARE, Metric
from compare.predict import Prediction
from compare.verdict import Numbers, Point
from sim import Trajectory
from sim.palette import CALIBRATED, MEASURED, NOMINAL
from sim.summary import Seconds
from sim.units import digits, seconds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = "When does the network source have to wait?"
TRIED = (
    "A sender plays messages over TCP, faster than the processor can be, and once slower. The inbox has few places. "
    "What the socket buffers hold on top is measured beforehand, with other messages and another inbox."
)
RULES = (
    "A source waits when it is more than 20 service times late: before that the kernel refuses it for short whiles, "
    "while it packs what it holds more tightly. For how long in all: 5 %. From when on: 5 %, where the inbox has 200 "
    "places or more; with fewer the scatter of the buffers decides it. Where it should never wait: 1 % of the time. "
    "Messages lost: none."
)

TOLERANCE = 0.05
NEVER = 0.01  # of the time
LEAST_PLACES = 200

# (places of the inbox, offered load, messages). The longer the source has to wait, the better it can be told how long.
# No load is so high that the thread, which reads a little after each message, could not keep its inbox full, nor so low
# that it would tell twice over by how much the machine has drifted.
RUNS = ((20, 3.0, 460), (200, 3.0, 760), (400, 3.0, 1150), (200, 0.7, 120))
QUICK_RUNS = ((20, 3.0, 440),)

Count = Callable[[Trajectory, Seconds], Seconds]  # of messages at instants, s
LOST = Metric("messages_lost", "messages lost", lambda run: 0.0, SHARE)


def cases(options: Options) -> list[Case]:
    """Return the runs, all over TCP."""
    made = []
    for places, load, messages in QUICK_RUNS if options.quick else RUNS:
        rate = load / options.service_s
        made.append(Case(f"inbox {places}, {rate:g}/s", options.workload(rate, messages, inbox=places), over_tcp=True))
    return made


# -- what is compared ------------------------------------------------------------------------------------------------


def late_s(run: Trajectory) -> Seconds:
    """Return how late each message was handed over, s."""
    return np.zeros(len(run)) if run.sent_s is None else np.maximum(run.sent_s - run.arrival_s, 0.0)


def waits_from(service_s: float) -> Metric:
    """Return the metric of the moment, s: the arrival of the first message for which the source has to wait.

    A source that never has to has the last arrival for it, and so differs from one that does.
    """

    def of(run: Trajectory) -> float:
        waited = np.flatnonzero(late_s(run) > SERVICE_TIMES_LATE * service_s)
        return float(run.arrival_s[waited[0] if len(waited) else -1])

    return Metric("source_waits_from_s", "source waits from", of)


def waits_for(service_s: float) -> Metric:
    """Return the metric of the total, s: for how long there was something that the source could not hand over.

    What is not even a service time late does not count: to hand over takes a while, waiting or not.
    """

    def of(run: Trajectory) -> float:
        waited = late_s(run) > service_s
        begin_s, end_s = run.arrival_s[waited], (run.arrival_s + late_s(run))[waited]
        before_s = np.concatenate([[-np.inf], np.maximum.accumulate(end_s)])[:-1]
        return float(np.maximum(end_s - np.maximum(begin_s, before_s), 0.0).sum())

    return Metric("source_waits_s", "source waits for", of)


def waiting_share(service_s: float) -> Metric:
    """Return the metric of the total as a share of the time in which messages arrive."""
    total = waits_for(service_s)
    return Metric("source_waits_share", "share of time", lambda run: total.of(run) / float(run.arrival_s[-1]), SHARE)


def judge_points(runs: Sequence[Run]) -> list[Point]:
    """Return when and for how long sources wait, that none waits that should not, and that nothing is lost.

    Nothing of latency: how long messages hold the thread is known from a run in which it reads several at a time, and
    where it has to read each by itself, as it does below the limit, they take longer.
    """
    points = []
    for run in runs:
        if not _waits(run.predicted, run):
            points.append(judge(run, waiting_share(_service_s(run)), NEVER, scale=1.0))
        else:
            if _places(run) >= LEAST_PLACES:
                points.append(judge(run, waits_from(_service_s(run)), TOLERANCE))
            points.append(judge(run, waits_for(_service_s(run)), TOLERANCE))
        numbers = Numbers(0.0, (0.0, 0.0), float(_lost(run)), float(len(run.workload)))
        points.append(point(run, LOST, numbers, 0.0))
    return points


def _lost(run: Run) -> int:
    """Return how many messages did not get from the plan through the sender and the sockets to their end."""
    sent, received = run.measurement.clients["sent"]["sent"], run.measurement.document["run"]
    return len(run.workload) - min(int(sent["messages"]), int(received["received"]), len(run.measured))


def _waits(found: Trajectory, run: Run) -> bool:
    return bool((late_s(found) > SERVICE_TIMES_LATE * _service_s(run)).any())


def _buffers(found: Trajectory, run: Run) -> float:
    """Return what the buffers held on average while the source had to wait."""
    held = held_by(found, _places(run), SERVICE_TIMES_LATE * _service_s(run))
    return float(held.mean()) if len(held) else 0.0


def _places(run: Run) -> int:
    return run.workload.inbox or 0


def _service_s(run: Run) -> float:
    return run.workload.service_s or 0.0


# -- in words --------------------------------------------------------------------------------------------------------


def hypothesis(predictions: Sequence[Prediction]) -> str:
    """Return what is expected: from when on and for how long the source waits."""
    text = "The source waits once inbox and socket buffers are full and not before, and nothing is lost."
    for found in predictions:
        service_s, label = found.workload.service_s or 0.0, found.case.label
        if late_s(found.trajectory).max() > SERVICE_TIMES_LATE * service_s:
            from_s, for_s = (metric(service_s).of(found.trajectory) for metric in (waits_from, waits_for))
            text += f" With {label} it waits from {seconds(from_s)} on, {seconds(for_s)} in all."
        else:
            text += f" With {label} it never has to."
    return text


def answer(runs: Sequence[Run], points: Sequence[Point]) -> str:
    """Return the answer in a few sentences, with the numbers of these runs."""
    waiting = [run for run in runs if _waits(run.measured, run)]
    never = [run.label for run in runs if run not in waiting]
    text = "In these runs never: inbox and socket buffers had room for every message that was due.\n"
    if waiting:
        run = waiting[-1]
        (from_s, from_seen), (for_s, for_seen) = (run.values(of(_service_s(run))) for of in (waits_from, waits_for))
        text = (
            f"When inbox and socket buffers are full: with {run.label} from {seconds(from_seen)} on (predicted: "
            f"{seconds(from_s)}), for {seconds(for_seen)} in all ({seconds(for_s)}).\nMeanwhile {_places(run)} "
            f"messages were in the inbox and about {digits(_buffers(run.measured, run), 2)} in the socket buffers "
            f"({digits(_buffers(run.predicted, run), 2)}). "
        )
    if never:
        text += f"With {', '.join(never)} it never had to. "
    lost, planned = sum(map(_lost, runs)), sum(len(run.workload) for run in runs)
    fate = f"{lost:,} were lost" if lost else "none was lost: a source that has to wait is late, and no more than that"
    return f"{text}Of {planned:,} messages {fate}."


def facts(runs: Sequence[Run]) -> dict[str, float]:
    """Return what the socket buffers held while the source waited, as calibrated and as measured; messages."""
    waiting = [run for run in runs if _waits(run.measured, run)]
    measured = {f"{run.label}: buffers": _buffers(run.measured, run) for run in waiting}
    return measured | {f"{run.label}: buffers, calibrated": _buffers(run.predicted, run) for run in waiting}


# -- figures --------------------------------------------------------------------------------------------------------


def figures(directory: Path, runs: Sequence[Run], points: Sequence[Point]) -> dict[str, str]:
    """Draw over time what the source could not hand over yet, and what was under way."""
    size = (max(10.0, 3.0 * len(runs)), 4.2)
    drawn = draw(
        directory,
        "source",
        "Where they agree, measured follows predicted, in steps: the kernel takes many messages at once, then none.",
        lambda figure: _over_time(figure, runs, kept_back, "messages due, not yet sent"),
        size,
    )
    return drawn | draw(
        directory,
        "backlog",
        "Where they agree, it grows as predicted up to what inbox and buffers hold, and stays about there.",
        lambda figure: _over_time(figure, runs, under_way, "messages sent, not yet started"),
        size,
    )


def kept_back(run: Trajectory, at_s: Seconds) -> Seconds:
    """Return how many messages were due and not handed over, at instants; shape of these."""
    return _by(run.arrival_s, at_s) - _by(run.arrival_s + late_s(run), at_s)


def under_way(run: Trajectory, at_s: Seconds) -> Seconds:
    """Return how many messages were handed over and not started, at instants; shape of these."""
    return _by(run.arrival_s + late_s(run), at_s) - _by(run.start_s, at_s)


def _by(instants_s: Seconds, at_s: Seconds) -> Seconds:
    return np.searchsorted(np.sort(instants_s), at_s, side="right").astype(np.float64)


def _over_time(figure: "Figure", runs: Sequence[Run], counted: Count, what: str) -> None:
    panels = np.atleast_1d(figure.subplots(1, len(runs), sharey=True))
    for axes, run in zip(panels, runs, strict=True):
        last_s = float(run.predicted.arrival_s[-1])
        end_s = last_s + 1.05 * max(float(late_s(found)[-1]) for found in (run.predicted, run.measured))
        at_s = np.linspace(0.0, end_s, 600)
        for trajectory, look, color, width, label in (
            (_without_buffers(run), "--", NOMINAL, 1.2, "from the flags, if there were no socket buffers"),
            (run.predicted, "-", CALIBRATED, 3.0, "predicted (calibrated)"),
            (run.measured, "-", MEASURED, 1.0, "measured"),
        ):
            axes.plot(at_s, counted(trajectory, at_s), look, color=color, lw=width, label=label)
        axes.axvline(last_s, color="#999999", lw=0.8, ls=":")
        axes.set_title(run.label, fontsize=10)
        axes.set_xlim(0, end_s)
        axes.set_xlabel("time, s (dotted: arrivals end)")
    panels[0].set_ylabel(what)
    panels[0].set_ylim(bottom=0)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)


def _without_buffers(run: Run) -> Trajectory:
    """Return what the flags alone say, of a source that hands over to the inbox itself."""
    path, scene = run.prediction.nominal_path, run.prediction.scene
    return replace(path, sent_s=replace(scene, room=np.full(len(path), _places(run))).sent_s(path.start_s))
