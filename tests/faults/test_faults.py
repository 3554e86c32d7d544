"""Some hundred seeds of everything going wrong; and the proof that the simulator finds what is broken."""

import subprocess
import sys
from collections import Counter
from functools import cache

import pytest

from tests.faults.mutations import MUTATIONS, Mutation
from tests.faults.scenario import CROWD_SEEDS, Failed, run_seed

SEEDS = 600
KINDS = {
    *("short read", "short write", "EAGAIN", "EAGAIN on write", "ready for nothing", "full pipe", "sender held up"),
    *("reset", "half-close", "vanished in the middle", "vanished before a reply", "silent client", "drip", "burst"),
    *("pipelining", "slow reader", "garbage line", "garbage request", "line too long", "line without an end"),
    *("clock jump", "pause", "everybody stalls", "EMFILE", "ENFILE", "ECONNABORTED"),
    *("more than 512 askers", "more than 480 senders"),
    *("stop in the middle", "stop at rest", "ended before all was done"),
}
ENOUGH = 1_000  # seeds, within which every broken processor must be found


@cache
def passed(seeds: int) -> Counter[str]:
    """Run so many seeds; return the faults that happened."""
    faults = Counter[str]()
    for seed in range(seeds):
        faults += run_seed(seed).faults
    return faults


def test_whatever_goes_wrong_nothing_is_lost() -> None:
    faults = passed(SEEDS)
    assert set(faults) == KINDS
    assert all(faults[kind] > SEEDS for kind in ("short read", "EAGAIN", "drip", "slow reader"))
    assert faults["more than 512 askers"] == SEEDS // CROWD_SEEDS
    assert faults["more than 480 senders"] == (SEEDS + CROWD_SEEDS // 2) // CROWD_SEEDS


def test_a_seed_is_the_same_every_time() -> None:
    told: list[list[str]] = [[], []]
    for lines in told:
        run_seed(17, lines.append)
    assert told[0] == told[1]
    assert len(told[0]) > 50


def found_after(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> tuple[int, Failed] | None:
    """Break the processor; return how many seeds it takes to find that out, and the find."""
    mutation(monkeypatch)
    for seed in range(ENOUGH):
        try:
            run_seed(seed)
        except Failed as found:
            return seed + 1, found
    return None


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_a_broken_processor_is_found(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    found = found_after(mutation, monkeypatch)
    assert found is not None
    print(f"{mutation.__name__}: found after {found[0]} seeds: {found[1].text[:80]}")
    assert f"python -m tests.faults --seed {found[1].seed} --trace" in str(found[1])


def test_the_command_prints_a_table_of_faults_and_replays_a_seed() -> None:
    command = [sys.executable, "-m", "tests.faults"]
    table = subprocess.run([*command, "--seeds", "20"], capture_output=True, text=True, check=True).stdout
    assert "20 seeds" in table
    assert "0 failed" in table
    trace = subprocess.run([*command, "--seed", "3", "--trace"], capture_output=True, text=True, check=True).stdout
    assert "fault: " in trace
    assert "a client comes" in trace
