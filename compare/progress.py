"""Time: what would take too long; and how much is left, as a bar on a terminal and with each step's line elsewhere."""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from sim import InvalidWorkload
from sim.command import UsageError
from sim.units import lasting

if TYPE_CHECKING:
    from compare.experiment import Options

MOST_S = 2 * 3600.0  # that a comparison may take: what is planned for longer was not meant
CANNOT_BE = {"rate_per_s": "more than 1e6 messages/s", "service_s": "messages of more than 100 s"}
FEWER = "fewer messages (--messages, --duration) or shorter ones (--service-ms)"

TakesS = Callable[["Options"], float]


def check_time(asked: str, takes_s: TakesS, options: "Options", others: Iterable[tuple[str, "Options"]]) -> None:
    """Refuse what no run can be, and what would take longer than MOST_S, before anything is calibrated.

    `others` could be asked for instead, and are tried in their order: what is advised has to help.
    """
    try:
        planned_s = takes_s(options)
        if planned_s <= MOST_S:
            return
        why = f"would take about {lasting(planned_s)}, and {lasting(MOST_S)} is the most"
    except InvalidWorkload as error:
        if error.field == "arrivals":
            raise UsageError(f"--arrivals {error.value}: {error.remedy}") from None
        why = f"would need {CANNOT_BE.get(error.field, 'more than can be held in memory')}"
    remedy = next((what for what, other in others if _is_short(takes_s, other)), FEWER)
    raise UsageError(f"{asked} {why}; give {remedy}")


def _is_short(takes_s: TakesS, options: "Options") -> bool:
    try:
        return takes_s(options) <= MOST_S
    except InvalidWorkload:
        return False


def others_near(options: "Options") -> list[tuple[str, "Options"]]:
    """Return what else could be asked for: other arrivals, fewer runs, or the nearest of round service times."""
    plain = replace(options, arrivals="poisson", recorded=None, trace=None)
    own_ms = options.service_s * 1e3
    round_ms = [float(f"{digit}e{power}") for power in range(-3, 5) for digit in (1, 2, 5)]
    nearest = sorted(round_ms, key=lambda ms: abs(math.log(ms / own_ms)))
    times = [(f"--service-ms {'at most' if ms < own_ms else 'at least'} {ms:g}", ms / 1e3) for ms in nearest]
    shorter = [(what, replace(plain, service_s=service_s)) for what, service_s in times]
    return [("other --arrivals", plain), ("--quick", replace(plain, quick=True)), *shorter]


def clock(seconds: float) -> str:
    """Return a time as minutes and seconds.

    >>> clock(9.0), clock(119.6), clock(4530.0)
    ('0:09', '2:00', '75:30')
    """
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02}"


class Watch:
    """Counts planned seconds down; `console` is where lines go, above the bar."""

    def __init__(self, console: Console, planned_s: float) -> None:
        self.console = console
        self.planned_s, self._done_s, self._step_s = planned_s, 0.0, 0.0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[left]}"),
            console=console,
            transient=True,
            refresh_per_second=2,  # drawing is work too, and the machine has better to do
        )
        self._task = self._bar.add_task("", total=planned_s, left="")

    def __enter__(self) -> "Watch":
        if self.console.is_interactive:  # on others a bar cannot be drawn over itself
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.console.is_interactive:  # elsewhere, a bar that never was ends in an empty line
            self._bar.stop()

    def begin(self, what: str, step_s: float) -> None:
        """Say what is being done now, and for how long it is expected to take."""
        self._step_s = step_s
        self._bar.update(self._task, description=f"{what:<34}")
        self.passed(0.0)
        if not self.console.is_interactive:
            left = clock(self._left_s(0.0))
            self.console.print(f"{what} … ({left} left)", style="dim", markup=False, soft_wrap=True)

    def passed(self, seconds: float) -> None:
        """Note that so much of the step has passed."""
        left_s = self._left_s(seconds)
        self._bar.update(self._task, completed=self.planned_s - left_s, left=f"{clock(left_s)} left")

    def _left_s(self, passed_s: float) -> float:
        """Return what is left of the plan when so much of the step has passed: of one that lasts longer, no less."""
        return max(self.planned_s - self._done_s - min(passed_s, self._step_s), 0.0)

    def end(self) -> None:
        """Note that the step is over."""
        self.passed(self._step_s)
        self._done_s += self._step_s
        self._step_s = 0.0

    def more(self, seconds: float) -> None:
        """Plan so many more."""
        self.planned_s += seconds
        self._bar.update(self._task, total=self.planned_s)
