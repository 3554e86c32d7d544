"""The closing questions and the claims: answered with a summary's numbers, or said to be open."""

from typing import Any

import pytest

from compare.experiments.queries import SEEN_P99
from compare.reporting.claims import CONFIRMED, IN_PART, NOT_TRIED, REFUTED, claims
from compare.reporting.closing import closing
from tests.compare.summaries import calibration, entry, point, saturated, summary

CPU, QUERIES, THREADS = range(3)  # the claims, in their order


def answers(told: dict[str, Any]) -> dict[str, str]:
    """The answers by the word that their question is about."""
    words = ("bottleneck", "allow", "workers", "queries", "ten times")
    found = closing(told)
    assert len(found) == len(words)
    for word, (question, _) in zip(words, found, strict=True):
        assert word in question
    return dict(zip(words, (answer for _, answer in found), strict=True))


def found(told: dict[str, Any], claim: int, work: str = "sleep") -> tuple[str, str]:
    (one,) = (finding for finding in claims(told)[claim].findings if finding.work == work)
    return one.word, one.why


def asked(measured: float, utilization: float = 0.9, **changes: Any) -> dict[str, Any]:
    seen = {"metric": SEEN_P99.name, "predicted": 0.0055, "utilization": utilization}
    return point(**{"label": "180/s"} | seen | {"measured": measured} | changes)


def threads(**per_s: float) -> dict[str, Any]:
    facts = {f"{name[:-1]} × {name[-1]}": {"throughput_per_s": value} for name, value in per_s.items()}
    return entry("gil", points=[], facts=facts)


# -- the questions --------------------------------------------------------------------------------------------------


def test_the_bottleneck_is_processing_where_that_is_what_holds_the_thread() -> None:
    # 5.15 of 5.2 ms are processing, 0.05/5.15 would be gained; 192 × 5.2 ms is 0.9984.
    answer = answers(summary())["bottleneck"]
    assert answer == (
        "In processing, on the one thread. A message of 5 ms of sleep holds the thread for 5.2 ms: 99 % of that is "
        "its processing, and 50 µs are the loop around it. One after the other, that allows 192.3/s, and 192/s is the "
        "most that got through (−0.2 %): no other part of the system costs throughput. A loop that cost nothing at "
        "all would gain 1 %."
    )


def test_the_bottleneck_is_the_loop_where_that_takes_longer() -> None:
    short = calibration(service_s=1e-5, processing_s=2e-5, dispatch_s=6e-5)
    answer = answers(summary(calibrations=[short]))["bottleneck"]
    assert answer.startswith("In the loop around processing.")
    assert "25 % of that is its processing" in answer


def test_a_limit_that_the_hold_does_not_explain_is_not_explained_away() -> None:
    answer = answers(summary(entry(points=[saturated(180.0)])))["bottleneck"]  # 180 × 5.2 ms = 0.936
    assert "180/s is the most that got through (−6.4 %): 6.4 % of it is not explained by that." in answer
    assert "no other part" not in answer


def test_the_limit_of_another_kind_of_work_answers_for_its_own_only() -> None:
    told = summary(entry(points=[saturated(150.0, work="cpu")]))
    assert "150" not in answers(told)["bottleneck"]
    assert "5 ms of cpu would allow 200/s; 150/s were reached (−25 %)." in answers(told)["allow"]


@pytest.mark.parametrize("limit", [150.0, 298.0])
def test_a_limit_that_the_calibration_does_not_explain_gets_no_reason(limit: float) -> None:
    told = summary(entry(points=[saturated(limit, work="cpu")]), calibrations=[calibration("cpu")])
    answer = answers(told)["allow"]
    assert "does not explain that: processing takes 150 µs longer" in answer
    assert "so 192.3/s." in answer


