"""What `python -m real` shows a person once the run is over: the whole first, then its parts."""

from typing import Any

from sim.units import bars, digits, percent, seconds

_ENOUGH = 100  # messages, to call a load too much whose rate nobody told
_COLUMNS = ("mean", "p50", "p95", "p99", "max")


def show(document: dict[str, Any]) -> None:
    """Print what was measured."""
    measured, run = document["measured"], document["run"]
    print(f"{_headline(document)}\n")
    print(f"  {'':<16}" + "".join(f"{name:>10}" for name in _COLUMNS))
    for name, values in _times(document).items():
        print(f"  {name:<16}" + "".join(f"{seconds(values[column]):>10}" for column in _COLUMNS))
    if run["kept"] < run["processed"]:
        print(f"\n  Percentiles of all {run['processed']:,} messages, {run['percentiles']}; what follows after")
        print(f"  queue is about the last {run['kept']:,}.")
    if _overloaded(document):
        growth = digits(measured["queue_growth_per_s"])
        print("\n  OVERLOADED      more arrived than one thread can do;")
        print(f"                  the queue grew by {growth} messages a second")
    for line in _left(run):
        print(line)
    print()
    for name, lines in _facts(document).items():
        for line in lines:
            print(f"  {name:<16}{line}")
            name = ""  # noqa: PLW2901 - only the first line of a fact has its name before it
    print("\nLatency counts from the planned arrival; blocked: due, but the thread was busy.")


def _overloaded(document: dict[str, Any]) -> bool:
    """Whether more was to come than can be done; of few messages, or for a short time, that says nothing."""
    rate, hold_s = document["workload"]["rate_per_s"], document["instruments"]["hold_s"] or 0.0
    utilization = document["measured"]["utilization"] or 0.0
    return utilization > 1.0 and (document["run"]["processed"] >= _ENOUGH if rate is None else rate * hold_s > 1.0)


def _left(run: dict[str, Any]) -> list[str]:
    """Say what the numbers know nothing of."""
    left = {"messages": run["left"], "questions": run["asked_left"]}
    words = ", ".join(f"{count:,} {what}" for what, count in left.items() if count)
    return [f"\n  LEFT            {words}: in none of these numbers"] if words else []


def _headline(document: dict[str, Any]) -> str:
    workload, run = document["workload"], document["run"]
    of = f" of {run['planned']:,}" if run.get("planned", run["processed"]) != run["processed"] else ""
    rate = "" if workload["rate_per_s"] is None else f"{digits(workload['rate_per_s'])} messages/s × "
    asked = f"{rate}{seconds(workload['service_s'])}"
    stopped = ", stopped" if run["stopped"] and "planned" in run else ""
    return f"MEASURED: {run['processed']:,}{of} messages on one thread ({asked}){stopped}."


