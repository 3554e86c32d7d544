"""Bad invocations of `python -m compare`: one line that names flag, value and remedy, exit 2, and nothing written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BAD = [
    ("all --service-ms 1e5", "--service-ms 1e5: all would need messages of more than 100 s", "--service-ms at most "),
    ("all --service-ms 1e-3", "--service-ms 1e-3: all would need more than 1e6 messages/s", "--service-ms at least "),
    ("all --service-ms 1e3", "--service-ms 1e3: all would take about ", "--service-ms at most "),
    ("throughput --service-ms 5e3 --quick", "--service-ms 5e3: throughput would take about ", "--service-ms at most "),
    ("point --service-ms 1e5", "--service-ms 1e5: point would take about ", "fewer messages"),
    ("point --rate 1 --duration 1e5", "--rate 1 --duration 1e5: point would take about 27.", "fewer messages"),
    ("point --messages 3 --rate 1e-4", "--rate 1e-4 --messages 3: point would take about ", "fewer messages"),
    ("point --rate 1e-3 --duration 1", "--rate 0.001 --duration 1: no message", "give a higher --rate"),
    ("all --arrivals trace:none.csv", "--arrivals trace:none.csv: no such file", "give another file"),
    ("point --arrivals gaps:bad.csv", "--arrivals gaps:bad.csv:2: 'oops' is not seconds", "such as 0.005"),
    ("arrivals --trace none.csv", "--trace none.csv: no such file", "give another file"),
    ("throughput --arrivals trace:once.csv", "--arrivals trace:once.csv: all in one instant: ", "; leave it out"),
    ("throughput --trace bad.csv", "--trace bad.csv: only the experiment arrivals", "write --arrivals trace:bad.csv"),
    ("throughput --out /proc/none", "--out /proc/none: ", "give another directory"),
    ("point --out bad.csv", "--out bad.csv: ", "give one"),
    ("point --out taken", "--out taken/point: ", "give one"),
    (f"point --out {'long' * 80}", f"--out {'long' * 80}: ", "give another directory"),
    ("report --out measured", "--out measured: only a point was compared there", "give --out measured/point"),
]


@pytest.mark.parametrize(("typed", "named", "remedy"), BAD, ids=[typed[:40] for typed, *_ in BAD])
def test_what_is_refused_is_named_with_what_to_give_instead(
    typed: str, named: str, remedy: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.csv").write_text("0.1\noops\n")
    (tmp_path / "once.csv").write_text("3\n3\n")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "point").touch()
    (tmp_path / "measured" / "point").mkdir(parents=True)
    (tmp_path / "measured" / "point" / "summary.json").write_text("{}")
    before = sorted(tmp_path.rglob("*"))
    result = subprocess.run(
        [sys.executable, "-m", "compare", *typed.split()],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        timeout=120,  # what is not refused would be measured
    )
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith(f"compare: {named}")
    assert remedy in result.stderr
    assert result.stderr.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
