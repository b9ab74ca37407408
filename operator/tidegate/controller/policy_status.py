"""What the operator says on policies themselves: whether they can be read, whom they apply to.

One look at all of them every few seconds, from what the status of each ModelDeployment says; a
status is written where it differs from the one that stands there. Nothing depends on it: a write
that fails is tried again at the next look. An operator of some namespaces says nothing on cluster-wide
policies, where others would contradict it. Source: api.md, 9.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from tidegate import model, ports
from tidegate.api import policies
from tidegate.controller.dependencies import POLICY_KINDS, Ref
from tidegate.controller.policies import read
from tidegate.controller.rollbacks import Rollbacks
from tidegate.controller.said_beside import SaidBeside, Told, condition, said_of
from tidegate.controller.store import Entry, Store
from tidegate.model.policy import USERS_MAX_ITEMS
from tidegate.policy import breaker, exemptions
from tidegate.policy.selectors import id_of
from tidegate.policy.windows import freeze


@dataclass(slots=True)
class _Users:
    """ModelDeployments that a policy applies to, and those of them that break it."""

    matched: list[str] = field(default_factory=list)
    violating: list[str] = field(default_factory=list)


class PolicyStatuses:
    """Keeps the status of every policy up to date while this process leads."""

    def __init__(
        self,
        *,
        said: SaidBeside,
        store: Store,
        clock: ports.Clock,
        whole_cluster: bool,
        rollbacks: Rollbacks,
    ) -> None:
        self._said = said
        self._store = store
        self._clock = clock
        self._rollbacks = rollbacks
        self._kinds = POLICY_KINDS if whole_cluster else (ports.ROLLOUT_POLICY,)

    async def run(self) -> None:
        """Look for ever."""
        await self._said.look_for_ever(self.look)

    async def look(self) -> None:
        """Write what has changed of each policy. Errors: none; a failed write is reported once."""
        entries = [it for kind in self._kinds for it in self._store.entries(kind).items()]
        if not entries:
            return
        news = partial(self._news, self._users())
        await self._said.write_each(entries, news, problem="policy_status_unwritten")

    def _users(self) -> dict[tuple[str, str], _Users]:
        found: dict[tuple[str, str], _Users] = {}
        for ref, entry in sorted(self._store.entries(ports.MODEL_DEPLOYMENT).items(), key=_by_name):
            state = _state(entry)
            name = f"{ref.namespace}/{ref.name}"
            broken = {it.policy for it in state.violations}
            for source in state.sources:
                policy = id_of(source)
                namespace = "" if policy.startswith("Cluster") else ref.namespace
                users = found.setdefault((namespace, policy), _Users())
                users.matched.append(name)
                if policy in broken:
                    users.violating.append(name)
        return found

    def _news(
        self, users: Mapping[tuple[str, str], _Users], ref: Ref, entry: Entry
    ) -> ports.Object | None:
        own = users.get((ref.namespace, _id(ref))) or _Users()
        old = policies.read_status(entry.snapshot.get("status"))
        policy, at = entry.read(read), self._clock.now()
        closed = closed_by(policy, self._rollbacks.known(), at=at)
        new = status_of(policy, own.matched, own.violating, old, closed=closed, at=at)
        return None if new == old else policies.write_status(new)


def status_of(
    policy: model.Policy,
    matched: list[str],
    violating: list[str],
    old: model.PolicyStatus,
    *,
    closed: model.Freeze,
    at: datetime,
) -> model.PolicyStatus:
    """What there is to say of a policy at an instant; equal to `old` where nothing has changed."""
    others = [it for it in matched if it not in violating]
    return model.PolicyStatus(
        observed_generation=policy.generation,
        matched=len(matched),
        violating=len(violating),
        used_by=(*violating, *others)[:USERS_MAX_ITEMS],
        closed=bool(closed.closed_by),
        closed_by=closed.closed_by,
        changes_at=closed.changes_at,
        conditions=tuple(
            condition(name, told, generation=policy.generation, old=old.conditions, at=at)
            for name, told in _told(policy, at)
        ),
    )


def closed_by(
    policy: model.Policy, rollbacks: Sequence[model.RolledBack], *, at: datetime
) -> model.Freeze:
    """Whether its windows or its circuit breaker keep rollouts from going forward."""
    if policy.problem:
        return model.OPEN
    windows = freeze([policy], at)
    broken = next(breaker.tripped([policy], rollbacks, at), None)
    if broken is None or windows.closed_by:
        return windows
    text = f"{policy.id} ({breaker.RULE}: {broken.rollbacks} ModelDeployments were rolled back)"
    return model.Freeze(closed_by=text, changes_at=broken.until)


def _told(policy: model.Policy, at: datetime) -> Iterator[tuple[str, Told]]:
    yield "Accepted", _accepted(policy)
    if policy.exemptions:
        yield "ExemptionsCurrent", _exemptions(policy, at)


def _exemptions(policy: model.Policy, at: datetime) -> Told:
    over = [it for it in policy.exemptions if it.until <= at]
    named = ", ".join(f"{it.name} ({exemptions.instant(it.until)})" for it in over)
    text = f"ended, and exempts nobody any more: {named}; take it out, or name a later until"
    return ("False", "ExemptionEnded", text) if over else ("True", "Current", "")


def _accepted(policy: model.Policy) -> Told:
    if not policy.problem:
        return "True", "Accepted", ""
    return "False", "Invalid", f"{policy.problem}; rollouts that it applies to hold"


def _state(entry: Entry) -> model.PolicyState:
    _, status = said_of(entry)
    return status.policy or model.PolicyState()


def _id(ref: Ref) -> str:
    return f"{ref.kind.kind}/{ref.name}"


def _by_name(item: tuple[Ref, Entry]) -> tuple[str, str]:
    return item[0].namespace, item[0].name