def _times(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    measured, instruments = document["measured"], document["instruments"]
    rows = {
        "latency": measured["latency_s"],
        "  wait": measured["wait_s"],
        "  processing": measured["processing_s"],
        "processor time": instruments["cpu_s"],
        "dispatch": instruments["dispatch_s"],
        "source blocked": measured["source_blocked"]["wait_s"],
        "source late": instruments["source_late_s"],
    }
    if measured["queries"]:
        rows["query latency"] = measured["queries"]["latency_s"]
    return rows


def _facts(document: dict[str, Any]) -> dict[str, list[str]]:
    measured, instruments = document["measured"], document["instruments"]
    run, queue, blocked = document["run"], measured["queue_length"], instruments["blocked"]
    queries, over_time = instruments["unanswered"], instruments["over_time"]
    facts = {
        "throughput": [
            f"{digits(measured['throughput_per_s'])}/s; offered: {percent(measured['utilization'])} of what one "
            "thread can do"
        ],
        "thread busy": [
            f"{percent(measured['busy_fraction'])} of the time; computing in {percent(instruments['cpu_share'])} of "
            "it, else asleep"
        ],
        "queue": [
            f"mean {digits(queue['mean'])}, at most {queue['max'] or 0:,}; {queue['at_last_arrival'] or 0:,} at the "
            "last arrival"
        ],
        "  over time": _over_time(over_time["queue_length"]),
        "limit": _limit(document),
        "blocked": [
            f"{percent(measured['source_blocked']['fraction'])} of the time, in {blocked['spells']:,} spells; longest "
            f"{seconds(blocked['longest_s'])}"
        ],
        "unanswered": [f"questions stood in {queries['spells']:,} spells; longest {seconds(queries['longest_s'])}"]
        if queries and queries["spells"]
        else [],
        "workers": [_workers(document)],
        "received": _received(run),
        "on the way": _on_the_way(instruments["on_the_way"]),
        "machine": _machine(document),
        "measuring": [f"cost {seconds(instruments['measuring_s'])} a message"],
    }
    return {name: lines for name, lines in facts.items() if lines}


def _over_time(values: list[float]) -> list[str]:
    """Draw how something went, from the first arrival to the last finish."""
    return [f"{bars(values, max(values))} up to {digits(max(values))}"] if len(values) > 1 else []


def _limit(document: dict[str, Any]) -> list[str]:
    """How many a second the thread could do, and what the difference to the promise is made of."""
    instruments = document["instruments"]
    if instruments["overshoot_s"]["mean"] is None or instruments["capacity_per_s"] is None:
        return []
    service, over = document["workload"]["service_s"], instruments["overshoot_s"]["mean"]
    dispatch = instruments["dispatch_s"]["mean"]
    sign, how = ("−", "shorter") if over < 0 else ("+", "longer")
    return [
        f"{digits(instruments['capacity_per_s'], 4)}/s; a message holds the thread for "
        f"{seconds(instruments['hold_s'], 4)}:",
        f"{seconds(service, 4)} asked for {sign} {seconds(abs(over))} {how}"
        + (", dispatch unknown: none waited" if dispatch is None else f" + {seconds(dispatch)} dispatch"),
    ]


def _workers(document: dict[str, Any]) -> str:
    allocation = document["instruments"]["allocation"]
    more = seconds(max(allocation["first_s"] - allocation["later_s"], 0.0))
    count = document["run"]["workers"]
    if allocation["when"] == "eager":
        return f"{count:,} state machines, made before the run (saves {more} each)"
    return f"{count:,} state machines, made on first message ({more} each)"


def _changed_nothing(run: dict[str, Any]) -> str:
    reason = max(run["failed_by"], key=run["failed_by"].get)
    return f"{run['failed']:,} could change nothing, mostly {reason}"


def _received(run: dict[str, Any]) -> list[str]:
    if "clients" not in run:
        return [_changed_nothing(run)] if run["failed"] else []
    rejected = sum(run["rejected"].values())
    lines = [
        f"{run['received']:,} messages from {run['clients']:,} connection{'' if run['clients'] == 1 else 's'}; "
        f"{run['left']:,} left",
        f"{rejected:,} rejected, most of them: {max(run['rejected'], key=run['rejected'].get, default='')}",
        f"{run['cut_off']:,} cut off, who sent nothing but nonsense",
        f"{run['crowded_out']:,} closed to make room, the longest silent first",
        f"{run['foreign_timestamps']:,} without a timestamp of this machine's clock",
        _changed_nothing(run),
        f"no room in the inbox for {seconds(run['refused_s'])}",
    ]
    counted = ("cut_off", "crowded_out", "foreign_timestamps", "failed", "refused_s")
    worth_telling = (1, rejected, *(run[name] for name in counted))
    shown = [line for line, worth in zip(lines, worth_telling, strict=True) if worth]
    return shown + [complaint[:61] for complaint in run["complaints"][:3]]


def _on_the_way(most: int | None) -> list[str]:
    return [] if most is None else [f"at most {most:,} messages in buffers: sent, and not taken yet"]


def _machine(document: dict[str, Any]) -> list[str]:
    machine = document["environment"]
    pauses = machine["gc_pauses"]
    return [
        f"{machine['cores']} cores, {machine['threads'] or '–'} thread used; "
        f"{digits(machine['involuntary_switches'])} switches forced",
        f"stolen {seconds(machine['stolen_s'])}; ready and kept waiting for {seconds(machine['run_delay_s'])}",
        f"{pauses['count']:,} garbage collections, {seconds(pauses['total_s'])} in all",
    ]
