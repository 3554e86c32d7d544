"""What the README tells a reader to type works, and what it shows is there."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TYPED = re.findall(r"^python -m (?:sim|real|compare)\b.*$", README, re.MULTILINE)
# Those that go together: one serves, and the others talk to it.
ADDRESSES = ("127.0.0.1:9000", "127.0.0.1:8080")
TOGETHER = [command for command in TYPED if any(address in command for address in ADDRESSES)]
COMMANDS = [command for command in TYPED if command not in TOGETHER]
# Minutes long, and measured by the continuous build: here only whether such flags exist.
LONG = re.compile(r"-m compare (all|throughput|point|report)")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_runs(command: str, tmp_path: Path) -> None:
    words = shlex.split(command.partition("#")[0])[1:]
    if LONG.search(command):
        words.append("--help")
    if "sim coverage" in command:  # takes minutes with as many runs as the table in the README needs
        words += ["--runs", "20"]
    if "--duration" in words:  # that much time would pass
        words[words.index("--duration") + 1] = "1"
    (tmp_path / "requests.csv").write_text("timestamp\n" + "\n".join(f"{k / 50}" for k in range(50)))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert result.returncode == 0, result.stderr


def test_the_readme_has_commands_and_the_screen_that_they_print() -> None:
    assert len(COMMANDS) >= 6
    shown = re.search(r"```text\n(300 messages.*?)```", README, re.DOTALL)
    assert shown is not None
    printed = subprocess.run(
        [sys.executable, "-m", "sim", "--rate", "300", "--service-ms", "5"],
        capture_output=True, text=True, cwd=ROOT, check=True, env={**os.environ, "COLUMNS": "80"},
    ).stdout  # fmt: skip
    assert [line.rstrip() for line in shown[1].splitlines()] == [line.rstrip() for line in printed.splitlines()]


def test_the_server_of_the_readme_serves_those_who_send_and_ask() -> None:
    served, *others = TOGETHER
    assert [command.split()[2] for command in TOGETHER] == ["real", "real.send", "real.ask"]
    for address in ADDRESSES:  # whoever runs the tests may have something there
        served = served.replace(address, "127.0.0.1:0")
    with subprocess.Popen(
        [sys.executable, *shlex.split(served)[1:]], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stderr is not None
            free = [server.stderr.readline().replace("http://", "").split()[-1] for _ in ADDRESSES]
            for command in others:
                for address, found in zip(ADDRESSES, free, strict=True):
                    command = command.replace(address, found)  # noqa: PLW2901
                command = re.sub(r"--duration \d+", "--duration 1", command)  # noqa: PLW2901
                words = [sys.executable, *shlex.split(command)[1:]]
                result = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
                assert result.returncode == 0, result.stderr
            server.send_signal(signal.SIGTERM)
            printed = server.communicate(timeout=60)[0]
        finally:
            server.kill()
    assert server.returncode == 0
    assert "MEASURED" in printed


PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("code", PYTHON)
def test_the_python_examples_print_what_they_say(code: str) -> None:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    # What a line prints stands behind its print.
    assert result.stdout.splitlines() == re.findall(r"^ *print.*# (.*)$", code, re.MULTILINE)


def test_every_file_that_the_readme_shows_or_links_is_there() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_there_is_one_command_for_the_main_job_and_one_for_the_tests() -> None:
    assert len(re.findall(r"^python -m pip install uv && python -m uv run python -m compare all$", README, re.M)) == 1
    assert len(re.findall(r"^python -m pip install uv && python -m uv run pytest$", README, re.M)) == 1
