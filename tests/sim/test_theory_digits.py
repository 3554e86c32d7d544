"""M/D/1 where digits are easily lost: tails to 1e-100, just off whole service times, next to ρ = 1 and next to 0.

The numbers were computed with 120 to 1000 digits from textbook forms that the code does not use (Erlang's alternating
sum for waits, the recursion of the chain at departures for counts and losses, Borel's formula term by term for busy
periods), for exactly the doubles written here.
"""

import math
from typing import Any

import numpy as np
import pytest

from sim import MD1


def off(value: Any, expected: float) -> float:
    return abs(float(value) / expected - 1)


@pytest.mark.parametrize(
    ("rho", "t", "expected"),
    [
        (1e-12, 0.5, 5.0000000000037499e-13),
        (1e-12, 3.25, 1.3183593750113703e-50),
        (0.001, 1.9999999999999998, 1.6700027514450113e-10),
        (0.001, 12.5, 4.0940530075859942e-51),
        (0.05, 52.75, 1.0385346846561265e-104),
        (0.3, 0.3, 0.23407800140635274),
        (0.3, 6.000000001, 2.1394937012850264e-6),
        (0.3, 110.9, 1.8783187013700506e-100),
        (0.5, 179.75, 5.4652559718165146e-99),
        (0.75, 59.999999, 3.8333610368655519e-15),
        (0.75, 390.5, 4.082128941404973e-94),
        (0.9, 1080.25, 6.136793714937301e-98),
        (0.99, 16.999999999, 0.70621894943061447),
        (0.99, 2000.75, 3.6348343074081307e-18),
        (0.999, 300.5, 0.54778776565297645),
        (0.999999, 29.3, 0.99994073506981142),
        (1 - 1e-12, 84.7, 0.9999999998299371),
    ],
)
def test_tails_of_the_wait_keep_12_digits(rho: float, t: float, expected: float) -> None:
    assert off(MD1(rho, 1.0).wait.sf(t), expected) <= 5e-13


@pytest.mark.parametrize(
    ("rho", "t", "expected"),
    [
        (0.999, 12.5, 0.02534842215767676),
        (0.999999, 29.3, 5.9264930188575379e-5),
        (1 - 1e-9, 0.5, 1.6487212232467456e-9),
        (1 - 1e-9, 150.25, 3.0116661289880706e-7),
        (1 - 1e-12, 28.999999, 5.8665366857429189e-11),
        (1 - 1e-12, 84.7, 1.7006290448506067e-10),
    ],
)
def test_short_waits_near_the_limit_keep_13_digits_although_hardly_any_are_short(
    rho: float, t: float, expected: float
) -> None:
    assert off(MD1(rho, 1.0).wait.cdf(t), expected) <= 1e-13
    if t > 100:  # P(W ≤ kD) = P(N ≤ k), on either side of this t
        k = math.floor(t)
        assert MD1(rho, 1.0).number_in_system.cdf(k) < expected < MD1(rho, 1.0).number_in_system.cdf(k + 1)


@pytest.mark.parametrize(
    ("rho", "q", "expected"),
    [
        (1e-9, 1e-20, 1.8585786454345351),
        (0.001, 5e-7, 1.0003336808785433),
        (0.001, 1e-100, 25.022855823602985),
        (0.05, 1e-30, 15.010341254666803),
        (0.3, 0.02, 1.5906345399383301),
        (0.5, 1e-6, 10.666327751453751),
        (0.5, 1e-100, 182.93441314132374),
        (0.75, 1e-40, 167.06704714846842),
        (0.9, 0.35, 4.7347951464059231),
        (0.9, 1e-20, 221.98142043396553),
        (0.99, 0.3, 59.663973728546523),
        (0.999, 0.95, 25.304762136969026),
        # Just below ρ, where hardly anything has been waited for.
        (0.2, 0.19999999999999998, 1.734723475976807e-16),
        (0.3, 0.29999999999999993, 2.6433881538694203e-16),
        (0.5, 0.499999999999, 3.9999115131155142e-12),
        (0.75, 0.749999999, 5.3333331718296995e-9),
        (0.99, 0.9899999, 1.0100959590979612e-5),
    ],
)
def test_quantiles_of_the_wait_keep_12_digits_also_when_tiny(rho: float, q: float, expected: float) -> None:
    assert off(MD1(rho, 1.0).wait.isf(q), expected) <= 1e-12
    assert off(MD1(rho * 128, 1 / 128).wait.isf(q), expected / 128) <= 1e-12


