"""What `python -m real` shows a person once the run is over."""

from typing import Any

from sim.units import digits, percent, seconds
from sim.workload import Workload

_COLUMNS = ("mean", "p50", "p95", "p99", "max")


def show(workload: Workload, measured: dict[str, Any], surroundings: dict[str, Any]) -> None:
    """Print what was measured."""
    rows = {
        "latency (arrival → state updated)": measured["latency_s"],
        "  wait before processing": measured["wait_s"],
        "  processing": measured["processing_s"],
        "source blocked (due, not taken)": measured["source_blocked"]["wait_s"],
    }
    if measured["queries"]:
        rows["query"] = measured["queries"]["latency_s"]
    asked = f"{digits(workload.rate_per_s)} messages/s × {seconds(workload.service_s)}"
    print(f"MEASURED: {measured['messages']:,} messages on one thread ({asked}).\n")
    print(f"  {'':<34}" + "".join(f"{name:>8} " for name in _COLUMNS).rstrip())
    for name, values in rows.items():
        print(f"  {name:<34}" + "".join(f"{seconds(values[column]):>8} " for column in _COLUMNS).rstrip())
    queue = measured["queue_length"]
    print(
        f"\n  throughput   {digits(measured['throughput_per_s'])}/s"
        f"\n  offered load {percent(measured['utilization'])} of one thread; it was busy "
        f"{percent(measured['busy_fraction'])} of the time"
        f"\n  queue        mean {digits(queue['mean'])}, at most {digits(queue['max'])}, "
        f"{digits(queue['at_last_arrival'])} waiting at the last arrival"
        f"\n  machine      {surroundings['cores']} cores; stolen {seconds(surroundings['stolen_s'])}, "
        f"{surroundings['involuntary_switches']} involuntary switches, "
        f"{surroundings['garbage_collections']} garbage collections, {surroundings['threads']} thread"
    )
