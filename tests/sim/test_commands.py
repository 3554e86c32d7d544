"""What `python -m sim` can do beyond one prediction: sweeps, servers, Monte Carlo, plans, coverage; and every refusal.

The commands run in this process, which takes a hundredth of what starting one takes. `tests/test_commands.py` starts
them as a user does.
"""

import csv
import json
import math
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.image import imread

from sim import MD1, Workload, simulate
from sim.__main__ import main
from sim.command import UsageError
from sim.theory import MG1, MDc
from tests.test_commands import METRIC_KEYS, WORKLOAD_KEYS

THEORY_KEYS = {
    *("model", "utilization", "stable", "capacity_per_s", "queue_growth_per_s", "latency_growth_s_per_s"),
    *("wait_s", "latency_s", "queue_length", "note"),
}
PERCENTILES = {"p50": 0.5, "p95": 0.05, "p99": 0.01}


@pytest.fixture(autouse=True)
def _eighty_columns_in_an_empty_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)


def screen(capsys: pytest.CaptureFixture[str], command: str) -> str:
    """Return what a command prints, in one line: where it is wrapped is not what is tested."""
    main(command.split())
    return " ".join(capsys.readouterr().out.split())


def document(capsys: pytest.CaptureFixture[str], command: str) -> dict[str, Any]:
    main([*command.split(), "--json"])
    return parsed(capsys.readouterr().out)


def parsed(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} in JSON"))
    return found


# -- what is refused ---------------------------------------------------------------------------------------------------

