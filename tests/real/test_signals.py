"""Signals: the first asks, the second ends at once, and afterwards all is as it was."""

import signal
from contextlib import suppress

import pytest

from real.signals import Abandoned, Stop

ALL = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.mark.parametrize("number", ALL)
def test_the_first_signal_only_asks(number: signal.Signals) -> None:
    with Stop() as stop:
        assert not stop.requested
        signal.raise_signal(number)
        assert stop.requested


@pytest.mark.parametrize("first", ALL)
@pytest.mark.parametrize("second", ALL[:2])
def test_the_second_does_not_ask_whichever_it_is(first: signal.Signals, second: signal.Signals) -> None:
    before = [signal.getsignal(number) for number in ALL]
    with Stop() as stop:
        signal.raise_signal(first)
        with pytest.raises(Abandoned):
            signal.raise_signal(second)
        assert stop.requested
        with pytest.raises(Abandoned):
            signal.raise_signal(second)
    assert [signal.getsignal(number) for number in ALL] == before


def test_a_terminal_that_is_closed_twice_asks_once() -> None:
    with Stop() as stop:
        for _ in range(2):
            signal.raise_signal(signal.SIGHUP)
        assert stop.requested


def test_who_ends_at_once_is_treated_as_one_who_pressed_ctrl_c() -> None:
    assert issubclass(Abandoned, KeyboardInterrupt)


def test_afterwards_signals_do_what_they_did_whatever_happened() -> None:
    before = [signal.getsignal(number) for number in ALL]
    with suppress(ZeroDivisionError), Stop():
        assert [signal.getsignal(number) for number in ALL] != before
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in ALL] == before


def test_only_the_signals_that_are_named_are_heard() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Stop((signal.SIGTERM,)) as stop:
        assert signal.getsignal(signal.SIGINT) is before
        signal.raise_signal(signal.SIGTERM)
        assert stop.requested


def test_each_asks_for_itself() -> None:
    with Stop() as outer:
        with Stop() as inner:
            signal.raise_signal(signal.SIGINT)
        assert (inner.requested, outer.requested) == (True, False)
        signal.raise_signal(signal.SIGINT)
        assert outer.requested


def test_a_closed_terminal_is_nothing_to_whoever_was_told_to_outlive_it() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with Stop() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert not stop.requested
    finally:
        signal.signal(signal.SIGHUP, before)
