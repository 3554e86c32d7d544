"""`python -m tests.faults --seeds 5000`: so many scenarios, and what went wrong in them; or one of them, told."""

import argparse
import sys
import time
from collections import Counter

from tests.faults.scenario import Failed, run_seed


def main() -> int:
    """Run the seeds; 1 if one of them found something."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this one")
    parser.add_argument("--trace", action="store_true", help="tell every step of it")
    parser.add_argument("--seeds", type=int, default=1_000, help="run so many [1000]")
    parser.add_argument("--first", type=int, default=0, help="beginning with this one [0]")
    args = parser.parse_args()
    seeds = range(args.first, args.first + args.seeds) if args.seed is None else [args.seed]
    tell = print if args.trace else None
    faults, steps, failed, began_s = Counter[str](), 0, 0, time.perf_counter()
    for seed in seeds:
        try:
            passed = run_seed(seed, tell)
        except Failed as found:
            print(found, file=sys.stderr)
            failed += 1
            continue
        steps += passed.steps
        faults += passed.faults
    took_s = time.perf_counter() - began_s
    for kind, count in faults.most_common():
        print(f"{kind:36}{count:>12,}")
    print(f"\n{len(seeds):,} seeds, {steps:,} steps, {took_s:.1f} s, {failed} failed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
