"""Measure: run the real thing on a case, in processes of their own, and read back what they recorded."""

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from compare.case import Case
from compare.inject import Injection
from compare.machine.canary import Canary
from compare.machine.children import POLL_S, Child, MeasurementError
from compare.machine.noise import Noise, noise_of
from compare.machine.tables import CPU, Table, read_table
from sim import Trajectory
from sim.command import as_typed
from sim.flags import FLAGS, flags_of
from sim.recording import NS

OVERHEAD_S = 0.5  # starting the interpreter, making the messages, writing the trajectory
_MAKING_S = 2.5e-5  # of each message, before the run and after it
_LONGER_S = 1.5e-4  # a sleep takes a tenth of a millisecond longer than asked for, on most machines
ASKER_STARTS_S = 1.2  # so much of a run passes before the first question, and with the last answer
LEAST_ASKING_S = 0.5

OnWait = Callable[[float], object]


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """What was measured: the trajectory, what the real thing said of it, and what the machine did meanwhile.

    `tables` are what clients recorded, "asked" (over HTTP) and "sent" (over TCP), and "cpu" of work that computes.
    `began_s` is on the monotonic clock.
    `repeated` tells of the runs before this one that were over the noise limit.
    """

    trajectory: Trajectory
    document: dict[str, Any]
    noise: Noise
    command: str
    began_s: float
    tables: dict[str, Table]
    clients: dict[str, Any]
    repeated: tuple[str, ...] = ()

    @property
    def metrics(self) -> dict[str, Any]:
        """Return the `measured` object of the real thing's document."""
        found: dict[str, Any] = self.document["measured"]
        return found


def working_s(case: Case) -> float:
    """Return about how long a run goes on, s: until the last arrival, or until the work is done."""
    workload = case.workload
    last_s = workload.arrivals_ns[-1] / NS if len(workload) else 0.0
    service_s = 0.0 if case.work == "none" else sum(workload.service_ns) / NS + _LONGER_S * len(workload)
    return max(last_s, service_s / (case.threads if case.threads and case.work == "sleep" else 1))


def asking_s(case: Case) -> float:
    """Return for how much of a run questions come over HTTP, s."""
    return max(working_s(case) - ASKER_STARTS_S, LEAST_ASKING_S)


def expected_s(case: Case) -> float:
    """Return about how long measuring a case takes, s."""
    more_s = 1.0 if case.over_tcp else 0.0
    return working_s(case) + OVERHEAD_S + more_s + _MAKING_S * len(case.workload)


def measure(case: Case, canary: Canary, injection: Injection, on_wait: OnWait = lambda passed_s: None) -> Measurement:
    """Run the real thing on a case; MeasurementError if it fails, hangs or ran another workload.

    `on_wait` is called now and then with the seconds that have passed.
    """
    most_s = 3.0 * expected_s(case) + 30.0
    with tempfile.TemporaryDirectory(prefix="compare-") as name, ExitStack() as children:
        directory = Path(name)
        began_s = time.monotonic()
        run = _run_over_tcp if case.over_tcp else _run_in_process
        document, clients, words = run(case, injection, directory, children, canary, on_wait, most_s)
        ended_s = time.monotonic()
        trajectory = Trajectory.read_csv(directory / "trajectory.csv")
        # Where it computes: whose a difference is can be told by its processor time.
        recorded = (*clients, CPU) if case.tells_cpu_s else clients
        tables = {table: read_table(directory / f"{table}.csv") for table in recorded}
    trajectory = _at_planned_instants(case, trajectory, document, injection)
    if "asked" in tables:
        tables["asked"] = {
            **tables["asked"],
            "latency_s": tables["asked"]["complete_s"] - tables["asked"]["intended_s"],
        }
    noise = noise_of(canary.stalls(began_s, ended_s), document, float(trajectory.finish_s.max(initial=0.0)))
    return Measurement(trajectory, document, noise, as_typed(*words), began_s, tables, clients)


Outcome = tuple[dict[str, Any], dict[str, Any], tuple[str, list[str]]]


