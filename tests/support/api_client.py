"""Plain HTTP to a test API server: what it answers, unchanged."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import requests
from tests.cluster.api import ControlPlane

Object = dict[str, Any]

_NAMESPACED = {
    "ModelDeployment": True,
    "MetricTemplate": True,
    "ClusterMetricTemplate": False,
    "RolloutRecord": True,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status code and decoded body."""

    code: int
    body: Object

    @property
    def causes(self) -> list[tuple[str, str]]:
        """Field and message of every cause of a refusal."""
        causes = self.body.get("details", {}).get("causes", [])
        return [(it.get("field", ""), it.get("message", "")) for it in causes]


class ApiClient:
    """Requests on our kinds with a client certificate."""

    def __init__(self, plane: ControlPlane) -> None:
        identity = plane.credentials.client("admin")
        self._url = plane.server_url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(plane.credentials.authority.pair.certificate)
        self._session.cert = (str(identity.certificate), str(identity.key))

    def close(self) -> None:
        self._session.close()

    def create(self, body: Object, *, dry_run: bool = True) -> Answer:
        """Create with strict field validation."""
        return self._send("POST", self._path(body), body, dry_run=dry_run)

    def apply(self, body: Object, *, subresource: str = "", **parameters: str) -> Answer:
        """Server-side apply as `tidegate`, with strict field validation."""
        return self._send(
            "PATCH",
            f"{self._path(body)}/{body['metadata']['name']}{subresource}",
            body,
            content_type="application/apply-patch+yaml",
            dry_run=False,
            fieldManager="tidegate",
            **parameters,
        )

    def replace(self, body: Object) -> Answer:
        """Update, guarded by the resourceVersion in the body."""
        return self._send(
            "PUT", f"{self._path(body)}/{body['metadata']['name']}", body, dry_run=False
        )

    def delete(self, body: Object) -> Answer:
        """Delete at once."""
        return self._send(
            "DELETE", f"{self._path(body)}/{body['metadata']['name']}", {}, dry_run=False
        )

    def _path(self, body: Object) -> str:
        kind = body["kind"]
        namespace = "/namespaces/default" if _NAMESPACED[kind] else ""
        return f"/apis/tidegate.dev/v1alpha1{namespace}/{kind.lower()}s"

    def _send(
        self,
        method: str,
        path: str,
        body: Object,
        *,
        content_type: str = "application/json",
        dry_run: bool,
        **parameters: str,
    ) -> Answer:
        answer = self._session.request(
            method,
            self._url + path,
            data=json.dumps(body),
            headers={"Content-Type": content_type},
            params={
                "fieldValidation": "Strict",
                **({"dryRun": "All"} if dry_run else {}),
                **parameters,
            },
            timeout=10,
        )
        return Answer(code=answer.status_code, body=answer.json())
