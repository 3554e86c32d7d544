"""1, 5, 10, 50 ms: what processing time does to the highest throughput, and what it does to latency."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from compare.case import Case
from compare.experiment import Options, Run
from compare.figures import draw
from compare.judge import judge_limit, judge_run
from compare.metric import MEAN, THROUGHPUT
from compare.predict import Prediction
from compare.verdict import Point
from sim import MD1, Trajectory
from sim.palette import CALIBRATED, MEASURED, NOMINAL
from sim.units import digits, percent, seconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUESTION = "1, 5, 10, 50 ms: what does processing time do to the highest throughput?"
TRIED = (
    "Up to four processing times, each at 2.5 times its nominal limit and at loads below it. The loads are shares of "
    "1/D, and the messages arrive at the same instants in units of D, so that all four are asked the same question."
)
RULES = (
    "Throughput at 2.5 times the nominal limit: 1 %. Below it latency mean, p50, p95: 5 % up to a utilization of 0.8, "
    "10 % up to 0.95, no verdict up to 1.05, and growth within 1 % of capacity beyond."
)

# Processing times as shares of --service-ms, each with the loads of its steady runs as shares of 1/D ...
LOADS = dict.fromkeys((0.2, 1.0, 2.0, 10.0), (0.4, 0.6, 0.75))
QUICK_LOADS = {0.2: (0.4, 0.75), 1.0: (0.75,), 2.0: (0.75,)}
MESSAGES, QUICK_MESSAGES = 160, 100  # of each of these: of as many come the same instants in units of D
# ... and the messages of its saturated run: the longer one takes, the fewer.
SATURATED = {0.2: 3000, 1.0: 600, 2.0: 300, 10.0: 120}
QUICK_SATURATED = {0.2: 1200, 1.0: 100, 2.0: 60}
LIMIT_LOAD, LEAST_SATURATED = 2.5, 2.0
_MARKERS = "^osDv"


def cases(options: Options) -> list[Case]:
    """Return the runs: for each processing time the steady ones, then the saturated one."""
    loads, saturated = (QUICK_LOADS, QUICK_SATURATED) if options.quick else (LOADS, SATURATED)
    messages = QUICK_MESSAGES if options.quick else MESSAGES
    made = []
    for share in loads:
        service_s = share * options.service_s
        for load in (*loads[share], LIMIT_LOAD):
            count = saturated[share] if load == LIMIT_LOAD else messages
            workload = options.workload(load / service_s, count, service_s=service_s)
            made.append(Case(f"{seconds(service_s)} at {load:g}", workload))
    return made


def hypothesis(predictions: Sequence[Prediction]) -> str:
    """Return what is expected: the limits, and one curve for all latencies."""
    limits = [found for found in predictions if _is_saturated(found)]
    steady = [found for found in predictions if found.utilization < 1] or predictions[:1]
    ends = min(steady, key=lambda found: found.utilization), max(steady, key=lambda found: found.utilization)
    curve = (
        f"{digits(MEAN.of(one.trajectory) / one.hold_s)} at a utilization of {one.utilization:.2f}" for one in ends
    )
    expected = (f"{digits(1 / found.hold_s, 4)}/s at {seconds(found.workload.service_s)}" for found in limits)
    return (
        f"The limit is 1/hold: {_listed(expected)}. Latency has no scale of its own: in units of hold it depends on "
        f"utilization alone, and for these arrivals is {_listed(curve)}."
    )


def judge_points(runs: Sequence[Run]) -> list[Point]:
    """Return the limits, and latency below them."""
    points: list[Point] = []
    for run in runs:
        points += [judge_limit(run)] if _is_saturated(run.prediction) else judge_run(run)
    return points


def answer(runs: Sequence[Run], points: Sequence[Point]) -> str:
    """Return the answer in a few sentences, with the numbers of these runs."""
    limits, steady = _limits(runs), _steady(runs)
    reached = (f"{digits(highest_per_s(run.measured), 4)}/s at {seconds(_service_s(run))}" for run in limits)
    shares = (percent(highest_per_s(run.measured) * _service_s(run)) for run in limits)
    longer = (seconds(1 / highest_per_s(run.measured) - _service_s(run)) for run in limits)
    shortest = limits[0].measured
    late_s, dispatch_s = shortest.processing_s.mean() - _service_s(limits[0]), shortest.dispatch_s.mean()
    text = (
        f"What gets through falls nearly as 1/D: {_listed(reached)}, {_listed(shares)} of it.\n"
        f"A message held the thread {_listed(longer)} longer than asked for; at {seconds(_service_s(limits[0]))} "
        f"sleeps ended {seconds(late_s)} late and the loop took {seconds(dispatch_s)}."
    )
    if steady:
        text += (
            f" In units of what a message holds the thread, the mean latencies of {len(steady)} steady runs are within "
            f"{percent(_farthest(steady))} of one curve over utilization, that of these arrivals at constant holds."
        )
    return text


def facts(runs: Sequence[Run]) -> dict[str, float]:
    """Return for each processing time the limit as measured, as 1/hold of the calibration, and as 1/D; messages/s."""
    found: dict[str, float] = {}
    for run in _limits(runs):
        name = f"{_service_s(run) * 1e3:g}ms"
        found[f"{name}.limit_per_s"] = highest_per_s(run.measured)
        found[f"{name}.calibrated_limit_per_s"] = 1 / run.prediction.hold_s
        found[f"{name}.nominal_limit_per_s"] = run.prediction.theory.capacity_per_s
    return found


def highest_per_s(run: Trajectory) -> float:
    """Return messages/s from the first start to the last finish: before, there was nothing to do."""
    return len(run) / float(run.finish_s.max() - run.start_s.min())


def on_the_curve(run: Run, utilization: float) -> float:
    """Return the mean latency, in holds, that a run's arrivals find at a server whose holds are all the same."""
    hold_s, scene = utilization / run.rate_per_s, run.prediction.scene
    return float(scene.replay(scene.constant(hold_s)).latency_s.mean()) / hold_s


