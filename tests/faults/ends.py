"""How a scenario ends: the weather clears, everything that can be finished is, and nothing may be left."""

from typing import TYPE_CHECKING

from tests.faults.network import UNLIMITED
from tests.faults.weather import S

if TYPE_CHECKING:
    from tests.faults.scenario import Scenario

PATIENCE = 20_000  # turns, until something that must end has


def settle(scenario: "Scenario") -> None:
    """Let everybody say and hear all they want; then whoever is silent must have been closed in time."""
    weather, loop, intake, http = scenario.weather, scenario.loop, scenario.intake, scenario.http
    weather.calm, scenario.network.limit = True, UNLIMITED
    born = scenario.born
    for client in born:
        client.pace, client.reads = 1 << 21, client.reads and 1 << 21
    for _ in range(PATIENCE):
        for client in born:
            client.act()
        scenario.step("turn, calm", scenario.turn)
        if not (at_work(scenario) or loop.inbox or intake._received or loop.queries._standing or http._received):
            break
    else:
        raise AssertionError("it does not come to rest")
    for turn in range(48):  # some of them for requests that came with others, which are answered one a turn
        if turn % 8 == 0:
            scenario.clock.sleep(61 * S)
        scenario.step("turn, a minute later", scenario.turn)
    assert not http.connections._clients, "silent askers are kept for ever"
    staying = sum(not (client.link.fin or client.link.reset) for client in born if client.link.port == 1)
    assert len(intake._clients) <= staying, "senders are kept that have gone"
    assert intake.received == scenario.rows.count == scenario.oracle.received
    for client in born:
        if client.replies is not None and client.link.answerable:
            missing = client.replies.missing(client.said)
            assert missing <= 0, f"{client.link.number}: {missing} requests without a reply"


def at_work(scenario: "Scenario") -> bool:
    """Whether something is under way between the processor and a client that does its part."""
    for client in scenario.born:
        link = client.link
        if link.server_closed or link.reset:
            continue
        if not link.accepted or not client.over or link.to_server or link.fin:
            return True
        if client.reads and not link.client_gone and (link.to_client or client.replies_to_come):
            return True
    return False


def drained(scenario: "Scenario") -> bool:
    """Go on until nothing is left to do; False if that was not waited for."""
    patience = scenario.random.choice((PATIENCE, PATIENCE, PATIENCE, 3))
    for _ in range(patience):
        scenario.step("turn, the last ones", scenario.turn)
        if not scenario.more:
            return True
        if scenario.random.random() < 0.5:
            scenario.step("a client acts", scenario.client_acts)
    assert patience < PATIENCE, "it does not end"
    scenario.weather.note("ended before all was done")
    return False


def finish(scenario: "Scenario") -> None:
    """After the end was asked for: process what was received, close all, and let clients hear what they were told."""
    scenario.network.limit = UNLIMITED
    if drained(scenario):
        assert scenario.intake.received == scenario.rows.count, "messages are left"
        assert scenario.http.asked == scenario.oracle.answered, "questions are left"
    scenario.sockets.close()
    assert not scenario.network.open, f"{scenario.network.open} descriptors are left open"
    for client in scenario.born:
        client.over = True
        while client.reads and client.link.to_client:
            client.act()
