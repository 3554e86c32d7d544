"""Settings of all tests."""

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

if sys.dont_write_bytecode:
    # Tests start some two hundred processes. Each would compile all that it loads, for longer than it then runs, so
    # they keep what is compiled where it disturbs nobody.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(Path(__file__).parents[1] / ".cache" / "bytecode")

# No deadline and no complaint about slowness: the machine's speed is not what is tested. The continuous build tries
# the same examples each time; elsewhere new ones are looked for.
settings.register_profile(
    "lab", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("lab")
