"""The real thing: one thread, blocking I/O, state in memory, nothing but the standard library."""

from real.clock import FakeClock, WallClock
from real.inbox import Inbox
from real.loop import Loop
from real.machine import StateMachine
from real.message import Message
from real.metrics import Metrics, Timer, timed
from real.query import Queries
from real.router import Router
from real.source import Plan, message_stream

__all__ = [
    "FakeClock",
    "Inbox",
    "Loop",
    "Message",
    "Metrics",
    "Plan",
    "Queries",
    "Router",
    "StateMachine",
    "Timer",
    "WallClock",
    "message_stream",
    "timed",
]
