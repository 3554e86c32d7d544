"""Attribution: runs made by hand, in which it is known what was different, and the cause that must be named for it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from compare.attribution import STATISTICS, Attribution, Part, attribute
from compare.explain.causes import CAUSES, as_ns, taken_apart
from compare.scene import Holds, Scene
from sim import Trajectory, Workload

SERVICE_S = 0.005


@dataclass(frozen=True)
class Stalled:
    at_s: float
    lasting_s: float


def scene_of(rate_per_s: float = 160.0, messages: int = 1500, seed: int = 4, **flags: object) -> Scene:
    return Scene.of(Workload(rate_per_s=rate_per_s, service_s=SERVICE_S, messages=messages, seed=seed, **flags))  # type: ignore[arg-type]


def ran(scene: Scene, holds: Holds) -> Trajectory:
    """Return what came of a scene as if it had been measured."""
    return scene.replay(holds).trajectory(scene.worker.astype(np.str_))


def changed(scene: Scene, more_ns: int = 0, dispatch_ns: int = 0, late_ns: int = 0) -> Holds:
    """Hold times that differ from nominal as told; a thread that has slept is late, and then dispatches too."""
    nothing, service, _, _ = scene.constant(SERVICE_S)
    return nothing + dispatch_ns, service + more_ns, nothing + dispatch_ns + late_ns, service + more_ns


def late(run: Trajectory, late_s: float) -> Trajectory:
    """Return a run without questions as a thread records it that wakes up `late_s` after what it slept for."""
    idle = run.arrival_s > np.concatenate([[-1.0], run.finish_s[:-1]])
    return replace(run, taken_s=np.where(idle, run.arrival_s + late_s, run.taken_s))


def apart(scene: Scene, measured: Trajectory, stalls: Sequence[Stalled] = ()) -> dict[str, Attribution]:
    found = attribute(scene, SERVICE_S, measured, stalls, None)
    return {attribution.statistic: attribution for attribution in found}


def part(attribution: Attribution, cause: str) -> Part:
    return next(part for part in attribution.parts if part.cause == cause)


def only(attribution: Attribution, cause: str) -> bool:
    """Whether the whole difference is there, is put down to one cause, and is none to rounding in nanoseconds."""
    others = [abs(part.value_s) for part in attribution.parts if part.cause != cause]
    whole = attribution.measured - attribution.nominal
    return abs(part(attribution, cause).value_s - whole) < 2e-9 < abs(whole) and max(others) < 2e-9


def test_theory_and_recursion_differ_by_the_sample_of_arrivals() -> None:
    scene = scene_of()
    measured = ran(scene, changed(scene))
    theory = {"mean": 0.015, "p50": 0.010, "p95": None, "p99": 0.050}
    found = {a.statistic: a for a in attribute(scene, SERVICE_S, measured, (), theory)}
    assert found["mean"].nominal == 0.015
    assert only(found["mean"], "finite sample of arrivals")
    assert part(found["mean"], "finite sample of arrivals").value_s == pytest.approx(measured.latency_s.mean() - 0.015)
    # Where theory says nothing the way begins at the recursion.
    assert found["p95"].nominal == pytest.approx(np.percentile(measured.latency_s, 95), abs=1e-9)
    assert part(found["p95"], "finite sample of arrivals").value_s == 0.0


def test_a_run_as_the_flags_say_has_nothing_to_put_down_to_anything() -> None:
    scene = scene_of()
    for attribution in apart(scene, ran(scene, changed(scene))).values():
        assert max(abs(part.value_s) for part in attribution.parts) < 2e-9


@pytest.mark.parametrize(
    ("cause", "more_ns", "dispatch_ns", "late_ns"),
    [("service overshoot", 150_000, 0, 0), ("dispatch", 0, 300_000, 0), ("source lateness", 0, 0, 200_000)],
)
def test_one_thing_made_longer_is_named_alone(cause: str, more_ns: int, dispatch_ns: int, late_ns: int) -> None:
    scene = scene_of()
    found = apart(scene, late(ran(scene, changed(scene, more_ns, dispatch_ns, late_ns)), late_ns / 1e9))
    assert all(only(found[name], cause) for name in STATISTICS)


def test_service_that_varies_about_what_was_asked_for_is_variability() -> None:
    scene = scene_of()
    nothing, service, _, _ = scene.constant(SERVICE_S)
    spread = np.random.default_rng(8).integers(-3_000_000, 3_000_001, len(service))
    varied = service + spread - round(spread.mean())
    mean = apart(scene, ran(scene, (nothing, varied, nothing, varied)))["mean"]
    whole = mean.measured - mean.nominal
    assert whole > 1e-3
    # The mean is off by half a nanosecond at most.
    assert part(mean, "service variability").value_s == pytest.approx(whole, abs=1e-6)


def test_round_robin_is_named_at_p99_and_leaves_the_mean_alone() -> None:
    scene = scene_of(rate_per_s=180.0, popularity="zipf:1.2").ruled(order="round-robin")
    found = apart(scene, ran(scene, changed(scene)))
    assert only(found["p99"], "order of service")
    assert abs(found["mean"].measured - found["mean"].nominal) < 1e-9


def test_a_stall_during_one_message_is_the_machines() -> None:
    scene = scene_of()
    nothing, service, _, _ = scene.constant(SERVICE_S)
    stalled = service.copy()
    stalled[700] += 80_000_000
    measured = ran(scene, (nothing, stalled, nothing, stalled))
    stall = Stalled(float(measured.start_s[700]) + 0.001, 0.08)
    with_log, without = apart(scene, measured, [stall])["mean"], apart(scene, measured)["mean"]
    assert only(with_log, "machine stalls")
    # Nobody logged it: then it is a message that took longer, which raises the mean and the variability.
    assert part(without, "machine stalls").value_s == 0.0
    of_service = part(without, "service overshoot").value_s + part(without, "service variability").value_s
    assert of_service == pytest.approx(without.measured - without.nominal, abs=2e-9)


def test_a_stall_between_two_messages_is_the_machines_and_no_dispatch() -> None:
    scene = scene_of()
    nothing, service, _, _ = scene.constant(SERVICE_S)
    usual, stalled = nothing + 10_000, nothing + 10_000
    free_s = np.concatenate([[-1.0], ran(scene, (usual, service, usual, service)).finish_s[:-1]])
    waiting = int(np.flatnonzero(scene.arrival_ns / 1e9 < free_s)[300])
    stalled[waiting] += 60_000_000
    measured = ran(scene, (stalled, service, usual, service))
    stall = Stalled(float(measured.finish_s[waiting - 1]) + 0.001, 0.05)
    mean = apart(scene, measured, [stall])["mean"]
    plain = apart(scene, ran(scene, (usual, service, usual, service)))["mean"]
    assert part(mean, "dispatch").value_s == pytest.approx(part(plain, "dispatch").value_s, abs=2e-9)
    assert part(mean, "machine stalls").value_s == pytest.approx(mean.measured - plain.measured, abs=2e-9)
    assert part(mean, "machine stalls").value_s > 1e-4


@pytest.mark.parametrize("policy", ["first", "fifo", "idle"])
def test_questions_are_named_under_every_policy(policy: str) -> None:
    scene = scene_of(query_rate_per_s=50.0, query_service_s=0.0008, query_policy=policy)
    measured = ran(scene, changed(scene))
    # The scene that is told to attribution has no answers of its own: all about them was measured.
    found = apart(scene.asked_at([], 0.0), measured)
    assert only(found["mean"], "queries")


def test_a_sender_who_was_late_is_the_source() -> None:
    scene = scene_of()
    late_ns = np.random.default_rng(3).integers(0, 4_000_000, len(scene.arrival_ns))
    sent_ns = np.maximum.accumulate(scene.arrival_ns + late_ns)
    really = ran(replace(scene, arrival_ns=sent_ns), changed(scene, dispatch_ns=100_000))
    measured = replace(really, arrival_s=scene.arrival_ns / 1e9, sent_s=sent_ns / 1e9)
    mean = apart(scene, measured)["mean"]
    plain = ran(scene, changed(scene, dispatch_ns=100_000)).latency_s.mean()
    assert part(mean, "source lateness").value_s == pytest.approx(mean.measured - plain, abs=2e-9)
    assert part(mean, "source lateness").value_s > 5e-4
    assert part(mean, "rest").value_s == pytest.approx(0.0, abs=2e-9)


def everything(seed: int = 5) -> tuple[Scene, Trajectory, list[Stalled]]:
    """A run in which all causes are at work."""
    scene = scene_of(
        175.0, 800, seed, order="round-robin", query_rate_per_s=20.0, query_service_s=0.0004, popularity="zipf:1.0"
    )
    rng = np.random.default_rng(seed)
    count = len(scene.arrival_ns)
    service = rng.normal(5.15e6, 4e4, count).astype(np.int64)
    service[400] += 30_000_000
    dispatch, wakeup = (rng.integers(5_000, 20_000, count) for _ in range(2))
    measured = ran(scene, (dispatch, service, wakeup + 60_000, service))
    # The thread has what it slept for only after a while.
    idle = measured.taken_s == measured.arrival_s
    taken_s = np.where(idle, measured.arrival_s + 0.00006, measured.taken_s)
    taken_s = np.minimum(np.maximum(taken_s, measured.arrival_s), measured.start_s)
    return scene, replace(measured, taken_s=taken_s), [Stalled(float(measured.start_s[400]) + 0.002, 0.03)]


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_parts_add_up_and_ranges_contain_them_with_all_causes_at_work(seed: int) -> None:
    scene, measured, stalls = everything(seed)
    assert taken_apart(scene, SERVICE_S, measured, stalls).active == CAUSES
    for attribution in apart(scene, measured, stalls).values():
        total = sum(part.value_s for part in attribution.parts)
        assert attribution.nominal + total == pytest.approx(attribution.measured, abs=1e-12)
        assert attribution.measured == pytest.approx(
            measured.metrics()["latency_s"][attribution.statistic], abs=1e-12
        )  # fmt: skip
        assert all(part.low_s <= part.value_s <= part.high_s for part in attribution.parts)
        assert (attribution.named_share or 0.0) > 0.95


def test_causes_that_interact_have_a_range_and_one_alone_has_none() -> None:
    scene = scene_of(rate_per_s=180.0)
    alone = part(apart(scene, ran(scene, changed(scene, 150_000)))["mean"], "service overshoot")
    assert alone.low_s == alone.value_s == alone.high_s
    both = apart(scene, ran(scene, changed(scene, 150_000, 100_000)))["mean"]
    # Second, dispatch adds more than it would to a server that is faster; first, overshoot adds less.
    first, second = part(both, "service overshoot"), part(both, "dispatch")
    assert first.value_s == first.low_s < first.high_s
    assert second.value_s == second.high_s > second.low_s
    only_dispatch = ran(scene, changed(scene, 0, 100_000)).latency_s.mean() - both.nominal
    assert second.low_s == pytest.approx(only_dispatch, abs=2e-9)


def test_a_measurement_that_nothing_explains_leaves_a_rest() -> None:
    scene = scene_of()
    measured = ran(scene, changed(scene, 150_000))
    # Every tenth message ended 50 ms later than it let the thread go: no one thread does that, so it must be the rest.
    broken = measured.finish_s + np.where(np.arange(len(measured)) % 10 == 0, 0.05, 0.0)
    mean = apart(scene, replace(measured, finish_s=broken))["mean"]
    assert mean.nominal + sum(part.value_s for part in mean.parts) == pytest.approx(mean.measured, abs=1e-12)
    assert (mean.named_share or 0.0) < 0.9


def test_answers_that_all_took_the_same_leave_no_rest_and_one_that_did_not_does() -> None:
    scene = scene_of(rate_per_s=100.0, messages=3)
    scene = replace(scene, arrival_ns=as_ns(np.array([1.0, 1.001, 2.0])))
    # Each question is answered as it comes, 2 s of both together; the second keeps the last message from starting.
    for first_s, second_s in ((1.0, 1.0), (0.5, 1.5)):
        asked = Trajectory.of([0.0, 1.5], start_s=[0.0, 1.5], finish_s=[first_s, 1.5 + second_s])
        start_s = [1.0, 1.005, 1.5 + second_s]
        run = Trajectory.of([1.0, 1.001, 2.0], start_s=start_s, finish_s=[at + 0.005 for at in start_s], queries=asked)
        mean = apart(scene, run)["mean"]
        assert part(mean, "queries").value_s == pytest.approx(0.5 / 3)
        assert part(mean, "rest").value_s == pytest.approx((second_s - 1.0) / 3, abs=1e-9)


def test_a_document_says_all_and_can_be_read_back() -> None:
    scene, measured, stalls = everything()
    for attribution in apart(scene, measured, stalls).values():
        document = json.loads(json.dumps(attribution.document(), allow_nan=False))
        assert Attribution.of_document(document) == attribution
        assert [part["cause"] for part in document["parts"]] == ["finite sample of arrivals", *CAUSES, "rest"]


def test_no_difference_has_no_share_that_is_named() -> None:
    assert Attribution("mean", 0.01, 0.01, (Part("rest", 0.0, 0.0, 0.0),)).named_share is None
    assert Attribution("mean", 0.01, 0.02, (Part("rest", 0.001, 0.0, 0.0),)).named_share == pytest.approx(0.9)


def test_a_run_of_other_messages_is_refused_with_both_numbers() -> None:
    scene = scene_of(messages=10)
    measured = ran(scene_of(messages=9), changed(scene_of(messages=9)))
    with pytest.raises(ValueError, match="9 messages measured, 10 planned"):
        attribute(scene, SERVICE_S, measured, (), None)
