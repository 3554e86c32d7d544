"""One prediction: theory, simulation with its interval, and how far runs like it scatter."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from sim.bands import ensemble_band
from sim.estimate import BATCHES, Batches, SampleBatches, intervals
from sim.nominal import PERCENTILES, Nominal, nominal
from sim.run import simulate
from sim.run_length import trusted_messages
from sim.size import IN_MEMORY, MOST_STORED, check_size, drawing_s, is_drawable, planned_messages
from sim.trajectory import Trajectory
from sim.units import digits, lasting
from sim.workload import Workload

# SimPy for as long as nobody has to wait for it, then compiled loops, then Monte Carlo without a stored workload.
MOST_SIMPY, MOST_REPLAYED = 100_000, 1_000_000
SIMPY, COMPILED, MONTE_CARLO = "SimPy", "compiled", "Monte Carlo"
NOTICED_S = 2.0  # from when on somebody wants to know how long it will take
LEAST = 2 * BATCHES  # messages without which there is no interval


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was predicted, by theory and by simulation; `trajectory` is None where no workload was stored."""

    workload: Workload
    servers: int
    theory: Nominal
    engine: str
    trajectory: Trajectory | None
    simulated: dict[str, Any]
    interval: dict[str, Any] | None
    band: dict[str, Any] | None

    def document(self) -> dict[str, Any]:
        """Return the workload, theory and simulation as JSON has them."""
        return {
            "workload": self._described(),
            "theory": self.theory.document(),
            "simulated": {
                **self.simulated,
                "engine": self.engine,
                "servers": self.servers,
                "interval": self.interval,
                "ensemble_band": self.band,
            },
        }

    @property
    def horizon_s(self) -> float:
        """How long messages arrive, s: of what is not stored, the duration asked for or the last arrival."""
        if self.trajectory is not None or self.workload.duration_s is not None:
            return self.workload.horizon_s
        worked_s = self.simulated["messages"] * self.simulated["processing_s"]["mean"]
        return float(worked_s / self.simulated["utilization"])

    def _described(self) -> dict[str, Any]:
        """Return the workload; of one that was not stored, the run's own length, and no digest."""
        if self.trajectory is not None:
            return self.workload.describe()
        own = {"duration_s": self.horizon_s, "messages": self.simulated["messages"], "digest": None}
        return asdict(self.workload) | own


def engine_for(workload: Workload, servers: int = 1) -> str:
    """Return the engine for a workload of this size; InvalidWorkload where none can run it."""
    planned = planned_messages(workload)
    if planned <= MOST_REPLAYED or not is_drawable(workload) or servers > 1:
        check_size(workload, MOST_STORED, IN_MEMORY)
        return SIMPY if planned <= MOST_SIMPY and servers == 1 else COMPILED
    return MONTE_CARLO


def effort(workload: Workload, engine: str) -> str | None:
    """Say what a large workload will take, before it is run; None where nobody has to wait.

    By what a message took on a machine of 2023: `drawing_s` where it is drawn, and 4 µs and 300 bytes stored.
    """
    planned = planned_messages(workload)
    stored = engine != MONTE_CARLO
    takes_s = 4e-6 * planned if stored else drawing_s(workload)
    if takes_s < NOTICED_S and planned <= MOST_REPLAYED:
        return None
    how = f"all stored: {digits(3e-4 * planned)} MB and" if stored else "none stored:"
    return f"{digits(planned)} messages, {how} about {lasting(max(takes_s, 1.0))}"


def predict(
    workload: Workload,
    servers: int = 1,
    *,
    engine: str | None = None,
    band: bool = True,
    on_progress: Callable[[float], object] = lambda share: None,
) -> Prediction:
    """Predict what a workload does to so many servers fed from one queue; the ensemble band only if wanted."""
    theory, engine = nominal(workload, servers), engine or engine_for(workload, servers)
    trusted = trusted_messages(workload, servers)
    # A recording is one run, of something that need not have a steady state.
    steady = bool(theory.stable) and workload.arrivals_kind != "trace"
    if engine == MONTE_CARLO and servers > 1:
        raise ValueError(f"servers={servers}: Monte Carlo has one; leave the engine to `engine_for`")
    if engine == MONTE_CARLO:
        from sim.montecarlo import monte_carlo  # noqa: PLC0415 - numba only where it is needed

        run = monte_carlo(workload, on_progress=on_progress)
        simulated, batches = run.metrics(), (run.wait_batches, run.latency_batches)
        # By duration, bursts may bring more or fewer messages than were expected, and the last batch has what is left.
        alike = run.batch_sizes.max() <= 1.5 * run.batch_sizes.min()
        interval = _interval(len(run), batches, trusted) if alike and steady else None
        return Prediction(workload, 1, theory, engine, None, simulated, interval, None)
    trajectory = simulate(workload, "simpy" if engine == SIMPY else "compiled", servers=servers)
    samples = SampleBatches(trajectory.wait_s), SampleBatches(trajectory.latency_s)
    interval = _interval(len(trajectory), samples, trusted) if steady else None
    simulated, around = trajectory.metrics(servers), ensemble_band(workload, servers) if band else None
    return Prediction(workload, servers, theory, engine, trajectory, simulated, interval, around)


def _interval(n: int, batches: tuple[Batches, Batches], trusted: int | None) -> dict[str, Any] | None:
    """Return 95 % intervals for the steady state, with the length of run from which on they keep their promise."""
    if n < LEAST:
        return None
    found = [intervals(which, tuple(PERCENTILES.items())) for which in batches]
    enough = None if trusted is None else n >= trusted
    return {"wait_s": found[0], "latency_s": found[1], "trusted": enough, "trusted_messages": trusted}
