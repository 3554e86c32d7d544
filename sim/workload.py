"""The workload: everything random about a run, spent once and in advance.

Standard library only, so that the real processor's edges can use it too. All times are whole nanoseconds: sums and
ties are then exact on every engine, and the digest is the same in every process.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from itertools import islice
from typing import Any

from sim import arrivals, checks, service, size
from sim.arrivals import ArrivalProcess, Poisson, Recorded
from sim.checks import InvalidWorkload
from sim.digest import digest_of
from sim.population import operations, pick_workers, zipf_exponent
from sim.recording import NS, RecordingError
from sim.service import Empirical, ServiceTimes
from sim.streams import stream

POLICIES = ("first", "fifo", "idle")
ORDERS = ("fifo", "round-robin", "per-worker")
_LAST_NS = 2**63 - 1


@dataclass(frozen=True)
class Workload:
    """What arrives, when, for whom, and how much work it is.

    Times are in seconds, rates per second. `duration_s` is the time in which messages arrive, `messages` how many;
    where both are given, whichever ends first (neither: 10 s; a recording: all of it). For a recording, a
    `rate_per_s` (default 100) rescales it to that mean rate; for empirical service times, a `service_s` (default
    0.005) rescales them to that mean.

    Raises InvalidWorkload or RecordingError (ValueErrors) that say what to give instead.

    >>> w = Workload(rate_per_s=150, service_s=0.005, messages=3, seed=11)
    >>> len(w), w == Workload(rate_per_s=150, service_s=0.005, messages=3, seed=11)
    (3, True)
    >>> Workload(rate_per_s=10, arrivals="deterministic", messages=3).arrivals_s
    [0.1, 0.2, 0.3]
    """

    rate_per_s: float | None = None
    service_s: float | None = None
    duration_s: float | None = None
    messages: int | None = None
    arrivals: str = "poisson"
    service: str = "deterministic"
    workers: int = 10
    popularity: str = "uniform"
    query_rate_per_s: float = 0.0
    query_service_s: float = 0.0003
    query_policy: str = "first"
    order: str = "fifo"
    inbox: int | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        """Fill in the defaults, check every field and read the files."""
        self._fill_in()
        self._check_numbers()
        checks.choice("query_policy", self.query_policy, POLICIES)
        checks.choice("order", self.order, ORDERS)
        zipf_exponent(self.popularity)
        _ = self.service_times  # whatever else is given, what cannot be read is refused now
        self._check_size()

    def _fill_in(self) -> None:
        defaults: dict[str, Any] = {}
        if self.rate_per_s is None:
            defaults["rate_per_s"] = self._recorded.rate_per_s if self._recorded else 100.0
        elif self._recorded and self._recorded.rate_per_s is None:
            raise RecordingError(f"{self._recorded.path}: all in one instant: no rate to rescale; leave it out")
        if self.service_s is None:
            own = self.service_times
            if isinstance(own, Empirical) and not 1e-6 <= own.mean_s <= 100.0:
                raise RecordingError(
                    f"{self.service}: service times of {own.mean_s:g} s on average; are they seconds, of the column "
                    "that is meant (empirical:times.csv:service_s)? Or give a service time to stretch them to"
                )
            defaults["service_s"] = own.mean_s if isinstance(own, Empirical) else 0.005
        if self.duration_s is None and self.messages is None and not self._recorded:
            defaults["duration_s"] = 10.0
        for field, value in defaults.items():
            object.__setattr__(self, field, value)

    def _check_numbers(self) -> None:
        for field, bounds in checks.BOUNDS.items():
            if getattr(self, field) is not None:
                object.__setattr__(self, field, bounds.checked(field, getattr(self, field)))

    def _check_size(self) -> None:
        """Refuse, before anything is generated, what a recording does not hold or nobody would wait for."""
        if self._recorded and self.duration_s is None and self.messages is not None:
            held = len(self._recorded.recorded_ns)
            if self.messages > held:
                remedy = f"{self._recorded.path} holds {held} messages: give at most that many"
                raise InvalidWorkload("messages", self.messages, remedy)
        size.check_size(self, size.MOST, size.TOO_LONG)

    @cached_property
    def arrival_process(self) -> ArrivalProcess:
        """The process that `arrivals` names."""
        return arrivals.arrival_process(self.arrivals)

    @property
    def _recorded(self) -> Recorded | None:
        return self.arrival_process if isinstance(self.arrival_process, Recorded) else None

    @cached_property
    def service_times(self) -> ServiceTimes:
        """The distribution that `service` names."""
        return service.service_times(self.service)

    def __len__(self) -> int:
        return len(self.arrivals_ns)

    @cached_property
    def arrivals_ns(self) -> array[int]:
        """Planned instants, in order, ns from the start of the run."""
        size.check_size(self, size.MOST_STORED, size.IN_MEMORY)
        end_ns = _LAST_NS if self.duration_s is None else self.duration_s * NS + 0.5
        instants = self.arrival_process.instants_ns(self.rate_per_s, self.seed)  # type: ignore[arg-type]
        planned = _until(end_ns, islice(instants, self.messages))
        wanted = self.messages or (len(self._recorded.recorded_ns) if self._recorded else 0)
        if self.duration_s is None and len(planned) < wanted:
            raise InvalidWorkload(
                "rate_per_s",
                self.rate_per_s,
                "so low that the last message is 292 years away; raise it, or ask for fewer messages",
            )
        return planned

    @cached_property
    def worker_numbers(self) -> array[int]:
        """For which worker each message is, 0 to workers − 1."""
        return self._as_many(pick_workers(self.workers, self.popularity, stream(self.seed, "workers")))

    @cached_property
    def payload_codes(self) -> array[int]:
        """One number a message, below 2^53, of which `payload` makes its operations."""
        draw = stream(self.seed, "payloads")
        return self._as_many(int(draw() * 2**53) for _ in iter(int, 1))

    @cached_property
    def service_ns(self) -> array[int]:
        """Work of each message, ns."""
        return self._as_many(self.service_times.times_ns(self.service_s or 0.0, self.seed))

    @cached_property
    def queries_ns(self) -> array[int]:
        """Instants at which someone asks for a worker's state, ns."""
        if not self.query_rate_per_s:
            return array("q")
        end_ns = self.horizon_s * NS + 0.5
        # A seed's queries are a Poisson process of their own, on streams that no message draws from.
        return _until(end_ns, Poisson("queries").instants_ns(self.query_rate_per_s, self.seed))

    @cached_property
    def query_workers(self) -> array[int]:
        """For whose state each query asks."""
        workers = pick_workers(self.workers, self.popularity, stream(self.seed, "query workers"))
        return array("q", islice(workers, len(self.queries_ns)))

    def _as_many(self, values: Iterable[int] | Iterator[int]) -> array[int]:
        return array("q", islice(values, len(self)))

    @property
    def arrivals_s(self) -> list[float]:
        """Planned instants in seconds from the start of the run."""
        return [at / NS for at in self.arrivals_ns]

    @property
    def horizon_s(self) -> float:
        """How long messages arrive: the duration asked for, else up to the last of them."""
        if self.duration_s is not None:
            return self.duration_s
        return self.arrivals_ns[-1] / NS if len(self) else 0.0

    @property
    def offered_rate_per_s(self) -> float | None:
        """The mean rate of what runs: `rate_per_s`, or, where only a part of a recording runs, that part's own."""
        if self._recorded and len(self) < len(self._recorded.recorded_ns):
            span_ns = self.arrivals_ns[-1] - self.arrivals_ns[0] if len(self) else 0
            return (len(self) - 1) * NS / span_ns if span_ns else None
        return self.rate_per_s

    def reseeded(self, seed: int) -> "Workload":
        """Return the same workload with another seed, without reading its files again."""
        other = copy(self)
        read = {field.name for field in fields(self)} | {"arrival_process", "service_times"}
        other.__dict__.update(seed=seed)
        for generated in other.__dict__.keys() - read:
            del other.__dict__[generated]
        return other

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should be told about where this workload came from."""
        return self._recorded.notes if self._recorded else ()

    @property
    def arrivals_kind(self) -> str:
        """The arrival process without its parameters, as people call it."""
        kind = self.arrivals.partition(":")[0]
        return {"poisson": "Poisson", "gaps": "trace"}.get(kind, kind)

    @property
    def service_moments(self) -> tuple[float, float, float]:
        """E[S²]/E[S]², E[S³]/E[S]³ and E[S⁴]/E[S]⁴ of the service time."""
        return self.service_times.moments

    def payload(self, index: int) -> list[dict[str, Any]]:
        """Return the operations of message `index`: 1 to 5, on as many different keys."""
        return operations(self.payload_codes[index])

    @cached_property
    def digest(self) -> str:
        """SHA-256 over instants (ns), workers, payloads, service times and query instants, and nothing else."""
        columns = (self.arrivals_ns, self.worker_numbers, self.payload_codes, self.service_ns, self.queries_ns)
        return digest_of(columns)

    def describe(self) -> dict[str, Any]:
        """Return the `workload` object of the JSON documents: `Workload(**it)` less the digest makes it again."""
        return asdict(self) | {"duration_s": self.horizon_s, "messages": len(self), "digest": self.digest}


def _until(end_ns: float, instants: Iterator[float]) -> array[int]:
    """Return the instants before the end, whole; taken in stretches, because looking at each of them costs more."""
    planned = array("q")
    while stretch := list(islice(instants, 4096)):
        inside = len(stretch) if stretch[-1] < end_ns else bisect_left(stretch, end_ns)
        planned.extend(map(round, stretch[:inside]))
        if inside < len(stretch):
            break
    return planned
