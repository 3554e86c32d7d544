"""What an experiment is given: the user's options, and runs that were predicted and measured."""

from dataclasses import dataclass

from compare.measure import Measurement
from compare.predict import Prediction
from sim import Workload


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for."""

    quick: bool = False
    service_s: float = 0.005
    arrivals: str = "poisson"
    workers: int = 10
    popularity: str = "uniform"
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Run:
    """One workload, predicted and measured."""

    label: str
    prediction: Prediction
    measurement: Measurement

    @property
    def workload(self) -> Workload:
        """What was run."""
        return self.prediction.workload
