"""The command lines, as a user types them: what they print, what they refuse, and in how many words."""

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compare.__main__ import main as compare
from real.__main__ import main as measure
from sim import Workload
from sim.__main__ import main as predict
from sim.command import UsageError

ROOT = Path(__file__).parent.parent


def run(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    return subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, cwd=cwd, env=environment, check=False
    )


def document(*words: str) -> dict[str, Any]:
    result = run(*words, "--json")
    assert result.returncode == 0, result.stderr

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not strict JSON")

    parsed: dict[str, Any] = json.loads(result.stdout, parse_constant=refuse)
    return parsed


WORKLOAD_KEYS = {
    *("rate_per_s", "service_s", "duration_s", "messages", "arrivals", "service", "workers", "popularity"),
    *("query_rate_per_s", "query_service_s", "query_policy", "order", "inbox", "seed", "digest"),
}
METRIC_KEYS = {
    *("messages", "throughput_per_s", "utilization", "busy_fraction", "wait_s", "processing_s", "latency_s"),
    *("queue_length", "queue_growth_per_s", "latency_growth_s_per_s", "source_blocked", "queries"),
}


def test_the_first_command_says_that_there_is_no_steady_state_and_what_would_help() -> None:
    result = run("sim", "--rate", "300", "--service-ms", "5")
    text = " ".join(result.stdout.split())
    assert result.returncode == 0
    assert "OVERLOADED" in text
    assert "There is no steady state (utilization 1.5)" in text
    assert "The queue grows by 100 messages every second" in text
    assert "waits 0.5·t" in text
    assert "fewer messages below 200/s" in text
    assert "less work each below 3.33 ms" in text
    assert "more processes at least 2" in text
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    assert "\x1b" not in result.stdout  # piped: no control characters


def test_a_stable_load_is_shown_beside_theory_with_how_much_luck_there_is() -> None:
    text = " ".join(run("sim", "--rate", "150", "--service-ms", "5").stdout.split())
    assert "STABLE: the thread is busy 75 % of the time" in text
    assert "waits 7.5 ms on average" in text
    assert "95 % of runs" in text
    scatter = re.search(r"scatter from −([\d.]+) % to \+([\d.]+) %", text)
    assert scatter is not None
    assert float(scatter[1]) > 10
    assert float(scatter[2]) > 10


def test_the_json_of_an_overload_is_the_contract_s() -> None:
    made = document("sim", "--rate", "300", "--service-ms", "5")
    assert set(made) == {"schema_version", "command", "workload", "theory", "simulated"}
    assert set(made["workload"]) == WORKLOAD_KEYS
    assert set(made["simulated"]) == METRIC_KEYS | {"ensemble_band", "interval", "engine", "servers"}
    theory = made["theory"]
    assert (theory["model"], theory["utilization"], theory["stable"]) == ("M/D/1", 1.5, False)
    assert (theory["queue_growth_per_s"], theory["latency_growth_s_per_s"]) == (100.0, 0.5)
    assert theory["wait_s"] is theory["latency_s"] is theory["queue_length"] is None
    assert set(made["simulated"]["ensemble_band"]["latency_s"]) == {"mean", "p50", "p95", "p99"}


def test_the_json_of_a_stable_load_has_exact_percentiles() -> None:
    theory = document("sim", "--rate", "150", "--service-ms", "5", "--messages", "2e3")["theory"]
    assert theory["wait_s"]["mean"] == pytest.approx(0.0075, rel=1e-12)
    assert theory["latency_s"]["p99"] == pytest.approx(theory["wait_s"]["p99"] + 0.005)
    assert theory["queue_length"]["mean"] == pytest.approx(1.125)


@pytest.mark.parametrize(
    "flags",
    [
        ["--messages", "40", "--rate", "400", "--service-ms", "1"],
        ["--messages", "40", "--rate", "400", "--service-ms", "1", "--service", "exponential", "--query-rate", "50"],
        ["--messages", "30", "--rate", "400", "--service-ms", "1", "--order", "round-robin", "--inbox", "2"],
    ],
)
def test_sim_and_real_run_the_same_workload_and_print_the_same_keys(flags: list[str]) -> None:
    predicted, measured = document("sim", *flags), document("real", *flags)
    assert predicted["workload"] == measured["workload"]
    assert set(measured) == {"schema_version", "command", "workload", "measured", "environment", "instruments", "run"}
    assert set(measured["measured"]) == METRIC_KEYS
    assert measured["measured"]["messages"] == predicted["workload"]["messages"]
    assert measured["environment"]["threads"] in (1, None)
    own = {key: value for key, value in measured["workload"].items() if key != "digest"}
    assert Workload(**own).digest == measured["workload"]["digest"]


