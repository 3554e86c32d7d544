"""A message: for whom it is, what to do, and when it was due; parsed once, at the door."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_OPERATIONS, MOST_ROUNDS, LONGEST_NAME = 5, 1_000_000, 200
_FIELDS = {"increment": {"op", "key"}, "set": {"op", "key", "value"}, "compute": {"op", "key", "value"}}


class MessageError(ValueError):
    """A message that cannot be processed; the text names the field and the value."""


@dataclass(frozen=True, slots=True)
class Message:
    """`payload` is a tuple of operations; `timestamp` (s) is the planned instant on the machine's monotonic clock.

    `sent` (s) is when its sender really sent it. `service_ns` is the work that a workload asks for this very message;
    None leaves it to the processor.
    """

    worker_id: str
    payload: tuple[Mapping[str, Any], ...]
    timestamp: float | None = None
    service_ns: int | None = None
    sent: float | None = None


def parse(document: Mapping[str, Any]) -> Message:
    """Return the message that a JSON object spells.

    >>> parse({"worker_id": "w7", "payload": [{"op": "increment", "key": "n"}]}).worker_id
    'w7'
    >>> parse({"worker_id": "w7", "payload": [{"op": "drop", "key": "n"}]})
    Traceback (most recent call last):
    real.message.MessageError: payload[0]: op 'drop' is not increment, set or compute
    """
    if unknown := document.keys() - {"worker_id", "payload", "timestamp", "sent"}:
        raise MessageError(f"unknown field {min(unknown)!r:.80}")
    worker_id = document.get("worker_id")
    if not isinstance(worker_id, str) or not 1 <= len(worker_id) <= LONGEST_NAME:
        raise MessageError(f"worker_id {worker_id!r:.80} is not a name of 1 to {LONGEST_NAME} characters")
    for name in ("timestamp", "sent"):
        if type(document.get(name)) not in (int, float, type(None)):
            raise MessageError(f"{name} {document[name]!r:.80} is not a number of seconds")
    return Message(worker_id, _payload(document.get("payload")), document.get("timestamp"), sent=document.get("sent"))


def _payload(operations: Any) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(operations, list) or not 1 <= len(operations) <= MOST_OPERATIONS:
        raise MessageError(f"payload must be a list of 1 to {MOST_OPERATIONS} operations")
    for place, operation in enumerate(operations):
        _check(f"payload[{place}]", operation)
    if len({operation["key"] for operation in operations}) < len(operations):
        raise MessageError("payload: the same key twice")
    return tuple(operations)


def _check(place: str, operation: Any) -> None:
    kind, value = (operation.get("op"), operation.get("value")) if isinstance(operation, dict) else (None, None)
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise MessageError(f"{place}: op {kind!r:.80} is not increment, set or compute")
    if operation.keys() != _FIELDS[kind]:
        raise MessageError(f"{place}: {kind} has the fields {', '.join(sorted(_FIELDS[kind]))}")
    if not isinstance(operation["key"], str) or len(operation["key"]) > LONGEST_NAME:
        raise MessageError(f"{place}: key {operation['key']!r:.80} is not a name of at most {LONGEST_NAME} characters")
    if kind == "compute" and (type(value) is not int or not 0 <= value <= MOST_ROUNDS):
        raise MessageError(f"{place}: value {value!r:.80} is not a whole number of rounds up to {MOST_ROUNDS}")
