"""Sends the hook of a drift, beside the passes: what status says is owed, until it is answered.

Only what stands in the cluster's status is sent, and it is read anew before each try: so a process
that takes over neither sends what another one has delivered, nor invents an id. One that dies between
the answer and the status that tells of it leaves its successor to send the same id once more.
Source: ADR 0081; CloudEvents 1.0, structured mode.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidegate import model, ports
from tidegate.controller.background import Background
from tidegate.controller.workqueue import Key
from tidegate.model import objects

MEDIA_TYPE = "application/cloudevents+json"
TYPE = "dev.tidegate.model.drifted.v1"
FIRST_REST_SECONDS, LONGEST_REST_SECONDS = 2.0, 60.0


@dataclass(slots=True, kw_only=True)
class _Round:
    """The tries for one hook. `answer` is what came of them, None while they last."""

    uid: str
    id: str
    since: datetime
    answer: model.SeenHook | None = None


class DriftHooks:
    """The hook of each ModelDeployment. Must be used from one event loop."""

    def __init__(
        self,
        *,
        api: ports.KubeApi,
        hooks: ports.Hooks,
        clock: ports.Clock,
        background: Background,
        leading: Callable[[], bool],
    ) -> None:
        self._api = api
        self._hooks = hooks
        self._clock = clock
        self._background = background
        self._leading = leading
        self._rounds: dict[Key, _Round] = {}

    def newest(self, key: Key, seen: model.Observation) -> model.SeenHook:
        """What came of the hook that status says is owed; it is sent from now on."""
        asked = seen.spec.monitoring if seen.spec is not None else None
        hook, watch = asked.hook if asked is not None else None, seen.status.monitoring
        if hook is None or seen.meta.deleting:
            self.forget(key)
            return model.SeenHook()
        obstacle = self._hooks.obstacle(hook.url, namespace=key.namespace)
        call = watch.hook if watch is not None else None
        if obstacle or watch is None or call is None or call.state is not model.HookState.PENDING:
            self.forget(key)
            return model.SeenHook(obstacle=obstacle)
        known = self._rounds.get(key)
        which = (seen.meta.uid, call.id, call.at)
        if known is None or (known.uid, known.id, known.since) != which:
            known = self._rounds[key] = _Round(uid=seen.meta.uid, id=call.id, since=call.at)
            body = json.dumps(event_of(key, seen, watch=watch, call=call)).encode()
            self._background.spawn(self._send(key, known, hook, body), name="hook of a drift")
        return known.answer or model.SeenHook()

    def forget(self, key: Key) -> None:
        """Nothing is owed any more; a round that is under way ends before its next try."""
        self._rounds.pop(key, None)

    async def _send(self, key: Key, known: _Round, hook: model.DriftHook, body: bytes) -> None:
        failure = ""
        for tried in range(1 + hook.retries):
            if tried:
                rest_seconds = FIRST_REST_SECONDS * 2.0 ** (tried - 1)
                await self._clock.sleep(min(rest_seconds, LONGEST_REST_SECONDS))
            found = await self._try(key, known, hook, body)
            if found is None:
                return
            if isinstance(found, ports.Ok):
                failure = ""
                break
            failure = found.message
            if isinstance(found, ports.Fatal):
                break
        known.answer = model.SeenHook(id=known.id, failure=failure)
        self._background.wake(key)

    async def _try(
        self, key: Key, known: _Round, hook: model.DriftHook, body: bytes
    ) -> ports.Result[None] | None:
        """One try; None where the hook is not owed any more, or not by this process."""
        read = await self._api.get(ports.MODEL_DEPLOYMENT, namespace=key.namespace, name=key.name)
        if not isinstance(read, ports.Ok):
            return ports.Retryable(
                message=f"the API server does not say what is owed: {read.message}"
            )
        if self._rounds.get(key) is not known:
            return None
        if not self._leading() or not _is_owed(read.value or {}, known):
            self.forget(key)
            return None
        return await self._hooks.post(
            hook.url,
            namespace=key.namespace,
            media_type=MEDIA_TYPE,
            body=body,
            timeout_seconds=hook.timeout_seconds,
        )


def _is_owed(body: ports.Object, known: _Round) -> bool:
    """The cluster says so, at this very moment."""
    place = ("status", "monitoring", "hook")
    same = objects.at(body, "metadata", "uid") == known.uid
    owed = objects.at(body, *place, "id") == known.id
    return same and owed and objects.at(body, *place, "state") == model.HookState.PENDING


def event_of(
    key: Key, seen: model.Observation, *, watch: model.Watch, call: model.HookCall
) -> Mapping[str, Any]:
    """The CloudEvent of a drift, in structured mode: with its features, and no data of users."""
    stable = seen.status.stable
    rows = [one for one in watch.metrics if one.fails and one.is_drift]
    kind = ports.MODEL_DEPLOYMENT
    return {
        "specversion": "1.0",
        "id": call.id,
        "source": f"/apis/{kind.api_version}/namespaces/{key.namespace}/{kind.plural}/{key.name}",
        "type": TYPE,
        "subject": watch.revision,
        "time": _time(call.at),
        "datacontenttype": "application/json",
        "data": {
            "namespace": key.namespace,
            "name": key.name,
            "uid": seen.meta.uid,
            "revision": watch.revision,
            "modelVersion": stable.model_version if stable is not None else "",
            "metrics": [_row(one) for one in rows],
        },
    }


def _row(row: model.WatchedMetric) -> Mapping[str, Any]:
    return {
        "name": row.name,
        "condition": row.alarm,
        "against": row.against,
        "driftingSince": _time(row.failing_since) if row.failing_since is not None else None,
        "onset": row.onset,
        "message": row.message,
        "shifts": [
            {
                "feature": it.feature,
                "psi": it.psi,
                "bin": it.bin,
                "share": it.share,
                "referenceShare": it.reference_share,
            }
            for it in row.shifts
        ],
    }


def _time(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
