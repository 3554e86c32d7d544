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
    recorded: int | None = None  # messages that a recording holds: no run can have more

    def workload(self, rate_per_s: float, messages: int) -> Workload:
        """Return a workload of this rate; of a recording the first messages, stretched so that *they* have it."""
        made = self._workload(rate_per_s, messages)
        own = made.offered_rate_per_s
        if made.arrivals_kind != "trace" or own is None or own == rate_per_s:
            return made
        return self._workload(rate_per_s * rate_per_s / own, messages)

    def _workload(self, rate_per_s: float, messages: int) -> Workload:
        return Workload(
            rate_per_s=rate_per_s,
            service_s=self.service_s,
            messages=min(messages, self.recorded or messages),
            arrivals=self.arrivals,
            workers=self.workers,
            popularity=self.popularity,
            seed=self.seed,
        )


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
