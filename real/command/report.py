"""What was measured, as one document: the contract's numbers, and what the instruments say beside them.

An edge: it is loaded once the run is over, because importing numpy starts threads and takes longer than many a message.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from real.command.options import Options
from real.command.outcome import Outcome
from real.environment import environment
from real.histogram import STATED_ERROR
from real.recent import Columns
from real.ticket import NOT_YET
from sim.command import CommandError
from sim.files import attempted, csv_text, json_text, write_text
from sim.summary import Seconds, ratio, summary
from sim.trajectory import Trajectory

_MOST_BINS, _SHOWN_SPELLS = 40, 20
_STEPS_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 86_400.0)


def trajectory_of(columns: Columns, origin_ns: int, queries: Trajectory | None = None) -> Trajectory:
    """Return what was recorded in seconds from an origin."""
    arrival, taken, start, finish = (_since(column, origin_ns) for column in columns[:4])
    sent = None
    if any(at_ns != NOT_YET for at_ns in columns.sent_ns):
        said = np.asarray(columns.sent_ns, dtype=np.int64)
        # Whoever does not say when they sent sent no later than it was taken.
        sent = np.where(said == NOT_YET, taken, (said - origin_ns) / 1e9)
    return Trajectory(arrival, taken, start, finish, np.asarray(columns.worker, dtype=np.str_), sent, queries)


def _since(column: list[int], origin_ns: int) -> Seconds:
    # In whole nanoseconds: a float of the clock's size would not hold them.
    return (np.asarray(column, dtype=np.int64) - origin_ns) / 1e9


def instruments(
    trajectory: Trajectory, cpu_s: Seconds, service_s: float | None, said: npt.NDArray[np.bool_] | None = None
) -> dict[str, Any]:
    """Return where the thread's time went, message by message, and what happened when.

    `service_s` is the work that was asked for, None if each message had its own. How late the source was is told by
    the messages whose sender `said` when it sent them; else by those that found the thread idle, which had to be woken.
    """
    processing_s, dispatch_s = trajectory.processing_s, trajectory.dispatch_s
    dispatch, busy_s = summary(dispatch_s), float(processing_s.sum())
    hold_s = float(processing_s.mean()) + (dispatch["mean"] or 0.0) if len(trajectory) else None
    overshoot_s = processing_s - service_s if service_s is not None else np.empty(0)
    idle = found_idle(trajectory)
    known = idle if trajectory.sent_s is None else np.ones_like(idle) if said is None else said
    late_s = (trajectory.taken_s if trajectory.sent_s is None else trajectory.sent_s) - trajectory.arrival_s
    return {
        "dispatch_s": dispatch,
        "overshoot_s": summary(overshoot_s),
        "hold_s": hold_s,
        "capacity_per_s": ratio(1.0, hold_s or 0.0),
        "cpu_s": summary(cpu_s),
        "cpu_share": ratio(float(cpu_s.sum()), busy_s),
        "source_late_s": summary(late_s[known]),
        "on_the_way": most_on_the_way(trajectory),
        "blocked": spells(trajectory.arrival_s[~idle], trajectory.taken_s[~idle]),
        "unanswered": None
        if trajectory.queries is None
        else spells(trajectory.queries.arrival_s, trajectory.queries.start_s),
        "over_time": over_time(trajectory),
    }


def found_idle(trajectory: Trajectory) -> npt.NDArray[np.bool_]:
    """Return which messages came when the thread had nothing to do: shape (n,)."""
    others_s = np.empty(0) if trajectory.queries is None else trajectory.queries.finish_s
    finished_s = np.sort(np.concatenate([[-np.inf], trajectory.finish_s, others_s]))
    before = np.searchsorted(finished_s, trajectory.taken_s, side="right") - 1
    idle: npt.NDArray[np.bool_] = trajectory.arrival_s > finished_s[before]
    return idle


def most_on_the_way(trajectory: Trajectory) -> int | None:
    """Return how many messages buffers held at most: sent, and not taken. None where nothing was sent."""
    if trajectory.sent_s is None:
        return None
    at_s = np.concatenate([trajectory.taken_s, trajectory.sent_s])
    change = np.repeat([-1, 1], len(trajectory))
    order = np.lexsort((change, at_s))  # who takes and sends in one instant takes first
    return int(np.cumsum(change[order]).max(initial=0))


def spells(begin_s: Seconds, end_s: Seconds) -> dict[str, Any]:
    """Return how often, how long and when something stood that nobody took (or answered): spells without a gap."""
    if not len(begin_s):
        return {"spells": 0, "total_s": 0.0, "longest_s": 0.0, "longest": []}
    reached_s = np.maximum.accumulate(end_s)
    first = np.concatenate([[True], begin_s[1:] > reached_s[:-1]])
    last = np.concatenate([first[1:], [True]])
    begins_s, lengths_s = begin_s[first], reached_s[last] - begin_s[first]
    longest = np.argsort(-lengths_s, kind="stable")[:_SHOWN_SPELLS]
    return {
        "spells": int((lengths_s > 0).sum()),
        "total_s": float(lengths_s.sum()),
        "longest_s": float(lengths_s.max()),
        "longest": [{"at_s": float(begins_s[place]), "length_s": float(lengths_s[place])} for place in longest],
    }


def over_time(trajectory: Trajectory) -> dict[str, Any]:
    """Return messages/s finished, messages waiting at the end, mean latency of what finished: in at most 40 steps."""
    if not len(trajectory):
        return {"begin_s": None, "step_s": None, "throughput_per_s": [], "queue_length": [], "latency_s": []}
    finish_s = trajectory.finish_s
    begin_s, end_s = float(trajectory.arrival_s[0]), float(finish_s.max())
    lasted_s = end_s - begin_s
    step_s = next((step for step in _STEPS_S if lasted_s / step < _MOST_BINS), lasted_s / (_MOST_BINS - 1))
    bins = int(lasted_s // step_s) + 1
    place = np.minimum(((finish_s - begin_s) // step_s).astype(np.int64), bins - 1)
    counts = np.bincount(place, minlength=bins)
    sums_s = np.bincount(place, weights=trajectory.latency_s, minlength=bins)
    ends_s = begin_s + step_s * np.arange(1, bins + 1)
    arrived = np.searchsorted(trajectory.arrival_s, ends_s, side="right")
    started = np.searchsorted(np.sort(trajectory.start_s), ends_s, side="right")
    # The last step is not a whole one.
    lengths_s = np.minimum(ends_s, end_s) - (ends_s - step_s)
    return {
        "begin_s": begin_s,
        "step_s": step_s,
        "throughput_per_s": [ratio(float(count), float(s)) for count, s in zip(counts, lengths_s, strict=True)],
        "queue_length": (arrived - started).tolist(),
        "latency_s": [ratio(float(total), float(count)) for total, count in zip(sums_s, counts, strict=True)],
    }


def report(outcome: Outcome, command: str, options: Options) -> None:
    """Turn the recorded instants into the numbers that everyone uses, and show or write them."""
    queries = None if outcome.queries is None else trajectory_of(outcome.queries, outcome.origin_ns)
    measured = trajectory_of(outcome.messages, outcome.origin_ns, queries)
    document = document_of(outcome, measured, command, options)
    text = json_text(document)
    failed = attempted(lambda: write(options, outcome, measured, text))
    if options.as_json:
        print(text, end="")
    else:
        from real.command.screen import show  # noqa: PLC0415

        show(document)
    if outcome.broken:
        raise CommandError("; ".join([outcome.broken, *([f"{failed.filename}: {failed.strerror}"] if failed else [])]))
    if failed is not None:
        raise failed


def write(options: Options, outcome: Outcome, measured: Trajectory, text: str) -> None:
    """Write the trajectory, if it was not streamed, and the document."""
    if options.out is not None:
        if not outcome.streamed:
            measured.write_csv(options.out / "trajectory.csv")
            rows = ([cpu_s] for cpu_s in cpu_times_s(outcome, measured).tolist())
            write_text(options.out / "cpu.csv", csv_text(("cpu_s",), rows))
        write_text(options.out / "measurement.json", text)


def cpu_times_s(outcome: Outcome, measured: Trajectory) -> Seconds:
    """Return the processor time that each message took, s, shape (n,)."""
    cpu_s = np.asarray(outcome.messages.cpu_ns, dtype=np.int64) / 1e9
    return np.minimum(cpu_s, measured.processing_s)  # the clock of the processor is read outside that of the wall


def document_of(outcome: Outcome, measured: Trajectory, command: str, options: Options) -> dict[str, Any]:
    """Return the document that `--json` prints."""
    ended, origin_ns = outcome.ended, outcome.origin_ns
    cpu_s = cpu_times_s(outcome, measured)
    said = np.asarray(outcome.messages.sent_ns, dtype=np.int64) != NOT_YET
    metrics = outcome.all_metrics or measured.metrics()
    if outcome.all_queries is not None:
        metrics["queries"] = {"count": outcome.counts["asked"], "latency_s": outcome.all_queries.summary()}
    elif measured.queries is not None:
        metrics["queries"] = {"count": len(measured.queries), "latency_s": summary(measured.queries.latency_s)}
    exact = outcome.all_metrics is None and outcome.all_queries is None
    return {
        "schema_version": 1,
        "command": command,
        "workload": outcome.workload,
        "measured": metrics,
        "environment": environment() | ended.happened | {"gc_pauses": ended.pauses.told(origin_ns)},
        "instruments": instruments(measured, cpu_s, outcome.service_s, said)
        | {"measuring_s": outcome.measuring_s, "allocation": outcome.allocation},
        "run": {
            "work": options.work,
            "drain_s": None if options.drain_s == float("inf") else options.drain_s,
            "pin": options.pin,
            "stopped": ended.stopped,
            "origin_monotonic_s": origin_ns / 1e9 if len(measured) else None,
            **outcome.counts,
            "kept": len(measured),
            "percentiles": "exact" if exact else f"within {100 * STATED_ERROR} %",
        },
    }
