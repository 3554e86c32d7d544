"""The real thing: one thread, blocking I/O, state in memory, nothing but the standard library."""

from real.loop import Loop
from real.machine import StateMachine
from real.message import Message
from real.metrics import Metrics, Timer, timed
from real.query import Queries
from real.router import Router
from real.source import message_stream

__all__ = ["Loop", "Message", "Metrics", "Queries", "Router", "StateMachine", "Timer", "message_stream", "timed"]
