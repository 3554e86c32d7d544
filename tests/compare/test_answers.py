"""Answers: one sentence that answers the question, and on the next line what it rests on."""

import pytest

from compare.experiment import Options, in_short
from compare.experiments import throughput
from tests.compare.runs import compared, sentence_of


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("Yes: 1.5 ms at 150/s.\nOf ten runs nine did. All were short.", "Yes: 1.5 ms at 150/s."),
        ("3 of 3 numbers agree; mean latency is 1.5 % off.", "3 of 3 numbers agree; mean latency is 1.5 % off."),
        ("", ""),
    ],
)
def test_the_first_line_is_the_answer_in_short_and_one_line_is_all_of_it(answer: str, sentence: str) -> None:
    assert in_short(answer) == sentence


def test_throughput_is_answered_with_latency_the_limit_and_growth() -> None:
    runs = [compared(case) for case in throughput.cases(Options(quick=True))]
    told = throughput.answer(runs, throughput.judge_points(runs))
    said = sentence_of(told)
    assert said.startswith("Mean latency rises from ")
    assert "the queue grows without bound, at " in said
    assert said.endswith(" messages every second.")
    assert "the flags alone say 200/s." in told
