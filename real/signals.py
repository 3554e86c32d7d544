"""Ctrl-C, SIGTERM and a terminal that is closed: the first asks for an end, the second does not ask."""

import signal
from collections.abc import Callable
from types import FrameType, TracebackType


class Abandoned(KeyboardInterrupt):
    """Someone asked for the end a second time."""


def ending() -> tuple[signal.Signals, ...]:
    """Return the signals that ask for an end: not the closed terminal's where someone has had it ignored (nohup)."""
    heard = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return signal.SIGINT, signal.SIGTERM, *((signal.SIGHUP,) if heard else ())


class Stop:
    """Whether someone asked for an end. While this is entered, a signal does nothing else than ask.

    A handler that raised would leave a message half processed; so it is asked between messages. Only the second
    signal raises, wherever the thread is, and says what `lost` returns.
    """

    def __init__(self, signals: tuple[signal.Signals, ...] | None = None) -> None:
        self.requested = False
        self.lost: Callable[[], str] = lambda: ""
        self._signals = ending() if signals is None else signals
        self._before: list[signal._HANDLER] = []

    def __enter__(self) -> "Stop":
        self._before = [signal.signal(number, self._heard) for number in self._signals]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in zip(self._signals, self._before, strict=True):
            signal.signal(number, handler)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        # A terminal that is closed may say so twice, and asks for no more by that.
        if self.requested and number != signal.SIGHUP:
            raise Abandoned(self.lost())
        self.requested = True
