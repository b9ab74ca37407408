"""The watch for the revision that serves, as a spec asks for it. Source: ADR 0080."""

from __future__ import annotations

import enum
from dataclasses import dataclass

SLICES = 12  # of a window: each look brings another one


class OnDrift(enum.StrEnum):
    """What is done once a drift is found, beside telling of it."""

    ALERT = "Alert"
    HOOK = "Hook"
    ROLLBACK = "Rollback"


class WatchAction(enum.StrEnum):
    """What is done once a limit is broken, beside telling of it."""

    ALERT = "Alert"
    ROLLBACK = "Rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftHook:
    """Whom to ask for retraining: `retries` further tries at once, and `cooldown_seconds` between two hooks."""

    url: str
    timeout_seconds: float = 10.0
    retries: int = 2
    cooldown_seconds: float = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring:
    """What is watched of a revision that serves.

    The last `window_seconds` are judged, anew at each look. `false_alarms` is the chance, 0 to 1, of
    a false alarm of any metric within a week. `hook` is asked for retraining with `OnDrift.HOOK` only.
    """

    window_seconds: float = 3600.0
    false_alarms: float = 0.01
    on_drift: OnDrift = OnDrift.ALERT
    on_breach: WatchAction = WatchAction.ALERT
    hook: DriftHook | None = None

    @property
    def interval_seconds(self) -> float:
        """From look to look."""
        return self.window_seconds / SLICES
