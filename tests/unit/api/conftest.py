"""Properties are judged by their outcome, not by the speed of a busy machine."""

from __future__ import annotations

import hypothesis

hypothesis.settings.register_profile(
    "tidegate", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("tidegate")
