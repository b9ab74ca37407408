"""Which pods of a revision may be asked over HTTP, each looked up once.

Its address never changes, so the answer stays. Source: reliability.md, T4; `probe_guard`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate import ports
from tidegate.controller import probe_guard
from tidegate.controller.workqueue import Key
from tidegate.model import objects


@dataclass(frozen=True, slots=True, order=True)
class Pod:
    """A pod that its container's readiness calls ready."""

    address: str
    uid: str


class Permitted:
    """What was found of the pods of one revision at one port."""

    def __init__(self, api: ports.KubeApi, key: Key, *, revision: str, port: int) -> None:
        self._api = api
        self._key = key
        self._revision = revision
        self._port = port
        self._refused: dict[Pod, str] = {}

    async def look(self, pods: Sequence[Pod]) -> bool:
        """Look up those that are not known yet; False where the API server gives no answer."""
        if all(pod in self._refused for pod in pods):
            return True
        wanted = objects.revision_selector(self._key.name, revision=self._revision)
        result = await self._api.list_objects(
            ports.POD,
            namespace=self._key.namespace,
            label_selector=objects.selector_text(wanted),
        )
        if not isinstance(result, ports.Ok):
            return False
        for pod in pods:
            self._refused[pod] = probe_guard.refusal(
                pod.address, uid=pod.uid, port=self._port, pods=result.value
            )
        return True

    def refusal(self, pod: Pod) -> str:
        """Why a pod that was looked up must not be asked; empty where it may be."""
        return self._refused[pod]

    def keep_only(self, uids: set[str]) -> None:
        """Forget pods that are gone."""
        self._refused = {pod: why for pod, why in self._refused.items() if pod.uid in uids}
