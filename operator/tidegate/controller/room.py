"""What quotas and nodes have left, asked beside the pass while a rollout is under way.

Nobody has to give the operator these rights: what cannot be read says nothing, and is asked for again
only after a while. Pods of others on the nodes are not read, as that would be every pod of the cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from tidegate import model, ports
from tidegate.controller.background import Background
from tidegate.controller.workqueue import Key
from tidegate.model import objects
from tidegate.revisions import requests

AGAIN_SECONDS = 60.0
UNREAD_SECONDS = 600.0  # who lacks the rights gets them seldom
_LEFT_OUT = frozenset({"Terminating", "BestEffort", "PriorityClass", "CrossNamespacePodAffinity"})


@dataclass(slots=True, kw_only=True)
class _Known:
    """The newest answer for one rollout, and when to ask again (monotonic seconds)."""

    rollout: str
    due_at: float = 0.0
    room: model.Room | None = None
    asking: bool = False


class Rooms:
    """The newest answer for each rollout. Must be used from one event loop."""

    def __init__(self, *, api: ports.KubeApi, clock: ports.Clock, background: Background) -> None:
        self._api = api
        self._clock = clock
        self._background = background
        self._known: dict[Key, _Known] = {}

    def newest(self, key: Key, seen: model.Observation) -> model.Room | None:
        """What was read last for the rollout under way; never waits."""
        rollout = seen.status.active_rollout
        if rollout is None or seen.spec is None or seen.meta.deleting:
            self.forget(key)
            return None
        known = self._known.get(key)
        if known is None or known.rollout != rollout.id:
            known = self._known[key] = _Known(rollout=rollout.id)
        if not known.asking and self._clock.monotonic() >= known.due_at:
            known.asking = True
            pods = sum(state.pods for state in seen.revisions.values())
            with_nodes = bool(requests.devices(seen.spec.template))
            self._background.spawn(
                self._ask(key, known, pods=pods, with_nodes=with_nodes), name="room"
            )
        return known.room

    def forget(self, key: Key) -> None:
        """No rollout is under way here."""
        self._known.pop(key, None)

    async def _ask(self, key: Key, known: _Known, *, pods: int, with_nodes: bool) -> None:
        try:
            room = await read_room(
                self._api, namespace=key.namespace, pods=pods, with_nodes=with_nodes
            )
        finally:
            known.asking = False
            known.due_at = self._clock.monotonic() + UNREAD_SECONDS
        if room is None:
            return
        known.due_at = self._clock.monotonic() + AGAIN_SECONDS
        if room != known.room:
            known.room = room
            self._background.wake(key)


async def read_room(
    api: ports.KubeApi, *, namespace: str, pods: int, with_nodes: bool
) -> model.Room | None:
    """What there is room for; None where nothing of it may be read."""
    listed = await api.list_objects(ports.RESOURCE_QUOTA, namespace=namespace, label_selector="")
    quotas = _quotas(listed.value) if isinstance(listed, ports.Ok) else None
    nodes: tuple[model.Node, ...] | None = None
    if with_nodes:
        found = await api.list_objects(ports.NODE, namespace="", label_selector="")
        nodes = _nodes(found.value) if isinstance(found, ports.Ok) else None
    if quotas is None and nodes is None:
        return None
    return model.Room(pods=pods, quotas=quotas or (), nodes=nodes)


def _quotas(bodies: list[ports.Object]) -> tuple[model.Quota, ...]:
    """Those that count every pod of a Deployment, by name."""
    found = (
        model.Quota(name=objects.object_name(body), left=_left(body))
        for body in bodies
        if not _is_for_others(body)
    )
    return tuple(sorted(found, key=lambda quota: quota.name))


def _is_for_others(body: ports.Object) -> bool:
    """It counts only some pods, by what this operator does not look at."""
    scopes = objects.items(objects.at(body, "spec", "scopes"))
    by_selector = objects.items(objects.at(body, "spec", "scopeSelector", "matchExpressions"))
    return bool(by_selector) or any(objects.text(scope) in _LEFT_OUT for scope in scopes)


def _left(body: ports.Object) -> Mapping[str, Decimal]:
    """Of each resource what its quota allows beyond what is used; one without a status has none."""
    hard = objects.mapping(objects.at(body, "status", "hard"))
    used = objects.mapping(objects.at(body, "status", "used"))
    found: dict[str, Decimal] = {}
    for name, value in hard.items():
        allowed, taken = model.quantity(value), model.quantity(used.get(name, "0"))
        if allowed is not None and taken is not None:
            found[name] = max(allowed - taken, Decimal(0))
    return found


def _nodes(bodies: list[ports.Object]) -> tuple[model.Node, ...]:
    """Those that take new pods."""
    taking = (body for body in bodies if objects.at(body, "spec", "unschedulable") is not True)
    return tuple(
        model.Node(
            labels=_texts(objects.at(body, "metadata", "labels")),
            allocatable=_amounts(objects.at(body, "status", "allocatable")),
        )
        for body in sorted(taking, key=objects.object_name)
    )


def _texts(found: model.Json) -> Mapping[str, str]:
    return {name: objects.text(value) for name, value in objects.mapping(found).items()}


def _amounts(found: model.Json) -> Mapping[str, Decimal]:
    """Devices alone: cpu and memory that are free stand in no node."""
    read = {name: model.quantity(value) for name, value in objects.mapping(found).items()}
    return {name: it for name, it in read.items() if it is not None and "/" in name}
