"""What a running processor has counted, in Prometheus' text format (0.0.4). A pure function of the counts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from real.histogram import ROUND_NS, Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts so far, and how things stand; None is left out. `places` is infinite for an inbox without bounds.

    `refused_ns` is how long clients had something to say while the inbox had no room; `gc_pauses_ns` has the length
    of each garbage collection.
    """

    received: int
    processed: int
    queue_length: int
    workers: int
    cpu_ns: int
    latency: Histogram
    processing: Histogram
    query_latency: Histogram | None = None
    rejected: Mapping[str, int] = field(default_factory=dict)
    foreign_timestamps: int | None = None
    places: float | None = None
    refused_ns: int | None = None
    connections: int | None = None
    timed_out: int | None = None
    requests: Mapping[int, int] | None = None
    gc_pauses: int | None = None
    gc_pauses_ns: int | None = None


def exposition(counts: Counts) -> str:
    """Return the text that is served under /metrics."""
    return "".join(f"{line}\n" for line in _lines(counts))


def _lines(counts: Counts) -> Iterator[str]:
    yield from _one("lab_messages_received_total", "counter", "Messages taken in.", counts.received)
    yield from _one("lab_messages_processed_total", "counter", "Messages processed.", counts.processed)
    yield from _labelled("lab_messages_rejected_total", "Lines that were no message.", "reason", counts.rejected)
    yield from _one(
        "lab_messages_foreign_timestamps_total",
        "counter",
        "Messages whose latency counts from receipt, for want of a timestamp of this machine's clock.",
        counts.foreign_timestamps,
    )
    yield from _one("lab_queue_length", "gauge", "Messages taken and not started.", counts.queue_length)
    yield from _one("lab_inbox_places", "gauge", "Messages that may wait in the inbox.", counts.places)
    yield from _one(
        "lab_inbox_refused_seconds_total",
        "counter",
        "Time for which clients had something to say while the inbox had no room.",
        _seconds(counts.refused_ns),
    )
    yield from _one("lab_workers", "gauge", "Workers that have a state.", counts.workers)
    yield from _histogram("lab_message_latency_seconds", "From arrival to finish.", counts.latency)
    yield from _histogram("lab_message_processing_seconds", "From start to finish.", counts.processing)
    yield from _histogram("lab_query_latency_seconds", "From question to answer.", counts.query_latency)
    yield from _labelled("lab_http_requests_total", "HTTP requests answered.", "code", counts.requests)
    yield from _one("lab_http_connections_total", "counter", "HTTP connections taken in.", counts.connections)
    yield from _one("lab_http_timed_out_total", "counter", "HTTP connections closed for silence.", counts.timed_out)
    yield from _one("process_cpu_seconds_total", "counter", "Processor time used.", _seconds(counts.cpu_ns))
    if counts.gc_pauses is not None and counts.gc_pauses_ns is not None:
        yield from _head("python_gc_pause_seconds", "summary", "Garbage collections, while which all stands still.")
        yield f"python_gc_pause_seconds_sum {_number(counts.gc_pauses_ns / 1e9)}"
        yield f"python_gc_pause_seconds_count {counts.gc_pauses}"


def _head(name: str, kind: str, about: str) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"


def _one(name: str, kind: str, about: str, value: float | None) -> Iterator[str]:
    if value is not None:
        yield from _head(name, kind, about)
        yield f"{name} {_number(value)}"


def _labelled(name: str, about: str, label: str, values: Mapping[str, int] | Mapping[int, int] | None) -> Iterator[str]:
    if values is not None:
        yield from _head(name, "counter", about)
        yield from (f'{name}{{{label}="{_escaped(str(key))}"}} {value}' for key, value in sorted(values.items()))


def _histogram(name: str, about: str, histogram: Histogram | None) -> Iterator[str]:
    if histogram is not None:
        yield from _head(name, "histogram", about)
        for limit_ns, upto in zip(ROUND_NS, histogram.upto(ROUND_NS), strict=True):
            yield f'{name}_bucket{{le="{_number(limit_ns / 1e9)}"}} {upto}'
        yield f'{name}_bucket{{le="+Inf"}} {histogram.count}'
        yield f"{name}_sum {_number(histogram.sum_ns / 1e9)}"
        yield f"{name}_count {histogram.count}"


def _seconds(time_ns: int | None) -> float | None:
    return None if time_ns is None else time_ns / 1e9


def _number(value: float) -> str:
    """Return a number as the format has it.

    >>> _number(3), _number(0.00025), _number(float("inf"))
    ('3', '0.00025', '+Inf')
    """
    return "+Inf" if value == float("inf") else repr(value)


def _escaped(text: str) -> str:
    r"""Return a label's value as it stands between quotes.

    >>> print(_escaped('a "\\" and a\nnew line'))
    a \"\\\" and a\nnew line
    """
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
