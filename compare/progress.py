"""Progress: a bar with the time left on a terminal; a line for each step elsewhere."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn


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
        if self.console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, what: str, step_s: float) -> None:
        """Say what is being done now, and for how long it is expected to take."""
        self._step_s = step_s
        self._bar.update(self._task, description=f"{what:<34}")
        if not self.console.is_terminal:
            self.console.print(f"{what} …", style="dim")
        self.passed(0.0)

    def passed(self, seconds: float) -> None:
        """Note that so much of the step has passed."""
        done_s = self._done_s + min(seconds, self._step_s)
        left_s = max(self.planned_s - done_s, 0.0)
        self._bar.update(self._task, completed=done_s, left=f"{left_s // 60:.0f}:{left_s % 60:02.0f} left")

    def end(self) -> None:
        """Note that the step is over."""
        self.passed(self._step_s)
        self._done_s += self._step_s
        self._step_s = 0.0

    def more(self, seconds: float) -> None:
        """Plan so many more."""
        self.planned_s += seconds
        self._bar.update(self._task, total=self.planned_s)
