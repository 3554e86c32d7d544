"""How long it takes: what is refused, what is advised instead, and what is left of it, on any screen."""

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

from compare import experiments
from compare.bench import planned_s
from compare.experiment import Options
from compare.progress import MOST_S, Watch, check_time, clock, others_near
from compare.run import cases_of
from sim import InvalidWorkload
from sim.command import UsageError


def complaint(asked: Options, takes_s: Callable[[Options], float]) -> str:
    with pytest.raises(UsageError) as caught:
        check_time("--service-ms 1: all", takes_s, asked, others_near(asked))
    return str(caught.value)


def by_service_time(asked: Options) -> float:
    """Takes two hours at 72 ms; shorter messages than 0.03 ms would come too fast."""
    if asked.service_s < 3e-5:
        raise InvalidWorkload("rate_per_s", 2e6, "must be messages/s: more than 0, at most 1e6")
    return 1e5 * asked.service_s


@pytest.mark.parametrize(
    ("service_s", "advised"),
    [(100.0, "at most 50"), (0.0721, "at most 50"), (1e-6, "at least 0.05"), (2.9e-5, "at least 0.05")],
)
def test_the_nearest_round_service_time_that_helps_is_advised(service_s: float, advised: str) -> None:
    assert complaint(Options(service_s=service_s), by_service_time).endswith(f"; give --service-ms {advised}")


def test_what_takes_two_hours_is_not_refused() -> None:
    asked = Options(service_s=0.072)
    check_time("--service-ms 72: all", by_service_time, asked, others_near(asked))


def test_fewer_runs_or_other_arrivals_are_advised_where_they_are_all_that_is_needed() -> None:
    asked = Options(arrivals="bursty", recorded=None)
    quick = complaint(asked, lambda options: 60.0 if options.quick else 1e5)
    assert quick == "--service-ms 1: all would take about 27.8 h, and 2 h is the most; give --quick"
    assert complaint(asked, lambda options: 60.0 if options.arrivals == "poisson" else 1e5).endswith("other --arrivals")


def test_where_nothing_is_known_to_help_fewer_messages_are_advised() -> None:
    with pytest.raises(UsageError, match=r"^--duration 1e5: point would take .*; give fewer messages \(--messages,"):
        check_time("--duration 1e5: point", lambda _: 1e5, Options(), [])


def test_arrivals_that_cannot_be_generated_are_told_in_their_flag_s_words() -> None:
    def too_many(asked: Options) -> float:
        raise InvalidWorkload("arrivals", asked.arrivals, "would be 2e+10 changes of state")

    found = complaint(Options(arrivals="bursty:5:1e-6"), too_many)
    assert found == "--arrivals bursty:5:1e-6: would be 2e+10 changes of state"


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("service_s", [100.0, 1e-6])
def test_what_is_advised_for_all_experiments_can_be_run(service_s: float, quick: bool) -> None:
    wanted = {name: experiments.load(name) for name in experiments.names()}

    def takes_s(asked: Options) -> float:
        return planned_s(cases_of(wanted, asked), quick=asked.quick, seed=asked.seed)

    asked = Options(service_s=service_s, quick=quick)
    advised_s = float(complaint(asked, takes_s).rpartition(" ")[2]) / 1e3
    assert 0.0 < takes_s(replace(asked, service_s=advised_s)) <= MOST_S


def test_minutes_are_full_when_sixty_seconds_are() -> None:
    assert [clock(second) for second in (59.4, 59.6, 60.0)] == ["0:59", "1:00", "1:00"]


# -- what is left -----------------------------------------------------------------------------------------------------


def console(**how: object) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, width=80, **how), file  # type: ignore[arg-type]


def test_each_step_is_one_line_with_the_time_left_where_nobody_watches() -> None:
    piped, file = console()
    with Watch(piped, 130.0) as watch:
        watch.begin("throughput: 150/s", 10.0)
        watch.passed(25.0)  # longer than planned: the next steps are planned as they were
        watch.end()
        watch.begin("throughput: 175/s", 20.0)
        watch.more(20.0)
        watch.end()
        watch.begin("a label that is much too long for a line of eighty signs, and has [brackets] in it too", 0.0)
    assert file.getvalue().splitlines() == [
        "throughput: 150/s … (2:10 left)",
        "throughput: 175/s … (2:00 left)",
        "a label that is much too long for a line of eighty signs, and has [brackets] in it too … (2:00 left)",
    ]


def test_a_step_that_lasts_longer_than_planned_takes_nothing_from_the_others() -> None:
    terminal, file = console(force_terminal=True, _environ={"TERM": "xterm"})
    with Watch(terminal, 130.0) as watch:
        watch.begin("throughput: 150/s", 10.0)
        watch.passed(25.0)
    assert "2:00 left" in file.getvalue()
    assert "1:45 left" not in file.getvalue()


def test_less_than_nothing_is_never_left() -> None:
    piped, file = console()
    watch = Watch(piped, 5.0)
    watch.begin("one", 10.0)
    watch.end()
    watch.begin("two", 1.0)
    assert file.getvalue().splitlines()[1] == "two … (0:00 left)"


def test_a_terminal_has_a_bar_instead_of_lines() -> None:
    terminal, file = console(force_terminal=True, _environ={"TERM": "xterm"})
    with Watch(terminal, 130.0) as watch:
        watch.begin("throughput: 150/s", 10.0)
    assert "2:10 left" in file.getvalue()
    assert "… (2:10 left)" not in file.getvalue()


def test_a_terminal_that_cannot_draw_a_bar_gets_lines() -> None:
    terminal, file = console(force_terminal=True, _environ={"TERM": "dumb"}, no_color=True)
    with Watch(terminal, 130.0) as watch:
        watch.begin("throughput: 150/s", 10.0)
    assert "throughput: 150/s … (2:10 left)" in file.getvalue()
