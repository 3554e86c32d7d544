"""Monte Carlo against a plain recursion over the very same draws, and against theory; and the histograms it leaves."""

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import MD1, Trajectory, Workload, kernels
from sim.histogram import BASE, BINS, EDGES, FLOOR, HIGHEST, RELATIVE_ERROR, SHIFT, quantile, shares_above
from sim.montecarlo import CHUNK, TURN, LongRun, monte_carlo
from sim.recursion import waits
from sim.theory import MM1

Floats = npt.NDArray[np.float64]
SERVICE_S = 0.005

# -- histograms ---------------------------------------------------------------------------------------------------


def counted(values: Floats) -> npt.NDArray[np.int64]:
    """The histogram of these values, by looking each of them up among the edges."""
    bins = np.clip(np.searchsorted(EDGES, values, side="right") - 1, 0, BINS - 1)
    return np.bincount(bins, minlength=BINS)


times = st.one_of(st.just(0.0), st.floats(2.0**-33, 2.0**29), st.integers(1, 1000).map(float))


@given(st.lists(times, min_size=1, max_size=60), st.sampled_from([0.0, 0.25, 0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_numpy_s_within_the_stated_error(values: list[float], p: float) -> None:
    expected = np.quantile(values, p)
    assert quantile(counted(np.array(values)), p) == pytest.approx(expected, rel=RELATIVE_ERROR, abs=0)


@given(st.lists(times, min_size=1, max_size=60), times)
def test_a_share_above_lies_between_those_of_the_edges_around(values: list[float], x: float) -> None:
    sample = np.array(values)
    edge = int(np.searchsorted(EDGES, x, side="right"))
    low, high = EDGES[edge - 1], EDGES[edge]
    (share,) = shares_above(counted(sample)[np.newaxis], x)
    # Of a bin nobody knows on which side of x its values are; those of bin 0 stand for 0, which is above nothing.
    at_most = (sample >= low).mean() if edge > 1 else (sample >= high).mean()
    assert (sample >= high).mean() - 1e-12 <= share <= at_most + 1e-12


def test_shares_above_an_edge_are_exact() -> None:
    sample = np.random.default_rng(1).exponential(size=(3, 500))
    counts = np.array([counted(row) for row in sample])
    for x in EDGES[[1, 7000, 8000, 8704, 8705, 9000, 10_000, BINS]]:
        assert shares_above(counts, x) == pytest.approx((sample >= x).mean(axis=1), abs=1e-12)


def test_what_is_smaller_than_can_be_told_is_0_and_above_nothing() -> None:
    counts = counted(np.array([0.0, FLOOR / 2, FLOOR, 1.0]))
    assert counts[0] == 3
    assert quantile(counts, 0.5) == 0.0
    assert shares_above(counts[np.newaxis], -1.0) == 1.0
    for x in (0.0, FLOOR / 2, FLOOR, 0.5):
        assert shares_above(counts[np.newaxis], x) == 0.25


def test_what_is_beyond_the_top_is_in_the_last_bin() -> None:
    top = 2.0**HIGHEST
    counts = counted(np.array([1.0, 5 * top]))
    assert counts[-1] == 1
    assert quantile(counts, 1.0) == pytest.approx(top, rel=RELATIVE_ERROR)
    assert shares_above(counts[np.newaxis], top / 2) == 0.5
    assert shares_above(counts[np.newaxis], 2 * top) == 0.0


def test_bins_are_equally_wide_on_a_relative_scale_and_found_by_leading_bits() -> None:
    # Edge k is m/256 · 2^e with m = 256 + k mod 256.
    k = np.arange(BINS + 1)
    expected = np.ldexp(1.0 + k % 256 / 256, k // 256 - 34)
    assert np.array_equal(EDGES[1:], expected[1:])
    assert EDGES[0] == 0.0
    assert np.all(np.diff(EDGES[1:]) <= RELATIVE_ERROR * EDGES[1:-1])
    within = np.nextafter(EDGES[1:], 0.0)  # the last number of each bin
    assert np.array_equal((within.view(np.int64) >> SHIFT) - BASE, np.arange(BINS))


# -- the very same draws ------------------------------------------------------------------------------------------

SYSTEMS = [
    ("poisson", "deterministic"),
    ("poisson", "exponential"),
    ("poisson", "lognormal:1.5"),
    ("poisson", "empirical"),
    ("deterministic", "exponential"),
    ("bursty:5:0.05", "deterministic"),
]
FILED_MS = [1.0, 1.0, 2.0, 3.0, 23.0]


def instants(workload: Workload, n: int) -> Floats:
    """The first n arrivals, s, of the draws that Monte Carlo makes."""
    of_gaps, of_phases, _ = (np.random.default_rng(s) for s in np.random.SeedSequence(workload.seed).spawn(3))
    rate = workload.rate_per_s or 0.0
    if workload.arrivals == "deterministic":
        return np.arange(1, n + 1) / rate
    owed = np.cumsum(of_gaps.standard_exponential(n))
    if workload.arrivals == "poisson":
        return owed / rate
    # Bursty: the k-th arrives when as many messages were to be expected as the first k draws add up to.
    fast_first = int(of_phases.random() < 0.5)
    phases_s = 0.05 * of_phases.standard_exponential(2 * int(owed[-1] / rate / 0.05) + 1000)
    rates = rate / 3.0 * np.array([1.0, 5.0])[(np.arange(len(phases_s)) + fast_first) % 2]
    ends_s, expected = np.cumsum(phases_s), np.cumsum(phases_s * rates)
    arrival_s: Floats = np.interp(owed, np.append(0.0, expected), np.append(0.0, ends_s))
    return arrival_s


def services(workload: Workload, n: int) -> Floats:
    """The first n service times, s, of the same draws."""
    draw = np.random.default_rng(np.random.SeedSequence(workload.seed).spawn(3)[2])
    if workload.service == "exponential":
        return SERVICE_S * draw.standard_exponential(n)
    if workload.service == "lognormal:1.5":
        sigma = math.sqrt(math.log(1 + 1.5**2))
        return SERVICE_S * np.exp(sigma * draw.standard_normal(n) - sigma**2 / 2)
    if workload.service.startswith("empirical"):
        drawn: Floats = np.array(FILED_MS)[(draw.random(n) * len(FILED_MS)).astype(int)]
        return drawn / (sum(FILED_MS) / len(FILED_MS)) * SERVICE_S
    return np.full(n, SERVICE_S)


def replayed(workload: Workload, n: int) -> Trajectory:
    """What comes of the same draws, one message after the other; all those within the duration, if there is one."""
    arrival_s, service_s = instants(workload, n).tolist(), services(workload, n).tolist()
    if workload.duration_s is not None:
        assert arrival_s[-1] > workload.duration_s  # enough were drawn
        arrival_s = [at for at in arrival_s if at <= workload.duration_s]
    taken_s: list[float] = []
    start_s: list[float] = []
    finish_s: list[float] = []
    free_s, in_service = 0.0, 0
    for at, takes in zip(arrival_s, service_s, strict=False):
        while in_service < len(finish_s) and finish_s[in_service] <= at:
            in_service += 1
        taken_s.append(finish_s[in_service] if in_service < len(finish_s) else at)
        start_s.append(max(at, free_s))
        free_s = start_s[-1] + takes
        finish_s.append(free_s)
    return Trajectory.of(arrival_s, taken_s=taken_s, start_s=start_s, finish_s=finish_s)


def flat(metrics: dict[str, Any], under: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Metrics by their path of keys."""
    found: dict[tuple[str, ...], Any] = {}
    for key, value in metrics.items():
        found |= flat(value, (*under, key)) if isinstance(value, dict) else {(*under, key): value}
    return found


def looked_at(trajectory: Trajectory) -> dict[tuple[str, ...], Any]:
    """What of constant service is computed of every STRIDE-th message only."""
    some = slice(None, None, kernels.STRIDE)
    arrival_s, blocked_s = trajectory.arrival_s, trajectory.taken_s - trajectory.arrival_s
    first = np.append(True, trajectory.taken_s[1:] != trajectory.taken_s[:-1])
    covered = np.where(first, blocked_s, 0.0)[some].mean() * len(trajectory) / arrival_s[-1]
    numbers = (blocked_s[some].mean(), *np.percentile(blocked_s[some], [50, 95, 99]), blocked_s[some].max())
    summed = zip(("mean", "p50", "p95", "p99", "max"), numbers, strict=True)
    return {
        **{("source_blocked", "wait_s", name): number for name, number in summed},
        ("source_blocked", "fraction"): covered,
        ("latency_growth_s_per_s",): np.polyfit(arrival_s[some], trajectory.latency_s[some], 1)[0],
    }


@pytest.mark.parametrize("ending", ["messages", "duration_s"])
@pytest.mark.parametrize("rho", [0.5, 1.0, 1.3])
@pytest.mark.parametrize(("arrivals", "service"), SYSTEMS)
def test_every_metric_is_that_of_the_same_draws(
    arrivals: str, service: str, rho: float, ending: str, tmp_path: Path
) -> None:
    if service == "empirical":
        file = tmp_path / "times"
        file.write_text("\n".join(str(ms / 1000) for ms in FILED_MS))
        service = f"empirical:{file}"
    rate = rho / SERVICE_S
    length: dict[str, Any] = {"messages": 20_000} if ending == "messages" else {"duration_s": 20_000.5 / rate}
    workload = Workload(rate_per_s=rate, service_s=SERVICE_S, arrivals=arrivals, service=service, seed=7, **length)
    trajectory = replayed(workload, 20_000 if ending == "messages" else 25_000)
    expected = flat(trajectory.metrics())
    if (arrivals, service) == ("poisson", "deterministic"):
        expected |= looked_at(trajectory)
    # One batch, so that STRIDE counts from the first message.
    found = flat(monte_carlo(workload, batches=1).metrics())
    assert found.keys() == expected.keys()
    for path, number in expected.items():
        if number is None or isinstance(number, int):
            assert found[path] == number, path
            continue
        # FLOOR stands for a time of 0.
        close = pytest.approx(number, rel=exactness(path, service), abs=FLOOR * SERVICE_S)
        assert found[path] == close, path


def exactness(path: tuple[str, ...], service: str) -> float:
    """How close a metric comes, relative to itself."""
    if path[-1] in ("p50", "p95", "p99"):
        return RELATIVE_ERROR
    if path[-1] == "fraction" and service == "deterministic":
        return kernels.STRIDE / 20_000  # the last stretch looked at may be shorter than the others
    # An instant of 100 s is known to 1e-14 s, a sum of 20,000 to 1e-12: and so what is left of a service of 1e-3.
    return 1e-8 if path[0] == "source_blocked" else 1e-9


@pytest.mark.parametrize("service", ["deterministic", "exponential"])
@pytest.mark.parametrize("n", [1, 2, CHUNK - 1, CHUNK, CHUNK + 1, TURN + 1])
def test_of_any_length_the_count_is_exact_and_batches_change_nothing(service: str, n: int) -> None:
    workload = Workload(rate_per_s=180, service_s=SERVICE_S, messages=n, service=service, seed=3)
    whole, cut = monte_carlo(workload, batches=1), monte_carlo(workload, batches=10)
    assert len(whole) == len(cut) == n
    assert max(cut.batch_sizes) - min(cut.batch_sizes) <= 1
    # Constant service looks at every so-manieth residual, counted from a batch's first message.
    same = slice(0, 1) if service == "deterministic" else slice(None)
    assert np.array_equal(whole.counts.sum(axis=0)[same], cut.counts.sum(axis=0)[same])
    assert whole.state[kernels.WAIT] == cut.state[kernels.WAIT]
    waited = waits(instants(workload, n), services(workload, n)).sum() / SERVICE_S
    for run in (whole, cut):
        assert run.wait_sums.sum() == pytest.approx(waited, rel=1e-9, abs=n * FLOOR)


@pytest.mark.parametrize("service", ["deterministic", "exponential"])
def test_batches_are_stretches_of_the_run_one_after_the_other(service: str) -> None:
    workload = Workload(rate_per_s=180, service_s=SERVICE_S, messages=20_000, service=service, seed=4)
    run, takes_s = monte_carlo(workload), services(workload, 20_000)
    wait_s = waits(instants(workload, 20_000), takes_s)
    for batches, values in ((run.wait_batches, wait_s), (run.latency_batches, wait_s + takes_s)):
        rows = values.reshape(10, 2000)
        assert batches.means == pytest.approx(rows.mean(axis=1), rel=1e-9)
        assert batches.quantile(0.9) == pytest.approx(np.quantile(values, 0.9), rel=RELATIVE_ERROR)
        for t_s in (0.0, 0.003, 0.02):
            # Of the bin that holds t it is not known which are above.
            share, wider = batches.shares_above(t_s), RELATIVE_ERROR * t_s
            assert np.all(share >= (rows > t_s + wider).mean(axis=1) - 1e-12)
            assert np.all(share <= (rows > t_s - wider).mean(axis=1) + 1e-12)


@pytest.mark.parametrize("service", ["deterministic", "exponential"])
@pytest.mark.parametrize(("duration_s", "messages"), [(0.05, None), (0.004, None), (0.05, 5), (0.05, 1000), (1.0, 100)])
def test_whichever_ends_first_ends_the_run(service: str, duration_s: float, messages: int | None) -> None:
    # Few enough messages that of many a run the last would come in the wrong place were the end looked for too late:
    # five gaps may well be one.
    ends: dict[str, Any] = {"duration_s": duration_s, "messages": messages}
    for seed in range(150):
        workload = Workload(rate_per_s=100, service_s=SERVICE_S, service=service, seed=seed, **ends)
        arrived = int((instants(workload, 200) <= duration_s).sum())
        assert len(monte_carlo(workload)) == min(arrived, messages or arrived), seed


def test_of_no_message_everything_is_undefined_and_nothing_fails() -> None:
    nothing = Trajectory.of([], start_s=[], finish_s=[]).metrics()
    for service in ("deterministic", "exponential"):
        workload = Workload(rate_per_s=1e-6, duration_s=1, service=service)
        assert monte_carlo(workload).metrics() == nothing


def test_whoever_waits_is_told_how_much_is_done() -> None:
    shares: list[float] = []
    monte_carlo(Workload(rate_per_s=100, messages=10 * TURN), on_progress=shares.append)
    assert shares == [pytest.approx(k / 10) for k in range(1, 11)]


@pytest.mark.parametrize("rho", [0.6, 0.95, 1.2])
def test_the_loop_for_constant_service_is_the_general_one(rho: float) -> None:
    n = 3 * CHUNK
    draw, other = np.random.default_rng(5), np.random.default_rng(5)
    (state, trend), (state_too, trend_too) = kernels.fresh_state(), kernels.fresh_state()
    counts, counts_too = np.zeros((2, kernels.HISTOGRAMS, BINS), np.int64)
    waited = sum(
        kernels.constant_service(draw.standard_exponential(CHUNK), 1 / rho, np.empty(CHUNK), state, trend, counts)
        for _ in range(3)
    )
    parameters = np.zeros(kernels.PARAMETERS)
    parameters[kernels.GAP] = 1 / rho
    process = (kernels.EXPONENTIAL, kernels.CONSTANT), parameters, np.ones(1), (other, other, other, other)
    done, waited_too, worked = kernels.varied(n, np.inf, process, state_too, trend_too, counts_too)
    assert done == worked == n
    assert waited == pytest.approx(waited_too, rel=1e-9)
    # Both round differently, by 1e-13 or so: an edge lies in between for one message in a million runs.
    assert np.array_equal(counts[kernels.OF_WAITS], counts_too[kernels.OF_WAITS])
    of_state = [kernels.WAIT, kernels.WORK, kernels.NOW, kernels.LEFT, kernels.WAITING]
    of_state += [kernels.LONGEST_WAIT, kernels.LONGEST_LATENCY, kernels.LONGEST_QUEUE]
    assert state[of_state] == pytest.approx(state_too[of_state], rel=1e-9, abs=1e-9)
    assert kernels.overshoot(process, state) == pytest.approx(kernels.overshoot(process, state_too), rel=1e-9)


# -- against theory -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rho", "messages"), [(0.5, 300_000), (0.9, 1_000_000)])
@pytest.mark.parametrize(("service", "model"), [("deterministic", MD1), ("exponential", MM1)])
def test_long_runs_are_those_of_theory(service: str, model: Any, rho: float, messages: int) -> None:
    # 12 seeds fixed beforehand, 10 batches each. A batch is at least 290 relaxation times, so means of batches are as
    # good as independent, and four standard errors of 120 are exceeded once in 9,000 cases; the quantiles of 12 runs
    # exceed five of theirs once in 2,500. An empty start lowers a mean by less than 0.02 %.
    theory = model(rho / SERVICE_S, SERVICE_S)
    workloads = (
        Workload(rate_per_s=rho / SERVICE_S, service_s=SERVICE_S, messages=messages, service=service, seed=seed)
        for seed in range(100, 112)
    )
    runs = [monte_carlo(workload) for workload in workloads]
    for name in ("wait", "latency"):
        exact, batches = getattr(theory, name), [getattr(run, f"{name}_batches") for run in runs]
        within(exact.mean(), np.concatenate([batch.means for batch in batches]), errors=4, narrow=0.02)
        for t_s in (0.0, 0.3 * SERVICE_S, 2 * SERVICE_S, float(exact.isf(0.01))):
            shares = np.concatenate([batch.shares_above(t_s) for batch in batches])
            within(float(exact.sf(t_s)), shares, errors=4, narrow=0.06)
        # A bin is 0.4 % wide, and a quantile is interpolated in it: what is left of that is a tenth.
        within(float(exact.isf(0.01)), np.array([batch.quantile(0.99) for batch in batches]), errors=5, narrow=0.02)


def within(exact: float, values: Floats, errors: float, narrow: float) -> None:
    """Assert that the mean of independent values is the exact one, by a test narrow enough to fail."""
    error = values.std(ddof=1) / len(values) ** 0.5
    assert error <= narrow * exact
    assert abs(values.mean() - exact) <= errors * error + 1e-12


def test_bursts_have_the_rate_asked_for_and_scatter_as_they_should() -> None:
    # Rates r of 1 : 5, dwell d: counts over a long window have variance/mean 1 + (r1 − r2)² d/(4λ) (Fischer and
    # Meier-Hellstern 1993, eq. 23). Of 100 counts the variance scatters by √(2/99) = 14 %, and four times that is
    # allowed; a Poisson process is at 18 %.
    rate, dwell_s, lasts_s = 200.0, 0.05, 100.0
    dispersion = 1 + (rate * 4 / 3) ** 2 * dwell_s / (4 * rate)
    counts = np.array(
        [
            len(monte_carlo(Workload(rate_per_s=rate, arrivals=f"bursty:5:{dwell_s}", duration_s=lasts_s, seed=seed)))
            for seed in range(100)
        ]
    )
    error = math.sqrt(dispersion * rate * lasts_s / len(counts))
    assert abs(counts.mean() - rate * lasts_s) < 4 * error
    assert counts.var(ddof=1) / counts.mean() == pytest.approx(dispersion, rel=0.57)


def test_a_hundred_times_the_messages_take_no_more_memory() -> None:
    def sizes(run: LongRun) -> list[int]:
        values = (getattr(run, field.name) for field in fields(run))
        return [value.nbytes for value in values if isinstance(value, np.ndarray)]

    for service in ("deterministic", "exponential"):
        runs = [monte_carlo(Workload(rate_per_s=150, messages=n, service=service)) for n in (10_000, 1_000_000)]
        assert sizes(runs[0]) == sizes(runs[1])
        assert len(sizes(runs[0])) == 5
