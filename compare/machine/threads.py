"""`python -m compare.machine.threads`: what several threads would have done with the same messages.

A child process of its own, for the question whether threads would have helped: the processor itself has one. Every
message is taken in order of arrival, by whichever thread is free, and is the processor's own work and nothing else: no
state is updated, which would need a lock a worker.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from real.clock import Clock, WallClock
from real.environment import Disturbance, Pauses, environment
from real.machine import Work
from real.message import Message
from real.work import KINDS
from sim.command import CommandError, Parser, UsageError, as_typed, out_directory, run_command
from sim.files import json_text
from sim.flags import add_workload_flags, workload_from
from sim.units import digits, seconds
from sim.values import whole_number
from sim.workload import Workload

if TYPE_CHECKING:
    from sim.trajectory import Trajectory

EXAMPLES = """examples:
  python -m compare.machine.threads --threads 4 --work sleep --rate 1000 --messages 400
  python -m compare.machine.threads --threads 4 --work cpu --rate 1000 --messages 400
"""
WORKS, MOST_THREADS = ("sleep", "cpu", "mixed"), 100
# How long what a message takes alone is looked at, and how often at most.
_ALONE_S, _ALONE = 0.2, 31
# Until second 0: time to start the threads.
_LEAD_NS, _LEAD_A_THREAD_NS = 20_000_000, 1_000_000
# The operating system counts these for a thread, and would tell those of the one that only waits for the others.
_OF_ONE_THREAD = {"run_delay_s": None, "involuntary_switches": None}
_WHAT_THREADS_LACK = {"--order": ("order", "fifo"), "--inbox": ("inbox", None), "--query-rate": ("query_rate_per_s", 0)}


def capacity(threads: int, hold_s: float, *, work: str, gil: bool, cores: int) -> float:
    """Return how many messages/s so many threads can process that keep each of them for `hold_s`.

    Who sleeps needs nothing that others need. Who computes needs a core, and under the GIL the interpreter.

    >>> capacity(4, 0.005, work="sleep", gil=True, cores=2), capacity(4, 0.005, work="cpu", gil=True, cores=2)
    (800.0, 200.0)
    """
    if work == "sleep":
        return threads / hold_s
    return 1 / hold_s if gil else min(threads, cores) / hold_s


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    parser = Parser(
        "python -m compare.machine.threads", "Process a workload on several threads, and measure it.", EXAMPLES
    )
    add_workload_flags(parser)
    group = parser.add_argument_group("the threads")
    group.add_argument("--threads", metavar="N", default="1", help="how many [1]")
    group.add_argument(
        "--work", metavar="KIND", default="sleep", help="what processing is: sleep, cpu or mixed [sleep]"
    )
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    output.add_argument("--out", metavar="DIR", help="write trajectory.csv there")
    args = parser.parse(argv)
    threads, out = whole_number("--threads", args.threads, 1, MOST_THREADS), out_directory(args.out)
    if args.work not in WORKS:
        raise UsageError(f"--work {args.work}: must be one of {', '.join(WORKS)}")
    workload = workload_from(args)
    _refuse_what_threads_lack(workload, threads)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)  # if that fails, now rather than when all is done
    ran = run(workload, args.work, threads, WallClock())
    measured = trajectory_of(workload, ran)
    if out is not None:
        measured.write_csv(out / "trajectory.csv")
    document = document_of(workload, measured, ran, args.work, as_typed("compare.machine.threads", argv))
    print(json_text(document) if args.json else _line(document), end="")


def _refuse_what_threads_lack(workload: Workload, threads: int) -> None:
    for flag, (name, plain) in _WHAT_THREADS_LACK.items():
        if getattr(workload, name) != plain:
            raise UsageError(f"--threads {threads} with {flag}: threads are first come, first served; leave it out")


@dataclass(slots=True, eq=False)
class Run:
    """Messages that threads share: planned instants (ns on the clock), and what became of each.

    `by_thread` counts the messages of each thread. `cpu_ns` is of all of them together. `alone_s` is how long a message
    took in this very process when nothing else ran, before and afterwards: a machine's speed drifts. `disturbed` is
    what the machine did to it meanwhile.
    """

    origin_ns: int
    arrival_ns: Sequence[int]
    threads: int
    clock: Clock
    start_ns: list[int] = field(init=False)
    finish_ns: list[int] = field(init=False)
    by_thread: list[int] = field(init=False)
    cpu_ns: int = 0
    alone_s: tuple[float, float] = (0.0, 0.0)
    disturbed: dict[str, Any] = field(default_factory=dict)
    _turns: Iterator[int] = field(init=False)
    _lock: Lock = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing taken."""
        count = len(self.arrival_ns)
        self.start_ns, self.finish_ns, self.by_thread = [0] * count, [0] * count, [0] * self.threads
        self._turns, self._lock = iter(range(count)), Lock()

    def process(self, work: Callable[[int], object]) -> None:
        """Do each message's work, called with its number, on whichever thread is free; until all are done."""
        began_ns = time.process_time_ns()
        # Threads that the interpreter does not wait for: an interrupt must not have to wait for what they are at.
        started = [Thread(target=self._take_turns, args=(place, work), daemon=True) for place in range(self.threads)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()
        self.cpu_ns = time.process_time_ns() - began_ns
        if sum(self.by_thread) != len(self.arrival_ns):
            raise CommandError("a thread ended before the messages did")

    def _take_turns(self, place: int, work: Callable[[int], object]) -> None:
        while (number := self._next()) is not None:
            work(number)
            self.finish_ns[number] = self.clock.now_ns()
            self.by_thread[place] += 1

    def _next(self) -> int | None:
        """Take the next message as soon as it is due."""
        # Who waits for a message keeps the lock: the message is theirs, and all start in order of arrival. They sleep,
        # and do not spin as the processor does: under the GIL, spinning would take the time of those who work.
        with self._lock:
            number = next(self._turns, None)
            if number is not None:
                early_ns = self.arrival_ns[number] - self.clock.now_ns()
                if early_ns > 0:
                    self.clock.sleep(early_ns)
                self.start_ns[number] = self.clock.now_ns()
            return number


def run(workload: Workload, kind: str, threads: int, clock: Clock) -> Run:
    """Process a workload's messages at their planned instants on so many threads."""
    # Made, and the pace of computing found, while nobody competes for the processor.
    service_s = workload.service_s or 0.0
    work, messages = KINDS[kind](clock, round(service_s * 1e9)), [of_length(ns) for ns in workload.service_ns]
    trials = min(max(int(_ALONE_S / service_s), 1), _ALONE)
    before_s = alone_s(work, trials, clock)
    origin_ns = clock.now_ns() + _LEAD_NS + _LEAD_A_THREAD_NS * threads
    ran = Run(origin_ns, [origin_ns + at_ns for at_ns in workload.arrivals_ns], threads, clock)
    before, pauses = Disturbance.read(), Pauses(clock.now_ns)
    with pauses:
        ran.process(lambda number: work(messages[number], None))
    ran.disturbed = Disturbance.read().since(before) | _OF_ONE_THREAD | {"gc_pauses": pauses.told(origin_ns)}
    ran.alone_s = before_s, alone_s(work, trials, clock)
    return ran


def of_length(service_ns: int | None = None) -> Message:
    """Return a message for nobody, that is so much work; None leaves it to what all are."""
    return Message("", (), service_ns=service_ns)


def alone_s(work: Work, trials: int, clock: Clock) -> float:
    """Return how long a message takes when nothing else runs, s: the median of some."""
    took_ns, message = [], of_length()
    for _ in range(trials):
        began_ns = clock.now_ns()
        work(message, None)
        took_ns.append(clock.now_ns() - began_ns)
    return sorted(took_ns)[trials // 2] / 1e9


def trajectory_of(workload: Workload, ran: Run) -> "Trajectory":
    """Return what was recorded; a message is taken when it starts."""
    from sim.trajectory import Trajectory  # noqa: PLC0415 - importing numpy starts threads, and the run is over

    arrival, start, finish = (
        [(at_ns - ran.origin_ns) / 1e9 for at_ns in column] for column in (ran.arrival_ns, ran.start_ns, ran.finish_ns)
    )
    worker = [f"w{number}" for number in workload.worker_numbers]
    return Trajectory.of(arrival, taken_s=start, start_s=start, finish_s=finish, worker=worker)


def document_of(workload: Workload, measured: "Trajectory", ran: Run, kind: str, command: str) -> dict[str, Any]:
    """Return the document that `--json` prints."""
    cpu_s = ran.cpu_ns / 1e9
    return {
        "schema_version": 1,
        "command": command,
        "workload": workload.describe(),
        "measured": measured.metrics(servers=ran.threads),
        "environment": environment() | ran.disturbed | {"cpu_s": cpu_s, "threads": ran.threads},
        "run": {
            "threads": ran.threads,
            "work": kind,
            "origin_monotonic_s": ran.origin_ns / 1e9,
            "wall_s": (max(ran.finish_ns, default=ran.origin_ns) - ran.origin_ns) / 1e9,
            "cpu_s": cpu_s,
            "by_thread": ran.by_thread,
            "alone_s": {"before": ran.alone_s[0], "after": ran.alone_s[1]},
        },
    }


def _line(document: dict[str, Any]) -> str:
    measured, run = document["measured"], document["run"]
    threads = f"{run['threads']} thread{'s' if run['threads'] > 1 else ''}"
    return (
        f"{measured['messages']:,} messages on {threads} ({run['work']}): {digits(measured['throughput_per_s'])}/s, "
        f"mean latency {seconds(measured['latency_s']['mean'])}, "
        f"{seconds(run['cpu_s'])} of processor time in {seconds(run['wall_s'])}\n"
    )


if __name__ == "__main__":
    run_command("compare.machine.threads", main)
