"""What the machine did to a run, and when that is too much."""

import json
from typing import Any

import pytest

from compare.machine.noise import LONGEST_S, MOST_SHARE, QUEUED_S, Noise, Stall, noise_of, of_document


def real_document(origin_s: float | None = 100.0, answers: int | None = None) -> dict[str, Any]:
    """What is read of the document that the real thing prints."""
    pauses = [{"at_s": 3.0, "pause_s": 0.004}, {"at_s": 1.0, "pause_s": 0.002}]
    happened = {"stolen_s": None, "run_delay_s": 0.03, "involuntary_switches": 7}
    return {
        "environment": happened | {"gc_pauses": {"longest": pauses}},
        "run": {"origin_monotonic_s": origin_s},
        "measured": {"messages": 1500, "queries": None if answers is None else {"count": answers}},
    }


def test_stalls_are_put_into_the_runs_own_time() -> None:
    noise = noise_of([Stall(102.5, 0.25), Stall(101, 0.5)], real_document(), 10.0)
    assert noise.stalls == (Stall(1, 0.5), Stall(2.5, 0.25))
    assert noise.gc_pauses == (Stall(1, 0.002), Stall(3, 0.004))
    assert (noise.stolen_s, noise.run_delay_s, noise.involuntary_switches) == (None, 0.03, 7)


def test_of_a_stall_only_what_lies_within_the_run_counts() -> None:
    across, beyond = [Stall(99.5, 1), Stall(109.5, 1)], [Stall(98, 2), Stall(110, 1), Stall(50, 1)]
    assert noise_of(across, real_document(), 10.0).stalls == (Stall(0, 0.5), Stall(9.5, 0.5))
    assert noise_of([Stall(90, 60)], real_document(), 10.0).stalls == (Stall(0, 10),)
    assert noise_of(beyond, real_document(), 10.0).stalls == ()


def test_a_stall_that_two_have_noted_counts_once() -> None:
    # Of 2 to 3, 2.5 to 3.25 and 2.75 to 2.8; 4 to 4.5 and 4.5 to 5; and one 1 ms beside another.
    noted = [Stall(102.5, 0.75), Stall(102, 1), Stall(102.75, 0.05), Stall(104, 0.5), Stall(104.5, 0.5)]
    beside = [Stall(106, 0.25), Stall(106.251, 0.25)]
    found = noise_of(noted + beside, real_document(), 10.0)
    assert [(stall.at_s, pytest.approx(stall.lasting_s)) for stall in found.stalls[:3]] == [
        (2, 1.25),
        (4, 1),
        (6, 0.25),
    ]
    assert len(found.stalls) == 4
    assert found.stalled_s == pytest.approx(2.75)


def test_two_short_stalls_that_overlap_are_a_long_one() -> None:
    noted = [Stall(101, 0.015), Stall(101.0125, 0.015)]
    assert noise_of(noted, real_document(), 10.0).loud == "the machine stalled for 27.5 ms at 1.0 s"


def test_what_each_message_and_each_query_waits_for_anyway_is_no_noise() -> None:
    assert QUEUED_S == 1e-5
    noise, asked = noise_of([], real_document(), 1.0), noise_of([], real_document(answers=500), 1.0)
    assert (noise.usual_delay_s, asked.usual_delay_s) == (pytest.approx(0.015), pytest.approx(0.020))
    assert (noise.run_delay_s, asked.run_delay_s) == (0.03, 0.03)  # as it was counted
    assert (noise.share, asked.share) == (pytest.approx(0.015), pytest.approx(0.010))
    assert noise.loud == "the machine was taken away for 1.5 % of the time, more than 0.5 %"


def test_waiting_less_than_usual_is_no_noise_and_hides_none() -> None:
    assert Noise(10.0, run_delay_s=0.03, usual_delay_s=0.1).share == 0
    assert Noise(10.0, (Stall(1, 0.5),), run_delay_s=0.03, usual_delay_s=0.1).share == 0.05
    assert Noise(10.0, run_delay_s=None, usual_delay_s=0.1).share == 0