def test_every_processing_time_is_told_what_it_allows_and_what_a_message_costs_beyond_it() -> None:
    points = [saturated(), saturated(882.0, nominal=1000.0, workload={"service_s": 0.001})]
    kinds = [calibration(), calibration(service_s=0.001, processing_s=0.00112, dispatch_s=1e-5), calibration("cpu")]
    lines = answers(summary(entry("service", points=points), calibrations=kinds))["allow"].split("\n")
    late = "longer than asked for (a sleep ends late), and the loop"
    assert lines[:2] == [
        f"1 ms of sleep would allow 1000/s; 882/s were reached (−11.8 %): processing takes 120 µs {late} 10 µs.",
        f"5 ms of sleep would allow 200/s; 192/s were reached (−4 %): processing takes 150 µs {late} 50 µs.",
    ]
    assert lines[2].startswith("5 ms of cpu would allow 200/s: processing takes 150 µs longer than asked for")
    assert len(lines) == 3


def test_processing_that_takes_less_than_asked_for_is_said_to() -> None:
    answer = answers(summary(calibrations=[calibration("precise", processing_s=0.00498)]))["allow"]
    assert "processing takes 20 µs less than asked for, and the loop 50 µs" in answer


def test_neither_threads_nor_a_run_below_the_limit_tell_the_limit_of_one() -> None:
    for other in (entry("gil", points=[saturated(777.0)]), entry(points=[saturated(777.0, utilization=0.9)])):
        told = answers(summary(other))
        assert "777" not in " ".join(told.values())
        assert "python -m compare throughput" in told["bottleneck"]


def test_sleep_of_the_time_asked_for_is_what_the_bottleneck_is_told_of() -> None:
    kinds = [calibration("cpu"), calibration(service_s=0.001), calibration()]
    for calibrations, kind in ((kinds, "5 ms of sleep"), (kinds[:2], "5 ms of cpu")):
        answer = answers(summary(calibrations=calibrations))["bottleneck"]
        assert f"A message of {kind} holds the thread" in answer


def test_the_other_workers_wait_and_their_share_is_told() -> None:
    # Utilization 0.78 among 10 workers; 150/s × 14.2 ms − 0.78 = 1.35 are waiting.
    question, answer = closing(summary())[2]
    assert "other nine workers" in question
    assert answer.startswith("Nothing: a worker is a state, not a thread")
    assert "At 150/s the thread is busy for 78 % of the time, so each of 10 workers is served for 7.8 %" in answer
    assert "1.4 at a time" in answer
    assert "python -m compare workers" in answer


@pytest.mark.parametrize(
    ("word", "conclusion"),
    [("AGREES", "does not matter"), ("DIFFERS", "their number matters"), ("INCONCLUSIVE", "too noisy to say")],
)
def test_whether_their_number_matters_is_for_the_test_of_equality_to_say(word: str, conclusion: str) -> None:
    many = {"label": "1000 workers", "workload": {"workers": 1000}}
    skewed = point("zipf", "latency_ratio.mean", word="DIFFERS", workload={"workers": 1000})
    sizes = [point("10 workers"), point(measured=0.0143, **many), point(metric="latency_ratio.mean", word=word, **many)]
    answer = answers(summary(entry("workers", points=[*sizes, skewed])))["workers"]
    assert "14.2 ms with 10, 14.3 ms with 1,000: " in answer
    assert conclusion in answer


def test_one_worker_has_no_others() -> None:
    question, _ = closing(summary(options=summary()["options"] | {"workers": 1}))[2]
    assert question == "What do other workers do while one is served?"


def test_queries_are_told_at_every_load_and_what_they_cost() -> None:
    cost = point("150/s often", "latency_s.mean_over_alone", measured=1.07, predicted=1.06, unit="")
    points = [asked(0.0056), asked(0.0052, 0.25, label="50/s"), cost]
    lines = answers(summary(entry("queries", points=points, facts={"answer_s": 2e-4})))["queries"].split("\n")
    assert "between two messages" in lines[0]
    assert lines[1].startswith("50/s, utilization 0.25: p99 of a question was 5.2 ms, predicted 5.5 ms")
    assert lines[2].startswith("180/s, utilization 0.9: p99 of a question was 5.6 ms")
    assert "each of which keeps the thread for 200 µs" in lines[3]
    assert "at 150/s often mean latency was 1.07 times what it was without questions, predicted 1.06" in lines[4]