A_RATE = "in messages/s above 0, at most 1e6, as in --sweep-rate 10:400:10"
A_SERVICE = "in milliseconds from 1e-3 to 1e5, as in --sweep-service-ms 1,5,10,50"
A_LOAD = "in utilizations above 0, at most 0.99, as in --loads 0.5,0.8,0.9"
A_TARGET = "must be milliseconds above 0, at most 1e9, as in --{}-ms 20"
NO_NUMBERS = ("nan", "inf", "-inf", "-1", "0", "1e308", "abc", "", "1e-999999")
NO_LISTS = ("10:5:1", "10:400:0", "10:400:-5", "10:400", "10:400:1:1", "1,,2", "1,2,", ":", "10:nan:5", "1e9")
NOT_STORED = "a workload is held in memory: at most 1e+07"
STORED_ONLY = "nothing is stored of more than 1e6 messages; ask for fewer, as in --messages 1e6"
ONE_THREAD = "several servers are first come, first served; leave it out"
SERVERS = "must be a whole number from 1 to 2000"
# What is typed, what of it is quoted, and what to type instead.
REFUSED = [
    *((f"--servers={text}", f"--servers {text}", SERVERS) for text in (*NO_NUMBERS, "1.5", "5000", "1e99999999999")),
    *((f"--sweep-rate={text}", f"--sweep-rate {text}", A_RATE) for text in (*NO_NUMBERS, *NO_LISTS, "100,2e6")),
    *(
        (f"--sweep-service-ms={text}", f"--sweep-service-ms {text}", A_SERVICE)
        for text in (*NO_NUMBERS, *NO_LISTS, "1e-4", "5,2e5")
    ),
    ("--sweep-rate 1:1e8:0.1", "--sweep-rate 1:1e8:0.1", "more than 200 points; give fewer"),
    ("--sweep-rate 10:400:1e-999999", "--sweep-rate 10:400:1e-999999", "more than 200 points; give fewer"),
    (f"--sweep-rate {','.join(['5'] * 201)}", "--sweep-rate 5,5,", "more than 200 points; give fewer"),
    (
        "--sweep-rate 1:150:1 --sweep-service-ms 1,2",
        "--sweep-rate 1:150:1 with --sweep-service-ms 1,2",
        "together more than 200 points; give fewer",
    ),
    ("--rate 100 --sweep-rate 10:40:10", "--rate 100 and --sweep-rate 10:40:10", "give one of them"),
    ("--service-ms 5 --sweep-service-ms 1,2", "--service-ms 5 and --sweep-service-ms 1,2", "give one of them"),
    ("--servers 2 --order round-robin", "--servers 2 with --order", ONE_THREAD),
    ("--servers 2 --inbox 3", "--servers 2 with --inbox", ONE_THREAD),
    ("--servers 2 --query-rate 3", "--servers 2 with --query-rate", ONE_THREAD),
    ("--servers 2 --sweep-rate 10,20 --order per-worker", "--servers 2 with --order", ONE_THREAD),
    ("--servers 2 --sweep-rate 10,20 --inbox 3", "--servers 2 with --inbox", ONE_THREAD),
    ("--servers 2 --sweep-service-ms 1,2 --query-rate 3", "--servers 2 with --query-rate", ONE_THREAD),
    ("--servers 2 --messages 1e8", "--messages 1e8", NOT_STORED),
    ("--messages 1e8 --order round-robin", "--messages 1e8", NOT_STORED),
    ("--messages 1e8 --inbox 5", "--messages 1e8", NOT_STORED),
    ("--messages 1e8 --query-rate 5", "--messages 1e8", NOT_STORED),
    ("--sweep-rate 10,20 --messages 1e8 --query-rate 5", "--messages 1e8", NOT_STORED),
    ("--duration 1e5 --rate 1e3 --order per-worker", "--duration 1e5", NOT_STORED),
    ("--messages 2e9", "--messages 2e9", "from 1 to 1e9, as in --messages 2000"),
    ("--sweep-rate 10,20 --messages 2e9", "--messages 2e9", "from 1 to 1e9, as in --messages 2000"),
    ("--rate 1e5 --duration 1e6", "--duration 1e6", "at most 1e+09"),
    ("--arrivals trace:rows.csv --messages 4", "--messages 4", "rows.csv holds 3 messages: give at most that many"),
    ("--arrivals trace:rows.csv --messages 2e6", "--messages 2e6", "rows.csv holds 3 messages: give at most that many"),
    ("--sweep-rate 1e-12,20 --messages 100", "--rate 1e-12", "the last message is 292 years away"),
    ("--rate 1e-308 --duration 1e-9", "--rate 1e-308", "too low for any formula; give at least 1e-100"),
    ("--sweep-rate 1e-308 --duration 1e-9", "--sweep-rate 1e-308", A_RATE),
    ("--messages 2e6 --plot x.png", "--plot x.png", STORED_ONLY),
    ("--sweep-rate 10,20 --plot x.txt", "--plot x.txt", "must end in .png, .svg or .pdf"),
    ("--sweep-rate 10,20 --out rows.csv", "--out rows.csv", "is not a directory; give one"),
    ("plan", "give one target", "as in --p99-ms 20"),
    ("plan --p99-ms 20 --mean-ms 10", "give one target, not several", "as in --p99-ms 20"),
    *(
        (f"plan --{name}-ms={text}", f"--{name}-ms {text}", A_TARGET.format(name))
        for name, text in zip(("mean", "p50", "p95", "p99") * 3, NO_NUMBERS[:-1], strict=False)
    ),
    ("plan --p99-ms 1", "--p99-ms 1: target 1 ms, service 5 ms", "ask for a longer target"),
    ("plan --p50-ms 4.999", "--p50-ms 4.999: target 4.999 ms", "ask for a longer target"),
    ("plan --mean-ms 5", "--mean-ms 5: target 5 ms, service 5 ms", "ask for a longer target"),
    ("plan --rate 1e6 --service-ms 5 --p99-ms 20", "--p99-ms 20: rate 1e+06/s", "more than 2,000 would be needed"),
    ("plan --rate 0 --p99-ms 20", "--rate 0", "as in --rate 100"),
    ("plan --rate 1e6 --service-ms 1e5 --p99-ms 2e5", "--p99-ms 2e5: rate 1e+06/s", "more than 2,000 would be needed"),
    ("plan --p99-ms 20 --servers 2", "--servers 2", "see python -m sim plan --help"),
    *(
        (f"coverage --runs={text}", f"--runs {text}", "must be a whole number from 2 to 1000000")
        for text in (*NO_NUMBERS, "1", "2.5", "1e7")
    ),
    *((f"coverage --loads={text}", f"--loads {text}", A_LOAD) for text in (*NO_NUMBERS, "1", "0.5,,0.6", "0.5,0.995")),
    ("coverage --loads 0.1:0.9:0.01", "--loads 0.1:0.9:0.01", "more than 20 points; give fewer"),
    ("coverage --relaxation-times 9", "--relaxation-times 9", "must be a whole number from 10 to 1000000"),
    ("coverage --seed -1", "--seed -1", "must be a whole number from 0"),
]


@pytest.mark.parametrize(("command", "quoted", "remedy"), REFUSED)
def test_what_cannot_be_is_refused_in_one_line_with_a_remedy_and_nothing_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str, quoted: str, remedy: str
) -> None:
    (tmp_path / "rows.csv").write_text("1\n2\n3\n")
    with pytest.raises(UsageError) as refusal:
        main(command.split())
    line = str(refusal.value)
    assert line.startswith(quoted) or quoted in line.split(": ")[1]  # argparse says first what it does not know
    assert remedy in line
    assert "\n" not in line
    assert capsys.readouterr() == ("", "")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


# -- any flags together ------------------------------------------------------------------------------------------------

