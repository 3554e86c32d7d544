"""The text for Prometheus, read back by a parser of its own."""

import math
import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from real.histogram import Histogram
from real.http.prometheus import Counts, exposition

_SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"\})? (\S+)')
Samples = dict[tuple[str, str], float]


def read(text: str) -> tuple[Samples, dict[str, str]]:
    """Return the samples, by name and label's value, and the types; every sample follows the head of its family."""
    samples: Samples = {}
    types: dict[str, str] = {}
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split()
            assert family not in types
            types[family] = kind
        elif not line.startswith("# HELP "):
            parts = _SAMPLE.fullmatch(line)
            assert parts is not None, line
            suffix = "(_bucket|_sum|_count)?" if types[family] in ("histogram", "summary") else ""
            assert re.fullmatch(family + suffix, parts[1])
            escaped = parts[3] or ""
            value = re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), escaped)
            assert (parts[1], value) not in samples
            samples[parts[1], value] = float(parts[4])
    return samples, types


def histogram(*times_ms: float) -> Histogram:
    made = Histogram()
    for time_ms in times_ms:
        made.add(round(time_ms * 1e6))
    return made


def few(latency: Histogram | None = None, **more: object) -> Counts:
    latency = latency or Histogram()
    return Counts(5, 3, 2, 4, 1_500_000_000, latency, Histogram(), **more)  # type: ignore[arg-type]


FULL = {
    "query_latency": histogram(1),
    "rejected": {"not JSON": 2},
    "foreign_timestamps": 1,
    "places": math.inf,
    "refused_ns": 250_000_000,
    "connections": 7,
    "timed_out": 1,
    "requests": {200: 6, 404: 1},
    "gc_pauses": 2,
    "gc_pauses_ns": 3_000_000,
}


def test_every_number_is_found_under_its_name_in_base_units() -> None:
    samples, types = read(exposition(few(**FULL)))
    assert samples["lab_messages_received_total", ""] == 5
    assert samples["lab_messages_processed_total", ""] == 3
    assert samples["lab_messages_rejected_total", "not JSON"] == 2
    assert samples["lab_queue_length", ""] == 2
    assert samples["lab_workers", ""] == 4
    assert samples["lab_inbox_places", ""] == math.inf
    assert samples["lab_inbox_refused_seconds_total", ""] == 0.25
    assert samples["lab_http_requests_total", "404"] == 1
    assert samples["process_cpu_seconds_total", ""] == 1.5
    assert samples["python_gc_pause_seconds_sum", ""] == 0.003
    assert samples["python_gc_pause_seconds_count", ""] == 2
    assert all((kind == "counter") == name.endswith("_total") for name, kind in types.items())


def test_what_is_not_known_is_left_out() -> None:
    _, types = read(exposition(few()))
    assert "lab_query_latency_seconds" not in types
    assert "python_gc_pause_seconds" not in types
    assert read(exposition(few(**FULL)))[1].keys() > types.keys()


@given(st.lists(st.floats(0, 1e6), max_size=50))
def test_buckets_add_up_to_the_count(times_ms: list[float]) -> None:
    samples, _ = read(exposition(few(histogram(*times_ms))))
    name = "lab_message_latency_seconds"
    buckets = [(float(limit), count) for (found, limit), count in samples.items() if found == f"{name}_bucket"]
    assert all(before[0] < after[0] and before[1] <= after[1] for before, after in pairwise(buckets))
    assert buckets[-1] == (math.inf, len(times_ms))
    assert samples[f"{name}_count", ""] == len(times_ms)
    assert math.isclose(samples[f"{name}_sum", ""], sum(round(ms * 1e6) for ms in times_ms) / 1e9)


def test_a_time_is_counted_in_the_bucket_that_it_just_fits() -> None:
    samples, _ = read(exposition(few(histogram(2.5, 2.6, 60_000))))
    name = "lab_message_latency_seconds_bucket"
    assert [samples[name, limit] for limit in ("0.001", "0.0025", "0.005", "50.0", "+Inf")] == [0, 1, 2, 2, 3]


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])), st.sampled_from(['"', "\\", "\n", "\\n"]))
def test_any_label_survives(reason: str, awkward: str) -> None:
    samples, _ = read(exposition(few(rejected={awkward + reason: 1})))
    assert samples["lab_messages_rejected_total", awkward + reason] == 1
