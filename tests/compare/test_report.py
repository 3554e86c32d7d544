"""The report: one page that needs nothing else, and leaves out nothing that was judged."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from compare.report import embedded, page, write_report
from tests.compare.summaries import attribution, calibration, entry, noise, pairing, point, saturated, summary

PICTURE = "data:image/png;base64,iVBORw0KGgo="
VOID = {"meta", "br", "img", "hr", "link", "input"}


class Page(HTMLParser):
    """A page taken apart; a tag that closes another than the last one opened is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        """What a person reads."""
        return " ".join(" ".join(self.words).replace("\xa0", " ").split())

    def every(self, name: str) -> list[str | None]:
        """The values of an attribute."""
        return [attributes[name] for _, attributes in self.tags if name in attributes]


def drawn(told: dict[str, Any], pictures: dict[str, str] | None = None) -> Page:
    every = {name: PICTURE for experiment in told["experiments"] for name in experiment["captions"]}
    return Page(page(told, every if pictures is None else pictures))


def test_a_parser_that_finds_what_is_wrong_finds_it() -> None:
    for wrong in ("<p><b></p></b>", "<div><p></p>", "</p>"):
        with pytest.raises(AssertionError):
            Page(wrong)


def test_the_page_is_whole_and_loads_nothing_from_elsewhere() -> None:
    told = summary(entry("throughput"), entry("ordering"))
    found = drawn(told)
    assert all(str(source).startswith("data:image/") for source in found.every("src"))
    targets = found.every("href")
    assert targets
    assert {str(target) for target in targets} <= {f"#{name}" for name in found.every("id")}
    assert not {"script", "link", "iframe", "object", "base"} & {tag for tag, _ in found.tags}
    text = page(told, {})
    assert "http" not in text
    assert "url(" not in text
    assert "@import" not in text


def test_no_two_places_have_one_name() -> None:
    names = drawn(summary(entry("throughput"), entry("ordering"))).every("id")
    assert len(names) == len(set(names))


def test_every_point_is_shown_with_its_verdict_and_its_reason() -> None:
    points = [
        point("10/s", word="DIFFERS", reason="+9 % off, and outside the band"),
        point("150/s", word="INCONCLUSIVE", reason="the band is 12 % wide"),
        point("150/s", "latency_s.p99", title="p99", reason="+2 % off, tolerance 5 %"),
        saturated(reason="-0.2 % off, tolerance 1 %"),
    ]
    text = drawn(summary(entry(points=points))).text
    for one in points:
        assert f"{one['word']} {one['reason']}" in text
    assert "2 agree 1 differs 1 inconclusive" in text


def test_a_point_is_shown_with_all_its_numbers() -> None:
    text = drawn(summary(entry(points=[point(), saturated()]))).text
    row = "150/s mean latency 12.5 ms 14.1 ms 13.9 … 14.4 ms 14.2 ms +0.7 % 5 % +13.6 % 15 ms 14.7 … 15.3 ms AGREES"
    assert row in text
    assert "1000/s throughput 200/s 192/s 192 … 192.6/s 192/s" in text


def test_a_point_without_theory_tolerance_and_interval_has_dashes() -> None:
    nothing = {"nominal": None, "ensemble_error": None, "tolerance": None, "ensemble": None, "band": []}
    text = drawn(summary(entry(points=[point(**nothing, utilization=None)]))).text
    assert "mean latency – 14.1 ms 14.2 ms +0.7 % – – – AGREES" in text
    short = {"estimate": 0.015, "low": None, "high": None}
    assert "+13.6 % 15 ms AGREES" in drawn(summary(entry(points=[point(ensemble=short)]))).text


def test_the_prediction_with_stalls_is_shown_where_the_verdict_is_about_it() -> None:
    for word, shown in (("INCONCLUSIVE", True), ("AGREES", False)):
        text = drawn(summary(entry(points=[point(word=word, adjusted=0.0177)]))).text
        assert ("17.7 ms with stalls" in text) is shown


