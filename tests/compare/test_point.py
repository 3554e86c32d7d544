"""A single workload: what cannot be compared is refused by the flag, the value, and what to give instead."""

import pytest

from compare.experiment import Options
from compare.point import POINT_FLAGS, WORKS, point_of
from sim import Workload
from sim.command import UsageError
from sim.flags import FLAGS


@pytest.mark.parametrize("work", WORKS)
def test_a_point_is_the_workload_that_was_asked_for(work: str) -> None:
    workload = Workload(rate_per_s=150, messages=20)
    (case,) = point_of(workload, work).cases(Options())
    assert (case.workload, case.work, case.label) == (workload, work, "150/s")


def test_work_that_is_not_known_is_refused_with_what_is() -> None:
    with pytest.raises(UsageError, match=r"^--work hard: must be one of sleep, cpu, mixed, precise$"):
        point_of(Workload(messages=1), "hard")


def test_a_time_in_which_nothing_arrives_is_refused_by_its_flags() -> None:
    with pytest.raises(UsageError, match=r"^--rate 0\.001 --duration 2: no message .*; give a higher --rate, or a"):
        point_of(Workload(rate_per_s=0.001, duration_s=2), "sleep")


def test_a_point_has_every_flag_of_a_workload_but_those_that_calibration_sets() -> None:
    assert set(FLAGS) - set(POINT_FLAGS) == {"--service", "--query-ms"}
