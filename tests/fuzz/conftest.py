"""Fixtures and Hypothesis' profiles: short for `make test`, long for `make fuzz`."""

import os
from typing import Any

from hypothesis import HealthCheck, settings

from tests.conformance.conftest import api
from tests.fixtures import configure, quick_passwords, storage

__all__ = ["api", "configure", "quick_passwords", "storage"]

# The fixtures of a test serve all its examples: rows and files add up, nothing clashes.
_COMMON: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
    ],
}
# The same examples each time: a finding should come of a change, not of luck.
settings.register_profile(
    "short", max_examples=60, derandomize=True, database=None, **_COMMON
)
settings.register_profile("long", max_examples=500, print_blob=True, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))
