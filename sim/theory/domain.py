"""Where formulas hold: what is asked outside is refused, with the reason and with what to ask instead."""

import math


class NoSteadyState(ValueError):  # noqa: N818 - it reads as what it is
    """A question about a steady state, asked of a queue that has none."""

    def __init__(self, rate_per_s: float, service_s: float, servers: int = 1) -> None:
        rho, each = rate_per_s * service_s / servers, f" / {servers} servers" if servers > 1 else ""
        super().__init__(
            f"rate {rate_per_s:g}/s × service {service_s * 1e3:g} ms{each} = utilization {rho:g}: no steady state; "
            f"the queue grows, ask for .queue_growth_per_s, or keep the rate below {servers / service_s:g}/s"
        )


def check_queue(rate_per_s: float, service_s: float) -> None:
    """Raise a ValueError for what is no rate or no service time: each must be positive and finite."""
    for name, value in (("rate_per_s", rate_per_s), ("service_s", service_s)):
        if not (0.0 < value < math.inf):
            raise ValueError(f"{name}={value!r}: must be positive and finite")
