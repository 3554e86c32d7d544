"""Workloads: what they promise about randomness, and what they refuse."""

import hashlib
import math
import random
import statistics
import struct
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim import InvalidWorkload, RecordingError, Workload
from sim.nominal import nominal


def test_the_number_of_workers_and_the_query_rate_move_no_arrival() -> None:
    plain = Workload(messages=500)
    other = Workload(messages=500, workers=1000, popularity="zipf:1.2", query_rate_per_s=50, service="exponential")
    assert plain.arrivals_ns == other.arrivals_ns
    assert plain.payload_codes == other.payload_codes
    assert plain.service_ns != other.service_ns


def test_a_longer_run_begins_like_a_shorter_one() -> None:
    short, long = Workload(messages=200, service="exponential"), Workload(messages=300, service="exponential")
    for column in ("arrivals_ns", "worker_numbers", "payload_codes", "service_ns"):
        assert getattr(long, column)[:200] == getattr(short, column)


def test_the_digest_covers_what_was_generated_and_nothing_else() -> None:
    base: dict[str, Any] = {"messages": 50, "arrivals": "deterministic", "seed": 3}
    digest = Workload(**base).digest
    for same in ({"order": "round-robin"}, {"inbox": 5}, {"query_policy": "idle"}, {"query_service_s": 0.001}):
        assert Workload(**base, **same).digest == digest
    for other in ({"rate_per_s": 99}, {"workers": 11}, {"service_s": 0.004}, {"query_rate_per_s": 30}, {"seed": 4}):
        assert Workload(**{**base, **other}).digest != digest


def test_the_digest_is_what_its_definition_says() -> None:
    codes = random.Random("7/payloads")
    columns = [
        [500_000_000, 1_000_000_000],
        [0, 0],
        [int(codes.random() * 2**53) for _ in range(2)],
        [5_000_000] * 2,
        [],
    ]
    expected = hashlib.sha256()
    for column in columns:
        expected.update(struct.pack(f"<{len(column) + 1}q", len(column), *column))
    workload = Workload(rate_per_s=2, arrivals="deterministic", messages=2, workers=1, seed=7)
    assert workload.digest == expected.hexdigest()


def test_the_digest_is_the_same_in_another_process() -> None:
    workload = Workload(rate_per_s=150, duration_s=2, query_rate_per_s=10, arrivals="bursty")
    code = (
        "from sim import Workload; "
        "print(Workload(rate_per_s=150, duration_s=2, query_rate_per_s=10, arrivals='bursty').digest)"
    )
    for hash_seed in ("0", "1"):
        output = subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True
        )
        assert output.stdout.strip() == workload.digest


def test_the_digest_is_the_same_on_every_python() -> None:
    # A promise to users, not an observation: whoever kept this digest must still get this workload.
    workload = Workload(rate_per_s=150, messages=1000, service="lognormal:0.5", popularity="zipf:1", query_rate_per_s=5)
    assert workload.digest == "7656d618a2c9d9ccfc1a56b97ea13305687f75ee6f0334e38c8cfef98f8a3413"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"messages": 70},
        {"arrivals": "bursty:9:0.2", "rate_per_s": 33.3, "messages": 40},
        {"arrivals": "deterministic", "rate_per_s": 30.0, "duration_s": 0.1},
        {"service": "lognormal:2", "query_rate_per_s": 12.0},
    ],
)
def test_a_description_makes_the_same_workload_again(fields: dict[str, Any]) -> None:
    description = Workload(**fields).describe()
    digest = description.pop("digest")
    assert Workload(**description).digest == digest
    assert Workload(**description).describe()["messages"] == description["messages"]


@pytest.mark.parametrize("arrivals", ["poisson", "bursty:5:0.1", "deterministic"])
def test_messages_arrive_at_the_rate_asked_for(arrivals: str) -> None:
    rates = [len(Workload(rate_per_s=200, duration_s=50, arrivals=arrivals, seed=seed)) / 50 for seed in range(1, 21)]
    error = statistics.stdev(rates) / math.sqrt(len(rates))
    assert abs(statistics.mean(rates) - 200) <= 4 * error
    assert error < 2