numbers = st.sampled_from(["0", "1e-308", "1e-99", "1e-9", "0.5", "1", "40", "199", "200", "5e3", "1e6", "nan"])
lists = st.sampled_from(["1", "50,300", "200:150:1", "199:201:1", "1e-9,1e6", "300,1", "1e7", "1,,2", "0:5:1"])
# What takes random numbers only, so that any number of messages can be drawn.
drawn = {
    "--rate": numbers,
    "--service-ms": numbers,
    "--arrivals": st.sampled_from(["poisson", "deterministic", "bursty", "bursty:9:0.1"]),
    "--service": st.sampled_from(["deterministic", "exponential", "lognormal:2", "lognormal:50"]),
    "--sweep-rate": lists,
    "--sweep-service-ms": lists,
    "--seed": st.sampled_from(["0", "9223372036854775807"]),
}
stored = {
    "--servers": st.sampled_from(["1", "2", "7", "2000"]),
    "--query-rate": st.sampled_from(["0", "1", "30"]),
    "--query-ms": st.sampled_from(["0.01", "1", "100"]),
    "--query-policy": st.sampled_from(["first", "fifo", "idle"]),
    "--order": st.sampled_from(["fifo", "round-robin", "per-worker"]),
    "--inbox": st.sampled_from(["1", "7"]),
}
flag_combinations = st.one_of(
    st.fixed_dictionaries({"--messages": st.sampled_from(["1", "2", "19", "25"])}, optional=drawn | stored),
    st.fixed_dictionaries({"--duration": st.sampled_from(["1e-9", "0.001", "0.05"])}, optional=drawn | stored),
    st.fixed_dictionaries({"--messages": st.sampled_from(["20001", "1000001", "2e6"])}, optional=drawn).filter(
        # Fewer messages than Monte Carlo is for are stored where nothing is swept, and their band takes a second.
        lambda flags: flags["--messages"] != "20001" or "--sweep-rate" in flags
    ),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(flag_combinations, st.booleans())
def test_any_flags_together_are_a_prediction_or_one_line(
    capsys: pytest.CaptureFixture[str], flags: dict[str, str], as_json: bool
) -> None:
    words = [word for pair in flags.items() for word in pair]
    try:
        main([*words, "--json"] if as_json else words)
    except UsageError:
        assert capsys.readouterr().out == ""
        return
    output = capsys.readouterr().out
    assert output
    if as_json:
        for prediction in each(parsed(output)):
            check_intervals(prediction["simulated"]["interval"])


def each(found: dict[str, Any]) -> list[dict[str, Any]]:
    return found.get("sweep", [found])


def check_intervals(interval: dict[str, Any] | None) -> None:
    if interval is not None:
        pairs = [pair for key in ("wait_s", "latency_s") for pair in interval[key].values()]
        assert all(high is None or low <= high for low, high in pairs)


# -- JSON --------------------------------------------------------------------------------------------------------------


def test_a_large_workload_is_drawn_and_its_document_has_all_but_a_digest(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "--rate 100 --service-ms 5 --messages 2e6")
    assert set(found) == {"schema_version", "command", "workload", "theory", "simulated"}
    workload, simulated = found["workload"], found["simulated"]
    assert set(workload) == WORKLOAD_KEYS
    assert workload["digest"] is None
    assert workload["messages"] == simulated["messages"] == 2_000_000
    assert workload["duration_s"] == pytest.approx(2e4, rel=0.01)  # of 2e6 gaps: 14 standard deviations
    assert set(simulated) == METRIC_KEYS | {"ensemble_band", "interval", "engine", "servers"}
    assert simulated["engine"] == "Monte Carlo"
    assert simulated["queries"] is simulated["ensemble_band"] is None
    assert set(found["theory"]) >= THEORY_KEYS


def test_a_drawn_mean_is_the_exact_one_to_within_its_exact_scatter(capsys: pytest.CaptureFixture[str]) -> None:
    queue, n = MG1(100.0, 0.005, 1.0, 1.0, 1.0), 2_000_000
    for seed in (1, 2, 3):
        simulated = document(capsys, f"--rate 100 --service-ms 5 --messages {n} --seed {seed}")["simulated"]
        # 4.5 standard deviations: a false alarm in 50,000 runs.
        scatter_s = (queue.latency_asymptotic_var_s2 / n) ** 0.5
        assert abs(simulated["latency_s"]["mean"] - queue.latency_mean_s) < 4.5 * scatter_s
        assert simulated["wait_s"]["mean"] == pytest.approx(simulated["latency_s"]["mean"] - 0.005)


def test_theory_of_one_thread_and_of_several_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    for servers, queue in ((1, MD1(150.0, 0.005)), (3, MDc(550.0, 0.005, 3))):
        rate = {1: 150, 3: 550}[servers]
        theory = document(capsys, f"--rate {rate} --service-ms 5 --messages 25 --servers {servers}")["theory"]
        assert theory["utilization"] == pytest.approx(rate * 0.005 / servers)
        assert theory["capacity_per_s"] == pytest.approx(servers * 200.0)
        for key, times in (("wait_s", queue.wait), ("latency_s", queue.latency)):
            assert theory[key]["mean"] == pytest.approx(times.mean(), rel=1e-9)
            for name, tail in PERCENTILES.items():
                assert theory[key][name] == pytest.approx(float(times.isf(tail)), rel=1e-9)
        assert theory["queue_length"]["mean"] == pytest.approx(rate * queue.wait.mean())  # Little


def test_two_servers_take_turns_as_one_can_work_out_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    # Arrivals at 1, 2, 3, 4 ms, of 5 ms each: two start at once, two when those are done, at 6 and 7 ms.
    flags = "--arrivals deterministic --rate 1000 --service-ms 5 --messages 4"
    simulated = document(capsys, f"{flags} --servers 2")["simulated"]
    assert (simulated["servers"], simulated["messages"]) == (2, 4)
    assert simulated["wait_s"]["mean"] == pytest.approx(0.0015)
    assert simulated["wait_s"]["max"] == pytest.approx(0.003)
    assert simulated["throughput_per_s"] == pytest.approx(4 / 0.012)


def test_an_interval_is_ordered_and_null_where_there_is_nothing_to_estimate(capsys: pytest.CaptureFixture[str]) -> None:
    for messages in ("20", "1000001"):
        simulated = document(capsys, f"--rate 150 --service-ms 5 --messages {messages}")["simulated"]
        interval = simulated["interval"]
        assert set(interval["wait_s"]) == set(interval["latency_s"]) == {"mean", "p50", "p95", "p99"}
        for key in ("wait_s", "latency_s"):
            for name, (low, high) in interval[key].items():
                assert low <= simulated[key][name] * (1 + 1e-9)
                assert high is None or low < high
                assert high is None or simulated[key][name] <= high * (1 + 1e-9)
    for flags in ("--rate 150 --messages 19", "--rate 200 --messages 1000001", "--rate 300 --messages 1000001"):
        assert document(capsys, flags)["simulated"]["interval"] is None


def test_at_exactly_the_capacity_growth_is_0_and_yet_nothing_is_stable(capsys: pytest.CaptureFixture[str]) -> None:
    for flags in ("--rate 400 --servers 2 --messages 5", "--rate 200 --messages 2e6"):
        theory = document(capsys, f"--service-ms 5 {flags}")["theory"]
        assert theory["utilization"] == 1.0
        assert theory["stable"] is False
        assert theory["queue_growth_per_s"] == theory["latency_growth_s_per_s"] == 0.0
        assert theory["wait_s"] is theory["latency_s"] is theory["queue_length"] is None


# -- sweeps ------------------------------------------------------------------------------------------------------------


def test_a_sweep_is_a_prediction_a_point_in_the_order_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "--sweep-rate 50:150:50 --sweep-service-ms 5,20 --messages 25")
    assert set(found) == {"schema_version", "command", "sweep"}
    points = [(point["workload"]["rate_per_s"], point["workload"]["service_s"]) for point in found["sweep"]]
    assert points == [(50, 0.005), (100, 0.005), (150, 0.005), (50, 0.02), (100, 0.02), (150, 0.02)]
    for point in found["sweep"]:
        assert set(point) == {"workload", "theory", "simulated"}
        assert set(point["workload"]) == WORKLOAD_KEYS
        assert set(point["theory"]) >= THEORY_KEYS
        assert set(point["simulated"]) == METRIC_KEYS | {"ensemble_band", "interval", "engine", "servers"}
        rate, service_s = point["workload"]["rate_per_s"], point["workload"]["service_s"]
        assert point["theory"]["queue_growth_per_s"] == pytest.approx(max(0.0, rate - 1 / service_s))
        assert point["theory"]["stable"] is (rate * service_s < 1.0)
        if point["theory"]["stable"]:
            exact = MD1(rate, service_s).latency
            assert point["theory"]["latency_s"]["mean"] == pytest.approx(exact.mean())
            assert point["theory"]["latency_s"]["p99"] == pytest.approx(float(exact.isf(0.01)))


