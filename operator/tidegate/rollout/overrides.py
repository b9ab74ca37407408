"""Policies that people let one rollout through, for all of it and for no other (api.md, 9.3).

Whoever is in `overrides.approverGroups` of a policy approves the gate `policy-override` and says why. It
is written into the rollout and told by an Event; from then on the policy holds this rollout by its gates
and its kill switch only. Every policy has to be let through by people of its own. Source: docs/adr/0094.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tidegate import model
from tidegate.model.policy import OVERRIDES_MAX_ITEMS
from tidegate.policy import approvals, exemptions
from tidegate.rollout.turn import Turn

EVENT = "Overridden"


def heard(turn: Turn) -> Turn:
    """Write down what people have let the running rollout through, once for each policy."""
    rollout = turn.active_rollout
    if rollout is None or rollout.ending or not turn.seen.approvals.given:
        return turn
    found = tuple(_new(turn, rollout))[: OVERRIDES_MAX_ITEMS - len(rollout.overrides)]
    for one in found:
        turn = turn.warn(EVENT, exemptions.override_text(one))
    overrides = (*rollout.overrides, *found)
    return turn.with_rollout(replace(rollout, overrides=overrides)) if found else turn


def _new(turn: Turn, rollout: model.Rollout) -> Iterator[model.Override]:
    known = {it.policy for it in rollout.overrides}
    given = turn.seen.approvals
    matter = approvals.Asked(rollout=rollout, problem=given.problem)
    for policy in turn.seen.policies:
        if policy.id in known or policy.problem:
            continue
        one = approvals.overriding(policy.override_groups, given.given, matter, at=turn.now)
        if one is not None:
            yield model.Override(
                policy=policy.id, by=one.username, at=turn.now, comment=one.comment[:256]
            )