def test_ten_times_as_much_takes_less_work_more_processes_or_threads() -> None:
    # 1,920/s is 520.8 µs a message, of which 200 µs stay.
    answer = answers(summary(entry(), threads(sleep1=192.0, sleep4=764.0, cpu1=190.0, cpu4=188.0)))["ten times"]
    assert "10 × 192/s is 1920/s, 521 µs a message." in answer
    assert "321 µs of sleep instead of 5 ms, if the 200 µs" in answer
    assert "10 cores (here are 2)" in answer
    assert "4 of them processed 3.98 times as much sleep work as 1; 4 of them processed 0.989 times as much" in answer


def test_less_work_cannot_do_it_where_the_rest_takes_too_long_already() -> None:
    short = calibration(service_s=0.005, processing_s=0.0056)  # 565 µs a message, and 650 µs stay
    answer = answers(summary(entry(points=[]), calibrations=[short]))["ten times"]
    assert "Less work alone cannot do it: a message costs 650 µs beyond what it asks for" in answer


def test_what_was_not_run_is_left_out_with_a_sentence() -> None:
    found = answers(summary(entry("ordering", points=[]), calibrations=[]))
    assert (
        found["bottleneck"] == found["ten times"] == "How long a message holds the thread was not measured in this run."
    )
    for word, experiment in (("allow", "throughput"), ("workers", "workers"), ("queries", "queries")):
        assert f"not tried in this run (python -m compare {experiment})" in found[word]
    assert "python -m compare gil" in answers(summary())["ten times"]


# -- the claims -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "word"), [(0.004, REFUTED), (0.5, IN_PART), (0.99, CONFIRMED)])
def test_processing_is_cpu_bound_where_it_computes(share: float, word: str) -> None:
    for facts in ({"sleep.cpu_share": share}, {"sleep": {"cpu_share": share}}):
        assert found(summary(entry("work", facts=facts)), CPU)[0] == word


def test_spinning_is_called_what_it_is() -> None:
    told = summary(entry("work", facts={"precise.cpu_share": 1.0, "cpu.cpu_share": 1.0}), calibrations=[])
    told["experiments"][0]["points"] = [point(work="precise"), point(work="cpu")]
    assert "only to wait" in found(told, CPU, "precise")[1]
    assert "only to wait" not in found(told, CPU, "cpu")[1]


@pytest.mark.parametrize(("seen_s", "word"), [(0.0056, CONFIRMED), (0.0009, REFUTED)])
def test_queries_and_updates_exclude_each_other_where_questions_wait(seen_s: float, word: str) -> None:
    told = summary(entry("queries", points=[asked(0.0001, 0.25), asked(seen_s)]))
    got, why = found(told, QUERIES)
    assert got == word
    assert "5.2 ms" in why


def test_the_client_s_own_floor_is_no_waiting() -> None:
    facts = {"floor_s": 0.004}
    assert found(summary(entry("queries", points=[asked(0.0056)], facts=facts)), QUERIES)[0] == REFUTED


@pytest.mark.parametrize(("meanwhile", "word"), [(0, CONFIRMED), (3, REFUTED)])
@pytest.mark.parametrize("work", ["sleep", "cpu", "mixed", "precise"])
def test_questions_that_came_while_a_message_was_processed_tell_of_each_kind(
    work: str, meanwhile: int, word: str
) -> None:
    facts = {work: {"questions": 205, "came": 152, "meanwhile": meanwhile, "longest_wait_s": 0.0052}}
    got, why = found(summary(entry("work", facts=facts), calibrations=[calibration(work)]), QUERIES, work)
    assert got == word
    assert f"of 205 questions 152 came while a message was processed, and {meanwhile or 'none'} of all" in why
    assert "the longest waited 5.2 ms" in why


