"""The digest of a workload: the same numbers give the same digest, in every process and on every machine."""

import hashlib
import sys
from array import array
from collections.abc import Iterable


def digest_of(columns: Iterable[array[int]]) -> str:
    """Return the SHA-256 (hexadecimal) over columns of 64-bit integers, each after its length, in little-endian.

    >>> digest_of([array("q", [1, 2]), array("q")]) == digest_of([array("q", [1]), array("q", [2])])
    False
    """
    whole = hashlib.sha256()
    for column in columns:
        whole.update(len(column).to_bytes(8, "little"))
        whole.update(_little_endian(column))
    return whole.hexdigest()


def _little_endian(values: array[int]) -> bytes:
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return values.tobytes()