def test_poisson_gaps_are_exponential_and_bursty_ones_are_not() -> None:
    def variation(arrivals: str) -> float:
        gaps = [b - a for a, b in pairwise(Workload(messages=50_000, arrivals=arrivals).arrivals_ns)]
        return statistics.pstdev(gaps) / statistics.mean(gaps)

    assert abs(variation("poisson") - 1) < 0.02
    assert variation("bursty") > 1.1


def test_the_two_states_of_bursty_arrivals_have_the_ratio_asked_for() -> None:
    # Long dwells and short windows, so that a window is in one state: counts are Poisson with one of two means.
    workload = Workload(rate_per_s=300, duration_s=400, arrivals="bursty:5:20")
    counts = [0] * 400
    for at in workload.arrivals_ns:
        counts[min(at // 10**9, 399)] += 1
    slow = [count for count in counts if count < 200]
    fast = [count for count in counts if count > 400]
    assert len(slow) + len(fast) > 360
    assert statistics.mean(fast) / statistics.mean(slow) == pytest.approx(5, rel=0.05)


@pytest.mark.parametrize(
    ("service", "variation"), [("exponential", 1.0), ("lognormal:0.5", 0.5), ("deterministic", 0.0)]
)
def test_service_times_have_the_mean_and_variation_asked_for(service: str, variation: float) -> None:
    workload = Workload(messages=100_000, service=service, service_s=0.003)
    mean = statistics.mean(workload.service_ns)
    assert mean == pytest.approx(3e6, rel=0.02)
    assert statistics.pstdev(workload.service_ns) / mean == pytest.approx(variation, abs=0.02)
    assert workload.service_moments[0] == pytest.approx(1 + variation**2)


def test_empirical_service_times_are_the_files_rescaled_if_asked(tmp_path: Path) -> None:
    file = tmp_path / "times.csv"
    file.write_text("service_s\n0.001\n0.003\n")
    spec = f"empirical:{file}"
    assert Workload(messages=10, service=spec).service_s == 0.002
    assert set(Workload(messages=50, service=spec).service_ns) == {1_000_000, 3_000_000}
    assert set(Workload(messages=50, service=spec, service_s=0.004).service_ns) == {2_000_000, 6_000_000}


def test_zipf_prefers_the_first_workers() -> None:
    workers = Workload(messages=60_000, workers=3, popularity="zipf:1").worker_numbers
    shares = [workers.count(k) / len(workers) for k in range(3)]
    assert shares == pytest.approx([6 / 11, 3 / 11, 2 / 11], abs=0.01)


def test_payloads_have_1_to_5_operations_on_different_keys() -> None:
    workload = Workload(messages=2000)
    sizes = set()
    for index in range(len(workload)):
        keys = [operation["key"] for operation in workload.payload(index)]
        assert len(set(keys)) == len(keys)
        sizes.add(len(keys))
    assert sizes == {1, 2, 3, 4, 5}


def test_a_trace_runs_as_recorded_from_0(tmp_path: Path) -> None:
    file = tmp_path / "trace"
    file.write_text("100\n100.5\n102\n")
    workload = Workload(arrivals=f"trace:{file}")
    assert workload.arrivals_s == [0.0, 0.5, 2.0]
    assert workload.rate_per_s == 1.0


def test_a_rate_rescales_the_whole_trace_and_a_duration_then_cuts(tmp_path: Path) -> None:
    file = tmp_path / "trace"
    file.write_text("100\n100.5\n102\n")
    assert Workload(arrivals=f"trace:{file}", rate_per_s=10).arrivals_s == [0.0, 0.05, 0.2]
    assert Workload(arrivals=f"trace:{file}", rate_per_s=10, duration_s=0.1).arrivals_s == [0.0, 0.05]
    assert Workload(arrivals=f"trace:{file}", messages=2).arrivals_s == [0.0, 0.5]


def test_unsorted_rows_are_sorted_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "trace"
    file.write_text("3\n1\n2\n2\n")
    workload = Workload(arrivals=f"trace:{file}")
    assert workload.arrivals_s == [0.0, 1.0, 1.0, 2.0]
    assert "1 rows out of order" in workload.notes[0]


def test_a_part_of_a_trace_offers_its_own_rate(tmp_path: Path) -> None:
    file = tmp_path / "trace"
    file.write_text("0\n1\n2\n12\n")
    assert Workload(arrivals=f"trace:{file}").offered_rate_per_s == 0.25
    assert Workload(arrivals=f"trace:{file}", duration_s=5).offered_rate_per_s == 1.0
    assert nominal(Workload(arrivals=f"trace:{file}", duration_s=5, service_s=0.5)).utilization == 0.5


def test_another_seed_is_another_workload_of_the_same_kind() -> None:
    first = Workload(messages=50, service="exponential", query_rate_per_s=5)
    assert (
        first.digest
        != first.reseeded(2).digest
        == Workload(messages=50, service="exponential", query_rate_per_s=5, seed=2).digest
    )


def test_numbers_may_be_numpy_s() -> None:
    assert Workload(messages=np.int64(5), rate_per_s=np.float64(150)) == Workload(messages=5, rate_per_s=150)


def test_gaps_add_up(tmp_path: Path) -> None:
    file = tmp_path / "gaps"
    file.write_text("0.5\n0\n1\n")
    assert Workload(arrivals=f"gaps:{file}").arrivals_s == [0.5, 0.5, 1.5]


@pytest.mark.parametrize(
    "fields",
    [
        {"rate_per_s": 0},
        {"rate_per_s": -1},
        {"rate_per_s": math.nan},
        {"rate_per_s": math.inf},
        {"rate_per_s": 1e308},
        {"rate_per_s": "300"},
        {"rate_per_s": True},
        {"service_s": 0},
        {"service_s": 101},
        {"duration_s": 0},
        {"messages": 0},
        {"messages": 2.5},
        {"workers": 0},
        {"workers": 100_001},
        {"popularity": "zipf"},
        {"popularity": "zipf:-1"},
        {"popularity": "zipf:nan"},
        {"arrivals": "sometimes"},
        {"arrivals": "bursty:x"},
        {"arrivals": None},
        {"popularity": 5},
        {"service": "slow", "service_s": 0.005},
        {"arrivals": "bursty:1:2:3"},
        {"arrivals": "trace:"},
        {"service": "lognormal"},
        {"service": "lognormal:0"},
        {"service": "empirical:"},
        {"query_rate_per_s": -1},
        {"query_policy": "last"},
        {"order": "lifo"},
        {"inbox": 0},
        {"seed": -1},
        {"seed": 1.0},
        {"rate_per_s": 1e6, "duration_s": 1e6},
        {"rate_per_s": 1e-12, "messages": 5},
        {"query_rate_per_s": 1e6, "duration_s": 1e3},
        {"arrivals": "bursty:5:1e-6", "duration_s": 1e3},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_by_name(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidWorkload) as error:
        len(Workload(**fields))
    assert error.value.field in fields
    assert repr(fields[error.value.field]) in str(error.value)


def test_more_messages_than_a_trace_holds_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "trace"
    file.write_text("1\n2\n")
    with pytest.raises(InvalidWorkload, match="holds 2 messages"):
        Workload(arrivals=f"trace:{file}", messages=3)


def test_a_trace_of_one_instant_has_no_rate_to_rescale(tmp_path: Path) -> None:
    file = tmp_path / "trace"
    file.write_text("1\n1\n")
    assert Workload(arrivals=f"trace:{file}").rate_per_s is None
    with pytest.raises(RecordingError, match="no rate to rescale"):
        Workload(arrivals=f"trace:{file}", rate_per_s=5)


def test_importing_sim_loads_no_numpy() -> None:
    code = "import sys, sim, sim.workload, sim.flags; print(any(n in sys.modules for n in ('numpy', 'simpy', 'numba')))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
