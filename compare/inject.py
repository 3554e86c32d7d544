"""Injections: a server made different from what was predicted, to see that a difference is seen."""

from collections.abc import Sequence
from dataclasses import dataclass

from sim.command import UsageError
from sim.workload import ORDERS

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
