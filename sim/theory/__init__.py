"""Closed forms of queues with one server and their neighbours, each with its source.

Everything here is about a steady state, as of a system that has run for ever, unless it says otherwise; where there
is none, NoSteadyState says so.
"""

from sim.theory.capacity import processes_needed, rate_sustained, servers_needed, service_needed
from sim.theory.domain import NoSteadyState
from sim.theory.exponential import MM1, MMc
from sim.theory.md1 import MD1
from sim.theory.mdc import MDc
from sim.theory.mg1 import DD1, MG1
from sim.theory.priority import Priority, PriorityClass
from sim.theory.transient import Transient
from sim.theory.variability import (
    Dispersion,
    dispersion,
    dispersion_of_counts,
    gap_scv,
    kingman_bound_s,
    kingman_wait_s,
)

__all__ = [
    "DD1",
    "MD1",
    "MG1",
    "MM1",
    "Dispersion",
    "MDc",
    "MMc",
    "NoSteadyState",
    "Priority",
    "PriorityClass",
    "Transient",
    "dispersion",
    "dispersion_of_counts",
    "gap_scv",
    "kingman_bound_s",
    "kingman_wait_s",
    "processes_needed",
    "rate_sustained",
    "servers_needed",
    "service_needed",
]
