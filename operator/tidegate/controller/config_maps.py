"""ConfigMaps that a template names: what they hold, looked at beside the pass, and their copies.

Each is read by its name, and only its digest is kept. None is listed or watched, so the operator sees no
ConfigMap that no template names. Copies are made with a revision and deleted with it.
Source: docs/adr/0088.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tidegate import model, ports
from tidegate.api import config_maps as tracking
from tidegate.api.config_maps import ABSENT, NOT_YET, Held
from tidegate.controller.background import Background
from tidegate.controller.documents import name_conflict, plain
from tidegate.controller.status_writer import LEADERSHIP_LOST
from tidegate.controller.workqueue import Key
from tidegate.revisions import config_maps as copies

KIND = ports.CONFIG_MAP
LOOK_SECONDS = 30.0
FIX = (
    "the operator needs get, create and delete of configmaps in this namespace (chart value "
    "rbac.configMaps)"
)


@dataclass(slots=True, kw_only=True)
class _Known:
    """What the ConfigMaps of one object held last."""

    held: dict[str, Held] = field(default_factory=dict)


class ConfigMaps:
    """Those of each ModelDeployment that tracks some. Must be used from one event loop."""

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

    async def held(self, key: Key, wanted: Mapping[str, bool]) -> Mapping[str, Held]:
        """What these hold. Only who was never asked for is waited for; the others are looked at beside it.

        A new value stands in a new mapping, so that whoever keeps one can tell.
        """
        if not wanted or len(wanted) > tracking.MOST:  # which is refused, whatever they hold
            self.forget(key)
            return {}
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _Known()
            self._background.spawn(self._look_again(key, known), name="tracked ConfigMaps")
        for name in sorted(wanted.keys() - known.held.keys()):
            known.held = {**known.held, name: await self._read(key, name, NOT_YET)}
        if known.held.keys() != wanted.keys():
            known.held = {name: known.held[name] for name in wanted}
        return known.held

    def forget(self, key: Key) -> None:
        """Nobody asks any more."""
        self._known.pop(key, None)

    async def _look_again(self, key: Key, known: _Known) -> None:
        """As long as somebody asks for it, also while nothing else asks for a pass."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            if self._known.get(key) is not known:
                return
            await self._refresh(key, known)

    async def _refresh(self, key: Key, known: _Known) -> None:
        for name, before in list(known.held.items()):
            found = await self._read(key, name, before)
            if found != before and name in known.held:
                known.held = {**known.held, name: found}
                self._background.wake(key)

    async def _read(self, key: Key, name: str, before: Held) -> Held:
        """What was read before holds while the API server does not answer."""
        result = await self._api.get(KIND, namespace=key.namespace, name=name)
        if isinstance(result, ports.Ok):
            return _holds(result.value)
        why = getattr(result, "message", "") or "no answer from the API server"
        return Held(failure=f"{why}; {FIX}") if before.failure else before

    # --- copies ----------------------------------------------------------------------------------

    async def copy(
        self, made: model.FrozenRevision, seen: model.Observation
    ) -> ports.Failure | None:
        """Make those that a revision lacks."""
        for name, digest in made.config_maps.items():
            if digest == ABSENT:
                continue
            failure = await self._copy(name, digest, made.revision, seen)
            if failure is not None:
                return failure
        return None

    async def _copy(
        self, name: str, digest: str, revision: model.Revision, seen: model.Observation
    ) -> ports.Failure | None:
        meta = seen.meta
        copied = copies.copy_name(name, owner=meta.name, revision=revision.hash)
        there = await self._api.get(KIND, namespace=meta.namespace, name=copied)
        if not isinstance(there, ports.Ok):
            return _refused(there)
        if there.value is not None:
            fits = copies.is_copy(there.value, meta, digest=digest)
            return None if fits else name_conflict(KIND, copied)
        source = await self._api.get(KIND, namespace=meta.namespace, name=name)
        if not isinstance(source, ports.Ok):
            return _refused(source)
        if source.value is None or tracking.digest_of(source.value) != digest:
            self._learn(meta, name, source.value)
            return _changed(name, revision, seen)
        if not self._leading():
            return LEADERSHIP_LOST
        body = copies.render(meta, source.value, revision=revision, digest=digest)
        result = await self._api.create(KIND, namespace=meta.namespace, body=plain(body))
        return None if isinstance(result, ports.Ok) else _refused(result)

    def _learn(self, meta: model.ObjectMeta, name: str, found: ports.Object | None) -> None:
        """It changed between the look and now: the next pass knows."""
        known = self._known.get(Key(meta.namespace, meta.name))
        if known is not None and name in known.held:
            known.held = {**known.held, name: _holds(found)}

    async def delete(
        self, made: model.FrozenRevision | None, meta: model.ObjectMeta
    ) -> ports.Failure | None:
        """Delete the copies of a revision; one of somebody else is left alone.

        One that may not be deleted stays until the ModelDeployment goes: a lost right keeps no history.
        """
        if made is None:
            return None
        for name, digest in made.config_maps.items():
            copied = copies.copy_name(name, owner=meta.name, revision=made.revision.hash)
            result = await self._delete(copied, digest, meta)
            if isinstance(result, (ports.Conflict, ports.Retryable)):
                return result
        return None

    async def _delete(self, name: str, digest: str, meta: model.ObjectMeta) -> ports.Result[None]:
        there = await self._api.get(KIND, namespace=meta.namespace, name=name)
        if not isinstance(there, ports.Ok):
            return there
        if there.value is None or not copies.is_copy(there.value, meta, digest=digest):
            return ports.Ok(None)
        if not self._leading():
            return LEADERSHIP_LOST
        uid = there.value["metadata"]["uid"]
        return await self._api.delete(KIND, namespace=meta.namespace, name=name, uid=uid)


def _holds(found: ports.Object | None) -> Held:
    return Held(digest=tracking.digest_of(found) if found is not None else ABSENT)


def _changed(name: str, revision: model.Revision, seen: model.Observation) -> ports.Failure:
    """What a candidate was to have is there no more, and spec will ask for another; else it is lost."""
    if seen.desired == revision:
        return ports.Conflict(message=f"ConfigMap {name} has changed meanwhile")
    return ports.Fatal(
        reason="ConfigMapLost",
        message=(
            f"the copy of ConfigMap {name} for revision {revision.hash} is gone, and {name} holds "
            f"something else by now: give {name} its old content for a moment, or deploy another version"
        ),
    )


def _refused(failure: ports.Failure) -> ports.Failure:
    if isinstance(failure, ports.Fatal):
        return replace(failure, message=f"{failure.message}; {FIX}")
    return failure
