"""What the report says first, made of a summary's numbers."""

from typing import Any

from compare.reporting.headline import gap, headline
from tests.compare.summaries import attribution, calibration, entry, noise, point, summary


def sentences(told: dict[str, Any]) -> tuple[str, str, str]:
    first, second, third = (f"{sentence} {rest}".strip() for _, sentence, rest in headline(told))
    return first, second, third


def test_our_accuracy_is_told_by_kind_of_work_and_fairly() -> None:
    accuracy = {
        "precise": {"mean": 0.004, "p99": 0.011, "runs": 3, "correlation": 0.9999},
        "sleep": {"mean": 0.0071, "p99": None, "runs": 5, "correlation": None},
        "mixed": {"mean": 0.02, "p99": None, "runs": 1, "correlation": None},
        "cpu": {"mean": None, "p99": None, "runs": 1, "correlation": None},
    }
    first = sentences(summary(accuracy=accuracy))[0]
    assert first.startswith(
        "Measured against predicted on the same arrivals, in the median of runs up to a utilization of 0.9: "
        "with sleep work 0.7 % of mean latency (5 runs). With precise work 0.4 % of mean latency and 1.1 % of p99 "
        "(3 runs, correlation message by message 0.9999); with mixed work 2 % of mean latency (1 run). "
    )
    assert "cpu" not in first
    assert "4.4 % on average" in first
    assert "built to be modelled" in first
    assert "No run up to a utilization of 0.9" in sentences(summary(accuracy={}))[0]


def test_theory_alone_is_held_against_the_steady_state_and_the_largest_gap_is_named() -> None:
    # 27.5 ms are 22.2 % more than 22.5 ms; the 15 ms at 150/s are 20 % more than 12.5 ms.
    near = point("175/s", nominal=0.0225, ensemble={"estimate": 0.0275, "low": None, "high": None}, utilization=0.9)
    parts = attribution("175/s", parts=(-0.009, 0.003, 0.0015, 0.0))
    second = sentences(summary(entry(points=[point(), near], attribution=[parts])))[1]
    assert "at 175/s (throughput): it says a mean latency of 22.5 ms, and 27.5 ms is what" in second
    assert "+22.2 %" in second
    assert "The attribution names service overshoot (+3 ms) and dispatch (+1.5 ms); without a name is 0 ms." in second


def test_theory_that_says_too_much_misses_as_well() -> None:
    over = point("30/s", nominal=0.0125, ensemble={"estimate": 0.0050, "low": None, "high": None})  # −60 %
    second = sentences(summary(entry(points=[point(), over])))[1]
    assert "furthest off at 30/s" in second
    assert "−60 %" in second


def test_no_gap_is_told_where_theory_or_the_steady_state_says_nothing() -> None:
    assert gap(point()) == 0.015 / 0.0125 - 1
    for changes in (
        {"nominal": None},
        {"ensemble": None},
        {"utilization": None},
        {"utilization": 0.97},
        {"metric": "latency_s.p95"},
        {"metric": "queue_growth_per_s"},
    ):
        assert gap(point(**changes)) is None
    told = summary(entry(points=[point(nominal=None)]))
    assert "theory from the flags has no latency" in sentences(told)[1]


def test_what_the_machine_did_is_counted_over_all_runs() -> None:
    noises = [
        noise("a", repeated=("it stalled", "it stalled again"), stalls=[{"at_s": 1.0, "lasting_s": 0.041}]),
        noise("b"),
    ]
    drifting = calibration() | {"drift": 0.002}
    third = sentences(summary(entry(noise=noises), calibrations=[drifting, calibration("cpu")]))[2]
    assert "2 attempts were repeated" in third
    assert "of the 2 that count, 1 is over it even so" in third
    assert "It stalled for 0.5 % of the time measured, 41 ms at the longest." in third  # 41 ms of 8 s
    assert "drifted by −10 % at most (cpu, 5 ms)." in third
    quiet = sentences(summary(calibrations=[calibration() | {"drift": None}]))[2]
    assert "of 1 run none had to be repeated" in quiet
    assert "drifted" not in quiet


def test_it_is_told_how_many_latencies_lay_inside_their_band() -> None:
    first = sentences(summary(inside_band={"inside": 171, "of": 180}))[0]
    assert "Of 180 latencies 171 (95 %) lay inside their band of 95 %." in first
    assert "inside" not in sentences(summary(inside_band={"inside": 0, "of": 0}))[0]