def test_questions_that_came_while_nothing_was_processed_tell_nothing() -> None:
    facts = {"sleep": {"questions": 9, "came": 0, "meanwhile": 0, "longest_wait_s": 0.0}}
    assert found(summary(entry("work", facts=facts)), QUERIES)[0] == NOT_TRIED


def test_what_clients_saw_has_its_say_beside_what_was_counted() -> None:
    facts = {"sleep": {"questions": 205, "came": 152, "meanwhile": 0, "longest_wait_s": 0.0052}}
    for seen_s, word in ((0.0056, CONFIRMED), (0.0009, IN_PART)):
        told = summary(entry("work", facts=facts), entry("queries", points=[asked(seen_s)]))
        got, why = found(told, QUERIES)
        assert got == word
        assert "152 came" in why
        assert "Over HTTP, at 180/s p99 of a question was" in why


@pytest.mark.parametrize(("reached", "word"), [(199.0, CONFIRMED), (150.0, IN_PART)])
@pytest.mark.parametrize("work", ["cpu", "precise"])
def test_one_thread_that_reaches_what_holding_it_allows_is_the_limit(work: str, reached: float, word: str) -> None:
    facts = {work: {"limit_per_s": reached, "hold_s": 0.005}}
    got, why = found(summary(entry("work", facts=facts), calibrations=[calibration(work)]), THREADS, work)
    assert got == word
    assert f"one thread reached {reached:g}/s, and 1/hold is 200/s (−" in why
    assert ("only seem to help" if work == "precise" else "python -m compare gil") in why


@pytest.mark.parametrize(("four", "word"), [(380.0, CONFIRMED), (290.0, IN_PART), (200.0, REFUTED)])
def test_threads_are_held_against_what_they_can_gain(four: float, word: str) -> None:
    # Half of a message is computed, one at a time: four threads can do 2.05 times as much as one, not four times.
    told = threads(mixed1=192.0, mixed4=four)
    told["facts"]["mixed × 4"] |= {"most_times_one_thread": 2.05, "processors_busy": 0.6}
    got, why = found(summary(entry(), told, calibrations=[calibration("mixed")]), THREADS, "mixed")
    assert got == word
    assert ("of at most 2.05 (under the GIL one of them computes at a time)" in why) is (word != REFUTED)


@pytest.mark.parametrize(("four", "word"), [(764.0, CONFIRMED), (195.0, REFUTED), (380.0, IN_PART)])
def test_throughput_is_limited_by_one_thread_where_more_of_them_do_more(four: float, word: str) -> None:
    got, why = found(summary(entry(), threads(sleep1=192.0, sleep2=200.0, sleep4=four)), THREADS)
    assert got == word
    assert "1 thread processed 192/s" in why


@pytest.mark.parametrize(("busy", "word"), [(1.02, CONFIRMED), (1.9, REFUTED), (0.2, REFUTED)])
def test_threads_that_gain_nothing_confirm_it_where_one_at_a_time_computes(busy: float, word: str) -> None:
    told = threads(cpu1=192.0, cpu4=190.0)
    told["facts"]["cpu × 4"]["processors_busy"] = busy
    got, why = found(summary(entry(), told, calibrations=[calibration("cpu")]), THREADS, "cpu")
    assert got == word
    assert ("under the GIL" in why) is (word == CONFIRMED)
    free = summary()["environment"] | {"gil": False}
    assert "GIL" not in found(summary(told, environment=free, calibrations=[calibration("cpu")]), THREADS, "cpu")[1]


def test_claims_are_held_against_every_kind_of_work_or_left_open() -> None:
    told = summary(calibrations=[calibration("precise"), calibration("cpu"), calibration("sleep")])
    for claim in claims(told):
        assert [finding.work for finding in claim.findings] == ["sleep", "cpu", "precise"]
        assert {finding.word for finding in claim.findings} == {NOT_TRIED}
        told = {finding.work: finding.why for finding in claim.findings}
        if "single-threaded" in claim.claim:  # of which precise work is not tried at all, and that is said
            assert "only seem to help" in told.pop("precise")
        assert all("python -m compare" in why for why in told.values())