def in_holds(run: Run) -> float:
    """Return the mean latency measured, in units of what a message holds the thread by the calibration."""
    return MEAN.of(run.measured) / run.prediction.hold_s


def _farthest(steady: Sequence[Run]) -> float:
    return max(abs(in_holds(run) / on_the_curve(steady[-1], run.utilization) - 1) for run in steady)


def _is_saturated(prediction: Prediction) -> bool:
    return (prediction.theory.utilization or 0.0) > LEAST_SATURATED


def _limits(runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if _is_saturated(run.prediction)]


def _steady(runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if run.utilization < 1]


def _service_s(run: Run) -> float:
    return run.workload.service_s or 0.0


def _listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


# -- figures --------------------------------------------------------------------------------------------------------


def figures(directory: Path, runs: Sequence[Run], points: Sequence[Point]) -> dict[str, str]:
    """Draw the limits against 1/D, and all latencies on one curve."""
    steady = _steady(runs)
    drawn = draw(
        directory,
        "limit",
        "Where they agree, each measured limit lies on the predicted one, 1/hold. "
        "On the right, what is missing to 100 % is what a message costs beyond D.",
        lambda figure: _limit(figure, _limits(runs)),
        (10.0, 4.2),
    )
    if steady:
        drawn |= draw(
            directory,
            "curve",
            "Where processing time is a mere unit, all points on the right lie on one curve: "
            "that of these arrivals. Theory is the steady state's.",
            lambda figure: _curve(figure, steady),
            (10.0, 4.6),
        )
    return drawn


def _limit(figure: "Figure", limits: Sequence[Run]) -> None:
    left, right = figure.subplots(1, 2)
    service_s = np.array([_service_s(run) for run in limits])
    predicted = np.array([highest_per_s(run.predicted) for run in limits])
    measured = np.array([highest_per_s(run.measured) for run in limits])
    bands = [np.array(run.prediction.band(THROUGHPUT)) / THROUGHPUT.of(run.predicted) for run in limits]
    low, high = np.array(bands).T * predicted
    at_ms = service_s * 1e3
    for axes, unit in ((left, np.ones_like(service_s)), (right, service_s * 100)):
        axes.plot(at_ms, unit / service_s, "--", color=NOMINAL, lw=1.2, label="theory from the flags: 1/D")
        axes.fill_between(at_ms, low * unit, high * unit, color=CALIBRATED, alpha=0.25, lw=0)
        axes.plot(at_ms, predicted * unit, "s-", color=CALIBRATED, ms=7, lw=1.2, label="predicted (calibrated)")
        axes.plot(at_ms, measured * unit, "o", color=MEASURED, ms=4, label="measured")
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.set_xticks(at_ms, [f"{at:g}" for at in at_ms])
        axes.set_xlabel("processing time D asked for, ms")
    left.set_yscale("log")
    left.yaxis.set_major_formatter("{x:,g}")
    left.set_ylabel("highest throughput, messages/s")
    right.set_ylabel("highest throughput, % of 1/D")
    right.margins(x=0.12, y=0.2)
    for at, below, reached in zip(at_ms, np.minimum(low, measured) * service_s * 100, measured, strict=True):
        right.annotate(f"{digits(reached)}/s", (at, below), (8, -14), textcoords="offset points")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3)


def _curve(figure: "Figure", steady: Sequence[Run]) -> None:
    left, right = figure.subplots(1, 2, sharey=True)
    for axes in (left, right):
        _drawn_curve(axes, steady)
    for place, service_s in enumerate(sorted({_service_s(run) for run in steady})):
        alike = [run for run in steady if _service_s(run) == service_s]
        told = {"marker": _MARKERS[place % len(_MARKERS)], "color": MEASURED, "ls": "", "ms": 7, "mfc": "none"}
        nominal = [run.rate_per_s * service_s for run in alike]
        left.plot(nominal, [MEAN.of(run.measured) / service_s for run in alike], **told)
        right.plot(
            [run.utilization for run in alike],
            [in_holds(run) for run in alike],
            **told,
            label=f"measured, D = {seconds(service_s)}",
        )
    left.set_title("as asked for", fontsize=10)
    left.set_xlabel("rate × D")
    left.set_ylabel("mean latency in units of D, or of hold")
    right.set_title("as the thread is held", fontsize=10)
    right.set_xlabel("utilization: rate × hold of the calibration")
    figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=3)


def _drawn_curve(axes: "Axes", steady: Sequence[Run]) -> None:
    loads = np.linspace(0.02, min(max(run.utilization for run in steady) + 0.03, 0.98), 80)
    if steady[0].workload.arrivals == "poisson":
        theory = [MD1(load, 1.0).latency.mean() for load in loads]
        axes.plot(loads, theory, "--", color=NOMINAL, lw=1.2, label="theory (M/D/1, steady state)")
    curve = [on_the_curve(steady[-1], load) for load in loads]
    axes.plot(loads, curve, "-", color=CALIBRATED, lw=1.5, label="predicted for these arrivals, constant holds")
    axes.set_ylim(bottom=0)
