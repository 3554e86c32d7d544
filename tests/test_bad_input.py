"""Bad invocations of every command: exit 2, one line that names flag, value and remedy, and nothing written.

Each is a process of its own, begun where all is loaded: a process that has imported the command forks once for each.
"""

import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent

# Imports a command as a user's process would, and then is a user's process over and over again. What is not refused
# would run for long, and is ended by an alarm.
FORKING = """
import importlib, json, os, signal, sys
from sim.command import run_command
name, *parts = sys.argv[1:]
main = importlib.import_module(f"{name}.__main__").main
for part in parts:
    importlib.import_module(part)
ends = []
for case in json.load(sys.stdin):
    child = os.fork()
    if not child:
        os.chdir(case["cwd"])
        signal.alarm(20)
        for descriptor in (1, 2):
            os.dup2(os.open(f"{case['cwd']}.{descriptor}", os.O_WRONLY | os.O_CREAT), descriptor)
        sys.argv = [name, *case["words"]]
        try:
            run_command(name, main)
        except SystemExit as end:
            sys.stdout.flush()
            os._exit(end.code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    said = [open(f"{case['cwd']}.{descriptor}", errors="replace").read() for descriptor in (1, 2)]
    ends.append([code, *said, os.listdir(case["cwd"])])
print(json.dumps(ends))
"""
# What a command loads only when it is asked for.
LOADED = {"sim": ("sim.planning", "sim.coverage", "sim.sweep", "sim.prediction")}

GIVEN: dict[str, bytes] = {
    "bad.csv": b"0.1\noops\n",
    "binary": b"\x7fELF\xff\xfe\x00",
    "columns.csv": b"time,size\n1,10\n2,30\n",
    "empty.csv": b"",
    "header.csv": b"timestamp\n",
    "measured/point/summary.json": b"{}",
    "negative.csv": b"0.5\n-1\n",
    "once.csv": b"3\n3\n",
    "two.csv": b"1\n2\n",
    "zeros.csv": b"0\n0\n",
    "barred/summary.json/why": b"a directory",
    "hollow/summary.json": b'{"experiments": []}',
    "garbled/summary.json": b"\xff\xfe",
    "taken/point": b"",
    "taken/summary.json": b"[]",
    "taken/.unfinished.json": b"{}",
}
LONG = "long" * 80