def test_a_run_that_is_judged_in_two_places_stands_in_one() -> None:
    points = [point("a"), point("b"), point("a", "latency_s.p99", title="p99")]
    heads = [attributes for tag, attributes in drawn(summary(entry(points=points))).tags if tag == "th"]
    assert [head["rowspan"] for head in heads if head.get("rowspan") and head["scope"] == "rowgroup"][:2] == ["2", "1"]


def test_the_question_comes_with_hypothesis_trial_rules_and_answer() -> None:
    text = drawn(summary(entry("ordering"))).text
    places = [text.rindex(words) for words in ("ordering: What of ordering?", "It will be 14.1 ms.", "It was 14.2 ms.")]
    assert places == sorted(places)
    assert "ordering was tried." in text
    assert "5 % of everything." in text


def test_every_figure_is_embedded_with_its_caption(tmp_path: Path) -> None:
    told = summary(entry("throughput"), entry("ordering"))
    for name, png, svg in (("throughput", b"PNG", b"<svg> which is longer"), ("ordering", b"PNG, longer", b"<svg>")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "latency.png").write_bytes(png)
        (tmp_path / name / "latency.svg").write_bytes(svg)
    write_report(tmp_path, told)
    found = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert found.every("src") == ["data:image/png;base64,UE5H", "data:image/svg+xml;base64,PHN2Zz4="]
    assert all("Where they agree, points lie on the line." in str(text) for text in found.every("alt"))
    assert found.text.count("Where they agree, points lie on the line.") == 2


