"""What became of the messages that were sent: in numbers, for people, and as files.

An edge: it is looked at once the last message is gone.
"""

from pathlib import Path
from typing import Any

from real.send.sending import NS, Blocked, Sender
from sim.command import CommandError
from sim.files import csv_text, json_text, write_text
from sim.units import digits, percent, seconds
from sim.workload import Workload

_READ = {
    True: " It read all.",
    False: "\nIt closed before it had read all.",
    None: "\nIt had not read all a second after the end.",
}
_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


def told(sender: Sender, workload: Workload, origin_ns: int) -> dict[str, Any]:
    """Return what was sent, in numbers: times in seconds, instants from second 0."""
    late_ns = [sent - origin_ns - at for sent, at in zip(sender.sent_ns, workload.arrivals_ns, strict=False)]
    duration_ns = max(sender.ended_ns - origin_ns, 0)
    return {
        "messages": len(late_ns),
        "bytes": sender.bytes,
        "unsent": len(workload) - len(late_ns),
        "half_sent": sender.half_sent,
        "closed": sender.closed,
        "duration_s": duration_ns / NS,
        "rate_per_s": len(late_ns) * NS / duration_ns if duration_ns else None,
        "late_s": summary(late_ns),
        "blocked": _blocked(sender.blocked, origin_ns, duration_ns),
        "origin_monotonic_s": origin_ns / NS,
    }


def _blocked(blocked: Blocked, origin_ns: int, duration_ns: int) -> dict[str, Any]:
    return {
        "times": blocked.times,
        "total_s": blocked.total_ns / NS,
        "longest_s": blocked.longest_ns / NS,
        "fraction": blocked.total_ns / duration_ns if duration_ns else None,
        "first": [{"start_s": (at - origin_ns) / NS, "length_s": length / NS} for at, length in blocked.first],
    }


def summary(times_ns: list[int]) -> dict[str, float | None]:
    """Return mean, p50, p95, p99 and max, s; percentiles by linear interpolation (Hyndman and Fan 1996, type 7).

    >>> summary([0, 4_000_000_000, 1_000_000_000])["p50"], summary([])["max"]
    (1.0, None)
    """
    if not times_ns:
        return dict.fromkeys(("mean", *_SHARES))
    ordered, percentiles = sorted(times_ns), {}
    for name, share in _SHARES.items():
        low = int(place := share * (len(ordered) - 1))
        high = min(low + 1, len(ordered) - 1)
        percentiles[name] = (ordered[low] + (place - low) * (ordered[high] - ordered[low])) / NS
    return {"mean": sum(ordered) / len(ordered) / NS, **percentiles}


def write(out: Path | None, workload: Workload, sender: Sender, origin_ns: int, document: dict[str, Any]) -> None:
    """Write the rows of what was sent, and the document, where they are wanted."""
    if out is None:
        return
    out.mkdir(parents=True, exist_ok=True)
    planned = zip(workload.arrivals_ns, sender.sent_ns, workload.worker_numbers, strict=False)
    rows = [(at / NS, (sent - origin_ns) / NS, f"w{worker}") for at, sent, worker in planned]
    write_text(out / "sent.csv", csv_text(("arrival_s", "sent_s", "worker"), rows))
    write_text(out / "sent.json", json_text(document))


def show(workload: Workload, sent: dict[str, Any]) -> None:
    """Print what was sent."""
    late, blocked, over = sent["late_s"], sent["blocked"], sent["connections"]
    print(f"SENT: {sent['messages']:,} of {len(workload):,} messages to {sent['to']}.\n")
    print(f"  {'':<16}" + "".join(f"{name:>10}" for name in late))
    print(f"  {'late':<16}" + "".join(f"{seconds(value):>10}" for value in late.values()))
    print(
        f"\n  rate            {digits(sent['rate_per_s'])}/s over {seconds(sent['duration_s'])}; "
        f"asked for: {digits(workload.rate_per_s)}/s"
        f"\n  connections     {over}"
        f"\n  blocked         {_blocked_words(blocked)}"
    )
    if sent["unsent"]:
        half = "; of the first of them a part is gone" if sent["half_sent"] else ""
        print(f"  NOT SENT        {sent['unsent']:,} messages{half}")
    print(
        f"\nThe kernel took {sent['messages']:,} messages ({sent['bytes']:,} bytes); compare with"
        "\n'received' of the processor: what it never read is the difference."
        f"{_READ[sent.get('all_read')]}"
        "\nLate: handed to the kernel after the planned instant, from which latency counts."
    )


def _blocked_words(blocked: dict[str, Any]) -> str:
    if not blocked["times"]:
        return "never: the kernel took each message at once"
    return (
        f"{blocked['times']:,} times, {percent(blocked['fraction'])} of the time; longest "
        f"{seconds(blocked['longest_s'])}, first at {seconds(blocked['first'][0]['start_s'])}"
    )


def complain(sent: dict[str, Any]) -> None:
    """Raise CommandError where the processor did not let all be sent, or did not read all."""
    took = f"the kernel had taken {sent['messages']:,} messages ({sent['bytes']:,} bytes)"
    if sent["closed"]:
        raise CommandError(
            f"--to {sent['to']}: the processor closed the connection; {took}, {sent['unsent']:,} were never sent"
        )
    if sent["all_read"] is False and not sent["stopped"]:
        raise CommandError(
            f"--to {sent['to']}: the processor closed the connection before it had read everything; {took}"
        )
