"""What of a rollout will not fit into the quotas of its namespace and onto the devices of its nodes.

A warning with the numbers before it starts, and never a reason to wait: who else needs room, and what
an autoscaler of nodes adds, is not known here. Source: issue 14, 4; ADR 0066.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from tidegate import model
from tidegate.model import objects
from tidegate.revisions import requests
from tidegate.rollout.strategy.compile import scaling_at
from tidegate.rollout.turn import Turn
from tidegate.traffic.plane import plane_of
from tidegate.traffic.sizing.limits import limits

MISSING = "RoomMissing"


def missing(turn: Turn) -> str:
    """What does not fit of the rollout that has yet to reach anybody; empty where all does.

    What was said once stays until it fits, however far the rollout has come meanwhile.
    """
    rollout, room = turn.active_rollout, turn.seen.room
    if rollout is None or room is None or rollout.ending:
        return ""
    told = any(one.type == MISSING for one in turn.seen.status.conditions)
    if rollout.begun and not told:
        return ""
    return text(turn.spec, rollout.plan, room=room, serves=bool(turn.stable))


def text(spec: model.Spec, plan: Sequence[model.Stage], *, room: model.Room, serves: bool) -> str:
    """What does not fit of a rollout of this plan, in words; `serves` says that a version does now."""
    if not room.quotas and (room.nodes is None or not requests.devices(spec.template)):
        return ""  # nothing that is known here limits it
    most = spec.replicas + (_added(spec, plan) if serves else 0)
    found = (*_quotas(spec, room, more=max(most - room.pods, 0)), *_devices(spec, room, most=most))
    if not found:
        return ""
    return (
        f"{'; '.join(found)}. The rollout begins all the same and waits where pods do not come: make "
        "room, or have it add fewer pods (strategy.scaling)"
    )


def _added(spec: model.Spec, plan: Sequence[model.Stage]) -> int:
    """Pods of both versions at once beyond `replicas`: within the surge, or as least sizes ask for."""
    surge = limits(spec.replicas, scaling=spec.scaling).surge_pods
    return max((_added_by(stage, spec, surge=surge) for stage in plan), default=0)


def _added_by(stage: model.Stage, spec: model.Spec, *, surge: int) -> int:
    sizing, scaling, replicas = plane_of(spec.traffic).sizing, spec.scaling, spec.replicas
    exposure = stage.exposure
    needed = sizing.candidate_needed(
        exposure.load_percent, replicas=replicas, scaling=scaling_at(stage, spec=spec)
    )
    needed = max(needed, scaling_at(stage, spec=spec).candidate_pods or 0)
    within = min(surge, needed)
    if scaling.lends:
        return within
    beside = sizing.stable_pods(exposure.live_percent, replicas=replicas, scaling=scaling)
    drains = min(replicas, 1)  # the last of the old ones, beside all of the new ones
    return max(within, needed + beside - replicas, drains)


def _quotas(spec: model.Spec, room: model.Room, *, more: int) -> Iterator[str]:
    """What the quotas of the namespace have left, where that is less than the pods to come need."""
    amounts = requests.counted(spec.template)
    for quota in room.quotas:
        for name, left in sorted(quota.left.items()):
            needed = more * amounts.get(name, Decimal(0))
            if needed > left:
                yield (
                    f"ResourceQuota {quota.name} has {_number(left)} of {name} left, and {more} more pods "
                    f"need {_number(needed)}"
                )


def _devices(spec: model.Spec, room: model.Room, *, most: int) -> Iterator[str]:
    """Pods at once that even empty nodes would not have the devices for."""
    wanted = requests.devices(spec.template)
    if not wanted or room.nodes is None or not spec.template:
        return
    nodes = [node for node in room.nodes if _is_chosen(node, spec.template)]
    fit = sum(_fits(node, wanted) for node in nodes)
    if fit < most:
        each = ", ".join(f"{_number(amount)} {name}" for name, amount in sorted(wanted.items()))
        yield (
            f"the {len(nodes)} nodes that may be used have devices for {fit} pods ({each} each), and there "
            f"will be {most} at once"
        )


def _is_chosen(node: model.Node, template: model.Document) -> bool:
    asked = objects.mapping(objects.at(template, "spec", "nodeSelector"))
    return all(node.labels.get(name) == value for name, value in asked.items())


def _fits(node: model.Node, wanted: requests.Amounts) -> int:
    return min(int(node.allocatable.get(name, Decimal(0)) // one) for name, one in wanted.items())


def _number(amount: Decimal) -> str:
    """Plain digits without needless zeros."""
    return f"{amount.normalize():f}"
