"""`python -m real`: run a workload on one thread and tell what was measured."""

import gc
import json
import os
import sys
from pathlib import Path
from typing import Any

from real.clock import Clock, WallClock
from real.environment import Disturbance, environment, threads
from real.inbox import ORDERS
from real.loop import Loop
from real.message import Message, parse
from real.query import Queries
from real.router import Router
from real.source import Source
from real.work import KINDS
from sim.flags import FLAGS, Parser, UsageError, add_workload_flags, fail, out_directory, workload_from
from sim.workload import Workload

EXAMPLES = """examples:
  python -m real --rate 150 --service-ms 5 --duration 10
  python -m real --rate 300 --service-ms 5 --messages 1000 --json
  python -m real --arrivals trace:requests.csv --rate 140 --out results/trace
"""
# Between now and the first instant: time to make the messages, several times over.
LEAD_NS, LEAD_A_MESSAGE_NS = 50_000_000, 30_000


def main() -> None:
    """Run the command."""
    parser = Parser("python -m real", "Process a workload on one thread, and measure every message.", EXAMPLES)
    add_workload_flags(parser, [name for name in FLAGS if name != "--query-ms"])
    parser.add_argument("--work", metavar="KIND", default="sleep", help="what processing is: sleep [sleep]")
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    output.add_argument("--out", metavar="DIR", help="write trajectory.csv and measurement.json there")
    args = parser.parse(sys.argv[1:])
    try:
        if args.work not in KINDS:
            raise UsageError(f"--work {args.work}: must be one of {', '.join(KINDS)}")
        out = out_directory(args.out)
        workload = workload_from(args)
    except UsageError as error:
        fail("real", str(error))
    if not args.json and sys.stderr.isatty():
        print(f"{len(workload)} messages over {workload.horizon_s:.3g} s …", file=sys.stderr)
    try:
        run(workload, args.work, as_json=args.json, out=out)
    except KeyboardInterrupt:
        print("real: interrupted; nothing was written", file=sys.stderr)
        raise SystemExit(130) from None


def run(workload: Workload, work: str, *, as_json: bool, out: Path | None) -> None:
    """Process a workload in real time, then show or write what came of it."""
    clock = WallClock()
    origin_ns = clock.now_ns() + LEAD_NS + LEAD_A_MESSAGE_NS * len(workload)
    loop = processor(workload, work, clock, origin_ns)
    gc.collect()
    gc.freeze()  # what was made before the run is not looked through during it
    before = Disturbance.read()
    loop.run()
    happened = Disturbance.read().since(before) | {"threads": threads()}
    gc.unfreeze()
    report(workload, loop, origin_ns, environment() | happened, as_json=as_json, out=out)


def processor(workload: Workload, work: str, clock: Clock, origin_ns: int) -> Loop:
    """Return a loop ready to run a workload whose second 0 is `origin_ns` on the clock."""
    router = Router(KINDS[work](clock, round((workload.service_s or 0.0) * 1e9)))
    asked = [f"w{worker}" for worker in workload.query_workers]
    return Loop(
        Source(messages(workload, origin_ns), [origin_ns + at for at in workload.arrivals_ns]),
        Source(asked, [origin_ns + at for at in workload.queries_ns]),
        ORDERS[workload.order](workload.inbox or float("inf")),
        router,
        Queries(router, workload.query_policy),
        clock,
    )


def messages(workload: Workload, origin_ns: int) -> list[Message]:
    """Return the workload's messages, each parsed as if it had come over the wire."""
    plan = zip(workload.arrivals_ns, workload.worker_numbers, workload.service_ns, strict=True)
    made = []
    for number, (at_ns, worker, service_ns) in enumerate(plan):
        document = {"worker_id": f"w{worker}", "payload": workload.payload(number)}
        message = parse(document | {"timestamp": (origin_ns + at_ns) / 1e9})
        made.append(Message(message.worker_id, message.payload, message.timestamp, service_ns))
    return made


def report(
    workload: Workload, loop: Loop, origin_ns: int, surroundings: dict[str, Any], *, as_json: bool, out: Path | None
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
    document = {
        "schema_version": 1,
        "command": "python -m real " + " ".join(sys.argv[1:]),
        "workload": workload.describe(),
        "measured": metrics,
        "environment": surroundings,
    }
    text = json.dumps(document, indent=2, allow_nan=False)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        measured.write_csv(out / "trajectory.csv")
        (out / "measurement.json").write_text(text + "\n", encoding="utf-8")
    if as_json:
        print(text)
    else:
        from real.screen import show  # noqa: PLC0415

        show(workload, metrics, surroundings)


if __name__ == "__main__":
    main()