def test_each_point_of_a_sweep_is_simulated_as_itself(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "--sweep-rate 20,180,300,400 --messages 1e6")
    for point in found["sweep"]:
        rate, simulated = point["workload"]["rate_per_s"], point["simulated"]
        if rate < 200:
            queue = MG1(rate, 0.005, 1.0, 1.0, 1.0)
            scatter_s = (queue.latency_asymptotic_var_s2 / 1e6) ** 0.5
            assert abs(simulated["latency_s"]["mean"] - queue.latency_mean_s) < 4.5 * scatter_s
        else:
            # What waits after 1e6 messages scatters like their number in that time: by √1e6, 0.3 % of what waits.
            assert simulated["queue_growth_per_s"] == pytest.approx(rate - 200, rel=0.02)
            assert simulated["interval"] is None


def test_a_swept_point_is_what_its_own_command_predicts(capsys: pytest.CaptureFixture[str]) -> None:
    for flags in ("--messages 5 --query-rate 20", "--messages 5 --servers 3", "--messages 2e6"):
        _, swept = document(capsys, f"--sweep-rate 100,300 {flags}")["sweep"]
        alone = document(capsys, f"--rate 300 {flags}")
        assert swept["workload"] == alone["workload"]
        assert swept["theory"] == alone["theory"]
        assert swept["simulated"]["latency_s"] == pytest.approx(alone["simulated"]["latency_s"])