def test_a_figure_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    assert embedded(tmp_path / "latency.png") is None
    write_report(tmp_path, summary())
    text = Page((tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert "throughput/latency.png is not there" in text


def test_text_is_escaped_wherever_it_comes_from() -> None:
    mark = "<b>&\"'</b><script>"
    told = summary(
        entry(
            points=[point(mark, title=mark, reason=mark, word="DIFFERS")],
            question=mark,
            tried=mark,
            rules=mark,
            hypothesis=mark,
            answer=mark,
            attribution=[attribution(mark)],
            pairing=[pairing(mark) | {"worst": [pairing()["worst"][0] | {"why": mark}]}],
            noise=[noise(mark, repeated=(mark,))],
            facts={mark: mark},
            captions={"throughput/latency.png": mark},
        ),
        command=mark,
        inject=mark,
        unfinished=[mark],
    )
    found = drawn(told)
    assert "script" not in {tag for tag, _ in found.tags}
    assert found.text.count(mark) >= 16
    assert "<b>&" not in page(told, {})


def test_an_interrupted_session_and_an_injection_are_said_at_the_top() -> None:
    found = drawn(summary(unfinished=["queries", "gil"], inject="service=1.05"))
    assert "This comparison was interrupted. Not finished: queries, gil." in found.text
    assert "service=1.05" in found.text
    assert {"unfinished", "injected"} <= set(found.every("id"))
    assert not {"unfinished", "injected"} & set(drawn(summary()).every("id"))


def test_attributions_add_up_from_left_to_right_and_leave_out_what_nobody_has() -> None:
    parts = [attribution("a"), attribution("b", parts=(-0.0008, 0.0, 0.0005, 0.0))]
    text = drawn(summary(entry(attribution=parts))).text
    assert "a 12.5 ms −800 µs +2 ms +500 µs 0 ms 14.2 ms 100 %" in text
    assert "b 12.5 ms −800 µs 0 ms +500 µs 0 ms 12.2 ms 100 %" in text
    alone = [attribution("a", parts=(-0.0008, 0.002, 0.0, 0.0))]
    text = drawn(summary(entry(attribution=alone))).text
    assert "Mean latency theory finite sample of arrivals service overshoot rest measured" in text
    assert "p99 of latency theory" not in text


def test_no_share_has_a_name_where_the_rest_is_more_than_the_difference() -> None:
    for share, shown in ((-0.85, "–"), (None, "–"), (0.0, "0 %"), (0.97, "97 %")):
        text = drawn(summary(entry(attribution=[attribution() | {"named_share": share}]))).text
        assert f"+500 µs 0 ms 14.2 ms {shown}" in text


def test_a_range_over_orders_is_shown_where_there_is_one() -> None:
    ranged = attribution()
    ranged["parts"][1] |= {"low_s": 0.0019, "high_s": 0.0023}
    text = drawn(summary(entry(attribution=[ranged]))).text
    assert "+2 ms +1.9 ms … +2.3 ms +500 µs 0 ms" in text


def test_the_worst_messages_are_there_with_what_happened_to_them() -> None:
    text = drawn(summary(entry(pairing=[pairing("150/s") | {"correlation": None}, pairing("160/s")]))).text
    assert "150/s 600 – +100 µs 20 µs 300 µs 41 ms" in text
    assert "160/s 600 0.9943" in text
    assert text.count("317 2.11 s 10 ms 51 ms the machine stalled 41 ms") == 2


def test_the_answer_begins_with_one_sentence_in_bold_and_only_that_is_in_the_list() -> None:
    html = page(summary(entry(answer="It was 14.2 ms.\nOf ten runs nine agree.")), {})
    assert "<b>Answer. It was 14.2\N{NO-BREAK SPACE}ms.</b> Of ten runs nine agree.</p>" in html
    assert html.count("Of ten runs nine agree.") == 1
    assert html.count("It was 14.2\N{NO-BREAK SPACE}ms.") == 2
    # One that has no more to say.
    assert "<b>Answer. It was 14.2\N{NO-BREAK SPACE}ms.</b></p>" in page(summary(), {})


def test_repeats_and_stalls_are_counted_and_shown() -> None:
    stall = {"at_s": 3.2, "lasting_s": 0.041}
    noises = [noise("a", repeated=("the machine stalled for 41 ms at 3.2 s",)), noise("b", stalls=[stall])]
    text = drawn(summary(entry(noise=noises))).text
    assert "1 run was repeated" in text
    assert "a: the machine stalled for 41 ms at 3.2 s" in text
    assert "b 4 s 1 41 ms 41 ms at 3.20 s 0 ms 10 ms 4 1 % the machine stalled for 41 ms at 3.2 s" in text
    assert "10 ms usual: 6 ms 4 0.1 % no" in drawn(summary(entry(noise=[noise(usual_delay_s=0.006)]))).text
    assert "No run had to be repeated." in drawn(summary()).text


def test_machine_calibration_and_command_are_told() -> None:
    text = drawn(summary(calibrations=[calibration("cpu")])).text
    assert "Some processor, 2 cores" in text
    assert "python -m compare all --quick" in text
    assert "cpu 5 ms 295 3 5.2 ms 192.3/s 5.15 ms 10.3 ms 50 µs 100 µs 60 µs 120 µs 4.68 ms −10 %" in text


def test_whether_processors_were_kept_awake_is_told_and_why_not() -> None:
    told = summary(entry("throughput"))
    assert "2 processors, while work sleeps" in drawn(told).text
    asleep = drawn(told | {"awake": {"processors": 0, "why_not": "--no-keep-awake"}}).text
    assert "no processor (--no-keep-awake)" in asleep


def test_a_session_without_calibrations_points_and_reasons_has_a_page() -> None:
    empty = entry(points=[], attribution=[], pairing=[], noise=[], captions={})
    found = drawn(summary(empty, calibrations=[], calibration=None, accuracy={}))
    assert "No calibration was made in this session" in found.text
    once = calibration() | {"afterwards": None, "drift": None}
    assert "120 µs – –" in drawn(summary(calibrations=[once])).text


def test_no_line_ends_between_a_number_and_its_unit() -> None:
    text = page(summary(entry(answer="It took 5.2 ms, 7 % more in 3 sets.")), {})
    assert "It took 5.2\xa0ms, 7\xa0% more in 3 sets." in text
