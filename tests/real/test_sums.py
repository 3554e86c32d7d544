"""Sums over messages that come out of their order."""

import pytest

from real.sums import Covered


@pytest.mark.parametrize(("most", "length"), [(3, 25), (2, 15)])
def test_spells_told_before_their_turn_are_held_but_only_so_many(most: int, length: int) -> None:
    covered = Covered(most)
    for number, begin_ns, end_ns in ((1, 10, 15), (2, 20, 25), (3, 30, 35), (0, 0, 12)):
        covered.add(number, begin_ns, end_ns)
    assert covered.upto(100) == length


def test_the_length_can_be_asked_for_in_the_middle() -> None:
    covered = Covered()
    covered.add(1, 10, 15)
    assert covered.upto(100) == 5
    covered.add(2, 12, 20)
    assert (covered.upto(100), covered.upto(17), covered.upto(12)) == (10, 7, 2)
