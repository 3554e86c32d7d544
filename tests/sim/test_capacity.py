"""Planning: against formulas that can be solved by hand, and against the definition, counted one by one."""

import math
import warnings
from typing import Any

import pytest

from sim import MD1
from sim.theory.capacity import processes_needed, rate_sustained, servers_needed, service_needed
from sim.theory.mdc import MDc


@pytest.fixture(autouse=True)
def _no_warnings() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize(("rate", "target"), [(2000, 0.020), (2000, 0.0051), (100, 0.006), (10, 0.5), (7777, 0.0075)])
@pytest.mark.parametrize("tail", [0.5, 0.01, 1e-6])
def test_one_server_fewer_would_miss_the_target(rate: float, target: float, tail: float) -> None:
    n = servers_needed(rate, 0.005, target, tail)
    assert MDc(rate, 0.005, n).latency.isf(tail) <= target * (1 + 1e-12)
    assert n == 1 or not MDc(rate, 0.005, n - 1).stable or MDc(rate, 0.005, n - 1).latency.isf(tail) > target


@pytest.mark.parametrize(("rate", "target"), [(2000, 0.020), (2000, 0.0051), (100, 0.006), (10, 0.5)])
def test_the_fewest_processes_are_found_by_counting_too(rate: float, target: float) -> None:
    def met(n: int, tail: float | None) -> bool:
        queue = MD1(rate / n, 0.005)
        if not queue.stable:
            return False
        return (queue.latency.mean() if tail is None else float(queue.latency.isf(tail))) <= target

    for tail in (None, 0.05):
        counted = next(n for n in range(1, 2001) if met(n, tail))
        assert processes_needed(rate, 0.005, target, tail) == counted


def test_the_mean_of_a_few_queues_is_solved_by_hand() -> None:
    # ρD/(2(1 − ρ)) ≤ T − D means ρ ≤ 2(T − D)/(2T − D): 0.75 here, so 2,000 × 5 ms need 10/0.75 = 13.3 processes.
    assert processes_needed(2000, 0.005, 0.0125, tail=None) == 14
    assert rate_sustained(0.005, 0.0125, tail=None) == pytest.approx(150, rel=1e-9)
    # T = D + λD²/(2(1 − λD)) with λ = 100 and T = 10 ms: D² − 2(1/λ + T)D + 2T/λ = 0, D = 0.02 − √0.0002.
    assert service_needed(100, 0.010, tail=None) == pytest.approx(0.02 - math.sqrt(0.0002), rel=1e-9)


def test_a_target_that_leaves_no_time_to_wait_leaves_few_to_wait() -> None:
    # With one server P(W > 0) = ρ: 1 % of messages may wait if 1 % of the time is busy.
    assert rate_sustained(0.005, 0.005, tail=0.01) == pytest.approx(2.0, rel=1e-9)
    assert processes_needed(100, 0.005, 0.005, tail=0.011) == 46
    n = servers_needed(2000, 0.005, 0.005, tail=0.01)
    assert MDc(2000, 0.005, n).wait_probability <= 0.01 < MDc(2000, 0.005, n - 1).wait_probability


@pytest.mark.parametrize("servers", [1, 2, 12, 200])
@pytest.mark.parametrize("tail", [None, 0.01, 1e-5])
def test_at_the_limit_the_target_is_met_and_just_beyond_it_is_missed(servers: int, tail: float | None) -> None:
    def latency_s(rate: float, service: float) -> float:
        latency = MDc(rate, service, servers).latency
        return latency.mean() if tail is None else float(latency.isf(tail))

    rate = rate_sustained(0.005, 0.020, tail, servers)
    assert latency_s(rate, 0.005) <= 0.020 * (1 + 1e-12)
    assert latency_s(rate * (1 + 1e-8), 0.005) > 0.020
    service = service_needed(100 * servers, 0.020, tail, servers)
    assert latency_s(100 * servers, service) <= 0.020 * (1 + 1e-12)
    assert latency_s(100 * servers, service * (1 + 1e-8)) > 0.020
    # The two ask the same thing the other way round.
    assert service_needed(rate, 0.020, tail, servers) == pytest.approx(0.005, rel=1e-8)


def test_what_is_sustained_by_so_many_needs_so_many() -> None:
    for servers in (1, 3, 40):
        rate = rate_sustained(0.005, 0.012, servers=servers)
        assert servers_needed(rate * (1 - 1e-8), 0.005, 0.012) == servers
        assert servers_needed(rate * (1 + 1e-8), 0.005, 0.012) == servers + 1


def test_one_queue_needs_fewer_than_many() -> None:
    assert servers_needed(2000, 0.005, 0.020) == 11  # ten could only just keep up; each of 22 queues may be 45 % busy
    assert processes_needed(2000, 0.005, 0.020) == math.ceil(2000 / rate_sustained(0.005, 0.020)) == 22
    assert 500 < servers_needed(1e5, 0.005, 0.020) < 510
    assert processes_needed(1e5, 0.005, 0.020) == math.ceil(1e5 / rate_sustained(0.005, 0.020))


def test_with_servers_to_spare_a_service_may_take_all_of_the_time() -> None:
    assert service_needed(1.0, 0.020, servers=100) == 0.020


@pytest.mark.parametrize("ask", [servers_needed, processes_needed])
def test_a_target_shorter_than_the_service_is_met_by_no_number(ask: Any) -> None:
    with pytest.raises(ValueError, match="target 4 ms, service 5 ms: no number of servers"):
        ask(2000, 0.005, 0.004)
    with pytest.raises(ValueError, match="nor the mean as fast"):
        ask(2000, 0.005, 0.005, tail=None)
    with pytest.raises(ValueError, match="more than 2,000 would be needed; ask for a longer target"):
        ask(1e6, 0.005, 0.020)
    with pytest.raises(ValueError, match="rate_per_s=-1"):
        ask(-1, 0.005, 0.020)


def test_targets_and_tails_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="service 5 ms: no number of servers"):
        rate_sustained(0.005, 0.004)
    with pytest.raises(ValueError, match="target_s=nan"):
        service_needed(100, math.nan)
    with pytest.raises(ValueError, match=r"tail=1\.0: must lie between"):
        servers_needed(100, 0.005, 0.020, tail=1.0)
    with pytest.raises(ValueError, match="servers=0"):
        service_needed(100, 0.020, servers=0)
    with pytest.raises(ValueError, match="servers=2001"):
        rate_sustained(0.005, 0.020, servers=2001)
    with pytest.raises(ValueError, match="rate_per_s=inf"):
        service_needed(math.inf, 0.020)
