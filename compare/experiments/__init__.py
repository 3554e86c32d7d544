"""One file an experiment; whatever file is here is one, and nothing else needs to know of it."""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType


def names() -> list[str]:
    """Return the names of all experiments."""
    return sorted(module.name for module in iter_modules(__path__))


def load(name: str) -> ModuleType:
    """Return the experiment of a name, one of `names()`.

    An experiment has QUESTION; `workloads(options)`, the runs it compares, by label; `judge_points(run)`, the points of
    one of them; `figures(directory, runs)`; and `answer(runs, points)`.
    """
    return import_module(f"compare.experiments.{name}")