def test_a_sweep_without_a_length_has_as_many_messages_as_take_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    for flags, messages in (("", 1_000_000), ("--order round-robin", 20_000), ("--servers 2", 20_000)):
        (point,) = document(capsys, f"--sweep-rate 100 {flags}")["sweep"]
        assert point["simulated"]["messages"] == messages


def test_what_a_sweep_writes_is_what_it_prints(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = document(capsys, "--sweep-rate 100,300 --messages 25 --out new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["sweep.csv", "sweep.json"]
    assert parsed((tmp_path / "new" / "sweep.json").read_text()) == found
    with (tmp_path / "new" / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row, point in zip(rows, found["sweep"], strict=True):
        assert float(row["rate_per_s"]) == point["workload"]["rate_per_s"]
        assert float(row["simulated_latency_p99_s"]) == point["simulated"]["latency_s"]["p99"]
        expected = point["theory"]["latency_s"]
        assert row["latency_p99_s"] == ("" if expected is None else repr(expected["p99"]))


def test_a_point_at_which_nothing_arrives_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    for flags in ("", "--order round-robin --plot nothing.png"):
        found = document(capsys, f"--sweep-rate 0.001,0.002 --duration 0.01 {flags}")
        assert [point["simulated"]["messages"] for point in found["sweep"]] == [0, 0]
        assert [point["simulated"]["latency_s"]["mean"] for point in found["sweep"]] == [None, None]


def test_a_sweep_says_how_many_messages_its_points_had(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Simulated: 25 messages a point, starting empty (compiled, seed 1)" in screen(
        capsys, "--sweep-rate 100,300 --messages 25"
    )
    # So many a second for 2 s, evenly: the numbers are exact.
    evenly = screen(capsys, "--sweep-rate 50,100 --duration 2 --arrivals deterministic")
    assert "Simulated: 100 to 200 messages a point" in evenly


# -- screens -----------------------------------------------------------------------------------------------------------


def test_a_stable_screen_says_which_number_is_whose_and_whether_the_run_was_long_enough(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Utilization 0.75: a relaxation time is 5 ms/(0.75 − 1 − ln 0.75) = 132.8 ms, and 5000 of them are 99,517 messages.
    assert 5000 * 150 * 0.005 / (0.75 - 1 - math.log(0.75)) == pytest.approx(99_516.8, abs=0.1)
    short = screen(capsys, "--rate 150 --service-ms 5 --messages 356")
    assert "Theory: the steady state, as of a system that has run for ever." in short
    assert "Simulated: 356 messages, starting empty (SimPy, seed 1)." in short
    assert "A start is forgotten after about 133 ms; the run lasts 17.9 times as long." in short
    assert "95 % interval *" in short
    assert "* Too short to trust its intervals: that takes 99,600 messages (11.1 min of arrivals)." in short
    assert "a near hit here is luck, and a miss no error" in short
    enough = document(capsys, "--rate 150 --service-ms 5 --messages 99517")["simulated"]["interval"]
    assert enough["trusted"]
    assert not document(capsys, "--rate 150 --service-ms 5 --messages 99516")["simulated"]["interval"]["trusted"]
    assert "Too short" not in screen(capsys, "--rate 150 --service-ms 5 --messages 2e6")


def test_an_overloaded_screen_says_which_number_is_whose_and_how_long_the_start_is_felt(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # 5 ms/(1.5 − 1 − ln 1.5) = 52.9 ms.
    for flags, engine in (("--messages 60", "60 messages, starting empty (SimPy"), ("--messages 2e6", "Monte Carlo")):
        text = screen(capsys, f"--rate 300 --service-ms 5 {flags}")
        assert "predicted simulated" in text
        assert "Predicted: growth once the queue no longer empties" in text
        assert "(an empty start is felt for about 52.9 ms)" in text
        assert engine in text
        assert "messages waiting after" in text


def test_of_a_drawn_overload_the_screen_knows_how_long_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    text = screen(capsys, "--rate 300 --service-ms 5 --messages 2e6")
    found = re.search(r"messages waiting after ([\d,]+) s ([\d,]+) ([\d,]+)", text)
    assert found is not None
    after_s, expected, waiting = (float(text.replace(",", "")) for text in found.groups())
    # 2e6 gaps of 1/300 s last 6667 s, ± 0.07 %: shown to three digits, and six standard deviations.
    assert after_s == pytest.approx(2e6 / 300, rel=0.005)
    assert expected == pytest.approx(2e6 / 3, rel=1e-6)  # of so many, a third cannot be served meanwhile
    assert waiting == pytest.approx(2e6 / 3, rel=0.02)
    # By duration it is the instant that is fixed, and theory knows what is expected then, and how it scatters.
    text = screen(capsys, "--rate 300 --service-ms 5 --duration 6667")
    assert re.search(r"messages waiting after 6,670 s 666,7\d\d ([\d,]+) ([\d,]+) … ([\d,]+)", text) is not None


def test_at_the_limit_the_screen_says_that_the_queue_grows_without_a_rate(capsys: pytest.CaptureFixture[str]) -> None:
    # The second is too large to be stored: only what was counted tells how long it lasted.
    for flags in ("--messages 5", "--messages 2e7"):
        text = screen(capsys, f"--rate 200 --service-ms 5 {flags}")
        assert "NO STEADY STATE: at least as much work arrives as one thread can do." in text
        assert "at exactly the capacity a queue grows too" in text
        assert "growth rate is 0, and yet the queue grows without end, like the square root of time" in text
    assert "as much work arrives as 2 processes can do" in screen(capsys, "--rate 400 --servers 2 --messages 5")


def test_a_recording_is_measured_by_how_its_counts_scatter(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    # Thirty clusters of 100 messages, 1 ms apart within and 0.9 s between: counts scatter as nothing by chance does.
    clustered = [cluster + 0.001 * k for cluster in range(30) for k in range(100)]
    (tmp_path / "clusters.csv").write_text("\n".join(f"{at:.3f}" for at in clustered))
    text = screen(capsys, "--arrivals trace:clusters.csv --service-ms 5")
    found = re.search(r"counts scatter ([\d.]+) times as much as Poisson's \(index of dispersion\)", text)
    assert found is not None
    assert float(found[1]) > 10
    assert "neither is to be trusted here" in text
    assert "Messages come in clusters" in text
    # A Poisson process: two windows, each mistaken for something else in 1 case of 370.
    gaps, now = random.Random(1), 0.0
    rows = [f"{(now := now + gaps.expovariate(100.0)):.9f}" for _ in range(3000)]
    (tmp_path / "poisson.csv").write_text("\n".join(rows))
    text = screen(capsys, "--arrivals trace:poisson.csv --service-ms 5")
    assert "counts scatter like Poisson's, so the first should be close" in text
    assert "clusters" not in text


def test_beside_queries_the_screen_shows_the_mean_of_the_policy(capsys: pytest.CaptureFixture[str]) -> None:
    # Half of the mean square of what holds the thread, by rate: (100·5² + 20·0.3²)/2 /1000 = 1.2509 ms.
    half_ms, messages, queries = 1.2509, 0.5, 0.006
    expected_ms = {
        "first": half_ms / (1 - queries) / (1 - queries - messages),  # Cobham, the lower class
        "idle": half_ms / (1 - messages),  # and the upper
        "fifo": half_ms / (1 - queries - messages),  # Pollaczek and Khinchine
    }
    flags = "--rate 100 --service-ms 5 --query-rate 20 --messages 3 --query-policy"
    theory = document(capsys, f"{flags} first")["theory"]
    assert theory["wait_s"]["mean"] == pytest.approx(expected_ms["first"] / 1e3, rel=1e-9)
    text = screen(capsys, f"{flags} idle")
    assert f"A message waits {expected_ms['idle']:.3g} ms on average" in text
    assert "The mean is exact (Cobham, priority without interruption)" in text
    text = screen(capsys, f"{flags} fifo")
    assert "A message waits" not in text
    assert f"first come, first served, where the mean wait would be {expected_ms['fifo']:.3g} ms" in text


def test_what_two_processes_would_give_is_not_promised_where_queries_take_part_of_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = screen(capsys, "--rate 190 --query-rate 200 --query-ms 1 --messages 3")
    assert "fewer messages below 160/s 128/s mean" in text
    assert "more processes at least 2 2, one queue –" in text


def test_where_every_run_is_alike_none_is_said_to_be_luck(capsys: pytest.CaptureFixture[str]) -> None:
    assert "luck" not in screen(capsys, "--rate 150 --arrivals deterministic --messages 5")


# Most are drawn, and swept or not: where a workload is stored, two hundred others are run to see how they scatter.
SCREENS = """
--rate 150 --messages 25
--rate 300 --messages 1
--rate 1e-3 --service-ms 9e4 --messages 20
--rate 9e5 --service-ms 1e-3 --messages 25 --servers 2000
--rate 100 --query-rate 20 --messages 20
--rate 300 --order round-robin --inbox 4 --messages 25
--rate 0.001 --duration 0.01 --query-rate 1e3
--rate 0.001 --duration 0.01
--rate 150 --messages 2e6
--rate 199.9 --messages 2e6
--rate 200 --messages 1.1e6
--rate 300 --messages 2e6
--rate 300 --duration 1e4
--rate 1 --service-ms 1e5 --messages 2e6
--rate 1e6 --service-ms 1e-3 --messages 2e6
--rate 1e6 --service-ms 5 --duration 2
--rate 150 --messages 1.1e6 --service exponential
--rate 150 --messages 1.1e6 --service lognormal:9
--rate 150 --messages 1.1e6 --arrivals bursty
--rate 150 --messages 1.1e6 --arrivals deterministic
--sweep-rate 10:400:30 --messages 25
--sweep-rate 1e-5,1e6 --messages 25
--sweep-rate 150,300 --arrivals bursty --messages 25
--sweep-rate 150,300 --service lognormal:9 --messages 25
--sweep-rate 100,300 --query-rate 30 --messages 25
--sweep-rate 100,300 --order per-worker --messages 25
--sweep-rate 1e5,9e5 --servers 2000 --messages 25
--sweep-service-ms 1e-3,1,1e5 --messages 25
--sweep-rate 10,300 --sweep-service-ms 1,2e4 --messages 25
coverage --runs 5 --loads 0.05,0.9 --relaxation-times 10
coverage --runs 5 --loads 1e-9 --relaxation-times 10
"""


@pytest.mark.parametrize("command", SCREENS.split("\n")[1:-1])
def test_nothing_is_wider_than_80_columns_or_cut_to_fit(capsys: pytest.CaptureFixture[str], command: str) -> None:
    main(command.split())
    text = capsys.readouterr().out
    assert text.strip()
    assert max(map(len, text.splitlines())) <= 80
    assert re.findall(r"\S…", text) == []  # a span has blanks around it; what is cut has none
    assert "\x1b" not in text
    assert re.findall(r"nan|inf\b|None|e-\d\d µs", text) == []


# -- figures -----------------------------------------------------------------------------------------------------------

THEORY, SIMULATED, ANOTHER = (0x00, 0x00, 0x00), (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)


def halves(path: Path) -> tuple[Any, Any]:
    """Return the pixels of both halves of a figure without legends and labels, which are at its edges."""
    pixels = imread(path)
    height, width, _ = pixels.shape
    plot = pixels[:, width // 6 :]
    return plot[int(0.12 * height) : int(0.62 * height)], plot[int(0.68 * height) : int(0.94 * height)]


def places_of(colour: tuple[int, int, int], pixels: Any) -> Any:
    """Return rows and columns of a colour's pixels, as shares of height and width."""
    found = np.abs(pixels[..., :3] * 255.0 - colour).max(axis=-1) < 2
    return np.argwhere(found) / found.shape


@pytest.mark.parametrize(
    ("flags", "above", "below"),
    [
        ("--rate 150 --messages 50", True, True),
        ("--rate 0.001 --duration 0.01", False, False),
        ("--sweep-rate 300 --messages 50", False, True),  # beyond the limit there is no latency to show
        ("--sweep-service-ms 2,4,8 --messages 50 --arrivals bursty", True, True),
    ],
)
def test_a_figure_shows_what_was_simulated(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, flags: str, above: bool, below: bool
) -> None:
    assert "Drawn: figure.png" in screen(capsys, f"{flags} --plot figure.png")
    for half, there in zip(halves(tmp_path / "figure.png"), (above, below), strict=True):
        assert (len(places_of(SIMULATED, half)) > 10) is there  # a single dot has fifty


def test_a_figure_of_many_curves_tells_them_apart_by_colour(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    screen(capsys, "--sweep-rate 10,60 --sweep-service-ms 5,20 --messages 50 --plot figure.png")
    for half in halves(tmp_path / "figure.png"):
        assert len(places_of(SIMULATED, half)) > 10
        assert len(places_of(ANOTHER, half)) > 10


def test_a_single_rate_is_drawn_among_the_rates(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    screen(capsys, "--sweep-rate 300 --messages 5 --plot figure.png")
    above, below = halves(tmp_path / "figure.png")
    # Theory ends at its limit of 200/s, and the one point is at 300/s: two thirds of the way from 0, which is cut off.
    last = places_of(THEORY, above)[:, 1].max()
    assert 0.5 < last < 0.65
    assert places_of(SIMULATED, below)[:, 1].mean() > 0.9


def test_a_point_lies_on_its_curve_where_nothing_is_left_to_chance(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    screen(capsys, "--sweep-rate 100,150 --arrivals deterministic --messages 5 --plot figure.png")
    above, _ = halves(tmp_path / "figure.png")
    # Evenly spaced messages never wait: theory is a level line, and a dot is a hundredth of the height.
    heights = places_of(SIMULATED, above)[:, 0]
    assert np.abs(heights - np.median(places_of(THEORY, above)[:, 0])).max() < 0.02


# -- plans -------------------------------------------------------------------------------------------------------------


def test_a_plan_s_servers_meet_the_target_and_one_fewer_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "plan --rate 300 --service-ms 5 --p95-ms 12")
    assert set(found) == {"schema_version", "command", "target", "ways"}
    assert found["target"] == {"metric": "p95", "latency_s": 0.012}
    one_queue, many_queues, shorter, fewer = found["ways"]
    for way in found["ways"]:
        assert set(way) == {
            *("what", "servers", "queues", "rate_per_s", "service_s", "utilization", "latency_s", "simulated"),
        }
        assert way["latency_s"]["p95"] <= 0.012
        low, high = way["simulated"]["interval"]
        assert low <= way["simulated"]["latency_s"]["p95"] <= high
    servers, queues = one_queue["servers"], many_queues["queues"]
    assert float(MDc(300.0, 0.005, servers).latency.sf(0.012)) <= 0.05
    assert float(MDc(300.0, 0.005, servers - 1).latency.sf(0.012)) > 0.05
    assert float(MD1(300.0 / queues, 0.005).latency.sf(0.012)) <= 0.05
    assert float(MD1(300.0 / (queues - 1), 0.005).latency.sf(0.012)) > 0.05
    assert servers < queues
    # The longest service time and the highest rate with which one process does: a little more is too much.
    assert float(MD1(300.0, shorter["service_s"] * 1.001).latency.sf(0.012)) > 0.05
    assert float(MD1(fewer["rate_per_s"] * 1.001, 0.005).latency.sf(0.012)) > 0.05
    # Theory says 7.9 ms with as many as planned and 17.2 ms with one fewer: 20,000 messages cannot mistake them.
    workload = Workload(rate_per_s=300, service_s=0.005, messages=20_000, seed=1)
    planned, one_fewer = (simulate(workload, "compiled", servers=n).latency_s for n in (servers, servers - 1))
    assert np.percentile(planned, 95) < 0.012 < np.percentile(one_fewer, 95)


def test_a_looser_target_needs_fewer_and_its_screen_is_not_cut_either(capsys: pytest.CaptureFixture[str]) -> None:
    # 3 processes for 12 ms, as the test above has it; for the loosest target as many as keep up: 300·5 ms = 1.5.
    command = "plan --rate 300 --service-ms 5 --p95-ms 1e9"
    main(command.split())
    text = capsys.readouterr().out
    assert "2 processes, one queue" in text
    assert "2 processes, a queue each" in text
    assert max(map(len, text.splitlines())) <= 80
    assert re.findall(r"\S…", text) == []
    # So near to the limit a run of any bearable length has seen nothing of the steady state, and the screen says so.
    (near,) = (line for line in text.splitlines() if "1 process, at only 3.33" in line)
    assert near.endswith("*")
    assert "too short to trust its interval" in " ".join(text.split())


def test_a_plan_leaves_out_what_no_workload_can_be(capsys: pytest.CaptureFixture[str]) -> None:
    # A p99 of the service alone: at most one in a hundred may find no thread idle. That is 1 % of one thread's time,
    # or 0.48 % of cases with two at 5 % each (Erlang's C), and one thread for all would need less than 1 µs of work.
    found = document(capsys, "plan --rate 1e5 --service-ms 1e-3 --p99-ms 1e-3")
    assert [(way["servers"], way["queues"]) for way in found["ways"]] == [(2, 1), (1, 10), (1, 1)]
    assert found["ways"][1]["utilization"] == pytest.approx(0.01)
    assert found["ways"][2]["rate_per_s"] == pytest.approx(1e4)


# -- coverage ----------------------------------------------------------------------------------------------------------


def test_coverage_counts_every_run_once_and_holds_them_against_the_exact_values(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = document(capsys, "coverage --runs 40 --loads 0.05,0.5 --relaxation-times 1000 --seed 7")
    assert set(found) == {"schema_version", "command", "runs", "loads"}
    assert found["runs"] == 40
    for entry, load in zip(found["loads"], (0.05, 0.5), strict=True):
        exact = MD1(load, 1.0).wait
        rows = {row["quantity"]: row for row in entry["quantities"]}
        assert entry["utilization"] == load
        assert rows["mean"]["exact"] == pytest.approx(load / 2 / (1 - load))  # Pollaczek and Khinchine
        assert rows["p99"]["exact"] == pytest.approx(float(exact.isf(0.01)))
        for row in rows.values():
            assert row["covered"] + row["below"] + row["above"] == pytest.approx(1.0)
        # A wait of 0 has no tail to be estimated: a share of 1 − load does not wait at all.
        assert ("p90" in rows) is (load > 0.1)
        for name, row in rows.items():
            if name.startswith("P("):
                beyond = float(name.split()[2])  # shown to three digits
                assert float(exact.sf(beyond)) == pytest.approx(row["exact"], rel=0.02)
        # 40 runs at 95 %: fewer than 30 have a chance below 1e-5, if successive waits are not taken for independent.
        assert rows["mean"]["covered"] >= 0.75


def test_loads_may_be_stepped_through(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "coverage --runs 2 --loads 0.1:0.3:0.1 --relaxation-times 10")
    assert [entry["utilization"] for entry in found["loads"]] == [0.1, 0.2, 0.3]


def test_of_what_is_not_stored_the_prediction_is_written_without_a_trajectory(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    main(["--rate", "150", "--messages", "2e6", "--out", str(tmp_path / "new"), "--json"])
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["prediction.json"]
    assert (tmp_path / "new" / "prediction.json").read_text(encoding="utf-8") == capsys.readouterr().out
