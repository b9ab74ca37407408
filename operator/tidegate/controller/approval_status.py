"""What the operator says on RolloutApprovals: whether each counts, and what to do where it does not.

One look at all of them every few seconds; a status is written where it differs from the one that
stands there. No gate depends on it. Source: api.md, 10.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from tidegate import model, ports
from tidegate.api import approvals
from tidegate.controller.approvals import Approvals, read
from tidegate.controller.dependencies import Ref
from tidegate.controller.said_beside import SaidBeside, condition, said_of
from tidegate.controller.store import Entry, Store
from tidegate.controller.workqueue import Key
from tidegate.policy.approvals import rulings
from tidegate.rollout.approvals import asked

_KIND = ports.ROLLOUT_APPROVAL
CONDITION = "Counts"


class ApprovalStatuses:
    """Keeps the status of every RolloutApproval up to date while this process leads."""

    def __init__(
        self,
        *,
        said: SaidBeside,
        store: Store,
        clock: ports.Clock,
        approvals: Approvals,
    ) -> None:
        self._said = said
        self._store = store
        self._clock = clock
        self._approvals = approvals

    async def run(self) -> None:
        """Look for ever."""
        await self._said.look_for_ever(self.look)

    async def look(self) -> None:
        """Write what has changed of each. Errors: none; a failed write is reported once."""
        now = self._clock.now()
        found: dict[Key, Mapping[str, model.Ruling]] = {}

        def news(ref: Ref, entry: Entry) -> ports.Object | None:
            named = Key(ref.namespace, approvals.model_deployment(entry.snapshot))
            if named not in found:
                found[named] = self._rulings(named, at=now)
            one = entry.read(read)
            ruling = found[named].get(ref.name) or _nobody(one, named)
            old = approvals.read_status(entry.snapshot.get("status"))
            new = status_of(one, ruling, old, at=now)
            return None if new == old else approvals.write_status(new)

        entries = [*self._store.entries(_KIND).items()]
        await self._said.write_each(entries, news, problem="approval_status_unwritten")

    def _rulings(self, named: Key, *, at: datetime) -> Mapping[str, model.Ruling]:
        entry = self._store.entry(Ref(ports.MODEL_DEPLOYMENT, named.namespace, named.name))
        if entry is None:
            return {}
        meta, status = said_of(entry)
        known = self._approvals.of(named)
        matter = asked(status.rollout, author=meta.author, problem=known.problem)
        return rulings(known.given, matter, at=at)


def _nobody(one: model.Approval, named: Key) -> model.Ruling:
    if one.problem:
        return model.Ruling(counts=False, reason="Invalid", message=one.problem)
    text = f"there is no ModelDeployment {named.name} in namespace {named.namespace}"
    return model.Ruling(counts=False, reason="NoModelDeployment", message=text)


def status_of(
    one: model.Approval, ruling: model.Ruling, old: model.ApprovalStatus, *, at: datetime
) -> model.ApprovalStatus:
    """What there is to say of a decision; equal to `old` where nothing has changed."""
    told = ("True" if ruling.counts else "False", ruling.reason, ruling.message)
    counts = condition(CONDITION, told, generation=one.generation, old=old.conditions, at=at)
    return model.ApprovalStatus(observed_generation=one.generation, conditions=(counts,))