def test_a_run_without_messages_has_no_instants() -> None:
    assert noise_of([Stall(101, 0.5)], real_document(origin_s=None), 0.0).stalls == ()
    assert Noise(0.0).share == 0.0


def test_the_share_is_what_the_account_that_says_the_most_says() -> None:
    stalls = Stall(1, 0.5), Stall(3, 0.25)
    noise = Noise(10.0, stalls, stolen_s=0.5, run_delay_s=None)
    assert (noise.stalled_s, noise.longest_s, noise.share) == (0.75, 0.5, 0.075)
    assert Noise(10.0, stalls, stolen_s=1.0, run_delay_s=0.1).share == 0.1
    assert Noise(10.0, stalls, stolen_s=None, run_delay_s=2.0).share == 0.2


def test_a_quiet_machine_is_not_loud() -> None:
    assert Noise(10.0).loud is None
    assert Noise(10.0, (Stall(1, 0.0199), Stall(2, 0.0199)), stolen_s=0.05, run_delay_s=0.0).loud is None


def test_one_long_stall_is_loud_however_long_the_run_was() -> None:
    assert LONGEST_S == 0.02
    assert Noise(1e4, (Stall(1, 0.003), Stall(3.2, 0.02))).loud == "the machine stalled for 20 ms at 3.2 s"


def test_a_late_stall_is_told_without_powers_of_ten() -> None:
    assert Noise(1e4, (Stall(2345.6, 0.5),)).loud == "the machine stalled for 500 ms at 2,345.6 s"


def test_many_short_stalls_are_loud() -> None:
    assert MOST_SHARE == 0.005
    noise = Noise(10.0, tuple(Stall(at, 0.015) for at in range(8)))
    assert noise.loud == "the machine was taken away for 1.2 % of the time, more than 0.5 %"


def test_a_share_just_over_the_limit_is_told_as_more_than_it() -> None:
    told = Noise(10.0, run_delay_s=0.0501).loud
    assert told == "the machine was taken away for 0.501 % of the time, more than 0.5 %"


def test_collecting_garbage_is_no_noise() -> None:
    assert Noise(10.0, gc_pauses=(Stall(1, 3),)).loud is None


def test_a_document_is_strict_json_and_comes_back_the_same() -> None:
    noise = Noise(10.0, (Stall(1, 0.5),), (Stall(2, 0.25),), None, 0.03, 7, 0.015)
    assert of_document(json.loads(json.dumps(noise.document(), allow_nan=False))) == noise
    assert of_document(json.loads(json.dumps(Noise(3.0).document()))) == Noise(3.0)


def test_a_document_from_before_the_usual_delay_was_told_has_none() -> None:
    document = Noise(10.0, run_delay_s=0.03, usual_delay_s=0.01).document()
    del document["usual_delay_s"]
    assert of_document(document) == Noise(10.0, run_delay_s=0.03)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"seconds_s": "10"}, "seconds_s is '10'"),
        ({"seconds_s": None}, "seconds_s is None"),
        ({"stolen_s": float("nan")}, "stolen_s is nan"),
        ({"involuntary_switches": True}, "involuntary_switches is True"),
        ({"involuntary_switches": 1.5}, "involuntary_switches is 1.5"),
        ({"usual_delay_s": None}, "usual_delay_s is None"),
        ({"stalls": None}, "stalls is None"),
        ({"stalls": [{"at_s": 1, "lasting_s": 1}, {"at_s": 1}]}, r"stalls\[1\]: found at_s; it must have at_s, lasti"),
        ({"stalls": [3]}, r"stalls\[0\]: found 3"),
        ({"gc_pauses": [{"at_s": 1, "lasting_s": None}]}, r"gc_pauses\[0\]: lasting_s is None"),
        ({"more": 1}, "noise: found .*, more; it must have"),
    ],
)
def test_a_document_that_is_no_such_thing_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        of_document(Noise(10.0).document() | changes)


def test_a_document_that_lacks_something_is_refused() -> None:
    document = Noise(10.0).document()
    del document["stalls"]
    with pytest.raises(ValueError, match="it must have seconds_s, stalls"):
        of_document(document)
