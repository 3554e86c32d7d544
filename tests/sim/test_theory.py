"""Theory against numbers from 400-digit arithmetic, and against identities that need no numbers."""

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim import MD1, NoSteadyState, Workload
from sim.nominal import nominal
from sim.theory import MG1, MM1

ROWS = json.loads((Path(__file__).parents[1] / "data" / "md1.json").read_text())["rows"]
LOADS = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"rho={row['rho']}")


@pytest.fixture(autouse=True)
def _no_warnings() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@LOADS
def test_tails_of_the_wait_to_11_digits(row: dict[str, Any]) -> None:
    wait = MD1(float(row["rho"]), 1.0).wait
    t, expected = np.array([[float(t), float(sf)] for t, sf in row["sf"].items()]).T
    assert np.max(np.abs(wait.sf(t) / expected - 1)) <= 1e-11
    assert np.max(np.abs(np.asarray(wait.cdf(t)) + wait.sf(t) - 1)) <= 1e-14


@LOADS
def test_quantiles_of_the_wait_to_9_digits(row: dict[str, Any]) -> None:
    wait = MD1(float(row["rho"]), 1.0).wait
    for q, expected in row["isf"].items():
        assert wait.isf(float(q)) == pytest.approx(float(expected), rel=1e-9, abs=0)


@LOADS
def test_number_in_system_to_12_digits(row: dict[str, Any]) -> None:
    number = MD1(float(row["rho"]), 1.0).number_in_system
    expected = np.array([float(p) for p in row["system_size_pmf"]])
    assert np.max(np.abs(number.pmf(np.arange(len(expected))) / expected - 1)) <= 1e-12


@LOADS
def test_moments_to_13_digits(row: dict[str, Any]) -> None:
    wait = MD1(float(row["rho"]), 1.0).wait
    assert wait.mean() == pytest.approx(float(row["mean_wait"]), rel=1e-13)
    assert wait.var() == pytest.approx(float(row["var_wait"]), rel=1e-13)


@LOADS
def test_loss_to_10_digits(row: dict[str, Any]) -> None:
    places, expected = np.array([[float(k), float(p)] for k, p in row["loss_K"].items()]).T
    lost = np.asarray(MD1(float(row["rho"]), 1.0).blocking_probability(places))
    assert np.max(np.abs(lost / expected - 1)) <= 1e-10


@LOADS
def test_busy_periods_to_12_digits(row: dict[str, Any]) -> None:
    expected = np.array([float(p) for p in row["busy_period_served_pmf"]])
    served = np.asarray(MD1(float(row["rho"]), 1.0).busy_period.pmf(np.arange(1, len(expected) + 1)))
    assert np.max(np.abs(served / expected - 1)) <= 1e-12


@pytest.mark.parametrize("rho", [0.3, 1.0, 1.3, 4.0])
@pytest.mark.parametrize("places", [1, 2, 3, 12])
def test_loss_is_that_of_the_chain_at_departures(rho: float, places: int) -> None:
    arriving = [math.exp(-rho) * rho**k / math.factorial(k) for k in range(places)]
    step = np.zeros((places, places))
    for before in range(places):
        for k in range(places - 1 - max(before - 1, 0)):
            step[before, max(before - 1, 0) + k] = arriving[k]
        step[before, places - 1] = 1 - step[before].sum()
    balance = np.vstack([step.T - np.eye(places), np.ones(places)])
    left = np.linalg.lstsq(balance, np.append(np.zeros(places), 1.0), rcond=None)[0]
    assert MD1(rho, 1.0).blocking_probability(places) == pytest.approx(1 - 1 / (left[0] + rho), rel=1e-9)


def test_loss_with_many_places_is_what_cannot_be_served() -> None:
    assert MD1(1.2, 1.0).blocking_probability(1e12) == pytest.approx(1 - 1 / 1.2, rel=1e-12)
    assert MD1(1.0, 1.0).blocking_probability(1e6) == pytest.approx(0.5e-6, rel=1e-5)
    with pytest.raises(ValueError, match="at least 1"):
        MD1(0.5, 1.0).blocking_probability(0)


@pytest.mark.parametrize("rho", [0.05, 0.5, 0.9, 0.99, 0.999, 0.99999])
def test_the_tail_of_a_busy_period_adds_up(rho: float) -> None:
    busy = MD1(rho, 1.0).busy_period
    assert busy.sf(0) == pytest.approx(1.0, rel=1e-12)
    tails, n = np.asarray(busy.sf(np.arange(60))), np.arange(1, 60)
    assert np.allclose(tails[:-1] - tails[1:], busy.pmf(n), rtol=1e-9, atol=1e-15)
    assert busy.cdf(3) == pytest.approx(np.asarray(busy.pmf([1, 2, 3])).sum())
    if rho <= 0.9:  # nearer to 1 the mean is made of periods too long to add up here
        assert 1 + np.asarray(busy.sf(np.arange(1, 4000))).sum() == pytest.approx(busy.mean(), rel=1e-6)


