"""More senders than there is room for: who is closed for whom, and that nothing is lost of what they had said."""

import pytest

from real.clients import LINE_NS, MOST_CLIENTS
from real.http.connections import CONNECTIONS
from real.sockets import READ
from tests.faults.link import Link
from tests.faults.test_finds import GET, HTTP, MESSAGE, TCP, Lab

HALF = MESSAGE[:30]
WHOLE = MESSAGE.rstrip()  # a message, though nobody knows yet that it is at its end


@pytest.fixture
def lab() -> Lab:
    return Lab()


def crowd(lab: Lab, said: bytes = b"") -> list[Link]:
    """As many senders as there may be, let in one after the other, each after the last has said something."""
    links = []
    for _ in range(MOST_CLIENTS):
        links.append(lab.connect(TCP, said))
        lab.turns(2)
    assert len(lab.intake._clients) == MOST_CLIENTS
    return links


def let_in_before_anything_is_read(lab: Lab) -> Link:
    """Let one more in, in the very turn in which others have spoken and were not heard yet."""
    link = lab.connect(TCP)
    lab.intake.ready(lab.network.listeners[TCP], READ, lab.clock.instant_ns())  # type: ignore[arg-type]
    return link


def closed(links: list[Link]) -> list[int]:
    """Which of them the processor has closed."""
    return [place for place, link in enumerate(links) if link.server_closed]


def test_the_longest_silent_makes_room(lab: Lab) -> None:
    links = crowd(lab)
    links[0].to_server += MESSAGE  # who came first was not the longest silent any more
    lab.turns()
    late = [lab.connect(TCP, MESSAGE) for _ in range(3)]
    lab.turns()
    assert closed(links) == [1, 2, 3]
    assert not closed(late)
    assert (lab.intake.crowded_out, lab.intake.clients) == (3, MOST_CLIENTS + 3)
    assert lab.rows.count == 4


def test_who_is_within_a_line_stays_while_anybody_is_silent(lab: Lab) -> None:
    links = crowd(lab)
    for link in links[:5]:
        link.to_server += HALF
        lab.turns(2)
    for link in links[6:]:  # all but one are heard after those
        link.to_server += MESSAGE
        lab.turns(2)
    lab.connect(TCP)
    lab.connect(TCP)
    lab.turns()
    assert closed(links) == [5, 6]
    for link in links[:5]:
        link.to_server += MESSAGE[len(HALF) :]
    lab.turns()
    assert lab.rows.count == MOST_CLIENTS - 6 + 5
    assert not lab.intake.rejected


def test_half_a_line_keeps_a_place_for_a_minute_and_no_longer(lab: Lab) -> None:
    links = crowd(lab)
    links[0].to_server += HALF
    lab.turns(2)
    lab.clock.sleep(LINE_NS)
    for link in links[1:]:
        link.to_server += MESSAGE
        lab.turns(2)
    lab.connect(TCP)
    lab.turns()
    assert closed(links) == [0]


def test_who_has_said_what_nobody_has_read_yet_is_not_closed(lab: Lab) -> None:
    links = crowd(lab)
    for link in links[:7]:
        link.to_server += MESSAGE
    let_in_before_anything_is_read(lab)
    assert closed(links) == [7]
    lab.turns()
    assert lab.rows.count == 7


def test_where_everybody_has_said_something_unread_the_one_that_comes_is_turned_away(lab: Lab) -> None:
    links = crowd(lab)
    for link in links:
        link.to_server += MESSAGE
    late = let_in_before_anything_is_read(lab)
    assert closed([late, *links]) == [0]
    assert (lab.intake.crowded_out, lab.intake.clients) == (1, MOST_CLIENTS)
    lab.turns(3 * MOST_CLIENTS)
    assert lab.rows.count == MOST_CLIENTS


@pytest.mark.parametrize(("said", "received", "rejected"), [(WHOLE, 1, {}), (HALF, 0, {"not JSON": 1})])
def test_where_all_are_within_a_line_the_longest_silent_has_its_line_taken_as_it_stands(
    lab: Lab, said: bytes, received: int, rejected: dict[str, int]
) -> None:
    links = crowd(lab, said)
    lab.connect(TCP)
    lab.turns()
    assert closed(links) == [0]
    assert (lab.rows.count, lab.intake.rejected) == (received, rejected)


def test_who_has_gone_makes_room_with_its_last_line(lab: Lab) -> None:
    links = crowd(lab, WHOLE)
    links[3].fin = True
    let_in_before_anything_is_read(lab)
    lab.turns()
    assert lab.rows.count == 2  # the longest silent one's, and that of the one that had gone
    assert closed(links) == [0, 3]


def test_silent_clients_of_both_kinds_leave_descriptors_for_others(lab: Lab) -> None:
    lab.network.limit = 1_024  # which is what most systems give a process
    for port, count, turns in ((TCP, 2 * MOST_CLIENTS, 520), (HTTP, 2 * CONNECTIONS, 66)):
        for _ in range(count):
            lab.connect(port)
        lab.turns(turns)
    assert len(lab.intake._clients) == MOST_CLIENTS
    assert len(lab.http.connections._clients) == CONNECTIONS
    asker, sender = lab.connect(HTTP, GET % 0), lab.connect(TCP, MESSAGE)
    lab.turns()
    assert bytes(asker.to_client).startswith(b"HTTP/1.1 ")
    assert lab.rows.count == 1
    assert not sender.server_closed
    assert not lab.network.weather.seen["EMFILE"]


def test_several_that_say_nothing_are_let_in_in_one_turn_before_one_that_has_something_to_say(lab: Lab) -> None:
    for _ in range(10):
        lab.connect(TCP)
    lab.connect(TCP, MESSAGE)
    lab.connect(TCP, MESSAGE)
    lab.turns(1)
    assert (lab.intake.clients, lab.intake.received) == (11, 1)