# Files are beside the empty directory in which a command runs; {taken} is a port at which somebody listens already.
A_RATE = "must be messages/s: more than 0, at most 1e6, as in --rate 100"
A_SERVICE = "must be milliseconds from 1e-3 to 1e5, as in --service-ms 5"
A_DURATION = "must be seconds: more than 0, at most 1e6, as in --duration 10"
A_COUNT = "must be a whole number from 1 to 1e9, as in --messages 2000"
A_DIRECTORY = "give another directory"
SIM = [
    ("--rate 0", "--rate 0", A_RATE),
    ("--rate -inf", "--rate -inf", A_RATE),
    ("--rate nan", "--rate nan", A_RATE),
    ("--rate 1e999", "--rate 1e999", A_RATE),
    ("--rate ''", "--rate ", A_RATE),
    ("--rate", "--rate: expected one argument", "see python -m sim --help"),
    ("'--rate=1\n2'", r"--rate 1\n2", A_RATE),
    ("'--rate=\x1b[31mred'", r"--rate \x1b[31mred", A_RATE),
    ("--rat 100", "unrecognized arguments: --rat", "did you mean --rate?"),
    ("--json=yes", "--json: ", "see python -m sim --help"),
    ("''", "unrecognized arguments: ''", "see python -m sim --help"),
    ("'\n'", "unrecognized arguments: ", "see python -m sim --help"),
    ("plans", "unrecognized arguments: plans", "see python -m sim --help"),
    ("--service-ms inf", "--service-ms inf", A_SERVICE),
    ("--duration -0", "--duration -0", A_DURATION),
    ("--messages 1e9999999999", "--messages 1e9999999999", A_COUNT),
    ("--messages 0.5", "--messages 0.5", A_COUNT),
    ("--messages 2 --duration 2", "--duration 2 and --messages 2", "give one of them, not both"),
    ("--inbox -1", "--inbox -1", "must be a whole number from 1 to 1e9, as in --inbox 100"),
    ("--workers 100001", "--workers 100001", "must be a whole number from 1 to 100000"),
    ("--seed -1", "--seed -1", "must be a whole number from 0 to 2^63 - 1"),
    ("--order lifo", "--order lifo", "must be one of fifo, round-robin, per-worker"),
    ("--query-policy last", "--query-policy last", "must be one of first, fifo, idle"),
    ("--query-rate nan", "--query-rate nan", "must be queries/s from 0 to 1e6"),
    ("--query-ms 0", "--query-ms 0", "must be milliseconds from 1e-3 to 1e5"),
    ("--popularity zipf:nan", "--popularity zipf:nan", "must be uniform or zipf:S"),
    ("--arrivals sometimes", "--arrivals sometimes", "must be poisson, deterministic, "),
    ("--arrivals bursty:5:1:2", "--arrivals bursty:5:1:2", "with RATIO ≥ 1"),
    ("--service lognormal:0", "--service lognormal:0", "CV above 0, at most 100"),
    ("--service empirical:", "--service empirical:", "as in empirical:times.csv"),
    ("--arrivals trace:../none.csv", "--arrivals trace:../none.csv: no such file", "give another file"),
    ("--arrivals trace:../empty.csv", "--arrivals trace:../empty.csv: no rows", "expected one value a line"),
    ("--arrivals trace:../header.csv", "--arrivals trace:../header.csv: a header", "expected one value a line"),
    ("--arrivals trace:../binary", "--arrivals trace:../binary: not UTF-8 text", "expected CSV or one value"),
    ("--arrivals trace:..", "--arrivals trace:..: cannot be read: Is a directory", "give another file"),
    ("--arrivals trace:/dev/zero", "--arrivals trace:/dev/zero: cannot be read: a device", "give another file"),
    ("--service empirical:/dev/zero", "--service empirical:/dev/zero: cannot be read: a device", "give another file"),
    ("--arrivals 'trace:two\nlines'", r"--arrivals trace:two\nlines: no such file", "give another file"),
    ("--arrivals trace:../bad.csv", "--arrivals trace:../bad.csv:2: 'oops'", "is not seconds or an ISO 8601 date"),
    ("--arrivals trace:../columns.csv:tokens", "--arrivals trace:../columns.csv: no column 'tokens'", "time, size"),
    ("--arrivals trace:../two.csv --messages 3", "--messages 3", "two.csv holds 2 messages: give at most that many"),
    ("--arrivals trace:../once.csv --rate 5", "--arrivals trace:../once.csv: all in one instant", "leave it out"),
    ("--arrivals gaps:../negative.csv", "--arrivals gaps:../negative.csv:2: '-1'", "is not seconds ≥ 0"),
    ("--service empirical:../bad.csv", "--service empirical:../bad.csv:2: 'oops'", "is not seconds ≥ 0"),
    ("--service empirical:../zeros.csv", "--service empirical:../zeros.csv: every", "expected seconds, such as"),
    ("--service empirical:../none.csv --service-ms 5", "--service empirical:../none.csv: no", "give another file"),
    (
        "--service empirical:../negative.csv --arrivals trace:../two.csv",
        "--service empirical:../negative.csv:2: '-1'",
        "is not seconds ≥ 0",
    ),
    ("--rate 1e6 --duration 1e6", "--duration 1e6", "at most 1e+09"),
    ("--servers 2 --inbox 5", "--servers 2 with --inbox", "leave it out"),
    ("--servers 1e5", "--servers 1e5", "must be a whole number from 1 to 2000"),
    ("--sweep-rate 10:400:0", "--sweep-rate 10:400:0", "write FROM:TO:STEP or a list"),
    ("--sweep-rate 10,20 --rate 5", "--rate 5 and --sweep-rate 10,20", "give one of them, not both"),
    (f"--arrivals trace:{LONG}", f"--arrivals trace:{LONG}: cannot be read: File name too long", "give another file"),
    (f"--arrivals trace:../two.csv:{'1' * 5000}", "--arrivals trace:../two.csv: no column '111", "from 1 to 1"),
    ("--plot queue.txt", "--plot queue.txt", "must end in .png, .svg or .pdf"),
    ("--plot none/queue.png", "--plot none/queue.png: nothing can be written in none", A_DIRECTORY),
    (f"--plot {LONG}.png", f"--plot {LONG}.png: File name too long", "give another name"),
    (f"--plot {LONG}/queue.png", f"--plot {LONG}/queue.png: ", "give another name"),
    ("--messages 2e6 --plot queue.png", "--plot queue.png: nothing is stored", "as in --messages 1e6"),
    ("--out ../bad.csv", "--out ../bad.csv: ", "is not a directory; give one"),
    ("--out ../bad.csv/deeper", "--out ../bad.csv/deeper: ", "is not a directory; give one"),
    ("--out ''", "--out : ", "is not a directory; give one"),
    (f"--out {LONG}", f"--out {LONG}: File name too long", A_DIRECTORY),
    (f"--out new/{LONG}", f"--out new/{LONG}: File name too long", A_DIRECTORY),
    ("--out /proc/none", "--out /proc/none: ", A_DIRECTORY),
    ("plan", "give one target", "as in --p99-ms 20"),
    ("plan --p99-ms 20 --p50-ms 5", "give one target, not several", "as in --p99-ms 20"),
    ("plan --p99-ms nan", "--p99-ms nan", "must be milliseconds above 0, at most 1e9"),
    ("plan --p99-ms 1", "--p99-ms 1: target 1 ms, service 5 ms", "ask for a longer target"),
    ("plan --p99-ms 20 --messages 5", "unrecognized arguments: --messages 5", "see python -m sim plan --help"),
    ("plan --p99-ms 20 --rate 0", "--rate 0", A_RATE),
    ("coverage --runs 1", "--runs 1", "must be a whole number from 2 to 1000000"),
    ("coverage --loads 0.5,1", "--loads 0.5,1", "utilizations above 0, at most 0.99"),
    ("coverage --loads", "--loads: expected one argument", "see python -m sim coverage --help"),
    ("coverage --relaxation-times 0", "--relaxation-times 0", "must be a whole number from 10 to 1000000"),
]
AN_ADDRESS = "give another address"
REAL = [
    ("--rate inf", "--rate inf", A_RATE),
    ("--work hard", "--work hard", "must be one of sleep, cpu, mixed, precise, none"),
    ("--work ''", "--work ", "must be one of sleep, "),
    ("--allocate never", "--allocate never", "must be one of lazy, eager"),
    ("--listen 9000", "--listen 9000", "must be HOST:PORT, as in --listen 127.0.0.1:9000"),
    ("--listen 127.0.0.1:65536", "--listen 127.0.0.1:65536", "as in --listen 127.0.0.1:9000"),
    (f"--listen 127.0.0.1:{'9' * 5000}", "--listen 127.0.0.1:999", "as in --listen 127.0.0.1:9000"),
    ("--listen :9000", "--listen :9000", "as in --listen 127.0.0.1:9000"),
    ("--listen nobody.invalid:0", "--listen nobody.invalid:0: Name or service not known", AN_ADDRESS),
    ("--listen 192.0.2.1:0", "--listen 192.0.2.1:0: Cannot assign requested address", AN_ADDRESS),
    ("--listen [::g]:0", "--listen [::g]:0: ", AN_ADDRESS),
    ("--listen ä..:0", "--listen ä..:0: is no name of a host", AN_ADDRESS),
    ("--listen 127.0.0.1:{taken}", "--listen 127.0.0.1:{taken}: Address already in use", AN_ADDRESS),
    ("--http ä..:0 --messages 1 --out new", "--http ä..:0: is no name of a host", AN_ADDRESS),
    ("--http 127.0.0.1:{taken} --messages 1 --out new", "--http 127.0.0.1:{taken}: Address already", AN_ADDRESS),
    ("--listen 127.0.0.1:0 --http 127.0.0.1:{taken} --out new", "--http 127.0.0.1:{taken}: Address", AN_ADDRESS),
    ("--listen 127.0.0.1:0 --rate 5", "--rate with --listen", "as in python -m real.send --rate"),
    ("--listen 127.0.0.1:0 --arrivals trace:../two.csv", "--arrivals with --listen", "python -m real.send --arrivals"),
    ("--listen 127.0.0.1:0 --service exponential", "--service exponential with --listen", "leave it out"),
    ("--listen 127.0.0.1:0 --query-rate 5", "--query-rate with --listen", "as in python -m real.ask --rate 20"),
    ("--drain-s nan", "--drain-s nan", "must be seconds from 0 to 1e6, as in --drain-s 5"),
    ("--pin 4000", "--pin 4000", "must be one of the cores "),
    (f"--pin {'1' * 5000}", "--pin 11111", "must be one of the cores "),
    ("--pin -1", "--pin -1", "must be one of the cores "),
    ("--dispatch-ms -1", "--dispatch-ms -1", "must be milliseconds from 0 to 1e5"),
    ("--state-keys 991", "--state-keys 991", "must be a whole number from 0 to 990"),
    ("--pace 9e6", "--pace 9e6 with --work sleep", "give --work cpu or mixed"),
    ("--work cpu --pace inf", "--pace inf", "must be rounds a second from 1 to 1e12"),
    ("--messages 5 --plot queue.png", "unrecognized arguments: --plot queue.png", "see python -m real --help"),
    ("--messages 1e8", "--messages 1e8", "a workload is held in memory: at most 1e+07"),
    ("--arrivals trace:../bad.csv", "--arrivals trace:../bad.csv:2: 'oops'", "is not seconds or an ISO 8601 date"),
    ("--out ../two.csv", "--out ../two.csv: ", "is not a directory; give one"),
    ("--out /proc/none/deeper", "--out /proc/none/deeper: ", A_DIRECTORY),
]
TO = "--to 127.0.0.1:{taken}"
SEND = [
    ("", "the following arguments are required: --to", "see python -m real.send --help"),
    ("--to nowhere", "--to nowhere", "must be HOST:PORT, as in --to 127.0.0.1:9000"),
    ("--to 127.0.0.1:0", "--to 127.0.0.1:0: nobody listens on port 0", "give the port that the processor says"),
    ("--to nobody.invalid:9 --messages 1", "--to nobody.invalid:9: Name or service not known", "give an address"),
    ("--to ..:9 --messages 1", "--to ..:9: is no name of a host", "127.0.0.1:9"),
    (f"{TO} --connections 0", "--connections 0", "must be a whole number from 1 to 1000"),
    (f"{TO} --rate nan", "--rate nan", A_RATE),
    (f"{TO} --service-ms 5", "unrecognized arguments: --service-ms 5", "see python -m real.send --help"),
    (f"{TO} --arrivals gaps:../binary", "--arrivals gaps:../binary: not UTF-8", "expected CSV or one value a line"),
    (f"{TO} --out ../bad.csv", "--out ../bad.csv: ", "is not a directory; give one"),
    (f"{TO} --messages 1 --out /proc/none", "--out /proc/none: ", A_DIRECTORY),
]
ASK = [
    ("", "--to is missing", "as in --to 127.0.0.1:8080"),
    ("--queries 5", "--to is missing", "as in --to 127.0.0.1:8080"),
    ("--to 127.0.0.1:0", "--to 127.0.0.1:0: nobody answers at port 0", "give the port of the processor's --http"),
    ("--to nobody.invalid:9", "--to nobody.invalid:9: Name or service not known", "as in --to 127.0.0.1:8080"),
    ("--to ..:9", "--to ..:9: is no name of a host", "as in --to 127.0.0.1:8080"),
    (f"{TO} --queries 0", "--queries 0", "must be a whole number from 1 to 1000000"),
    (f"{TO} --queries 5 --duration 5", "--duration 5 and --queries 5", "give one of them, not both"),
    (f"{TO} --rate 1e6", "--rate 1e6", "more than 0, at most 100000, as in --rate 20"),
    (f"{TO} --rate 1e5 --duration 1e6", "--rate 1e5 for --duration 1e6", "give less of one"),
    (f"{TO} --timeout-s inf", "--timeout-s inf", "as in --timeout-s 10"),
    (f"{TO} --floor -1", "--floor -1", "must be a whole number from 0 to 10000"),
    (f"{TO} --out {LONG}", f"--out {LONG}: File name too long", A_DIRECTORY),
]
AN_INJECTION = "write service=1.05 (times slower), dispatch-ms=0.3 (more of it) or order=round-robin"
COMPARE = [
    ("", "the following arguments are required: experiment", "see python -m compare --help"),
    ("''", "'': no such experiment", "give all, list, point, report or one of "),
    ("everything", "everything: no such experiment", "give all, list, point, report or one of "),
    ("throughput workers", "unrecognized arguments: workers", "see python -m compare --help"),
    ("throughput --messages 5", "unrecognized arguments: --messages 5", "see python -m compare --help"),
    ("throughput --service-ms nan", "--service-ms nan", A_SERVICE),
    ("all --service-ms 1e5", "--service-ms 1e5: all would need messages of more than 100 s", "--service-ms at most "),
    ("all --service-ms 1e-3", "--service-ms 1e-3: all would need more than 1e6 messages/s", "--service-ms at least "),
    ("all --service-ms 1e3", "--service-ms 1e3: all would take about ", "--service-ms at most "),
    ("throughput --service-ms 5e3 --quick", "--service-ms 5e3: throughput would take about ", "--service-ms at most "),
    ("point --service-ms 1e5", "--service-ms 1e5: point would take about ", "fewer messages"),
    ("point --rate 1 --duration 1e5", "--rate 1 --duration 1e5: point would take about 27.", "fewer messages"),
    ("point --messages 3 --rate 1e-4", "--rate 1e-4 --messages 3: point would take about ", "fewer messages"),
    ("all --arrivals trace:../none.csv", "--arrivals trace:../none.csv: no such file", "give another file"),
    ("point --arrivals gaps:../bad.csv", "--arrivals gaps:../bad.csv:2: 'oops' is not seconds", "such as 0.005"),
    ("throughput --arrivals trace:../once.csv", "--arrivals trace:../once.csv: all in one instant: ", "; leave it out"),
    ("point --out ../bad.csv", "--out ../bad.csv: ", "give one"),
    (f"point --out {LONG}", f"--out {LONG}: ", A_DIRECTORY),
    ("report --out ../measured", "--out ../measured: only a point was compared there", "give --out ../measured/point"),
    ("throughput --trace ../two.csv", "--trace ../two.csv: only the experiment", "write --arrivals trace:../two.csv"),
    ("arrivals --trace ../none.csv", "--trace ../none.csv: no such file", "give another file"),
    ("workers --arrivals trace:../bad.csv", "--arrivals trace:../bad.csv:2: 'oops'", "is not seconds or an ISO 8601"),
    ("throughput --resume", "--resume: no comparison was interrupted in results", "leave it out"),
    ("throughput --resume --out ../taken", "--resume: ../taken/.unfinished.json cannot be read", "leave it out"),
    ("throughput --out ../bad.csv", "--out ../bad.csv: ", "is not a directory; give one"),
    ("throughput --out /proc/none", "--out /proc/none: ", A_DIRECTORY),
    (f"throughput --out new/{LONG}", f"--out new/{LONG}: ", A_DIRECTORY),
    ("gil --inject service=2", "--inject service=2 with gil: not for gil", "name another experiment"),
    ("throughput --inject speed=2", "--inject speed=2", AN_INJECTION),
    ("throughput --inject service=nan", "--inject service=nan", AN_INJECTION),
    ("throughput --inject order=lifo", "--inject order=lifo", AN_INJECTION),
    ("throughput --inject", "--inject: expected one argument", "see python -m compare --help"),
    ("point --inject service=2 --inject service=3", "--inject service=3: service is given twice", "give it once"),
    ("point --inject service=1e5", "--inject service=100000: messages of 5 ms would take 500000 ms", "write a number"),
    (
        "point --service-ms 2e3 --messages 2 --inject service=60",
        "--inject service=60: messages of 2000 ms",
        "1e-3 to 1e5 ms",
    ),
    ("point --work none", "--work none", "must be one of sleep, cpu, mixed, precise"),
    ("point --rate 0", "--rate 0", A_RATE),
    ("point --rate 1e-3 --duration 1", "--rate 0.001 --duration 1: no message", "give a higher --rate"),
    ("point --messages 5 --duration 5", "--duration 5 and --messages 5", "give one of them, not both"),
    ("point --query-ms 1", "unrecognized arguments: --query-ms 1", "see python -m compare point --help"),
    ("point --out ../taken", "--out ../taken/point: ", "is not a directory; give one"),
    ("point --resume", "unrecognized arguments: --resume", "see python -m compare point --help"),
    ("report", "results/summary.json: not there", "run python -m compare all first, or give --out"),
    ("report --out ../none", "../none/summary.json: not there", "or give --out"),
    ("report --out ../binary", "--out ../binary: ", "is not a directory; give one"),
    ("report --out ../taken", "../taken/summary.json: is no summary of a comparison", "measure again, or give --out"),
    ("report --out ../hollow", "../hollow/summary.json: is no summary of a comparison", "measure again, or give --out"),
    ("report --out ../barred", "../barred/summary.json: Is a directory", "measure again, or give --out"),
    (f"arrivals --trace {LONG}", f"--trace {LONG}: cannot be read: File name too long", "give another file"),
    ("report --out ../garbled", "../garbled/summary.json: ", "measure again, or give --out"),
    ("report throughput", "unrecognized arguments: throughput", "see python -m compare report --help"),
    ("list --quick", "unrecognized arguments: --quick", "see python -m compare list --help"),
]
TABLE = {"sim": SIM, "real": REAL, "real.send": SEND, "real.ask": ASK, "compare": COMPARE}
CASES = [(name, *row) for name, rows in TABLE.items() for row in rows]


