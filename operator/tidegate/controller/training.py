"""Profiles of training data, read from ConfigMaps beside the pass.

A ConfigMap that a spec names is read by its name, again and again while a rollout needs it. None is
listed or watched: the operator sees no ConfigMap that nobody has named. Source: ADR 0063.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate import model, ports
from tidegate.controller.background import Background
from tidegate.controller.polled import Polled
from tidegate.controller.workqueue import Key
from tidegate.evidence.drift import profiles
from tidegate.evidence.drift.profiles import Profile
from tidegate.evidence.terms import Problem, Reason

REST_SECONDS = 15.0
_NOT_YET = Problem(
    reason=Reason.NO_BASELINE, message="the profile of the training data was not read yet"
)


@dataclass(slots=True, kw_only=True)
class _Known(Polled):
    """What a key of a ConfigMap said last."""

    ref: model.ProfileRef
    found: Profile | Problem = _NOT_YET
    version: str = ""


class TrainingProfiles:
    """Reads profiles and remembers them. Must be used from one event loop."""

    def __init__(self, *, api: ports.KubeApi, clock: ports.Clock, background: Background) -> None:
        self._api = api
        self._clock = clock
        self._background = background
        self._known: dict[Key, _Known] = {}

    def newest(self, key: Key, ref: model.ProfileRef) -> Profile | Problem:
        """The profile that this ModelDeployment names, as it was read last; or why there is none."""
        known = self._known.get(key)
        if known is None or known.ref != ref:
            known = self._known[key] = _Known(ref=ref)
        if known.begins(self._clock.monotonic(), rest_seconds=REST_SECONDS):
            self._background.spawn(self._ask(key, known), name="profile of training data")
        return known.found

    def forget(self, key: Key) -> None:
        """No rollout needs it."""
        self._known.pop(key, None)

    async def _ask(self, key: Key, known: _Known) -> None:
        before = known.found
        try:
            result = await self._api.get(
                ports.CONFIG_MAP, namespace=key.namespace, name=known.ref.name
            )
        finally:
            known.ends(self._clock.monotonic())
        if isinstance(result, ports.Ok):
            self._take(known, result.value)
        elif not isinstance(before, Profile):
            # What was read before still holds while the API server does not answer.
            why = getattr(result, "message", "")
            message = f"ConfigMap {known.ref.name} could not be read: {why}"
            known.found, known.version = _none(message), ""
        if known.found != before:
            self._background.wake(key)

    def _take(self, known: _Known, body: ports.Object | None) -> None:
        version = body["metadata"]["resourceVersion"] if body is not None else ""
        if version and version == known.version:
            return
        known.version, known.found = version, _profile(body, ref=known.ref)


def _profile(body: ports.Object | None, *, ref: model.ProfileRef) -> Profile | Problem:
    where = f"ConfigMap {ref.name}"
    if body is None:
        return _none(f"{where} does not exist: create it from the profile of the training data")
    text = (body.get("data") or {}).get(ref.key)
    if not isinstance(text, str):
        return _none(f"{where} has no key {ref.key}: see baseline.reference.key")
    try:
        return profiles.parsed(text)
    except profiles.ProfileError as error:
        return _none(f"{where}, {ref.key}: {error}")


def _none(message: str) -> Problem:
    return Problem(reason=Reason.NO_BASELINE, message=message)
