"""What `helm test` runs: the API server must accept a good ModelDeployment and refuse a bad one.

Both are server-side dry runs, so nothing is created. This proves that the CRD is served, that its
rules are in force and that the release is reachable; it needs nothing but the standard library.
"""
# ruff: noqa: INP001, T201, S310 - a script that talks to people, and to one https address

import json
import os
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def model_deployment(*, version: str) -> dict[str, Any]:
    """The smallest object; `version` must be fit for a label."""
    ports = [{"containerPort": 8080}]
    container = {"name": "server", "image": "example.com/server:1", "ports": ports}
    return {
        "apiVersion": "tidegate.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "helm-test"},
        "spec": {
            "model": {"version": version},
            "workload": {"replicas": 1, "template": {"spec": {"containers": [container]}}},
        },
    }


def status_of_dry_run(body: dict[str, Any]) -> tuple[int, str]:
    """HTTP status of the answer, and the refusal if it is one."""
    namespace = (ACCOUNT / "namespace").read_text()
    path = f"/apis/tidegate.dev/v1alpha1/namespaces/{namespace}/modeldeployments?dryRun=All"
    host = os.environ["KUBERNETES_SERVICE_HOST"]
    host = f"[{host}]" if ":" in host else host
    request = urllib.request.Request(
        f"https://{host}:{os.environ['KUBERNETES_SERVICE_PORT']}{path}",
        data=json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}",
            "Content-Type": "application/json",
        },
    )
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    try:
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def main() -> None:
    """Exit code 1 when the API server judged differently."""
    failed = False
    for version, expected in (("1.0.0", 201), ("not a label!", 422)):
        status, said = status_of_dry_run(model_deployment(version=version))
        print(f"version {version!r}: {status}, expected {expected} {said}")
        failed = failed or status != expected
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
