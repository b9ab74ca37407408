"""NetworkPolicies of shadows: made and deleted by a pass, looked at beside it.

They are not watched: a cluster in which nobody asks for one needs no rights for them.
Source: docs/adr/0072.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tidegate import model, ports
from tidegate.api import egress_types
from tidegate.controller.background import Background
from tidegate.controller.documents import plain
from tidegate.controller.polled import Polled
from tidegate.controller.status_writer import LEADERSHIP_LOST
from tidegate.controller.workqueue import Key
from tidegate.model import objects
from tidegate.revisions import isolation
from tidegate.rollout.isolation import LOOK_SECONDS, is_asked

KIND = ports.NETWORK_POLICY
SELECTOR = f"{objects.LABEL_COMPONENT}={isolation.COMPONENT}"
FIX = (
    "the operator needs list, create and delete of networkpolicies.networking.k8s.io in this namespace "
    "(chart value rbac.shadowEgress)"
)


@dataclass(slots=True, kw_only=True)
class _Known(Polled):
    """What was last seen of the policies of one object; a write of ours makes older looks worthless."""

    uid: str
    seen: model.Isolation | None = None
    writes: int = 0

    def learns(self, *, add: str = "", remove: str = "", refused: str = "") -> None:
        """What a write of ours came to."""
        self.writes += 1
        seen = self.seen or model.Isolation()
        revisions = (seen.revisions | {add}) - {remove, ""}
        self.seen = replace(seen, revisions=revisions, refused=refused)


class Isolations:
    """The policies of each ModelDeployment. Must be used from one event loop."""

    def __init__(
        self,
        *,
        api: ports.KubeApi,
        clock: ports.Clock,
        background: Background,
        leading: Callable[[], bool],
    ) -> None:
        self._api = api
        self._clock = clock
        self._background = background
        self._leading = leading
        self._known: dict[Key, _Known] = {}

    def newest(self, key: Key, seen: model.Observation) -> model.Isolation | None:
        """Which revisions are kept from sending; None where nobody asks, or knows yet."""
        if not is_asked(seen.status):
            self.forget(key)
            return None
        known = self._of(key, seen.meta)
        if known.begins(self._clock.monotonic(), rest_seconds=LOOK_SECONDS):
            self._background.spawn(self._ask(key, known, seen.meta), name="shadow egress")
        return known.seen

    def forget(self, key: Key) -> None:
        """Nobody asks any more."""
        self._known.pop(key, None)

    async def create(
        self, revision: model.Revision, seen: model.Observation
    ) -> ports.Failure | None:
        """Make the policy as the rollout under way froze it. What refuses it is what is known of it."""
        meta = seen.meta
        frozen = seen.frozen_for(seen.status.active_rollout)
        allow = egress_types.read(frozen.spec) if frozen is not None else None
        if allow is None:
            return ports.Conflict(message="the spec of the rollout is not written down yet")
        if not self._leading():
            return LEADERSHIP_LOST
        body = isolation.render(meta, revision=revision, allow=allow)
        result = await self._api.create(KIND, namespace=meta.namespace, body=plain(body))
        known = self._of(Key(meta.namespace, meta.name), meta)
        match result:
            case ports.Ok():
                known.learns(add=revision.hash)
            case ports.Conflict():  # it is there: the next look says whose
                known.asked_at = float("-inf")
            case ports.Fatal(message=message):
                known.learns(refused=_text("made", message))
            case _:
                return result
        return None

    async def delete(self, revision: str, meta: model.ObjectMeta) -> ports.Failure | None:
        """Delete our policy; somebody else's is left alone.

        What cannot be deleted now is looked at again soon, and slows no pass: the way back may be under way.
        """
        if not self._leading():
            return LEADERSHIP_LOST
        known = self._of(Key(meta.namespace, meta.name), meta)
        match await self._delete_one(revision, meta):
            case ports.Ok():
                known.learns(remove=revision)
            case ports.Fatal(message=message):
                known.learns(refused=_text("deleted", message))
            case _:
                known.asked_at = float("-inf")
        return None

    async def _delete_one(self, revision: str, meta: model.ObjectMeta) -> ports.Result[None]:
        listed = await self._listed(meta)
        if not isinstance(listed, ports.Ok):
            return listed
        for body in listed.value:
            if isolation.revision_of(body, meta) == revision:
                name, uid = body["metadata"]["name"], body["metadata"]["uid"]
                return await self._api.delete(KIND, namespace=meta.namespace, name=name, uid=uid)
        return ports.Ok(None)

    def _of(self, key: Key, meta: model.ObjectMeta) -> _Known:
        known = self._known.get(key)
        if known is None or known.uid != meta.uid:
            known = self._known[key] = _Known(uid=meta.uid)
        return known

    async def _listed(self, meta: model.ObjectMeta) -> ports.Result[list[ports.Object]]:
        selector = f"{SELECTOR},{objects.LABEL_MODEL_DEPLOYMENT}={meta.name}"
        return await self._api.list_objects(KIND, namespace=meta.namespace, label_selector=selector)

    async def _ask(self, key: Key, known: _Known, meta: model.ObjectMeta) -> None:
        writes, before = known.writes, known.seen
        try:
            listed = await self._listed(meta)
        finally:
            known.ends(self._clock.monotonic())
        if writes != known.writes:
            return  # it may be older than what was written meanwhile
        seen = before or model.Isolation()
        if isinstance(listed, ports.Ok):
            found = frozenset(isolation.revision_of(body, meta) for body in listed.value) - {""}
            known.seen = replace(seen, revisions=found, unreadable="")
        elif isinstance(listed, ports.Fatal):
            known.seen = replace(seen, unreadable=_text("read", listed.message))
        if known.seen != before:
            self._background.wake(key)


def _text(done: str, message: str) -> str:
    return f"the NetworkPolicy of the shadow cannot be {done}: {message}; {FIX}"
