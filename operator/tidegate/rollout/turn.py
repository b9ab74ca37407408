"""A decision in the making: an immutable value that each rule takes and returns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tidegate import model
from tidegate.model.actions import Action, Event, EventType, SetTraffic
from tidegate.policy import exemptions
from tidegate.rollout.strategy.compile import scaling_at
from tidegate.traffic.plane import Plane, Weights, plane_of

IDLE_SECONDS = 600.0
RUNNING_SECONDS = 60.0
EVIDENCE_PATHS = ("spec.analysis.", "spec.strategy.shadow.compare")
CONFIRM_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What was seen, the status so far, and what is to be done. `spec` must be valid."""

    seen: model.Observation
    status: model.Status
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    rejections: tuple[str, ...] = ()
    requeue_after_seconds: float = IDLE_SECONDS

    @property
    def now(self) -> datetime:
        """The instant of the observation."""
        return self.seen.now

    @property
    def spec(self) -> model.Spec:
        """The valid spec; only rules that run for a valid spec may ask."""
        assert self.seen.spec is not None
        return self.seen.spec

    @property
    def desired(self) -> model.Revision:
        """The revision that the valid spec asks for; only rules that run for one may ask."""
        assert self.seen.desired is not None
        return self.seen.desired

    @property
    def rollout(self) -> model.Rollout:
        """The active rollout; only rules that run for one may ask."""
        rollout = self.active_rollout
        assert rollout is not None
        return rollout

    @property
    def active_rollout(self) -> model.Rollout | None:
        """The rollout that has no result yet, if any."""
        return self.status.active_rollout

    @property
    def policies(self) -> tuple[model.Policy, ...]:
        """Those that apply, without what the running rollout was let through."""
        return exemptions.overridden(self.seen.policies, self.active_rollout)

    @property
    def stable(self) -> str:
        """Hash of the serving revision, empty before the first one serves."""
        return self.status.stable.revision if self.status.stable is not None else ""

    @property
    def serving(self) -> str:
        """Hash of the revision that users are answered by when all is in order."""
        rollout = self.active_rollout
        promoted = rollout is not None and rollout.switched
        if rollout is None or not promoted or rollout.ending or rollout.withdrawn:
            return self.stable
        return rollout.revision.hash

    @property
    def hindrances(self) -> tuple[model.Violation, ...]:
        """Violations that forbid the present move.

        What is wrong with the evidence only matters where a step needs some: the first revision
        serves without, and so does one that is served already.
        """
        found, desired = self.seen.violations, self.seen.desired
        if self.stable and desired is not None and desired.hash != self.stable:
            return found
        return tuple(one for one in found if not one.path.startswith(EVIDENCE_PATHS))

    def served_before(self, revision: str) -> bool:
        """The revision served within the last `rollback.window.revisions` promotions."""
        window = self.spec.rollback.window_revisions
        return revision != self.stable and revision in self.status.served[: window + 1]

    @property
    def stable_lost(self) -> bool:
        """Stable has no Deployment."""
        return bool(self.stable) and self.stable not in self.seen.revisions

    @property
    def stalled_seconds(self) -> float:
        """Time since the active rollout's last progress."""
        return (self.now - self.rollout.progress_at).total_seconds()

    @property
    def plane(self) -> Plane:
        """The data plane of this turn; no rule asks for the name of its provider."""
        return plane_of(self.spec.traffic)

    @property
    def scaling(self) -> model.Scaling:
        """How pods follow the load in the active stage."""
        rollout = self.active_rollout
        stage = rollout.stage if rollout is not None else None
        return self.spec.scaling if stage is None else scaling_at(stage, spec=self.spec)

    @property
    def by_pods(self) -> bool:
        """The numbers of pods make the weight, so that no route carries it."""
        return self.plane.capabilities.weights is Weights.BY_POD

    @property
    def refusal(self) -> str:
        """Why weights that are written do not reach the target, for people; empty where they do."""
        blocked = self.seen.blocked
        return f"{blocked.reason}: {blocked.message}" if blocked else self.seen.traffic.obstacle

    @property
    def target_agrees(self) -> bool:
        """The target gives the candidate the exposure that is wanted; one that is gone gives none."""
        traffic, exposure = self.seen.traffic, self.rollout.exposure
        revision = self.rollout.revision.hash
        sent = [_matched(it) for it in traffic.by_header.get(revision, ())]
        same = sent == [_matched(route.headers) for route in exposure.routes]
        shown = not exposure.preview or self._is_shown
        there = traffic.exists or not exposure.is_visited
        share = traffic.weights.get(revision, 0.0)
        copied = traffic.mirrors.get(revision, 0.0)
        gives = abs(share - exposure.live_percent) < 1e-6
        return there and shown and same and gives and abs(copied - exposure.mirror_percent) < 1e-6

    @property
    def _is_shown(self) -> bool:
        """The preview Service selects the candidate, where there is to be one."""
        named = bool(self.spec.preview_service)
        return not named or self.seen.traffic.preview_revision == self.rollout.revision.hash

    @property
    def weight_stands(self) -> bool:
        """A step may be dated: evidence of a weight that a route has lost would begin too early.

        Of pods there may be too few for the weight, now and for ever.
        """
        return self.target_agrees or self.by_pods

    def state_of(self, revision: str) -> model.RevisionState | None:
        """Deployment and Service of a revision as seen."""
        return self.seen.revisions.get(revision)

    @property
    def moves_traffic(self) -> bool:
        """This pass already writes a split."""
        return any(isinstance(action, SetTraffic) for action in self.actions)

    def with_status(self, status: model.Status) -> Turn:
        """The same turn with another status."""
        return self if status == self.status else replace(self, status=status)

    def with_rollout(self, rollout: model.Rollout) -> Turn:
        """The same turn with another rollout in its status."""
        if rollout == self.status.rollout:
            return self
        return replace(self, status=replace(self.status, rollout=rollout))

    def act(self, *more: Action) -> Turn:
        """Add actions, in order."""
        return replace(self, actions=(*self.actions, *more)) if more else self

    def say(self, reason: str, message: str) -> Turn:
        """Add a Normal Event."""
        return self._event(EventType.NORMAL, reason, message)

    def warn(self, reason: str, message: str) -> Turn:
        """Add a Warning Event."""
        return self._event(EventType.WARNING, reason, message)

    def look_again(self, seconds: float) -> Turn:
        """Ask for the next look within `seconds`; the earliest wish wins."""
        soonest = max(seconds, 0.05)
        if soonest >= self.requeue_after_seconds:
            return self
        return replace(self, requeue_after_seconds=soonest)

    def look_at(self, instant: datetime | None) -> Turn:
        """Ask for a look at `instant`, if there is one; one that has passed asks for nothing."""
        if instant is None or instant <= self.now:
            return self
        return self.look_again((instant - self.now).total_seconds())

    def after(self, seconds: float) -> datetime:
        """The instant `seconds` from now."""
        return self.now + timedelta(seconds=seconds)

    def _event(self, kind: EventType, reason: str, message: str) -> Turn:
        event = Event(type=kind, reason=reason, message=message)
        return replace(self, events=(*self.events, event))


def weight_text(percent: float) -> str:
    """A weight for people: no needless decimals."""
    return f"{percent:g}"


def exposure_text(exposure: model.Exposure) -> str:
    """What a candidate gets, for people."""
    shown = exposure.preview and not exposure.live_percent
    share = f"{weight_text(exposure.live_percent)} %{routes_text(exposure)}"
    given = f"its preview{routes_text(exposure)}" if shown else share
    if exposure.mirror_percent <= 0:
        return given
    copies = f"copies of {weight_text(exposure.mirror_percent)} % of the requests"
    return f"{given} and {copies}" if shown or exposure.answers_users else copies


def routes_text(exposure: model.Exposure) -> str:
    """What goes to the candidate beside its weight, for people; empty where that is nothing."""
    names = ", ".join(route.name for route in exposure.routes)
    return f" and the requests of {names}" if names else ""


def _matched(headers: tuple[model.Header, ...]) -> list[tuple[str, str, str]]:
    """What requests must have, as planes compare it: names without case, in no order.

    Source: RFC 9110, 5.1. Some planes store names in lower case, or as the keys of a map.
    """
    return sorted((one.name.lower(), one.value, one.match.value) for one in headers)
