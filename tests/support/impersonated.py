"""Requests to a test API server in the name of some user."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from api_client import Answer, session_of
from cluster_client import path_of
from tests.cluster.api import ControlPlane

from tidegate import ports

Object = dict[str, Any]
NAMESPACE = "ml"
_JSON, _PATCH = "application/json", "application/json-patch+json"
_APPLY = "application/apply-patch+yaml"


class Impersonated:
    """Every verb that the operator uses, on any kind, in one namespace."""

    def __init__(self, plane: ControlPlane, user: str = "", *, namespace: str = NAMESPACE) -> None:
        self._namespace = namespace
        self._url = plane.server_url
        self._session = session_of(plane, user=user)

    def close(self) -> None:
        self._session.close()

    def create(self, kind: ports.Kind, body: Object, *, dry_run: bool = False) -> Answer:
        return self._send("POST", kind, body=body, dry_run=dry_run)

    def apply(self, kind: ports.Kind, body: Object, *, below: str = "") -> Answer:
        """Server-side apply, by force."""
        name, options = body["metadata"]["name"], {"fieldManager": "tidegate", "force": "true"}
        return self._send(
            "PATCH", kind, name, body=body, media=_APPLY, below=below, options=options
        )

    def patch(
        self, kind: ports.Kind, name: str, operations: list[Object], *, dry_run: bool = False
    ) -> Answer:
        """JSON Patch."""
        return self._send("PATCH", kind, name, body=operations, media=_PATCH, dry_run=dry_run)

    def delete(self, kind: ports.Kind, name: str, *, dry_run: bool = False) -> Answer:
        background = {"propagationPolicy": "Background"}
        return self._send("DELETE", kind, name, body=background, dry_run=dry_run)

    @contextmanager
    def held(self, kind: ports.Kind, body: Object) -> Iterator[Object]:
        """The object as it was created, for the time of the block."""
        made = self.create(kind, body)
        assert made.code == 201, made
        try:
            yield made.body
        finally:
            self.delete(kind, body["metadata"]["name"])

    def _send(
        self,
        method: str,
        kind: ports.Kind,
        name: str = "",
        *,
        body: Object | list[Object],
        media: str = _JSON,
        below: str = "",
        dry_run: bool = False,
        options: Mapping[str, str] | None = None,
    ) -> Answer:
        answer = self._session.request(
            method,
            self._url + path_of(kind, namespace=self._namespace, name=name, below=below),
            data=json.dumps(body),
            headers={"Content-Type": media},
            params={**(options or {}), **({"dryRun": "All"} if dry_run else {})},
            timeout=120,
        )
        return Answer(code=answer.status_code, body=answer.json())
