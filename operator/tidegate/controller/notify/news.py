"""A piece of news: what happened to a rollout, as facts, and who wants to be told of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tidegate import model
from tidegate.model import actions
from tidegate.policy.selectors import fits

LONGEST_MESSAGE = 1024
# Users were answered wrong or not at all, or a version is rejected.
ERRORS = frozenset(
    {"FailedOver", "RevisionRejected", "RollbackStarted", "RolledBack", "StableLost"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A revision in a message; empty texts where there is none."""

    revision: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """An Event of a ModelDeployment, and how its rollout stands. `weight` is in percent.

    `id` follows from what is told and when, so receivers can drop what they know. `record` names the
    RolloutRecord of the rollout that ended last.
    """

    id: str
    at: datetime
    event: str
    severity: model.Severity
    message: str
    namespace: str
    name: str
    uid: str
    phase: str = ""
    rollout: str = ""
    step: str = ""
    weight: float = 0.0
    stable: Side = Side()
    candidate: Side = Side()
    record: str = ""

    @property
    def told(self) -> tuple[str, str, str]:
        """What makes two pieces the same, whenever they come."""
        return self.uid, self.event, self.message


def news_of(
    event: actions.Event, *, meta: model.ObjectMeta, status: model.Status, at: datetime
) -> News:
    """What there is to tell of a decision that stands."""
    rollout, stable = status.rollout, status.stable
    message = printable(event.message)[:LONGEST_MESSAGE]
    told = f"{meta.uid} {event.reason} {message} {at:%Y-%m-%dT%H:%M:%S.%fZ}"
    return News(
        id=hashlib.sha256(told.encode()).hexdigest()[:32],
        at=at,
        event=event.reason,
        severity=severity_of(event),
        message=message,
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        phase=str(status.phase),
        rollout=rollout.id if rollout is not None else "",
        step=rollout.step.name if rollout is not None and rollout.step is not None else "",
        weight=rollout.exposure.live_percent if rollout is not None else 0.0,
        stable=_side(stable.revision, stable.model_version) if stable is not None else Side(),
        candidate=_candidate(rollout),
        record=status.last_rollout.record if status.last_rollout is not None else "",
    )


def _candidate(rollout: model.Rollout | None) -> Side:
    if rollout is None:
        return Side()
    return _side(rollout.revision.hash, rollout.revision.model_version)


def _side(revision: str, version: str) -> Side:
    return Side(revision=revision, version=printable(version))


def severity_of(event: actions.Event) -> model.Severity:
    """How much an Event matters."""
    if event.reason in ERRORS:
        return model.Severity.ERROR
    warns = event.type is actions.EventType.WARNING
    return model.Severity.WARN if warns else model.Severity.INFO


def wants(provider: model.NotificationProvider, news: News, *, labels: Mapping[str, str]) -> bool:
    """Whether the provider asks for this news of an object with these labels."""
    return (
        not provider.problem
        and (not provider.events or news.event in provider.events)
        and news.severity.rank >= provider.min_severity.rank
        and (not provider.names or news.name in provider.names)
        and fits(provider.selector, labels)
    )


def printable(text: str) -> str:
    """The text without control characters, which could forge lines of a message (T14)."""
    return "".join(it if it.isprintable() else " " for it in text)
