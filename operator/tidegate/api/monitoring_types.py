"""The watch for the revision that serves, as users write it."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, Strict

from tidegate import model
from tidegate.api.durations import seconds_of
from tidegate.api.schema import DurationBetween, Part, Rule

# No user and no fragment; a receiver's own allow-list entry says whether http will do.
Url = Annotated[
    str,
    Field(
        max_length=2048,
        pattern=r"^https?://[A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[!-\x22$-~]*)?$",
    ),
]


Action = Annotated[model.OnDrift, Strict(strict=False)]
BreachAction = Annotated[model.WatchAction, Strict(strict=False)]


class DriftHook(Part):
    """Whom to ask for retraining, by a signed CloudEvent; its host must be allowed by the operator's settings."""

    url: Url = Field(
        description="Where it is posted. 2xx means yes; anything else, also a redirect, is a failure."
    )
    timeout: Annotated[str, DurationBetween("1s", "60s")] = Field(
        default="10s", description="Longest wait for the answer to one try."
    )
    retries: Annotated[int, Field(ge=0, le=10)] = Field(
        default=2,
        description="Further tries at once; after those it rests for an hour, while the drift lasts.",
    )
    cooldown: Annotated[str, DurationBetween("0s", "720h")] = Field(
        default="24h",
        description="Shortest time between two hooks; a drift that still lasts then calls one.",
    )


class OnDrift(Part):
    """What is done once a drift is found, beside telling of it."""

    action: Action = Field(
        default=model.OnDrift.ALERT,
        description=(
            "Alert: conditions and Events only; Hook: DataDrift and ConceptDrift also ask for retraining, once for each"
            " drift; Rollback: the revision that served before returns, once for each drift."
        ),
    )
    hook: DriftHook | None = Field(default=None, description="Whom to ask, with action Hook.")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V93",
            cel="(self.?action.orValue('Alert') == 'Hook') == has(self.hook)",
            message="action Hook needs hook, and no other action has one",
            field="hook",
            holds=lambda it: (it.action is model.OnDrift.HOOK) == (it.hook is not None),
        ),
    )


class OnBreach(Part):
    """What is done once a metric breaks its threshold for longer, beside telling of it."""

    action: BreachAction = Field(
        default=model.WatchAction.ALERT,
        description=(
            "Alert: condition and Event only; Rollback: the revision that served before returns, once for each"
            " breach, of metrics whose own onBreach is not Alert."
        ),
    )


class Monitoring(Part):
    """The watch for what serves, by training data, labels and thresholds; rests in a rollout."""

    window: Annotated[str, DurationBetween("10m", "168h")] = Field(
        default="1h",
        description=(
            "So much of the past is judged, anew twelve times in such a span, four scrapes apart at least."
        ),
    )
    false_alarms: Annotated[float, Field(gt=0, le=0.2)] = Field(
        default=0.01,
        description="Chance of a false alarm of any feature and metric within a week.",
    )
    on_drift: OnDrift | None = Field(
        default=None,
        description="What is done once a drift is found; without it, Alert.",
    )
    on_breach: OnBreach | None = Field(
        default=None,
        description="What is done once a threshold is broken; without it, Alert.",
    )


def read(given: Monitoring | None) -> model.Monitoring | None:
    """None where nothing is to be watched."""
    if given is None:
        return None
    return model.Monitoring(
        window_seconds=seconds_of(given.window),
        false_alarms=given.false_alarms,
        on_drift=given.on_drift.action if given.on_drift is not None else model.OnDrift.ALERT,
        on_breach=given.on_breach.action if given.on_breach else model.WatchAction.ALERT,
        hook=_hook(given.on_drift),
    )


def _hook(given: OnDrift | None) -> model.DriftHook | None:
    if given is None or given.hook is None:
        return None
    return model.DriftHook(
        url=given.hook.url,
        timeout_seconds=seconds_of(given.hook.timeout),
        retries=given.hook.retries,
        cooldown_seconds=seconds_of(given.hook.cooldown),
    )
