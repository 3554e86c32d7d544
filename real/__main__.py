"""`python -m real`: run a workload on one thread, or serve one that others send, and tell what was measured."""

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from real.clock import WallClock
from real.command.options import Options, add_options, options_from
from real.command.outcome import Outcome
from sim.command import Parser, as_typed, run_command
from sim.flags import add_workload_flags, workload_from

EXAMPLES = """examples:
  python -m real --rate 150 --service-ms 5 --duration 10
  python -m real --rate 300 --service-ms 5 --messages 1000 --json
  python -m real --rate 150 --work precise --http 127.0.0.1:8080
  python -m real --arrivals trace:requests.csv --rate 140 --out results/trace
  python -m real --listen 127.0.0.1:9000 --http 127.0.0.1:8080

while it listens: python -m real.send --to 127.0.0.1:9000 --rate 100
                  python -m real.ask --to 127.0.0.1:8080 --rate 20
                  curl http://127.0.0.1:8080/workers/w0
Ctrl-C or SIGTERM ends it when what is queued is done; a second one, at once.
"""


def main(argv: Sequence[str]) -> None:
    """Run the command."""
    parser = Parser("python -m real", "Process messages on one thread, and measure every one of them.", EXAMPLES)
    add_workload_flags(parser)
    add_options(parser)
    args = parser.parse(argv)
    options = options_from(args)
    workload = workload_from(args, stored=options.listen is None)
    if options.pin is not None:
        os.sched_setaffinity(0, {options.pin})
    from real.command.measuring import measured_run, served_run  # noqa: PLC0415 - bad input has been refused before

    run = measured_run if options.listen is None else served_run
    with ExitStack() as until_told:
        outcome = run(workload, options, WallClock(), sys.stderr, until_told)
        tell(outcome, as_typed("real", argv), options)


def tell(outcome: Outcome, command: str, options: Options) -> None:
    """Tell what was measured."""
    # Only now: importing numpy starts threads, and takes longer than many a message.
    os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), "1"))
    from real.command.report import report  # noqa: PLC0415

    report(outcome, command, options)
    sys.stdout.flush()  # before signals end the process again


if __name__ == "__main__":
    run_command("real", main)
