"""An API server that lists the pods of one revision, for those who ask pods over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tidegate import ports
from tidegate.controller.permitted import Pod


class PodLists:
    """`ports.KubeApi`, as far as pods are listed."""

    def __init__(self, pods: Callable[[], Sequence[Pod]]) -> None:
        self._pods = pods
        self.lists = 0
        self.fails = False
        self.on_node: set[str] = set()

    async def list_objects(
        self, kind: ports.Kind, *, namespace: str, label_selector: str
    ) -> ports.Result[list[ports.Object]]:
        assert (kind, namespace) == (ports.POD, "ml")
        assert "tidegate.dev/revision=abc" in label_selector
        self.lists += 1
        if self.fails:
            return ports.Retryable(message="too many requests")
        return ports.Ok([self._document(pod) for pod in self._pods()])

    def _document(self, pod: Pod) -> ports.Object:
        on_node = pod.uid in self.on_node
        return {
            "metadata": {"uid": pod.uid},
            "spec": {"hostNetwork": on_node},
            "status": {"podIP": pod.address, "hostIP": pod.address if on_node else "10.1.0.1"},
        }
