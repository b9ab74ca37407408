"""Jobs of smoke tests: made and deleted by a pass, looked at beside it.

They are not watched: a cluster in which nobody asks for one needs no rights for Jobs.
Source: docs/adr/0055.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tidegate import model, ports
from tidegate.api import smoke_test_types
from tidegate.controller.background import Background
from tidegate.controller.documents import plain
from tidegate.controller.polled import Polled
from tidegate.controller.status_writer import LEADERSHIP_LOST
from tidegate.controller.workqueue import Key
from tidegate.model import objects
from tidegate.revisions import smoke_test
from tidegate.rollout.smoke_test import LOOK_SECONDS, job_of

KIND = ports.JOB
REFUSED_SECONDS = 60.0  # a quota or an admission policy does not change every few seconds
FIX = (
    "the operator needs get, create and delete of jobs.batch in this namespace "
    "(chart value rbac.smokeTests)"
)


@dataclass(slots=True, kw_only=True)
class _Known(Polled):
    """What one Job was last seen to say; `refused_until` is a monotonic instant."""

    name: str
    uid: str
    seen: model.SeenJob | None = None
    refused_until: float = float("-inf")


class SmokeTests:
    """The Job of each ModelDeployment. Must be used from one event loop."""

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

    def newest(self, key: Key, seen: model.Observation) -> model.SeenJob | None:
        """What the Job that the rollout waits for last said; None where nobody knows yet."""
        name = job_of(seen.status.rollout)
        if not name:
            self.forget(key)
            return None
        known = self._of(key, name=name, uid=seen.meta.uid)
        if known.begins(self._clock.monotonic(), rest_seconds=LOOK_SECONDS):
            self._background.spawn(self._ask(key, known), name="smoke test")
        return known.seen

    def forget(self, key: Key) -> None:
        """Nobody waits for this Job any more."""
        self._known.pop(key, None)

    async def create(self, name: str, seen: model.Observation) -> ports.Failure | None:
        """Make the Job as the rollout under way froze it. What refuses it is what is known of it."""
        meta, rollout = seen.meta, seen.status.active_rollout
        frozen = seen.frozen_for(rollout)
        asked = smoke_test_types.read(frozen.spec) if frozen is not None else None
        if rollout is None or asked is None:
            return ports.Conflict(message="the spec of the rollout is not written down yet")
        if not self._leading():
            return LEADERSHIP_LOST
        body = smoke_test.render(meta, name=name, revision=rollout.revision, asked=asked)
        result = await self._api.create(KIND, namespace=meta.namespace, body=plain(body))
        known = self._of(Key(meta.namespace, meta.name), name=name, uid=meta.uid)
        match result:
            case ports.Ok(value=made):
                known.seen = smoke_test.seen(made, uid=meta.uid)
            case ports.Conflict():
                known.asked_at = float("-inf")  # it is there: the next look says whose
            case ports.Fatal(message=message):
                known.seen = model.SeenJob(obstacle=_refused("made", name, message))
                known.asked_at = self._clock.monotonic()
                known.refused_until = known.asked_at + REFUSED_SECONDS
            case _:
                return result
        return None

    async def delete(self, name: str, meta: model.ObjectMeta) -> ports.Failure | None:
        """Delete our Job with its pods; somebody else's is left alone."""
        if not self._leading():
            return LEADERSHIP_LOST
        found = await self._api.get(KIND, namespace=meta.namespace, name=name)
        if not isinstance(found, ports.Ok):
            return found
        if found.value is None or not objects.is_controlled_by(found.value, uid=meta.uid):
            return None
        uid = str(found.value["metadata"]["uid"])
        result = await self._api.delete(KIND, namespace=meta.namespace, name=name, uid=uid)
        # The next one has its name: what this one said, or is about to say, is not of it.
        self.forget(Key(meta.namespace, meta.name))
        return None if isinstance(result, ports.Ok) else result

    def _of(self, key: Key, *, name: str, uid: str) -> _Known:
        known = self._known.get(key)
        if known is None or (known.name, known.uid) != (name, uid):
            known = self._known[key] = _Known(name=name, uid=uid)
        return known

    async def _ask(self, key: Key, known: _Known) -> None:
        try:
            found = await self._api.get(KIND, namespace=key.namespace, name=known.name)
        finally:
            known.ends(self._clock.monotonic())
        before = known.seen
        refused = known.asked_at < known.refused_until
        if isinstance(found, ports.Ok) and not (found.value is None and refused):
            known.seen = smoke_test.seen(found.value, uid=known.uid)
        elif isinstance(found, ports.Fatal):
            known.seen = model.SeenJob(obstacle=_refused("read", known.name, found.message))
        if known.seen != before:
            self._background.wake(key)


def _refused(done: str, name: str, message: str) -> str:
    return f"Job {name} cannot be {done}: {message}; {FIX}"
