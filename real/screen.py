"""What `python -m real` shows a person once the run is over."""

from typing import Any

from sim.units import digits, percent, seconds
from sim.workload import Workload

_COLUMNS = ("mean", "p50", "p95", "p99", "max")


def show(workload: Workload, measured: dict[str, Any], surroundings: dict[str, Any]) -> None:
    """Print what was measured."""
    rows = {
        "latency": measured["latency_s"],
        "  wait": measured["wait_s"],
        "  processing": measured["processing_s"],
        "source blocked": measured["source_blocked"]["wait_s"],
    }
    if measured["queries"]:
        rows["query latency"] = measured["queries"]["latency_s"]
    asked = f"{digits(workload.rate_per_s)} messages/s × {seconds(workload.service_s)}"
    print(f"MEASURED: {measured['messages']:,} messages on one thread ({asked}).\n")
    print(f"  {'':<16}" + "".join(f"{name:>10}" for name in _COLUMNS))
    for name, values in rows.items():
        print(f"  {name:<16}" + "".join(f"{seconds(values[column]):>10}" for column in _COLUMNS))
    if (measured["utilization"] or 0.0) > 1.0:
        growth = digits(measured["queue_growth_per_s"])
        print(f"\n  OVERLOADED      more arrived than one thread can do; the queue grew by {growth} a second")
    queue = measured["queue_length"]
    print(
        f"\n  throughput      {digits(measured['throughput_per_s'])}/s; offered: "
        f"{percent(measured['utilization'])} of what one thread can do"
        f"\n  thread busy     {percent(measured['busy_fraction'])} of the time"
        f"\n  queue           mean {digits(queue['mean'])}, at most {queue['max'] or 0:,}; "
        f"{queue['at_last_arrival'] or 0:,} waiting at the last arrival"
        f"\n  machine         {surroundings['cores']} cores, {surroundings['threads']} thread used; "
        f"stolen {seconds(surroundings['stolen_s'])}; "
        f"{digits(surroundings['involuntary_switches'])} switches forced"
        "\n\nLatency counts from the planned arrival; blocked: due, but the thread was busy."
    )
