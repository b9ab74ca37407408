"""Plain HTTP to a test API server: what it answers, unchanged."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

import requests
from tests.cluster.api import ControlPlane

Object = dict[str, Any]

_PLURALS = {
    "RolloutPolicy": "rolloutpolicies",
    "ClusterRolloutPolicy": "clusterrolloutpolicies",
}
_NAMESPACED = {
    "ModelDeployment": True,
    "MetricTemplate": True,
    "ClusterMetricTemplate": False,
    "RolloutRecord": True,
    "RolloutPolicy": True,
    "ClusterRolloutPolicy": False,
    "RolloutApproval": True,
    "NotificationProvider": True,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status code, decoded body, and what the server warns of."""

    code: int
    body: Object
    warning: str = ""

    @property
    def causes(self) -> list[tuple[str, str]]:
        """Field and message of every cause of a refusal."""
        causes = self.body.get("details", {}).get("causes", [])
        return [(it.get("field", ""), it.get("message", "")) for it in causes]


def session_of(plane: ControlPlane, *, user: str) -> requests.Session:
    """Connections with a client certificate that may all, or in the name of the `user`."""
    identity = plane.credentials.client("admin")
    session = requests.Session()
    session.trust_env = False
    session.verify = str(plane.credentials.authority.pair.certificate)
    session.cert = (str(identity.certificate), str(identity.key))
    if user:
        session.headers["Impersonate-User"] = user
    return session


class ApiClient:
    """Requests on our kinds with a client certificate, or as the `user` for whom it stands in."""

    def __init__(self, plane: ControlPlane, *, user: str = "") -> None:
        self._plane = plane
        self._session = session_of(plane, user=user)

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

    def replace(self, body: Object, *, dry_run: bool = False) -> Answer:
        """Update, guarded by the resourceVersion in the body."""
        return self._send(
            "PUT", f"{self._path(body)}/{body['metadata']['name']}", body, dry_run=dry_run
        )

    def delete(self, body: Object) -> Answer:
        """Delete at once."""
        return self._send(
            "DELETE", f"{self._path(body)}/{body['metadata']['name']}", {}, dry_run=False
        )

    def _path(self, body: Object) -> str:
        kind = body["kind"]
        place = body["metadata"].get("namespace", "default")
        namespace = f"/namespaces/{place}" if _NAMESPACED[kind] else ""
        plural = _PLURALS.get(kind, f"{kind.lower()}s")
        return f"/apis/tidegate.dev/v1alpha1{namespace}/{plural}"

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
        send = partial(
            self._session.request,
            method,
            self._plane.server_url + path,
            data=json.dumps(body),
            headers={"Content-Type": content_type},
            params={
                "fieldValidation": "Strict",
                **({"dryRun": "All"} if dry_run else {}),
                **parameters,
            },
            timeout=120,
        )
        try:
            answer = send()
        except requests.ConnectionError:
            if not self._plane.revive():
                raise
            answer = send()
        warning = answer.headers.get("Warning", "")
        return Answer(code=answer.status_code, body=answer.json(), warning=warning)
