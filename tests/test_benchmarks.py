"""The benchmark runs, at its smallest size: what it measures is looked at elsewhere."""

from tests.benchmarks import work
from tests.benchmarks.__main__ import CONTESTANTS, RATIOS, rounds, spread


def test_every_contestant_has_a_turn_in_every_round() -> None:
    rates = rounds(CONTESTANTS, 2, 1e-5)
    assert list(rates) == [one.name for one in CONTESTANTS]
    assert all(len(values) == 2 and min(values) > 0 for values in rates.values())
    assert {name for _, over, under, _, _ in RATIOS for name in (over, under)} <= set(rates)


def test_the_bare_store_does_the_same_work_as_the_recursion() -> None:
    arrival_ns, service_ns = work.arrays(500)
    assert set(service_ns) == {5_000_000}
    expected = work.waits_ns(arrival_ns, service_ns) / 1e9
    waits = work.bare_store(500)()
    assert max(abs(one - other) for one, other in zip(waits, expected.tolist(), strict=True)) < 1e-6


def test_a_spread_is_the_median_between_the_lowest_and_the_highest() -> None:
    assert spread([3e6, 1e6, 2e6], 1e6) == ("2", "1 … 3")
