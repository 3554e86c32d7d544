"""Settings of all tests."""

import os

from hypothesis import HealthCheck, settings

# No deadline and no complaint about slowness: the machine's speed is not what is tested. The continuous build tries
# the same examples each time; elsewhere new ones are looked for.
settings.register_profile(
    "lab", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("lab")
