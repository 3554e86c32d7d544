"""For whom a message is, and what it asks for: the workers' popularity and the operations of a payload.

Standard library only.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from sim.checks import InvalidWorkload, positive
from sim.streams import Draw

KEYS_PER_WORKER = 10
COMPUTE_ROUNDS = 20
# Strides that share no factor with KEYS_PER_WORKER meet no key twice.
_STRIDES = (1, 3, 7, 9)


def zipf_exponent(popularity: str) -> float:
    """Return S of `zipf:S`, where worker k is chosen in proportion to (k+1)^−S; 0 is `uniform`."""
    if popularity == "uniform":
        return 0.0
    kind, _, text = popularity.partition(":") if isinstance(popularity, str) else ("", "", "")
    exponent = positive(text, 20.0)
    if kind != "zipf" or exponent is None:
        raise InvalidWorkload(
            "popularity", popularity, "must be uniform or zipf:S with S above 0, at most 20, as in zipf:1.1"
        )
    return exponent


def pick_workers(workers: int, popularity: str, draw: Draw) -> Iterator[int]:
    """Yield worker numbers from 0 to workers − 1, endlessly."""
    exponent = zipf_exponent(popularity)
    if not exponent:
        while True:
            yield int(draw() * workers)
    upto = list(accumulate((k + 1) ** -exponent for k in range(workers)))
    while True:
        yield min(bisect_right(upto, draw() * upto[-1]), workers - 1)


def operations(code: int) -> list[dict[str, Any]]:
    """Return 1 to 5 operations on different keys, read off the digits of a number below 2^53.

    >>> operations(0)
    [{'op': 'increment', 'key': 'k0'}]
    """
    code, more = divmod(code, 5)
    code, first = divmod(code, KEYS_PER_WORKER)
    code, stride = divmod(code, len(_STRIDES))
    payload: list[dict[str, Any]] = []
    for place in range(more + 1):
        code, kind = divmod(code, 3)
        key = f"k{(first + place * _STRIDES[stride]) % KEYS_PER_WORKER}"
        if kind == 0:
            payload.append({"op": "increment", "key": key})
        elif kind == 1:
            payload.append({"op": "set", "key": key, "value": code % 1000})
        else:
            payload.append({"op": "compute", "key": key, "value": COMPUTE_ROUNDS})
    return payload
