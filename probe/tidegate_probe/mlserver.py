"""A hook for runtimes of MLServer.

    class Fraud(Monitored, SKLearnModel): ...

The profile is the file that the environment names in TIDEGATE_PROBE_PROFILE, or
`parameters.extra.profile` of model-settings.json, or `profile.json`; a relative path starts at the
folder of model-settings.json. MLServer itself is not imported: the runtime brings it.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

from tidegate_probe import bodies
from tidegate_probe.monitor import Monitor
from tidegate_probe.profile import Profile

log = logging.getLogger("tidegate_probe")

VARIABLE = "TIDEGATE_PROBE_PROFILE"
_AGAIN_SECONDS = 1.0


class Monitored:
    """Stands before a runtime in the list of bases, and counts what it predicts.

    A profile that cannot be read is logged and the model serves without being counted: no traffic
    depends on a probe. On a reload MLServer unloads the old model after it has loaded the new one:
    until then the old one counts in the registry.
    """

    _monitor: Monitor | None = None
    _profile: Profile | None = None
    _tried_at = 0.0

    async def load(self) -> bool:
        """Load the model, then its profile."""
        loaded: bool = await super().load()  # type: ignore[misc]  # of the runtime
        self._stop()
        try:
            self._profile = Profile.read(_path(self.settings))  # type: ignore[attr-defined]
        except Exception:
            log.exception("no profile, so nothing is counted")
        self._start()
        return loaded

    async def unload(self) -> bool:
        """Stop exporting, then unload the model."""
        self._stop()
        return bool(await super().unload())  # type: ignore[misc]  # of the runtime

    async def predict(self, payload: Any) -> Any:
        """Answer as the runtime does; count rows and answer."""
        answer = await super().predict(payload)  # type: ignore[misc]  # of the runtime
        if self._monitor is None and time.monotonic() > self._tried_at + _AGAIN_SECONDS:
            self._start()
        if self._monitor is not None:
            with self._monitor.guard("body"):
                _count(self._monitor, payload, answer)
        return answer

    def _start(self) -> None:
        self._tried_at = time.monotonic()
        if self._profile is None:
            return
        try:
            self._monitor = Monitor(self._profile)
        except Exception as error:  # noqa: BLE001  # never the model's trouble
            log.warning("nothing is counted yet: %s", error)

    def _stop(self) -> None:
        self._profile = None
        if self._monitor is not None:
            self._monitor.close()
            self._monitor = None


def _count(monitor: Monitor, payload: Any, answer: Any) -> None:
    features = bodies.features({"inputs": _tensors(payload.inputs)}, monitor.profile)
    outputs = bodies.outputs({"outputs": _tensors(answer.outputs)}, monitor.profile)
    rows = len(next(iter(features.values())))
    identifier = answer.id or payload.id
    ids = bodies.row_identifiers(identifier, rows=rows)
    monitor.observe_batch(features, outputs, prediction_ids=ids)


def _tensors(tensors: Any) -> list[dict[str, Any]]:
    return [
        {
            "name": one.name,
            "shape": list(one.shape),
            "data": list(getattr(one.data, "root", one.data)),
        }
        for one in tensors
    ]


def _path(settings: Any) -> Path:
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    extra = (settings.parameters.extra if settings.parameters else None) or {}
    folder = Path(getattr(settings, "_source", None) or ".").parent
    return folder / str(extra.get("profile", "profile.json"))
