"""`python -m real`: run a workload on one thread and tell what was measured."""

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from real.clock import Clock, WallClock
from real.environment import Disturbance, environment, threads
from real.inbox import Inbox
from real.loop import Loop
from real.message import Message, parse
from real.query import Queries
from real.router import Router
from real.source import Source
from real.work import KINDS
from sim.command import Parser, UsageError, as_typed, out_directory, run_command
from sim.files import json_text, write_text
from sim.flags import add_workload_flags, workload_from
from sim.workload import Workload

EXAMPLES = """examples:
  python -m real --rate 150 --service-ms 5 --duration 10
  python -m real --rate 300 --service-ms 5 --messages 1000 --json
  python -m real --arrivals trace:requests.csv --rate 140 --out results/trace
"""
# From when everything is made to second 0: time to stamp each message with its planned instant.
LEAD_NS, LEAD_A_MESSAGE_NS = 20_000_000, 3_000


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    parser = Parser("python -m real", "Process a workload on one thread, and measure every message.", EXAMPLES)
    add_workload_flags(parser)
    parser.add_argument("--work", metavar="KIND", default="sleep", help="what processing is: sleep [sleep]")
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    output.add_argument("--out", metavar="DIR", help="write trajectory.csv and measurement.json there")
    args = parser.parse(argv)
    if args.work not in KINDS:
        raise UsageError(f"--work {args.work}: must be one of {', '.join(KINDS)}")
    out = out_directory(args.out)
    workload = workload_from(args)
    if not args.json and sys.stderr.isatty():
        print(f"{len(workload)} messages over {workload.horizon_s:.3g} s …", file=sys.stderr)
    loop, origin_ns, surroundings = run(workload, args.work)
    report(workload, loop, origin_ns, surroundings, as_typed("real", argv), as_json=args.json, out=out)


def run(workload: Workload, work: str) -> tuple[Loop, int, dict[str, Any]]:
    """Process a workload in real time; return the loop, its second 0 on the clock (ns), and what surrounded it."""
    clock = WallClock()
    made = messages(workload)
    _ = workload.queries_ns, workload.query_workers  # all that is random is made before the clock counts
    gc.collect()
    origin_ns = clock.now_ns() + LEAD_NS + LEAD_A_MESSAGE_NS * len(made)
    loop = processor(workload, made, work, clock, origin_ns)
    gc.freeze()  # what was made before the run is not looked through during it
    before = Disturbance.read()
    loop.run()
    happened = Disturbance.read().since(before) | {"threads": threads()}
    gc.unfreeze()
    return loop, origin_ns, environment() | happened


def processor(workload: Workload, made: list[Message], work: str, clock: Clock, origin_ns: int) -> Loop:
    """Return a loop ready to run a workload whose second 0 is `origin_ns` on the clock."""
    router = Router(KINDS[work](clock, round((workload.service_s or 0.0) * 1e9)))
    asked = [f"w{worker}" for worker in workload.query_workers]
    planned = zip(made, workload.arrivals_ns, strict=True)
    stamped = [Message(m.worker_id, m.payload, (origin_ns + at) / 1e9, m.service_ns) for m, at in planned]
    return Loop(
        Source(stamped, workload.arrivals_ns, origin_ns),
        Source(asked, workload.queries_ns, origin_ns),
        Inbox(workload.order, workload.inbox or float("inf")),
        router,
        Queries(router, workload.query_policy),
        clock,
    )


def messages(workload: Workload) -> list[Message]:
    """Return the workload's messages, each parsed as if it had come over the wire."""
    made = []
    for number, (worker, service_ns) in enumerate(zip(workload.worker_numbers, workload.service_ns, strict=True)):
        message = parse({"worker_id": f"w{worker}", "payload": workload.payload(number)})
        made.append(Message(message.worker_id, message.payload, None, service_ns))
    return made


def report(
    workload: Workload,
    loop: Loop,
    origin_ns: int,
    surroundings: dict[str, Any],
    command: str,
    *,
    as_json: bool,
    out: Path | None,
) -> None:
    """Turn the recorded instants into the numbers that everyone uses, and show or write them."""
    # Only now: importing numpy starts threads, and takes longer than many a message.
    os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), "1"))
    from sim.trajectory import Trajectory  # noqa: PLC0415

    def trajectory(source: Source[Any], workers: Any, queries: Trajectory | None = None) -> Trajectory:
        arrival, taken, start, finish = source.rows.columns_s(origin_ns)
        ids = [f"w{worker}" for worker in workers]
        return Trajectory.of(arrival, taken_s=taken, start_s=start, finish_s=finish, worker=ids, queries=queries)

    queries = trajectory(loop.asked, workload.query_workers) if workload.query_rate_per_s else None
    measured = trajectory(loop.messages, workload.worker_numbers, queries)
    metrics = measured.metrics()
    document = json_text(
        {
            "schema_version": 1,
            "command": command,
            "workload": workload.describe(),
            "measured": metrics,
            "environment": surroundings,
        }
    )
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        measured.write_csv(out / "trajectory.csv")
        write_text(out / "measurement.json", document)
    if as_json:
        print(document, end="")
    else:
        from real.screen import show  # noqa: PLC0415

        show(workload, metrics, surroundings)


if __name__ == "__main__":
    run_command("real", main)