def test_a_trace_goes_through_sim_and_real_with_the_same_digest(tmp_path: Path) -> None:
    trace = tmp_path / "requests.csv"
    rows = "\n".join(f"2023-11-16 18:15:46.{k:03d}0000,{k}" for k in range(0, 900, 30))
    trace.write_text(f"TIMESTAMP,Tokens\n{rows}\n")
    flags = ["--arrivals", f"trace:{trace}", "--rate", "200", "--service-ms", "1"]
    predicted, measured = document("sim", *flags), document("real", *flags)
    assert predicted["workload"]["digest"] == measured["workload"]["digest"]
    assert predicted["workload"]["messages"] == 30
    assert predicted["theory"]["latency_s"] is None
    assert "nearest" in predicted["theory"]["note"]
    assert predicted["simulated"]["ensemble_band"] is None


def test_rows_out_of_order_are_counted_on_stderr(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text("2\n1\n3\n")
    result = run("sim", "--arrivals", f"trace:{trace}")
    assert result.returncode == 0
    assert result.stderr == f"{trace}: 1 rows out of order: sorted\n"


def test_out_and_plot_write_what_they_say(tmp_path: Path) -> None:
    figure = tmp_path / "queue.png"
    flags = ["--rate", "300", "--messages", "50", "--service-ms", "1", "--out", str(tmp_path / "new")]
    assert run("sim", *flags, "--plot", str(figure)).returncode == 0
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["prediction.json", "trajectory.csv"]
    assert run("real", *flags).returncode == 0
    assert "measurement.json" in {path.name for path in (tmp_path / "new").iterdir()}


def test_what_the_screen_suggests_is_the_same_workload_and_can_be_typed(tmp_path: Path) -> None:
    flags = ["--rate", "2000", "--service-ms", "1", "--messages", "20", "--arrivals", "deterministic"]
    text = " ".join(run("sim", *flags, "--plot", str(tmp_path / "x.png")).stdout.split())
    suggested = re.search(r"Measure it: python -m (real .*) Drawn:", text)
    assert suggested is not None
    assert document(*suggested[1].split())["workload"] == document("sim", *flags)["workload"]


def test_the_real_thing_tells_a_person_what_it_measured() -> None:
    text = run("real", "--rate", "400", "--messages", "40", "--service-ms", "1").stdout
    assert "MEASURED: 40 messages on one thread" in text
    assert "source blocked" in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_no_message_at_all_is_said(tmp_path: Path) -> None:
    for package in ("sim", "real"):
        result = run(package, "--rate", "0.001", "--duration", "0.01", "--plot", str(tmp_path / "p.png"))
        if package == "real":  # it draws nothing
            result = run(package, "--rate", "0.001", "--duration", "0.01")
        assert result.returncode == 0, result.stderr
        assert result.stdout


def test_a_first_answer_loads_neither_numba_nor_scipy_nor_matplotlib() -> None:
    code = (
        "import sys; from sim.__main__ import main; main(['--rate', '300']); "
        "print([name for name in ('numba', 'scipy', 'matplotlib') if name in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stderr == "[]\n"


BAD = [
    (["--rate", "-1"], "--rate -1"),
    (["--rate=-1"], "--rate -1"),
    (["--rate", "nan"], "--rate nan"),
    (["--rate", "inf"], "--rate inf"),
    (["--rate", "-inf"], "--rate -inf"),
    (["--rate", "1e308"], "--rate 1e308"),
    (["--rate", "abc"], "--rate abc"),
    (["--rate", ""], "--rate"),
    (["--rate"], "--rate"),
    (["--service-ms", "0"], "--service-ms 0"),
    (["--service-ms", "1e6"], "--service-ms 1e6"),
    (["--duration", "0"], "--duration 0"),
    (["--messages", "1.5"], "--messages 1.5"),
    (["--messages", "0"], "--messages 0"),
    (["--messages", "1e99"], "--messages 1e99"),
    (["--messages", "5", "--duration", "5"], "not both"),
    (["--workers", "0"], "--workers 0"),
    (["--workers", "1e6"], "--workers 1e6"),
    (["--popularity", "zipf:x"], "--popularity zipf:x"),
    (["--arrivals", "sometimes"], "--arrivals sometimes"),
    (["--arrivals", "trace:"], "--arrivals trace:"),
    (["--arrivals", "trace:none.csv"], "none.csv: no such file"),
    (["--arrivals", "trace:bad.csv"], "bad.csv:2: 'oops'"),
    (["--arrivals", "trace:bad.csv:size"], "no column 'size'"),
    (["--arrivals", "trace:."], "."),
    (["--seed", "x"], "--seed x"),
    (["--seed", "-1"], "--seed -1"),
    (["--rate", "1e6", "--duration", "1e6"], "--duration 1e6"),
    (["--out", "bad.csv"], "--out bad.csv"),
    (["--out", "bad.csv/results"], "--out bad.csv/results"),
    (["--out", ""], "--out"),
    (["--arrivals", "bursty:0.5"], "--arrivals bursty:0.5"),
    (["--unknown"], "--unknown"),
    (["stray"], "stray"),
]
BAD_SIM_REAL = [
    (["--order", "lifo"], "--order lifo"),
    (["--inbox", "0"], "--inbox 0"),
    (["--query-rate", "-1"], "--query-rate -1"),
    (["--query-policy", "last"], "--query-policy last"),
    (["--service", "slow"], "--service slow"),
    (["--service", "empirical:bad.csv"], "bad.csv:1"),
    (["--service", "empirical:bad.csv", "--service-ms", "5"], "bad.csv:1"),
    (["--service", "slow", "--service-ms", "5"], "--service slow"),
    (["--rate", "1e-12", "--messages", "5"], "--rate 1e-12"),
    (["--query-rate", "1e6", "--duration", "1e3"], "--query-rate 1e6"),
]
ONLY = {
    "sim": [
        (["--plot", "queue.txt"], "--plot queue.txt"),
        (["--plot", "none/queue.png"], "--plot none/queue.png"),
        (["--plot", "directory.png"], "--plot directory.png"),
        (["--query-ms", "0"], "--query-ms 0"),
    ],
    "real": [(["--work", "hard"], "--work hard"), (["--plot", "x.png"], "--plot x.png")],
    "compare": [([], "experiment"), (["everything"], "everything")],
}
MISSING_IN_COMPARE = ("--duration", "--messages", "--rate")
CASES = [
    (package, flags, quoted) for package in ("sim", "real") for flags, quoted in BAD + BAD_SIM_REAL + ONLY[package]
]
CASES += [
    ("compare", ["throughput", *flags], quoted)
    for flags, quoted in BAD
    if not any(name in " ".join(flags) for name in MISSING_IN_COMPARE)
]
CASES += [("compare", flags, quoted) for flags, quoted in ONLY["compare"]]


MAINS: dict[str, Callable[[Sequence[str]], None]] = {"sim": predict, "real": measure, "compare": compare}
# What a process makes of a complaint is one function, so that a few show it: of the parser, a value, a file, a place.
BY_PROCESS = (["--unknown"], ["--workers", "0"], ["--arrivals", "trace:bad.csv"], ["--out", "bad.csv/results"])
PROCESS_CASES = [case for case in CASES if any(case[1][-len(flags) :] == flags for flags in BY_PROCESS)]


@contextlib.contextmanager
def left_as_it_was(place: Path, flags: list[str]) -> Iterator[None]:
    """A directory with the files that bad input names, to which nothing comes and from which nothing goes."""
    (place / "bad.csv").write_text("12.5\noops\n" if "empirical" not in str(flags) else "-1\n")
    (place / "directory.png").mkdir()
    before = sorted(place.rglob("*"))
    with contextlib.chdir(place):
        yield
    assert sorted(place.rglob("*")) == before


def named(value: str | list[str]) -> str:
    return " ".join(value) if isinstance(value, list) else value


@pytest.mark.parametrize(("package", "flags", "quoted"), CASES, ids=named)
def test_bad_input_is_a_complaint_of_one_line(
    package: str, flags: list[str], quoted: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with left_as_it_was(tmp_path, flags), pytest.raises(UsageError) as complaint:
        MAINS[package](flags)
    assert "\n" not in str(complaint.value)
    assert quoted in str(complaint.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("package", "flags", "quoted"), PROCESS_CASES, ids=named)
def test_bad_input_gets_one_line_and_exit_2(package: str, flags: list[str], quoted: str, tmp_path: Path) -> None:
    with left_as_it_was(tmp_path, flags):
        result = run(package, *flags, cwd=tmp_path)
    assert result.returncode == 2, result.stdout + result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith(f"{package}: ")
    assert result.stderr.count("\n") == 1
    assert quoted in result.stderr
    assert "Traceback" not in result.stderr


def test_each_command_complains_of_each_kind_of_bad_input_in_its_own_process() -> None:
    assert len(PROCESS_CASES) == len(BY_PROCESS) * len(MAINS)


kinds = st.sampled_from(["poisson", "deterministic", "bursty", "bursty:9:0.1"])
services = st.sampled_from(["deterministic", "exponential", "lognormal:2", "lognormal:50"])
numbers = st.sampled_from(["0", "1e-308", "1e-9", "0.5", "1", "40", "199", "200", "5e3", "1e6", "nan"])
of_messages = {
    "--rate": numbers,
    "--service-ms": numbers,
    "--arrivals": kinds,
    "--service": services,
    "--order": st.sampled_from(["fifo", "round-robin", "per-worker"]),
    "--inbox": st.sampled_from(["1", "7"]),
    "--seed": st.sampled_from(["0", "9223372036854775807"]),
}
of_queries = {
    "--query-rate": st.sampled_from(["0", "1", "300", "4000"]),
    "--query-ms": st.sampled_from(["0.01", "1", "100"]),
    "--query-policy": st.sampled_from(["first", "fifo", "idle"]),
}
flag_combinations = st.one_of(
    st.fixed_dictionaries({"--messages": st.sampled_from(["1", "2", "30"])}, optional=of_messages | of_queries),
    # Beside so many, a band would take seconds to ask so many queries in.
    st.fixed_dictionaries({"--messages": st.just("200")}, optional=of_messages),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(flag_combinations, st.booleans())
def test_any_flags_together_are_a_prediction_or_one_line(
    capsys: pytest.CaptureFixture[str], flags: dict[str, str], as_json: bool
) -> None:
    words = [word for pair in flags.items() for word in pair]
    try:
        predict([*words, "--json"] if as_json else words)
    except UsageError:
        return
    output = capsys.readouterr().out
    assert output
    if as_json:
        json.loads(output, parse_constant=lambda constant: pytest.fail(f"{constant} in JSON"))


@pytest.mark.parametrize("package", ["sim", "real", "compare"])
def test_a_closed_pipe_and_a_full_disk_end_in_one_line_at_most(package: str) -> None:
    words = {"sim": "--messages 20 --json", "real": "--messages 2 --json", "compare": "list"}[package]
    for redirection, lines in (("| true", 0), (">/dev/full", 1)):
        command = f"{shlex.quote(sys.executable)} -m {package} {words} {redirection}"
        result = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=ROOT, check=False)
        assert "Traceback" not in result.stderr
        assert result.stderr.count("\n") <= lines


@pytest.fixture
def heard_ctrl_c() -> Iterator[None]:
    """A shell's background job ignores Ctrl-C, and its children would; those of one that hears it do, too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard_ctrl_c")
def test_ctrl_c_ends_in_one_line_and_leaves_no_child(tmp_path: Path) -> None:
    for words in (
        ["sim", "--messages", "3e4"],
        ["compare", "all", "--out", str(tmp_path)],
    ):
        command = [sys.executable, "-m", *words]
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=ROOT) as child:
            time.sleep(1.0)
            child.send_signal(signal.SIGINT)
            _, complaint = child.communicate(timeout=30)
        assert child.returncode == 130
        assert complaint.count("\n") == 1
        assert "interrupted" in complaint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["sim", "real", "compare"])
def test_help_shows_examples(package: str) -> None:
    result = run(package, "--help")
    assert result.returncode == 0
    assert "examples:" in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 80


@pytest.mark.parametrize("words", ["sim --messages 20", "real --messages 2", "compare list"])
@pytest.mark.parametrize("closing", [">&-", "2>&-", "2>/dev/full"])
def test_closed_streams_are_no_reason_for_a_traceback(words: str, closing: str) -> None:
    command = f"{shlex.quote(sys.executable)} -m {words} {closing}"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.returncode == 0
    assert "Traceback" not in result.stderr
    assert bool(result.stdout) == (closing != ">&-")


def test_a_terminal_that_knows_few_signs_gets_the_others_replaced() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "real", "--messages", "2"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert result.returncode == 0
    assert "MEASURED: 2 messages" in result.stdout
