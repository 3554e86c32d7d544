"""The model as plain compiled loops over arrays: the same semantics without processes, message by message the same.

Functions of their arguments, with no randomness in them: `replay` runs any order, policy and inbox, `waits_ns` only
the recursion. Numba compiles both when they are first called and keeps the result beside this file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Nanoseconds = npt.NDArray[np.int64]
FIFO, ROUND_ROBIN, PER_WORKER = 0, 1, 2
FIRST, BEHIND, IDLE = 0, 1, 2
ORDERS = {"fifo": FIFO, "round-robin": ROUND_ROBIN, "per-worker": PER_WORKER}
POLICIES = {"first": FIRST, "fifo": BEHIND, "idle": IDLE}
_NEVER = np.int64(2**63 - 1)


def waits_ns(arrival_ns: Nanoseconds, service_ns: Nanoseconds, out: Nanoseconds | None = None) -> Nanoseconds:
    """Return each message's wait, ns, shape (n,): W_1 = 0, W_{i+1} = max(0, W_i + S_i − A_i) (Lindley 1952, eq. 1).

    Both arguments have shape (n,), int64; `out`, if given, is filled and returned.
    """
    waits = np.empty_like(arrival_ns) if out is None else out
    _recursion(arrival_ns, service_ns, waits)
    return waits


@dataclass(frozen=True, slots=True)
class Rules:
    """Whose turn it is: the order of messages, the policy for queries, the inbox's places, and what an answer takes."""

    order: str = "fifo"
    policy: str = "first"
    places: int | None = None
    answer_ns: int = 0


def replay(
    arrival_ns: Nanoseconds, hold_ns: Sequence[Nanoseconds], worker: Nanoseconds, query_ns: Nanoseconds, rules: Rules
) -> tuple[Nanoseconds, Nanoseconds]:
    """Return (taken, start, finish) of the messages, shape (3, n), and of the queries, shape (3, m); ns.

    `arrival_ns` and `worker` have shape (n,), `query_ns` shape (m,); `hold_ns` is dispatch, processing, wake-up and
    woken processing as `HoldTimes` has them, each of shape (n,). All int64.
    """
    messages = np.empty((3, len(arrival_ns)), np.int64)
    queries = np.empty((3, len(query_ns)), np.int64)
    if rules.order == "fifo" and rules.places is None and not len(query_ns):
        _first_come(arrival_ns, tuple(hold_ns), messages)
    else:
        room = _NEVER if rules.places is None else np.int64(rules.places)
        coded = np.array([rules.answer_ns, ORDERS[rules.order], POLICIES[rules.policy], room], np.int64)
        _run(arrival_ns, tuple(hold_ns), worker, query_ns, coded, messages, queries)
    return messages, queries


def replay_many(arrival_ns: Nanoseconds, service_ns: Nanoseconds, servers: int) -> Nanoseconds:
    """Return (taken, start, finish) of messages served in order of arrival by so many servers, shape (3, n), ns.

    The one queue lies outside of all of them, so a message is taken as it arrives (Kiefer and Wolfowitz 1955).
    """
    messages = np.empty((3, len(arrival_ns)), np.int64)
    _many(arrival_ns, service_ns, np.zeros(servers, np.int64), messages)
    return messages


@njit(cache=True)
def _many(arrival: Any, service: Any, free: Any, messages: Any) -> None:
    """Give each message to the server that is free first: `free` is a heap of when each of them will be."""
    taken, start, finish = messages
    for i in range(len(arrival)):
        taken[i] = arrival[i]
        start[i] = max(arrival[i], free[0])
        finish[i] = start[i] + service[i]
        place = 0
        while 2 * place + 1 < len(free):
            child = 2 * place + 1
            if child + 1 < len(free) and free[child + 1] < free[child]:
                child += 1
            if free[child] >= finish[i]:
                break
            free[place] = free[child]
            place = child
        free[place] = finish[i]


@njit(cache=True)
def _recursion(arrival: Any, service: Any, waits: Any) -> None:
    free = np.int64(0)
    for i in range(len(arrival)):
        start = max(arrival[i], free)
        waits[i] = start - arrival[i]
        free = start + service[i]