def test_far_out_nothing_fails() -> None:
    assert MD1(1000, 1.0).blocking_probability([1, 2, 5]) == pytest.approx([1 - 1 / 1001, 1 - 1 / 1000, 1 - 1 / 1000])
    assert MD1(1e-12, 1.0).latency.isf(0.5) == 1.0
    assert MD1(1e-300, 1.0).wait.sf(0.5) < 1e-300


def test_two_evenly_spaced_streams_of_work_can_meet_at_the_limit() -> None:
    theory = nominal(Workload(rate_per_s=200, arrivals="deterministic"))
    assert theory.stable
    assert theory.wait_s == {"mean": 0.0, "p50": 0.0, "p95": 0.0, "p99": 0.0}


def test_a_start_is_forgotten_the_later_the_nearer_to_the_limit() -> None:
    assert MD1(150, 0.005).relaxation_s == pytest.approx(0.005 / (0.75 - 1 - math.log(0.75)))
    assert MD1(198, 0.005).relaxation_s > 50 * MD1(180, 0.005).relaxation_s


def test_what_is_no_count_has_no_probability() -> None:
    assert np.asarray(MD1(0.5, 1.0).busy_period.pmf([0, -1, 1.5, math.inf])).tolist() == [0, 0, 0, 0]
    assert MD1(0.5, 1.0).busy_period.sf(math.inf) == 0


@pytest.mark.parametrize("rho", [0.01, 0.3, 0.75, 0.95, 0.999])
def test_waiting_at_most_k_services_is_as_likely_as_finding_at_most_k_in_the_system(rho: float) -> None:
    md1 = MD1(rho * 200, 0.005)
    k = np.arange(100)
    assert np.allclose(md1.wait.cdf(k * 0.005 * (1 + 1e-15)), md1.number_in_system.cdf(k), rtol=1e-12, atol=0)


@pytest.mark.parametrize("rho", [1e-9, 1e-3, 0.5, 0.9, 0.99, 0.999, 0.99999])
def test_nothing_overflows_and_the_tail_falls_from_rho_to_0(rho: float) -> None:
    wait = MD1(rho, 1.0).wait
    t = np.concatenate([np.linspace(0, 60, 2001), np.geomspace(60, 1e12, 100), [math.inf]])
    tail = np.asarray(wait.sf(t))
    assert tail[0] == pytest.approx(rho, rel=1e-12)
    assert tail[-1] == 0
    assert np.all(np.diff(tail) <= 1e-15)
    assert np.all(np.isfinite(tail))


@pytest.mark.parametrize("rho", [0.2, 0.75, 0.98])
def test_the_mean_is_the_area_under_the_tail_and_the_mean_of_the_counts(rho: float) -> None:
    md1 = MD1(rho, 1.0)
    t = np.linspace(0, 60 / (1 - rho), 400_001)
    assert np.trapezoid(np.asarray(md1.wait.sf(t)), t) == pytest.approx(md1.wait.mean(), rel=1e-5)
    n = np.arange(int(60 / (1 - rho)))
    assert (n * md1.number_in_system.pmf(n)).sum() == pytest.approx(md1.number_in_system.mean(), rel=1e-9)
    # Little's law: number in system = rate × latency.
    assert md1.number_in_system.mean() == pytest.approx(rho * md1.latency.mean(), rel=1e-12)


def test_quantile_and_probability_undo_each_other() -> None:
    latency = MD1(150, 0.005).latency
    p = np.array([0.3, 0.5, 0.9, 0.99, 0.9999])
    assert np.allclose(latency.cdf(latency.ppf(p)), p, rtol=1e-9)
    assert latency.isf(0.9) == 0.005  # a quarter of all messages do not wait, so nine tenths take longer than nothing
    assert latency.std() == MD1(150, 0.005).wait.std()


def test_arrays_come_out_as_they_went_in() -> None:
    wait = MD1(150, 0.005).wait
    assert isinstance(wait.sf(0.01), float)
    assert np.shape(wait.sf(np.zeros((2, 3)))) == (2, 3)
    assert np.shape(wait.isf(np.full((2, 3), 0.1))) == (2, 3)
    assert math.isnan(float(wait.isf(1.5)))
    assert math.isnan(float(wait.sf(math.nan)))
    assert wait.sf(-1.0) == 1.0
    assert MD1(150, 0.005).number_in_system.pmf(0.5) == 0.0


