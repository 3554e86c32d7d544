"""The real thing: one thread, blocking I/O, state in memory, nothing but the standard library."""

from real.loop import Loop
from real.machine import StateMachine
from real.message import Message
from real.router import Router
from real.source import message_stream

__all__ = ["Loop", "Message", "Router", "StateMachine", "message_stream"]