@njit(cache=True)
def _first_come(arrival: Any, hold: Any, messages: Any) -> None:
    """Run first come, first served, where each message needs to know of the one before it only."""
    dispatch, processing, wakeup, woken_processing = hold
    taken, start, finish = messages
    free = np.int64(-1)  # when the thread was last let go
    ended = 0  # the first message whose finish is later than the arrival at hand
    for i in range(len(arrival)):
        at = arrival[i]
        while ended < i and finish[ended] <= at:
            ended += 1
        # A message holds the thread from the finish before it, or from its own arrival where it found the thread idle.
        held = at
        if ended < i:
            held = max(arrival[ended], finish[ended - 1]) if ended else arrival[ended]
        taken[i] = finish[ended] if ended < i and held < at else at
        woken = free < at
        start[i] = at + wakeup[i] if woken else free + dispatch[i]
        finish[i] = start[i] + (woken_processing[i] if woken else processing[i])
        free = finish[i]


@njit(cache=True)
def _run(arrival: Any, hold: Any, worker: Any, asked: Any, rules: Any, messages: Any, queries: Any) -> None:
    """Go round as the loop does: take what is due, answer or process one thing, or wait for the next arrival."""
    dispatch, processing, wakeup, woken_processing = hold
    answer, order, policy, room = rules
    n, m = len(arrival), len(asked)
    (taken, start, finish), (seen, begun, told) = messages, queries
    inbox = _inbox(n, 1 if order == FIFO or n == 0 else worker.max() + 1)
    served = np.zeros(n, np.bool_)
    ahead = np.empty(m, np.int64)  # of each query seen: how many messages had arrived
    put = size = arrived = oldest = looked = replied = 0
    now, idle = np.int64(0), True
    while True:
        while put < n and arrival[put] <= now and size < room:
            taken[put] = now
            _put(inbox, put, 0 if order == FIFO else worker[put])
            put += 1
            size += 1
        while looked < m and asked[looked] <= now:
            while arrived < n and arrival[arrived] <= now:
                arrived += 1
            seen[looked], ahead[looked] = now, arrived
            looked += 1
        may_answer = replied < looked and (policy != IDLE or size == 0)
        if may_answer and policy == BEHIND:
            while oldest < ahead[replied] and served[oldest]:
                oldest += 1
            may_answer = oldest >= ahead[replied]
        if may_answer:
            begun[replied] = now
            now += answer
            told[replied] = now
            replied += 1
        elif size > 0:
            number = _next(inbox, order)
            size -= 1
            start[number] = now + (wakeup[number] if idle else dispatch[number])
            now = start[number] + (woken_processing[number] if idle else processing[number])
            finish[number], served[number] = now, True
        elif put < n or looked < m:
            now = min(arrival[put] if put < n else _NEVER, asked[looked] if looked < m else _NEVER)
            idle = True
            continue
        else:
            return
        idle = False


@njit(cache=True)
def _inbox(messages: Any, lanes: Any) -> Any:
    """Return an empty inbox: a queue a lane, linked through `behind`, and the lanes whose turn is to come in a ring.

    A lane is a worker, or everybody where the order is fifo. `ring` holds where the next turn is and how many there
    are; a lane has at most one.
    """
    behind, first, last = np.full(messages, -1), np.full(lanes, -1), np.full(lanes, -1)
    turns, has_turn, ring = np.zeros(lanes, np.int64), np.zeros(lanes, np.bool_), np.zeros(2, np.int64)
    return behind, first, last, turns, has_turn, ring


@njit(inline="always")
def _put(inbox: Any, number: Any, lane: Any) -> None:
    """Queue a message behind its lane's others; a lane without a turn gets the last."""
    behind, first, last, _, has_turn, _ = inbox
    if first[lane] < 0:
        first[lane] = number
    else:
        behind[last[lane]] = number
    last[lane] = number
    if not has_turn[lane]:
        _append_turn(inbox, lane)


@njit(inline="always")
def _next(inbox: Any, order: Any) -> Any:
    """Take the message whose turn it is, of an inbox that is not empty."""
    behind, first, _, turns, _, ring = inbox
    lane = turns[ring[0]]
    while first[lane] < 0:  # nothing of it waits any longer, so its turn ends
        _end_turn(inbox)
        lane = turns[ring[0]]
    number = first[lane]
    first[lane] = behind[number]
    if order == ROUND_ROBIN:
        _end_turn(inbox)
        if first[lane] >= 0:
            _append_turn(inbox, lane)
    return number


@njit(inline="always")
def _append_turn(inbox: Any, lane: Any) -> None:
    turns, has_turn, ring = inbox[3:]
    place = ring[0] + ring[1]
    turns[place if place < len(turns) else place - len(turns)] = lane
    has_turn[lane] = True
    ring[1] += 1


@njit(inline="always")
def _end_turn(inbox: Any) -> None:
    turns, has_turn, ring = inbox[3:]
    has_turn[turns[ring[0]]] = False
    ring[0] = ring[0] + 1 if ring[0] + 1 < len(turns) else 0
    ring[1] -= 1
