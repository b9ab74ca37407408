"""A Gateway whose answers the test gives: routes that name it move on only as far as it lets them.

Real traffic flows through the shared Gateway that the same routes name as well.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from cluster_client import Client, Object, Refused

from tidegate import ports

CONTROLLER = "test.tidegate.dev/played"
NAME = "played"

Refusal = Callable[[Object], bool]


class PlayedGateway:
    """Accepts every route in a namespace but those that a test holds back."""

    def __init__(self, client: Client, *, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._held: dict[str, Refusal] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def parent(self) -> Object:
        """The parentRef that leads here."""
        return {"name": NAME}

    def hold(self, route: str, when: Refusal) -> None:
        """Do not answer for this route while `when` says so of it."""
        self._held[route] = when

    def release(self) -> None:
        """Answer for every route again."""
        self._held.clear()

    def close(self) -> None:
        self._closed.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._closed.is_set():
            # Somebody wrote in between, or the API server is busy: the next round answers.
            with contextlib.suppress(OSError, Refused):
                for route in self._client.list(ports.HTTP_ROUTE, namespace=self._namespace):
                    self._answer(route)
            time.sleep(0.1)

    def _answer(self, route: Object) -> None:
        meta = route["metadata"]
        held = self._held.get(meta["name"])
        if (held is not None and held(route)) or _answered(route):
            return
        others = [it for it in _parents(route) if it["controllerName"] != CONTROLLER]
        body = {
            "metadata": {"resourceVersion": meta["resourceVersion"]},
            "status": {"parents": [*others, _accepted(meta["generation"])]},
        }
        self._client.merge(
            ports.HTTP_ROUTE,
            namespace=self._namespace,
            name=meta["name"],
            body=body,
            below="status",
        )


def _parents(route: Object) -> list[Object]:
    return list(route.get("status", {}).get("parents", ()))


def _answered(route: Object) -> bool:
    own = [it for it in _parents(route) if it["controllerName"] == CONTROLLER]
    generation = route["metadata"]["generation"]
    return any(it["conditions"][0]["observedGeneration"] == generation for it in own)


def _accepted(generation: int) -> Object:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    conditions = [
        {
            "type": kind,
            "status": "True",
            "reason": kind,
            "message": "",
            "lastTransitionTime": now,
            "observedGeneration": generation,
        }
        for kind in ("Accepted", "ResolvedRefs")
    ]
    return {"controllerName": CONTROLLER, "parentRef": {"name": NAME}, "conditions": conditions}
