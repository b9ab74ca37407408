"""Plain JSON to and from the test cluster, over one `kubectl proxy` per test process.

kubectl knows every way to log in that a kubeconfig can name, and one proxy is far cheaper than a
kubectl process per question. What it proxies to includes pods and Services.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import requests
from tests.cluster.api import Cluster, ControlPlane

from tidegate import ports

Object = dict[str, Any]

NAMESPACE = ports.Kind(
    group="", version="v1", plural="namespaces", kind="Namespace", namespaced=False
)
CONFIG_MAP = ports.Kind(group="", version="v1", plural="configmaps", kind="ConfigMap")
_FIELD_MANAGER = "e2e"
_TIMEOUT_SECONDS = 60.0
_START_SECONDS = 60.0


class Refused(RuntimeError):  # noqa: N818 - reads as the sentence it is
    """The API server, or what it proxies to, answered with an error."""

    def __init__(self, *, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@contextlib.contextmanager
def proxy(cluster: Cluster | ControlPlane) -> Iterator[str]:
    """The URL of a running `kubectl proxy`."""
    command = [str(cluster.kubectl_bin), "proxy", "--port=0", "--kubeconfig"]
    command += [str(cluster.kubeconfig)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = process.stdout.readline()
            found = re.search(r"127\.0\.0\.1:\d+", told)
            assert found is not None, f"kubectl proxy did not start: {told}"
            yield f"http://{found.group()}"
        finally:
            process.terminate()
            process.wait(timeout=_START_SECONDS)


def path_of(kind: ports.Kind, *, namespace: str = "", name: str = "", below: str = "") -> str:
    """The path of a collection, an object, or something below it such as `status`."""
    root = f"/apis/{kind.group}" if kind.group else "/api"
    scope = f"/namespaces/{namespace}" if namespace and kind.namespaced else ""
    parts = [root, f"/{kind.version}", scope, f"/{kind.plural}"]
    parts += [f"/{part}" for part in (name, below) if part]
    return "".join(parts)


class Client:
    """Requests with full rights. Errors: Refused, with the server's message."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def close(self) -> None:
        self._session.close()

    def get(self, kind: ports.Kind, *, namespace: str = "", name: str) -> Object | None:
        """One object, or None when there is none."""
        return self._send("GET", path_of(kind, namespace=namespace, name=name), absent=True)

    def list(self, kind: ports.Kind, *, namespace: str = "", **labels: str) -> list[Object]:
        """All objects with these labels."""
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        answer = self._send(
            "GET", path_of(kind, namespace=namespace), params={"labelSelector": selector}
        )
        assert answer is not None
        return list(answer["items"])

    def apply(self, kind: ports.Kind, body: Object) -> Object:
        """Server-side apply, as `kubectl apply --server-side` does it."""
        meta = body["metadata"]
        answer = self._send(
            "PATCH",
            path_of(kind, namespace=meta.get("namespace", ""), name=meta["name"]),
            body={"apiVersion": kind.api_version, "kind": kind.kind, **body},
            content_type="application/apply-patch+yaml",
            params={"fieldManager": _FIELD_MANAGER, "force": "true", "fieldValidation": "Strict"},
        )
        assert answer is not None
        return answer

    def merge(
        self, kind: ports.Kind, *, namespace: str, name: str, body: Object, below: str = ""
    ) -> Object:
        """A merge patch, also of a subresource."""
        answer = self._send(
            "PATCH",
            path_of(kind, namespace=namespace, name=name, below=below),
            body=body,
            content_type="application/merge-patch+json",
        )
        assert answer is not None
        return answer

    def delete(
        self, kind: ports.Kind, *, namespace: str = "", name: str, at_once: bool = False
    ) -> None:
        """Delete; `at_once` kills a pod as a crash of its node would. Nothing there is fine."""
        self._send(
            "DELETE",
            path_of(kind, namespace=namespace, name=name),
            body={"gracePeriodSeconds": 0} if at_once else {},
            absent=True,
        )

    def bind(self, *, namespace: str, pod: str, node: str) -> None:
        """Give a pod to a node, as a scheduler does."""
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        body = {"metadata": {"name": pod}, "target": target}
        self._send(
            "POST", path_of(ports.POD, namespace=namespace, name=pod, below="binding"), body=body
        )

    def text(self, path: str, **params: str) -> str:
        """What a path answers, such as a log or a proxied pod."""
        return self._request("GET", path, params=params).text

    def watch(
        self, kind: ports.Kind, *, namespace: str, resource_version: str
    ) -> requests.Response:
        """An open stream of watch events, one JSON document per line."""
        params = {"watch": "true", "resourceVersion": resource_version, "timeoutSeconds": "600"}
        answer = requests.get(
            self.url + path_of(kind, namespace=namespace),
            params=params,
            stream=True,
            timeout=(_TIMEOUT_SECONDS, 700),
        )
        answer.raise_for_status()
        return answer

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: Object | None = None,
        content_type: str = "application/json",
        params: Mapping[str, str] | None = None,
        absent: bool = False,
    ) -> Object | None:
        try:
            answer = self._request(
                method, path, body=body, content_type=content_type, params=params
            )
        except Refused as refused:
            if absent and refused.code == 404:
                return None
            raise
        return dict(answer.json())

    def _request(
        self,
        method: str,
        path: str,
        *,
        body: Object | None = None,
        content_type: str = "application/json",
        params: Mapping[str, str] | None = None,
    ) -> requests.Response:
        answer = self._session.request(
            method,
            self.url + path,
            data=None if body is None else json.dumps(body),
            headers={"Content-Type": content_type} if body is not None else {},
            params=params,
            timeout=_TIMEOUT_SECONDS,
        )
        if not answer.ok:
            raise Refused(code=answer.status_code, message=_message(answer))
        return answer


def _message(answer: requests.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:500]
