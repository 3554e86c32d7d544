"""One file an experiment; whatever file is here is one, and nothing else needs to know of it."""

from importlib import import_module
from pkgutil import iter_modules
from typing import cast

from compare.experiment import Experiment

ORDER = ("throughput", "service", "queries", "workers", "ordering", "backpressure", "arrivals", "work", "gil")


def names() -> list[str]:
    """Return the names of all experiments: first those that a newcomer should read first, then any others."""
    found = sorted(module.name for module in iter_modules(__path__))
    return sorted(found, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


def load(name: str) -> Experiment:
    """Return the experiment of a name, one of `names()`."""
    return cast(Experiment, import_module(f"compare.experiments.{name}"))
