"""Writes the status of a ModelDeployment, or as much of it as the cluster takes.

What refuses a status would be told through it. So when the API server refuses one, its conditions
alone follow the pass that knows of the refusal; everything else stays as it was accepted last.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from tidegate import model, ports
from tidegate.api import served, status
from tidegate.controller.live import read_live
from tidegate.controller.store import Store

LEADERSHIP_LOST = ports.Retryable(message="leadership was lost")
OUTDATED_KINDS = "OutdatedKinds"
_UNDECLARED = re.compile(r"\.(\S+): field not declared in schema")


class StatusWriter:
    """Server-side apply of `/status`, guarded by the resourceVersion of what was observed."""

    def __init__(self, *, api: ports.KubeApi, store: Store, leading: Callable[[], bool]) -> None:
        self._api = api
        self._store = store
        self._leading = leading

    async def write(self, seen: model.Observation, decided: model.Status) -> ports.Failure | None:
        """Write what was decided where it differs from what was seen.

        The failure means that nothing of the decision stands, although its conditions may.
        """
        if decided == seen.status:
            return None
        # Texts beyond the schema's limits are cut on writing, so only what is written can be compared.
        wanted, known = status.write_status(decided), status.write_status(seen.status)
        if wanted == known:
            return None
        failure = await self._apply(seen.meta, wanted)
        if not isinstance(failure, ports.Fatal):
            return failure
        told = wanted.get("conditions", [])
        if seen.blocked is not None and told != known.get("conditions", []):
            await self._tell_why(seen.meta, told)
        return _explained(failure)

    async def _tell_why(self, meta: model.ObjectMeta, conditions: list[ports.Object]) -> None:
        """Write conditions beside what the cluster has of the status now.

        The rest must stand in the write as well: what an apply leaves out is taken away. It is read
        live, since a field that the cluster forgot is still in the store.
        """
        kind, address = ports.MODEL_DEPLOYMENT, {"namespace": meta.namespace, "name": meta.name}
        found = await read_live(self._api, self._store, kind, **address)
        if isinstance(found, ports.Ok) and found.value is not None:
            accepted = found.value.get("status") or {}
            # Whether it works or not, the pass has failed; it will be tried again.
            await self._apply(meta, {**accepted, "conditions": conditions})

    async def _apply(self, meta: model.ObjectMeta, document: ports.Object) -> ports.Failure | None:
        if not self._leading():
            return LEADERSHIP_LOST
        metadata = {
            "name": meta.name,
            "namespace": meta.namespace,
            "resourceVersion": meta.resource_version,
        }
        return await apply_status(self._api, self._store, metadata, document)


async def apply_status(
    api: ports.KubeApi, store: Store, metadata: ports.Object, document: ports.Object
) -> ports.Failure | None:
    """Write a status as a whole; the store takes the reply.

    Shapes: of `metadata` the name, the namespace and the guarding resourceVersion are sent.
    """
    kind = ports.MODEL_DEPLOYMENT
    body: ports.Object = {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {name: metadata[name] for name in ("name", "namespace", "resourceVersion")},
        "status": document,
    }
    result = await api.apply_status(kind, namespace=metadata["namespace"], body=body)
    if not isinstance(result, ports.Ok):
        return result
    store.put_own_reply(kind, result.value)
    return None


def _explained(failure: ports.Fatal) -> ports.Fatal:
    """A field that the cluster does not know, in words, and in one order for every time it is said."""
    unknown = tuple(sorted(set(_UNDECLARED.findall(failure.message))))
    if not unknown:
        return failure
    message = f"the cluster's CRDs are older than the operator and lack {served.named(unknown)}"
    return replace(failure, reason=OUTDATED_KINDS, message=f"{message}: {served.FIX}")
