"""What is asked, of whom and how: a plan of absolute instants, made before the run, whatever the answers do."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from sim.streams import exponential, stream


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: about which worker, and when, ns from the start."""

    at_ns: int
    worker: str


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom to ask: a socket's address, and the name that HTTP calls it by."""

    family: int
    address: tuple[str | int, ...]
    host: str


@dataclass(frozen=True, slots=True)
class Manner:
    """How to ask: over connections that are kept, or over a new one each time; and how long to wait for an answer."""

    keep_alive: bool = False
    timeout_ns: int = 10 * 10**9


def plan(
    rate_per_s: float, workers: int, seed: int, *, duration_s: float | None = None, count: int | None = None
) -> list[Question]:
    """Return `count` questions, or those of `duration_s` seconds: instants of a Poisson process, workers at random.

    >>> plan(10.0, 3, 1, count=5) == plan(10.0, 3, 1, count=9)[:5]
    True
    """
    questions = _endless(rate_per_s, workers, seed)
    if count is not None:
        return [next(questions) for _ in range(count)]
    last_ns = (duration_s or 0.0) * 1e9
    return list(takewhile(lambda question: question.at_ns < last_ns, questions))


def _endless(rate_per_s: float, workers: int, seed: int) -> Iterator[Question]:
    gaps, whom = stream(seed, "ask/instants"), stream(seed, "ask/workers")
    at_s = 0.0
    while True:
        at_s += exponential(gaps, 1.0 / rate_per_s)
        yield Question(round(at_s * 1e9), f"w{int(whom() * workers)}")


def request(worker: str, intended_ns: int, host: str, manner: Manner) -> bytes:
    r"""Return the request for a worker's state, with the instant (s, on the clock) at which it should be sent.

    >>> request("w3", 12_000_000_345, "127.0.0.1:8080", Manner(keep_alive=True))
    b'GET /workers/w3 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nIntended-At: 12.000000345\r\n\r\n'
    """
    whole_s, rest_ns = divmod(intended_ns, 10**9)
    end = "" if manner.keep_alive else "Connection: close\r\n"
    intended = f"Intended-At: {whole_s}.{rest_ns:09d}\r\n"
    return f"GET /workers/{worker} HTTP/1.1\r\nHost: {host}\r\n{intended}{end}\r\n".encode()