@pytest.mark.parametrize(
    ("rho", "p", "expected"),
    [
        (0.3, 0.7000000001, 4.7619025121782391e-10),
        (0.75, 0.25000000000001, 5.3290705182006449e-14),
        (0.9999, 0.0001000001, 1.0000996200788171e-6),
        (1 - 1e-9, 1.5e-9, 0.40546513679556136),
        (1 - 1e-12, 2e-12, 0.69316930252544881),
    ],
)
def test_the_first_that_wait_at_all_wait_for_a_known_time(rho: float, p: float, expected: float) -> None:
    assert off(MD1(rho, 1.0).wait.ppf(p), expected) <= 1e-13


@pytest.mark.parametrize(
    ("rho", "n", "expected"),
    [
        (0.001, 10, 3.2725751637052572e-37),
        (0.05, 52, 2.7687237335475052e-101),
        (0.3, 100, 7.6692131480285647e-90),
        (0.5, 170, 2.8706175869727727e-93),
        (0.75, 240, 2.7427934642068349e-58),
        (0.9, 240, 5.508547942656287e-23),
        (0.999, 200, 1.3413557680730015e-3),
        (1 - 1e-12, 150, 1.9999557559611168e-12),
    ],
)
def test_large_numbers_in_the_system_keep_12_digits(rho: float, n: int, expected: float) -> None:
    assert off(MD1(rho, 1.0).number_in_system.pmf(n), expected) <= 5e-13


@pytest.mark.parametrize(
    ("rho", "places", "expected"),
    [
        (0.5, 100, 3.1529539748179589e-55),
        (0.99, 200, 1.8653029257328552e-4),
        (0.99, 10_000, 7.1686855902793885e-90),
        (0.999999, 3, 0.17634237451575547),
        (1 - 1e-9, 1, 0.49999999975000001),
        (1 - 1e-9, 10, 0.050847457164196253),
        (1 - 1e-9, 1000, 5.0008284755806491e-4),
        (1 - 1e-9, 10_000_000, 4.950166753574348e-8),
        (1.0, 25, 0.020134228187919463),
        (1.0, 1_000_000, 5.0000008333334722e-7),
        (1 + 1e-9, 10, 0.05084745809726149),
        (1 + 1e-9, 1000, 5.0008384689139769e-4),
        (1 + 1e-9, 10_000_000, 5.0501667496671656e-8),
        (1.001, 50, 0.010534571793568146),
        (1.001, 10_000, 9.9900100107443875e-4),
        (2.0, 6, 0.50005140261332562),
        (100.0, 2, 0.99),
        (299.5, 2, 0.99666110183639399),
    ],
)
def test_loss_keeps_12_digits_on_both_sides_of_the_limit(rho: float, places: int, expected: float) -> None:
    assert off(MD1(rho, 1.0).blocking_probability(places), expected) <= 5e-13


@pytest.mark.parametrize(
    ("rho", "n", "expected"),
    [
        (1e-300, 1, 1.0),
        (0.001, 15, 2.199194285924957e-38),
        (0.3, 16, 6.5070696257828608e-6),
        (0.3, 1000, 5.6382544563259144e-224),
        (0.61, 2000, 1.8766489829487062e-96),
        (0.75, 10_000, 1.1876373805601763e-170),
        (0.89, 100_000, 2.4631174687703768e-292),
        (0.99, 1_000_000, 5.5550940671981978e-32),
        (0.9999, 1_000_000, 3.9699208127835511e-10),
        (1 - 1e-9, 1_000_000, 3.9894224755498679e-10),
    ],
)
def test_long_busy_periods_keep_12_digits(rho: float, n: int, expected: float) -> None:
    assert off(MD1(rho, 1.0).busy_period.pmf(n), expected) <= 5e-13


@pytest.mark.parametrize(
    ("rho", "n", "expected"),
    [
        (0.5, 3, 0.12585580964598423),
        (0.9, 3000, 4.7814906614267313e-11),
        (0.97, 9999, 7.0729188736433739e-6),
        (0.97, 10_000, 7.0687518885595277e-6),
        (0.99, 15_000, 8.7190457919816668e-4),
        (0.999, 150_000, 1.2137132169219647e-3),
        (0.9999, 40_000, 3.8905787420250433e-3),
    ],
)
def test_tails_of_busy_periods_keep_12_digits(rho: float, n: int, expected: float) -> None:
    assert off(MD1(rho, 1.0).busy_period.sf(n), expected) <= 5e-13
    assert off(np.asarray(MD1(rho, 1.0).busy_period.sf([n, 1e300]))[0], expected) <= 5e-13