@pytest.mark.parametrize("rate", [200, 300])
def test_without_a_steady_state_there_is_no_distribution_but_there_is_growth(rate: float) -> None:
    md1 = MD1(rate, 0.005)
    for name in ("wait", "latency", "number_in_system", "busy_period"):
        with pytest.raises(NoSteadyState, match="no steady state"):
            getattr(md1, name)
    assert md1.queue_growth_per_s == rate - 200
    assert md1.latency_growth_s_per_s == pytest.approx(rate / 200 - 1)


@pytest.mark.parametrize("rate", [0, -1, math.nan, math.inf])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="rate_per_s"):
        MD1(rate, 0.005)


def test_exponential_service_is_the_queue_of_every_textbook() -> None:
    mm1 = MM1(150, 0.005)
    assert mm1.wait.mean() == pytest.approx(0.015)
    assert mm1.latency.mean() == pytest.approx(0.02)
    assert mm1.latency.isf(0.01) == pytest.approx(0.02 * math.log(100))
    assert mm1.wait.isf([0.75, 0.9]).tolist() == [0.0, 0.0]  # type: ignore[union-attr]
    assert mm1.wait.cdf(0.0) == 0.25
    assert mm1.wait.std() == pytest.approx(math.sqrt(0.75 * 1.25) / 50)
    t = np.linspace(0, 1, 200_001)
    assert np.trapezoid(np.asarray(mm1.wait.sf(t)), t) == pytest.approx(mm1.wait.mean(), rel=1e-6)
    with pytest.raises(NoSteadyState):
        _ = MM1(200, 0.005).wait


def test_exponential_service_waits_twice_as_long_as_constant_service() -> None:
    assert MG1(150, 0.005, 2.0).wait_mean_s == pytest.approx(2 * MD1(150, 0.005).wait.mean())


@pytest.mark.parametrize(
    ("fields", "model", "known"),
    [
        ({}, "M/D/1", {"mean", "p50", "p95", "p99"}),
        ({"service": "exponential"}, "M/M/1", {"mean", "p50", "p95", "p99"}),
        ({"service": "lognormal:1"}, "M/G/1", {"mean"}),
        ({"arrivals": "deterministic"}, "D/D/1", {"mean", "p50", "p95", "p99"}),
        ({"arrivals": "bursty"}, "G/D/1", set()),
        ({"arrivals": "deterministic", "service": "exponential"}, "D/M/1", set()),
        ({"order": "round-robin"}, "M/D/1", {"mean"}),
        ({"query_rate_per_s": 10}, "M/D/1", {"mean"}),
        ({"query_rate_per_s": 10, "query_policy": "idle"}, "M/D/1", {"mean"}),
        ({"query_rate_per_s": 10, "query_policy": "fifo"}, "M/D/1", set()),
        ({"query_rate_per_s": 10, "arrivals": "bursty"}, "G/D/1", set()),
    ],
)
def test_what_theory_does_not_know_is_null_and_the_note_names_the_nearest(
    fields: dict[str, Any], model: str, known: set[str]
) -> None:
    theory = nominal(Workload(rate_per_s=150, **fields))
    assert theory.model == model
    assert {name for name, value in (theory.wait_s or {}).items() if value is not None} == known
    assert (theory.note is None) == (len(known) == 4)
    if model.startswith("G"):
        assert theory.note is not None
        assert "nearest that has one is M/D/1 at this rate: mean wait 7.5 ms" in theory.note


def test_queries_take_capacity_from_messages_unless_they_wait_until_the_thread_is_idle() -> None:
    shared = {"rate_per_s": 190.0, "query_rate_per_s": 500.0, "query_service_s": 0.0003}
    overloaded = nominal(Workload(**shared))  # type: ignore[arg-type]
    assert not overloaded.stable
    assert overloaded.queue_growth_per_s == pytest.approx(190 - 0.85 * 200)
    assert nominal(Workload(**shared, query_policy="idle")).stable  # type: ignore[arg-type]


@pytest.mark.parametrize("servers", [1, 2, 3, 5])
@pytest.mark.parametrize("service_s", [0.005, 0.006, 0.0016, 0.007])
def test_at_a_hair_s_breadth_of_the_limit_there_is_a_steady_state_or_growth_and_never_an_error(
    servers: int, service_s: float
) -> None:
    # Products and quotients round differently: whoever asks must decide as the formulas do.
    rate = servers / service_s
    for _ in range(4):
        rate = math.nextafter(rate, 0.0)
    for _ in range(9):
        theory = nominal(Workload(rate_per_s=rate, service_s=service_s, messages=1), servers)
        assert (theory.wait_s is not None) == theory.stable
        shared = nominal(
            Workload(rate_per_s=rate / 2, service_s=service_s, query_rate_per_s=rate / 2, query_service_s=service_s)
        )
        assert servers > 1 or (shared.wait_s is not None) == shared.stable
        rate = math.nextafter(rate, math.inf)
