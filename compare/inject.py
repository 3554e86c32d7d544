"""Injections: a server made different from what was predicted, to see that a difference is seen."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sim.checks import BOUNDS
from sim.command import UsageError
from sim.workload import ORDERS, Workload

REMEDY = "write service=1.05 (times slower), dispatch-ms=0.3 (more of it) or order=round-robin"


@dataclass(frozen=True, slots=True)
class Injection:
    """What the real thing is made to do otherwise, after it was calibrated; nothing told the prediction of it."""

    service: float = 1.0
    dispatch_ms: float = 0.0
    order: str | None = None

    def __bool__(self) -> bool:
        return self != Injection()

    @property
    def flags(self) -> list[str]:
        """Words that the real thing's command gets on top."""
        return ["--dispatch-ms", repr(self.dispatch_ms)] if self.dispatch_ms else []

    def applied(self, words: Sequence[str]) -> list[str]:
        """Return the workload's words, changed."""
        pairs = dict(zip(words[::2], words[1::2], strict=True))
        if self.service != 1.0:
            pairs["--service-ms"] = repr(float(pairs["--service-ms"]) * self.service)
        if self.order:
            pairs["--order"] = self.order
        return [word for pair in pairs.items() for word in pair]

    def check(self, workloads: Iterable[Workload]) -> None:
        """Refuse, before anything is calibrated, what would make a workload one that cannot be run."""
        bounds = BOUNDS["service_s"]
        for service_s in sorted({workload.service_s or 0.0 for workload in workloads}):
            if not bounds.low <= service_s * self.service <= bounds.high:
                raise UsageError(
                    f"--inject {self.described}: messages of {service_s * 1e3:g} ms would take "
                    f"{service_s * self.service * 1e3:g} ms; write a number that leaves 1e-3 to 1e5 ms"
                )

    @property
    def described(self) -> str:
        """What is injected, as it was typed."""
        return " ".join(
            text
            for text, given in (
                (f"service={self.service:g}", self.service != 1.0),
                (f"dispatch-ms={self.dispatch_ms:g}", self.dispatch_ms),
                (f"order={self.order}", self.order),
            )
            if given
        )


def injection_from(words: Sequence[str]) -> Injection:
    """Return what `--inject` says; UsageError names what it does not understand.

    >>> injection_from(["service=1.05", "order=round-robin"]).described
    'service=1.05 order=round-robin'
    """
    found: dict[str, object] = {}
    for word in words:
        name, _, text = word.partition("=")
        if name.replace("-", "_") in found:
            raise UsageError(f"--inject {word}: {name} is given twice; give it once")
        if name == "order" and text in ORDERS:
            found["order"] = text
        elif name in ("service", "dispatch-ms") and (number := _positive(text)):
            found[name.replace("-", "_")] = number
        else:
            raise UsageError(f"--inject {word}: {REMEDY}")
    return Injection(**found)  # type: ignore[arg-type]


def _positive(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0.0 < number <= 1e5 else None
