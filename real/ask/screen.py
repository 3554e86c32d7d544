"""What `python -m real.ask` shows a person once every question is answered or given up."""

from typing import Any

from sim.summary import SUMMARY
from sim.units import digits, seconds

_LATE_S = 1e-3  # from here on it is worth a word


def show(document: dict[str, Any]) -> None:
    """Print what was asked and heard, at most 80 columns wide."""
    asked, floor = document["asked"], document["floor_s"]
    manner = "over connections that are kept" if asked["keep_alive"] else "a connection each"
    print(f"ASKED: {asked['queries']:,} of {asked['planned']:,} questions, {digits(asked['rate_per_s'])}/s, {manner},")
    print(f"at {asked['to']} about {asked['workers']:,} worker{'s' * (asked['workers'] > 1)}.\n")
    print(f"  {'':<20}" + "".join(f"{name:>10}" for name in SUMMARY))
    for name, values in _rows(document).items():
        print(f"  {name:<20}" + "".join(f"{seconds(values[column]):>10}" for column in SUMMARY))
    print()
    for line in (*_answers(document["answers"]), *_floor(floor), *_late(document["late_s"])):
        print(f"  {line}")
    print("\nLatency counts from the planned instant to the complete answer, if there is one.")


def _rows(document: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    latency, floor = document["latency_s"], document["floor_s"]
    rows = {"latency": latency}
    if floor is not None:
        less = {name: None if value is None else value - floor["median"] for name, value in latency.items()}
        rows["  less the floor"] = less
    return rows | {"  sent to complete": document["server_s"], "sent late by": document["late_s"]}


def _answers(answers: dict[str, Any]) -> list[str]:
    failed, back = answers["failed"], answers["went_back"]
    states = answers["count"] - answers["unknown"]
    lines = [f"answers   {states:,} states; {answers['unknown']:,} times the worker was unknown (404)"]
    if failed:
        lines.append(f"FAILED    {sum(failed.values()):,} without an answer, whose latency is not in the table:")
        lines += [f"            {count:,} {kind:.50}" for kind, count in failed.items()]
    if back:
        lines.append(f"WENT BACK {back:,} answers tell of fewer messages than one that was heard before")
    return lines


def _floor(floor: dict[str, Any] | None) -> list[str]:
    if floor is None:
        return ["floor     not measured: what asking itself takes is in the latency"]
    return [f"floor     median {seconds(floor['median'])}, p99 {seconds(floor['p99'])}: what an idle processor takes"]


def _late(late_s: dict[str, float | None]) -> list[str]:
    p99 = late_s["p99"]
    if p99 is None or p99 < _LATE_S:
        return []
    return ["LATE      not every question was sent in time: connecting, or this machine"]