def _run_in_process(
    case: Case,
    injection: Injection,
    directory: Path,
    children: ExitStack,
    canary: Canary,
    on_wait: OnWait,
    most_s: float,
) -> Outcome:
    """Run a workload at its own instants; ask it over HTTP meanwhile, if that is the case."""
    module, words = _command(case, injection)
    output = ["--json", "--out", str(directory)]
    http = ["--http", "127.0.0.1:0"] if case.asking else []
    real = children.enter_context(Child(module, [*words, *http, *output], directory))
    children.enter_context(canary.watching(real.pid))
    clients = {}
    if case.asking:
        address = real.said("http on http://")
        asking = ["--to", address, "--rate", str(case.asking.rate_per_s), "--duration", str(asking_s(case))]
        asking += ["--seed", str(case.asking.seed), "--workers", str(case.workload.workers), "--floor", "0"]
        asking += ["--keep-alive"] if case.asking.keep_alive else []
        asker = children.enter_context(Child("real.ask", [*asking, *output], directory))
        clients["asked"] = asker.document(on_wait, most_s)
    return real.document(on_wait, most_s), clients, (module, [*words, *http])


def _run_over_tcp(
    case: Case,
    injection: Injection,
    directory: Path,
    children: ExitStack,
    canary: Canary,
    on_wait: OnWait,
    most_s: float,
) -> Outcome:
    """Let a sender play the workload to a processor that listens, and end that when all is sent and done."""
    _, words = _command(case, injection)
    output = ["--json", "--out", str(directory)]
    taken = ("--rate", "--duration", "--messages", "--arrivals", "--popularity", "--workers", "--inbox", "--seed")
    # What is said to both; the plan is the sender's alone.
    own = tuple(flag for flag in words[::2] if flag in ("--workers", "--inbox") or flag not in FLAGS)
    serving = ["--listen", "127.0.0.1:0", *_only(words, (*own, "--service-ms", "--order"))]
    real = children.enter_context(Child("real", [*serving, *output], directory))
    children.enter_context(canary.watching(real.pid))
    address = real.said("listening on ")
    sender = children.enter_context(
        Child("real.send", ["--to", address, *_only(flags_of(case.workload), taken), *output], directory)
    )
    clients = {"sent": sender.document(on_wait, most_s)}
    _let_all_be_read(case, clients["sent"]["sent"], on_wait)
    real.end()  # it processes what it has received, and ends
    return real.document(on_wait, most_s), clients, ("real", serving)


def _let_all_be_read(case: Case, sent: dict[str, Any], on_wait: OnWait) -> None:
    """Wait for as long as the work takes, where the sender did not: what is not read by the end never is."""
    while sent["all_read"] is None:
        passed_s = time.monotonic() - sent["origin_monotonic_s"]
        if passed_s > 1.1 * working_s(case):
            break
        on_wait(passed_s)
        time.sleep(POLL_S)


def _command(case: Case, injection: Injection) -> tuple[str, list[str]]:
    words = [*injection.applied(flags_of(case.workload)), "--work", case.work]
    if case.threads is not None:
        return "compare.machine.threads", [*words, "--threads", str(case.threads)]
    words += ["--allocate", case.allocate] if case.allocate != "lazy" else []
    words += ["--state-keys", str(case.state_keys)] if case.state_keys else []
    words += ["--pace", repr(case.pace_per_s)] if case.pace_per_s else []
    return "real", [*words, *injection.flags]


def _only(words: list[str], names: tuple[str, ...]) -> list[str]:
    pairs = zip(words[::2], words[1::2], strict=True)  # each flag has a value
    return [word for flag, value in pairs if flag in names for word in (flag, value)]


def _at_planned_instants(
    case: Case, trajectory: Trajectory, document: dict[str, Any], injection: Injection
) -> Trajectory:
    """Return what was measured with the plan's own instants, once it is sure that it is the plan that was run."""
    planned_s = np.asarray(case.workload.arrivals_ns) / NS
    if case.over_tcp and len(trajectory):  # whose second 0 is the first arrival
        trajectory = _shifted(trajectory, float(planned_s[0] - trajectory.arrival_s[0]))
    elif not injection and document["workload"] != case.workload.describe():
        raise MeasurementError(f"{document['command']} ran another workload than was predicted")
    if len(trajectory) != len(planned_s) or np.abs(trajectory.arrival_s - planned_s).max(initial=0.0) > 1e-6:
        raise MeasurementError(
            f"{document['command']}: {len(trajectory)} messages at other instants than the {len(planned_s)} planned"
        )
    return replace(trajectory, arrival_s=planned_s)


def _shifted(trajectory: Trajectory, by_s: float) -> Trajectory:
    columns = {name: getattr(trajectory, name) + by_s for name in ("arrival_s", "taken_s", "start_s", "finish_s")}
    sent_s = None if trajectory.sent_s is None else trajectory.sent_s + by_s
    return replace(trajectory, **columns, sent_s=sent_s)
