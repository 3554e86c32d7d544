"""Where formulas hold: what is asked outside is refused, with the reason and with what to ask instead."""

import math
from numbers import Real


class NoSteadyState(ValueError):  # noqa: N818 - it reads as what it is
    """A question about a steady state, asked of a queue that has none."""

    def __init__(self, rate_per_s: float, service_s: float, servers: int = 1) -> None:
        rho, each = rate_per_s * service_s / servers, f" / {servers} servers" if servers > 1 else ""
        instead = "the queue grows, ask for .queue_growth_per_s"
        if rho == 1.0:
            instead = "the queue grows, though at no rate: like the square root of time, ask sim.theory.Transient"
        super().__init__(
            f"rate {rate_per_s:g}/s × service {service_s * 1e3:g} ms{each} = utilization {rho:g}: no steady state; "
            f"{instead}, or keep the rate below {servers / service_s:g}/s"
        )


def check_queue(rate_per_s: float, service_s: float) -> None:
    """Raise a ValueError for what is no rate or no service time: each must be positive and finite."""
    for name, value in (("rate_per_s", rate_per_s), ("service_s", service_s)):
        if isinstance(value, bool) or not isinstance(value, Real) or not (0.0 < value < math.inf):
            raise ValueError(f"{name}={value!r}: must be positive and finite")
