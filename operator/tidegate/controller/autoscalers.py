"""Writes the autoscalers of revisions: each is applied whole, or taken away."""

from __future__ import annotations

from collections.abc import Callable

from tidegate import model, ports
from tidegate.controller.documents import NEVER, name_conflict, plain
from tidegate.controller.status_writer import LEADERSHIP_LOST
from tidegate.controller.store import Store
from tidegate.model import actions, objects
from tidegate.revisions import autoscaler

KIND = ports.AUTOSCALER


class Autoscalers:
    """One HorizontalPodAutoscaler for each live revision of a ModelDeployment."""

    def __init__(self, *, api: ports.KubeApi, store: Store, leading: Callable[[], bool]) -> None:
        self._api = api
        self._store = store
        self._leading = leading

    async def set(
        self, action: actions.SetAutoscaler, meta: model.ObjectMeta
    ) -> ports.Failure | None:
        """Bring the autoscaler of a revision to these limits; somebody else's is never touched."""
        name = objects.revision_object_name(meta.name, revision=action.revision)
        known = self._store.get(KIND, namespace=meta.namespace, name=name)
        if known is not None and not objects.is_controlled_by(known, uid=meta.uid):
            return None if action.limits is None else name_conflict(KIND, name)
        if not self._leading():
            return LEADERSHIP_LOST
        if action.limits is None:
            return await self._remove(known)
        body = plain(autoscaler.render(meta, revision=action.revision, limits=action.limits))
        # What is there must be what was seen; where nothing was, nothing may be overwritten.
        version = NEVER if known is None else known["metadata"]["resourceVersion"]
        body["metadata"]["resourceVersion"] = version
        if known is not None:
            body["metadata"]["uid"] = known["metadata"]["uid"]
        result = await self._api.apply(KIND, namespace=meta.namespace, body=body, force=True)
        if not isinstance(result, ports.Ok):
            return result
        self._store.put_own_reply(KIND, result.value)
        return None

    async def _remove(self, known: ports.Object | None) -> ports.Failure | None:
        if known is None:
            return None
        metadata = known["metadata"]
        result = await self._api.delete(
            KIND, namespace=metadata["namespace"], name=metadata["name"], uid=metadata["uid"]
        )
        return None if isinstance(result, ports.Ok) else result
