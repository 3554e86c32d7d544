"""Predict: workloads, exact M/D/1 theory and a simulator of one thread with a queue.

Names load when they are first used, so that `import sim` costs next to nothing and loads no numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.checks import InvalidWorkload
    from sim.model import HoldTimes
    from sim.recording import RecordingError
    from sim.run import simulate
    from sim.theory import MD1, NoSteadyState
    from sim.trajectory import Trajectory
    from sim.workload import Workload

__all__ = [
    "MD1",
    "HoldTimes",
    "InvalidWorkload",
    "NoSteadyState",
    "RecordingError",
    "Trajectory",
    "Workload",
    "simulate",
]

_HOMES = {
    "MD1": "theory",
    "HoldTimes": "model",
    "InvalidWorkload": "checks",
    "NoSteadyState": "theory",
    "RecordingError": "recording",
    "Trajectory": "trajectory",
    "Workload": "workload",
    "simulate": "run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sim' has no attribute {name!r}")
    return getattr(import_module(f"sim.{_HOMES[name]}"), name)