@dataclass(frozen=True)
class End:
    """How an invocation ended: its exit code, what it printed, and what it left in its directory."""

    code: int
    stdout: str
    stderr: str
    left: list[str]


def begun(words: list[str], cwd: Path) -> subprocess.Popen[str]:
    """A Python with these words, which finds the packages from wherever it runs."""
    # One thread for arithmetic: who forks is to have no more than one.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "80"}
    streams: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([sys.executable, *words], text=True, cwd=cwd, env=environment, **streams)


@pytest.fixture(scope="module")
def taken() -> Iterator[int]:
    """A port at which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By command, a directory with the files that invocations name, and with an empty directory for each of these."""
    made = {name: tmp_path_factory.mktemp(name) for name in TABLE}
    for name, base in made.items():
        for file, content in GIVEN.items():
            (base / file).parent.mkdir(parents=True, exist_ok=True)
            (base / file).write_bytes(content)
        for number in range(len(TABLE[name])):
            (base / str(number)).mkdir()
    return made


@pytest.fixture(scope="module")
def ends(taken: int, bases: dict[str, Path]) -> dict[tuple[str, str], End]:
    """How each invocation ended, by command and what was typed: all commands at the same time."""
    running = {}
    for name, base in bases.items():
        typed = [shlex.split(row[0].format(taken=taken)) for row in TABLE[name]]
        cases = [{"cwd": str(base / str(number)), "words": words} for number, words in enumerate(typed)]
        running[name] = begun(["-c", FORKING, name, *LOADED.get(name, ())], base)
        assert running[name].stdin is not None
        running[name].stdin.write(json.dumps(cases))
        running[name].stdin.close()
    ended = {}
    for name, process in running.items():
        with process:
            assert process.stdout is not None
            results = json.loads(process.stdout.read())
        ended |= {(name, row[0]): End(*result) for row, result in zip(TABLE[name], results, strict=True)}
    return ended


