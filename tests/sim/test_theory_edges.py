"""What every distribution of theory answers at its ends, to NaN, and for arrays of any shape; and what is refused."""

import math
from typing import Any

import numpy as np
import pytest

from sim import MD1
from sim.theory import MM1

NEAR_1 = [0.999, 0.9999999, 1 - 1e-12, 1 - 2**-53]
ALL = [1e-300, 1e-100, 1e-12, 1e-3, 0.3, 0.75, 0.99, *NEAR_1]
DISTRIBUTIONS = ["wait", "latency", "number_in_system", "busy_period"]


def off(value: Any, expected: float) -> float:
    return abs(float(value) / expected - 1)


@pytest.mark.parametrize("rho", ALL)
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_every_time_and_every_count_has_a_probability_and_nan_has_none(rho: float, name: str) -> None:
    distribution = getattr(MD1(rho, 1.0), name)
    at = [-math.inf, -1, -5e-324, 0, 5e-324, 0.5, 1 - 2**-53, 1, 1.5, 30, 100.5, 1e6, 1e15, 1e300, 1.7e308, math.inf]
    above, upto = np.asarray(distribution.sf(at)), np.asarray(distribution.cdf(at))
    assert (above[0], upto[0], above[-1], upto[-1]) == (1, 0, 0, 1)
    assert np.all(np.abs(above + upto - 1) <= 1e-14)
    assert np.all(np.diff(above) <= 4e-16)
    assert np.all(np.diff(upto) >= -4e-16)
    for of in (distribution.sf, distribution.cdf, getattr(distribution, "pmf", distribution.sf)):
        assert math.isnan(of(math.nan))
        assert np.isnan(of([math.nan, 1.0])).tolist() == [True, False]


@pytest.mark.parametrize("rho", ALL)
@pytest.mark.parametrize("name", DISTRIBUTIONS[:3])
def test_quantiles_begin_at_the_lowest_point_and_end_nowhere(rho: float, name: str) -> None:
    distribution = getattr(MD1(rho, 1.0), name)
    lowest = 1.0 if name == "latency" else 0.0
    assert np.asarray(distribution.isf([0, 1, 1 - 2**-53])).tolist() == [math.inf, lowest, lowest]
    assert np.asarray(distribution.ppf([1, 0, 1e-17])).tolist() == [math.inf, lowest, lowest]
    assert np.isnan(distribution.isf([-5e-324, 1 + 1e-15, math.inf, math.nan])).all()
    assert np.isnan(distribution.ppf([-5e-324, 1 + 1e-15, math.inf, math.nan])).all()
    deep = np.asarray(distribution.isf([0.1, 1e-10, 1e-100, 1e-300, 5e-324]))
    assert np.all(np.diff(deep) >= 0)
    assert np.all(np.isfinite(deep))


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (3,), (2, 2)])
def test_shapes_are_kept(name: str, shape: tuple[int, ...]) -> None:
    distribution = getattr(MD1(0.5, 1.0), name)
    for method in {"sf", "cdf", "pmf", "isf", "ppf"} & set(dir(distribution)):
        out = getattr(distribution, method)(np.full(shape, 0.25))
        assert np.shape(out) == shape
        assert isinstance(out, np.ndarray if shape else float)
        assert np.shape(getattr(distribution, method)(np.full(shape, 1))) == shape
        assert np.shape(getattr(distribution, method)([[1], [0]])) == (2, 1)


@pytest.mark.parametrize("rho", [1e-3, 0.5, 0.99, 0.9999])
def test_quantiles_of_a_count_are_the_first_that_suffice(rho: float) -> None:
    number = MD1(rho, 1.0).number_in_system
    q = np.array([0.99, 0.7, rho, 0.1, 1e-3, 1e-9, 1e-30, 1e-90])
    n = np.asarray(number.isf(q))
    assert np.all(np.asarray(number.sf(n)) <= q)
    assert np.all(np.asarray(number.sf(n - 1)) > q)
    assert np.asarray(number.ppf(1 - q[:4])).tolist() == np.asarray(number.isf(1 - (1 - q[:4]))).tolist()


@pytest.mark.parametrize("rho", [0.01, 0.4, 0.8])
def test_variances_of_counts_are_those_of_their_probabilities(rho: float) -> None:
    for counts in (MD1(rho, 1.0).number_in_system, MD1(rho, 1.0).busy_period):
        n = np.arange(10_000)
        second = (n**2 * np.asarray(counts.pmf(n))).sum()
        assert counts.var() == pytest.approx(second - counts.mean() ** 2, rel=1e-9)
        assert counts.std() ** 2 == pytest.approx(counts.var())


@pytest.mark.parametrize("places", [0, 0.999, 2.5, -1, math.nan, [1, 2.5]])
def test_places_that_are_no_number_of_places_are_refused(places: Any) -> None:
    with pytest.raises(ValueError, match="must be a whole number, at least 1"):
        MD1(0.5, 1.0).blocking_probability(places)


@pytest.mark.parametrize("rho", [*ALL, 1.0, 1 + 1e-9, 3.0, 299.0, 300.5, 1e300])
def test_the_more_places_the_fewer_are_lost_down_to_what_cannot_be_served(rho: float) -> None:
    lost = np.asarray(MD1(rho, 1.0).blocking_probability([1, 2, 3, 50, 1e6, 1e300, math.inf]))
    assert off(lost[0], rho / (1 + rho)) <= 1e-12
    assert np.all(np.diff(lost) <= 0)
    assert lost[-1] == pytest.approx(max(0.0, (rho - 1) / rho), rel=1e-12, abs=0)


def test_a_load_too_small_or_too_large_to_count_with_is_refused() -> None:
    for rate, service in ((1e-200, 1e-200), (1e-310, 1.0), (1e300, 1e300)):
        with pytest.raises(ValueError, match=r"utilization .*: must be finite and at least"):
            MD1(rate, service)


def test_exponential_waits_keep_their_digits_and_their_ends() -> None:
    wait, latency = MM1(150, 0.005).wait, MM1(150, 0.005).latency
    assert off(latency.cdf(1e-20), 5e-19) <= 1e-12  # 1 − e^{−50 t}
    assert off(latency.ppf(1e-20), 2e-22) <= 1e-12
    assert off(wait.isf(0.75 - 2**-50), 2**-50 / 0.75 / 50) <= 1e-12
    assert off(wait.isf(5e-324), (math.log(0.75) + 1074 * math.log(2)) / 50) <= 1e-12
    for ends in (wait, latency):
        assert np.asarray(ends.isf([0, 1])).tolist() == np.asarray(ends.ppf([1, 0])).tolist() == [math.inf, 0]
        assert np.isnan(ends.isf([-1, 1.5, math.nan])).all()
        assert np.isnan(ends.ppf([-1, 1.5, math.nan])).all()
        assert np.asarray(ends.sf([-math.inf, -1, 1e300, 1.7e308, math.inf])).tolist() == [1, 1, 0, 0, 0]
        assert math.isnan(float(ends.sf(math.nan)))
        assert math.isnan(float(ends.cdf(math.nan)))
