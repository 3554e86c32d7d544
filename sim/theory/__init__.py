"""Closed forms of queues with one server and their neighbours, each with its source.

Everything here is about a steady state, as of a system that has run for ever, unless it says otherwise; where there
is none, NoSteadyState says so.
"""

from sim.theory.domain import NoSteadyState
from sim.theory.md1 import MD1
from sim.theory.mg1 import MG1, MM1

__all__ = ["MD1", "MG1", "MM1", "NoSteadyState"]
