"""Real runs in processes of their own: the very workload that was predicted, on whatever way it comes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from compare.case import Asking, Case
from compare.inject import Injection, injection_from
from compare.machine.canary import Canary
from compare.machine.children import Child, MeasurementError
from compare.measure import expected_s, measure, working_s
from sim import Workload
from sim.command import UsageError
from sim.flags import flags_of

pytestmark = pytest.mark.measuring


@pytest.fixture(scope="module")
def canary() -> Iterator[Canary]:
    with Canary() as watching:
        yield watching


def test_the_flags_that_are_sent_describe_the_workload(tmp_path: Path, canary: Canary) -> None:
    trace = tmp_path / "trace"
    trace.write_text("\n".join(map(str, range(20))))
    for workload in (
        Workload(rate_per_s=1 / 3 * 1e3, service_s=0.0007, messages=5, seed=4),
        Workload(duration_s=0.05, workers=3, popularity="zipf:1.1"),
        Workload(
            messages=9, order="round-robin", inbox=2, query_rate_per_s=40.0, query_policy="idle", rate_per_s=200.0
        ),
        Workload(arrivals=f"trace:{trace}", rate_per_s=300.0),
        Workload(arrivals=f"trace:{trace}", rate_per_s=300.0, service_s=0.0001, messages=9),
    ):
        found = measure(Case("run", workload), canary, Injection())  # which compares the digests
        assert len(found.trajectory) == len(workload)
        assert found.noise.seconds_s == found.trajectory.finish_s.max()
        assert "--rate" in flags_of(workload)


def test_a_run_that_fails_is_an_error_that_says_why(tmp_path: Path, canary: Canary) -> None:
    trace = tmp_path / "trace"
    trace.write_text("1\n2\n")
    workload = Workload(arrivals=f"trace:{trace}", rate_per_s=100)
    trace.unlink()
    with pytest.raises(MeasurementError, match="no such file"):
        measure(Case("run", workload), canary, Injection())


def test_another_workload_than_was_predicted_is_noticed(tmp_path: Path, canary: Canary) -> None:
    trace = tmp_path / "trace"
    trace.write_text("1\n2\n")
    workload = Workload(arrivals=f"trace:{trace}", rate_per_s=100)
    trace.write_text("1\n2\n4\n")
    with pytest.raises(MeasurementError, match="another workload"):
        measure(Case("run", workload), canary, Injection())


def test_what_a_case_asks_for_reaches_the_real_thing(canary: Canary) -> None:
    workload = Workload(rate_per_s=400, service_s=0.001, messages=40, workers=3)
    found = measure(Case("run", workload, "precise", allocate="eager", state_keys=7), canary, Injection())
    assert found.document["run"]["work"] == "precise"
    assert found.document["run"]["state_keys"] == 7
    assert found.document["instruments"]["allocation"]["when"] == "eager"
    computed = measure(Case("run", workload, "cpu", pace_per_s=1e5), canary, Injection())
    assert computed.document["run"]["pace_per_s"] == 1e5
    assert len(computed.tables["cpu"]["cpu_s"]) == 40
    mean_s = computed.document["instruments"]["cpu_s"]["mean"]
    assert computed.tables["cpu"]["cpu_s"].mean() == pytest.approx(mean_s, rel=1e-9)


def test_messages_that_come_over_tcp_are_those_planned(canary: Canary) -> None:
    workload = Workload(rate_per_s=400, service_s=0.001, messages=60, inbox=5)
    found = measure(Case("run", workload, over_tcp=True), canary, Injection())
    assert np.array_equal(found.trajectory.arrival_s, np.asarray(workload.arrivals_ns) / 1e9)
    assert found.trajectory.sent_s is not None
    assert (found.trajectory.sent_s >= found.trajectory.arrival_s - 1e-6).all()
    assert found.clients["sent"]["sent"]["messages"] == len(found.tables["sent"]["sent_s"]) == 60


def test_questions_over_http_are_heard_by_both(canary: Canary) -> None:
    workload = Workload(rate_per_s=100, service_s=0.001, duration_s=2.0)
    found = measure(Case("run", workload, asking=Asking(100.0)), canary, Injection())
    asked = found.tables["asked"]
    assert len(asked["latency_s"]) > 30
    assert (asked["latency_s"] > 0).all()
    assert found.trajectory.queries is not None
    assert len(found.trajectory.queries) == len(asked["latency_s"])


def test_threads_of_a_child_process_the_same_messages(canary: Canary) -> None:
    workload = Workload(rate_per_s=1000, service_s=0.002, messages=40)
    found = measure(Case("run", workload, threads=2), canary, Injection())
    assert len(found.trajectory) == 40
    assert "compare.machine.threads" in found.command


def test_an_injection_changes_the_run_and_nothing_of_the_plan(canary: Canary) -> None:
    workload = Workload(rate_per_s=400, service_s=0.001, messages=50, popularity="zipf:2")
    case = Case("run", workload)
    slower = measure(case, canary, injection_from(["service=3"]))
    assert slower.trajectory.processing_s.min() > 0.003 - 1e-6
    assert np.array_equal(slower.trajectory.arrival_s, np.asarray(workload.arrivals_ns) / 1e9)
    delayed = measure(case, canary, injection_from(["dispatch-ms=2"]))
    assert delayed.trajectory.dispatch_s.min() > 0.002 - 1e-6
    assert delayed.trajectory.processing_s.min() < 0.003
    turned = measure(Case("run", workload), canary, injection_from(["order=round-robin"]))
    assert "--order round-robin" in turned.command


def test_injections_are_read_as_they_are_typed() -> None:
    both = injection_from(["service=1.05", "dispatch-ms=0.3"])
    assert both == Injection(1.05, 0.3)
    assert both.described == "service=1.05 dispatch-ms=0.3"
    assert not Injection()
    for wrong in ("service", "service=0", "service=x", "order=lifo", "speed=2", "dispatch-ms=-1"):
        with pytest.raises(UsageError, match=f"--inject {wrong}: write service=1.05"):
            injection_from([wrong])


def test_how_long_a_run_takes_is_known_beforehand() -> None:
    # Ten messages at 10/s: until the last arrival. A hundred at once of 5 ms: until the work is done.
    steady = Case("run", Workload(rate_per_s=10, service_s=0.001, messages=10, arrivals="deterministic"))
    assert working_s(steady) == pytest.approx(1.0)
    crowded = Case("run", Workload(rate_per_s=10_000, service_s=0.005, messages=100))
    assert 0.5 <= working_s(crowded) <= 0.53
    assert working_s(Case("run", crowded.workload, threads=2)) == pytest.approx(working_s(crowded) / 2)
    assert working_s(Case("run", crowded.workload, "none")) < 0.05
    assert expected_s(steady) > working_s(steady)


def test_a_child_does_not_outlive_the_block_and_says_why_it_is_not_ready(tmp_path: Path) -> None:
    with Child("real", ["--rate", "1", "--duration", "600"], tmp_path) as child:
        process = child._process
        assert process.poll() is None
    assert process.poll() is not None
    with (
        Child("real", ["--listen", "nowhere"], tmp_path) as child,
        pytest.raises(MeasurementError, match="did not say"),
    ):
        child.said("listening on ")