@pytest.mark.parametrize(
    ("name", "typed", "named", "remedy"), CASES, ids=[f"{case[0]} {case[1][:60]}" for case in CASES]
)
def test_what_is_refused_is_named_in_one_line_with_what_to_give_instead(
    name: str, typed: str, named: str, remedy: str, taken: int, ends: dict[tuple[str, str], End]
) -> None:
    end = ends[name, typed]
    assert end.code == 2, end
    assert end.stdout == ""
    assert end.stderr.startswith(f"{name}: {named.format(taken=taken)}")
    assert remedy in end.stderr
    assert end.stderr.count("\n") == 1
    assert end.stderr.endswith("\n")
    assert end.left == []


@pytest.mark.usefixtures("ends")
def test_files_that_are_named_stay_as_they_are(bases: dict[str, Path]) -> None:
    for name, base in bases.items():
        said = {f"{number}.{stream}" for number in range(len(TABLE[name])) for stream in (1, 2)}
        files = {path.relative_to(base).as_posix(): path for path in base.rglob("*") if path.is_file()}
        assert {file: path.read_bytes() for file, path in files.items() if file not in said} == GIVEN


def test_each_command_ends_so_in_a_process_of_its_own(tmp_path: Path) -> None:
    running = {name: begun(["-m", name, "--unknown"], tmp_path) for name in TABLE}
    for name, process in running.items():
        output, complaint = process.communicate(timeout=60)
        assert (process.returncode, output) == (2, "")
        assert complaint.startswith(f"{name}: ")
        assert "--help" in complaint
        assert complaint.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_there_are_as_many_as_promised() -> None:
    assert len(CASES) >= 60
    assert {typed.split()[0] for typed, *_ in COMPARE if typed} >= {"point", "report", "list"}
    assert {typed.split()[0] for typed, *_ in SIM if typed.strip()} >= {"plan", "coverage"}
