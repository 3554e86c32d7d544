"""Messages and state machines: what is refused at the door, and updates that are all or nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from real import Message, Router, StateMachine
from real.machine import MOST_KEYS, NO_NUMBER, TOO_MANY_KEYS, compute
from real.message import MessageError, parse

INCREMENT = {"op": "increment", "key": "n"}


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({"payload": [INCREMENT]}, "worker_id None"),
        ({"worker_id": "", "payload": [INCREMENT]}, "worker_id ''"),
        ({"worker_id": 7, "payload": [INCREMENT]}, "worker_id 7"),
        ({"worker_id": "w0"}, "list of 1 to 5"),
        ({"worker_id": "w0", "payload": []}, "list of 1 to 5"),
        ({"worker_id": "w0", "payload": [{"op": "increment", "key": str(k)} for k in range(6)]}, "list of 1 to 5"),
        ({"worker_id": "w0", "payload": [INCREMENT, INCREMENT]}, "same key twice"),
        ({"worker_id": "w0", "payload": ["n"]}, r"payload\[0\]: op None is not"),
        ({"worker_id": "w0", "payload": [{"op": ["set"], "key": "n"}]}, "is not increment, set or compute"),
        ({"worker_id": "w0", "payload": [INCREMENT, {"op": "set", "key": "m"}]}, r"payload\[1\]: set has the fields"),
        ({"worker_id": "w0", "payload": [INCREMENT | {"value": 1}]}, "increment has the fields key, op"),
        ({"worker_id": "w0", "payload": [{"op": "set", "key": 1, "value": 1}]}, "key 1 is not a name"),
        ({"worker_id": "w0", "payload": [{"op": "compute", "key": "n", "value": 10**7}]}, "value 10000000"),
        ({"worker_id": "w0", "payload": [{"op": "compute", "key": "n", "value": True}]}, "value True"),
        ({"worker_id": "w0", "payload": [INCREMENT], "timestamp": "now"}, "timestamp 'now'"),
        ({"worker_id": "w0", "payload": [INCREMENT], "colour": "red"}, "unknown field 'colour'"),
    ],
)
def test_what_is_no_message_is_refused_with_the_reason(document: dict[str, Any], complaint: str) -> None:
    with pytest.raises(MessageError, match=complaint):
        parse(document)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
fields = st.fixed_dictionaries(
    {},
    optional={
        "worker_id": json_values,
        "timestamp": json_values,
        "payload": st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "op": st.sampled_from(["set", "compute", "x"]) | json_values,
                    "key": json_values,
                    "value": json_values,
                },
            ),
            max_size=6,
        )
        | json_values,
    },
)


@given(fields)
def test_any_object_is_a_message_or_a_message_error(document: dict[str, Any]) -> None:
    try:
        message = parse(document)
    except MessageError:
        return
    StateMachine(message.worker_id).process_message(message)


def test_an_update_is_all_or_nothing() -> None:
    machine = StateMachine("w0")
    machine.process_message(Message("w0", ({"op": "set", "key": "a", "value": "text"}, INCREMENT)))
    machine.process_message(
        Message("w0", (INCREMENT, {"op": "increment", "key": "a"}, {"op": "set", "key": "b", "value": 1}))
    )
    assert machine.state == {"a": "text", "n": 1}
    assert (machine.messages, machine.failed, machine.refused) == (2, 1, NO_NUMBER)


def test_setting_a_key_to_null_is_no_failure() -> None:
    machine = StateMachine("w0")
    machine.process_message(Message("w0", ({"op": "set", "key": "a", "value": None},)))
    assert machine.state == {"a": None}
    assert not machine.failed


def test_a_worker_has_at_most_so_many_keys() -> None:
    machine = StateMachine("w0")
    for k in range(MOST_KEYS + 1):
        machine.process_message(Message("w0", ({"op": "increment", "key": f"k{k}"},)))
    assert len(machine.state) == MOST_KEYS
    assert (machine.failed, machine.over_full, machine.refused) == (1, 1, TOO_MANY_KEYS)
    machine.process_message(Message("w0", ({"op": "set", "key": "k0", "value": "text"},)))
    machine.process_message(Message("w0", ({"op": "increment", "key": "k0"},)))
    assert (machine.failed, machine.over_full, machine.refused) == (2, 1, NO_NUMBER)
    machine.process_message(Message("w0", ({"op": "set", "key": "k0", "value": 1},)))
    assert machine.refused is None


def test_compute_is_the_stated_recurrence() -> None:
    x = 1
    for _ in range(1000):
        x = (1103515245 * x + 12345) % 2**31
    assert compute(1000) == x


def test_the_router_makes_a_machine_once() -> None:
    router = Router(lambda message: None)
    first = router.route(Message("w1", (INCREMENT,)))
    assert router.route(Message("w1", (INCREMENT,))) is first
    assert set(router.machines) == {"w1"}
