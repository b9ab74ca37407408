"""Writes the status of a ModelDeployment, or as much of it as the cluster takes.

What refuses a status would be told through it. So when the API server refuses one, its conditions
alone follow the pass that knows of the refusal; everything else stays as it was accepted last.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace

from tidegate import model, ports
from tidegate.api import served, status
from tidegate.controller.live import read_live
from tidegate.controller.pace import Pace
from tidegate.controller.store import Store
from tidegate.controller.workqueue import Key
from tidegate.evidence.terms import Reason
from tidegate.model import actions
from tidegate.rollout.worth import Worth, worth

LEADERSHIP_LOST = ports.Retryable(message="leadership was lost")
OUTDATED_KINDS = "OutdatedKinds"
_UNDECLARED = re.compile(r"\.(\S+): field not declared in schema")


class StatusWriter:
    """Server-side apply of `/status`, guarded by the resourceVersion of what was observed."""

    def __init__(
        self,
        *,
        api: ports.KubeApi,
        store: Store,
        clock: ports.Clock,
        leading: Callable[[], bool],
    ) -> None:
        self._api = api
        self._store = store
        self._leading = leading
        self._pace = Pace(clock=clock)
        self._due: dict[Key, float] = {}

    async def write(
        self, key: Key, seen: model.Observation, decision: actions.Decision
    ) -> ports.Failure | None:
        """Write what was decided where it differs from what was seen, unless that may wait.

        The failure means that nothing of the decision stands, although its conditions may.
        """
        self._due.pop(key, None)
        if (left := self._seconds_left(key, seen, decision)) > 0:
            self._due[key] = left
            return None
        # Texts beyond the schema's limits are cut on writing, so only what is written can be compared.
        wanted, known = status.write_status(decision.status), status.write_status(seen.status)
        if wanted == known:
            self._pace.agrees(key)
            return None
        failure = await self._apply(seen.meta, wanted)
        if failure is None:
            self._pace.written(key)
        if not isinstance(failure, ports.Fatal):
            return failure
        told = wanted.get("conditions", [])
        if seen.blocked is not None and told != known.get("conditions", []):
            await self._tell_why(seen.meta, told)
        return _explained(failure)

    def seconds_left(self, key: Key) -> float:
        """In how long the newest pass over this object wants to write what it has put off."""
        return self._due.get(key, math.inf)

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._due.pop(key, None)
        self._pace.forget(key)

    def _seconds_left(self, key: Key, seen: model.Observation, decision: actions.Decision) -> float:
        """How long the write of what was decided may wait, for ever where there is nothing new."""
        found = worth(decision.status, seen.status)
        if found is Worth.NOTHING:
            self._pace.agrees(key)
            return math.inf
        # Events are told once, by what status says that it told. And the version that guards the
        # write tells a pass that has waited for long that it acts on what has changed meanwhile.
        acts = found is not Worth.EVIDENCE and bool(_unguarded(decision))
        needed = decision.events or decision.rejections or acts
        if found is Worth.EVIDENCE and _stays_for_pods(seen, decision.status):
            found = Worth.WORDS
        return self._pace.seconds_left(
            key,
            Worth.NOW if needed else found,
            hold_seconds=_hold_seconds(seen, decision.status),
            first_rows=not seen.status.analysis,
        )

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


def _hold_seconds(seen: model.Observation, status: model.Status) -> float:
    """The least stay in the step that the object is in; infinite where it has none, or is over it."""
    rollout = status.rollout
    if rollout is None or rollout.step is None or rollout.stage is None:
        return math.inf
    return math.inf if _is_over_hold(seen, status) else rollout.stage.hold_seconds or math.inf


def _is_over_hold(seen: model.Observation, status: model.Status) -> bool:
    step = status.rollout.step if status.rollout is not None else None
    return step is not None and step.hold_until is not None and seen.now >= step.hold_until


def _stays_for_pods(seen: model.Observation, status: model.Status) -> bool:
    """The step is over its hold, and pods that show no counts keep it: no time mends that alone."""
    incomplete = any(row.reason == Reason.INCOMPLETE for row in status.analysis)
    return incomplete and _is_over_hold(seen, status)


def _unguarded(decision: actions.Decision) -> list[actions.Action]:
    """What is done after the status write and is right only for the object as it was seen.

    A split repeats what status says already, guarded by the version of its target; and a note compares
    what it notes.
    """
    guarded = (actions.SetTraffic, actions.NoteTemplate)
    return [it for it in actions.after_status(decision.actions) if not isinstance(it, guarded)]


def _explained(failure: ports.Fatal) -> ports.Fatal:
    """A field that the cluster does not know, in words, and in one order for every time it is said."""
    unknown = tuple(sorted(set(_UNDECLARED.findall(failure.message))))
    if not unknown:
        return failure
    message = f"the cluster's CRDs are older than the operator and lack {served.named(unknown)}"
    return replace(failure, reason=OUTDATED_KINDS, message=f"{message}: {served.FIX}")
