"""Argo CD as plain processes beside an API server: Redis, repositories, comparison and syncs."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml
from tests.argocd import program
from tests.cluster import process, shell
from tests.cluster.api import ControlPlane
from tests.cluster.kubectl import wait_for
from tests.cluster.ports import free_port

NAMESPACE = "argocd"
SETTINGS = Path(__file__).parents[2] / "examples" / "argocd" / "argocd-cm.yaml"
_START_SECONDS = 120.0
_RESYNC_SECONDS = 10
_EMPTY = ("rbac-cm", "cmd-params-cm", "gpg-keys-cm", "tls-certs-cm", "ssh-known-hosts-cm")


def install(plane: ControlPlane) -> None:
    """Its kinds, and the objects that it reads its settings from; ours are those of the example."""
    plane.kubectl("create", "namespace", NAMESPACE)
    for crd in sorted(program.manifests().glob("*-crd.yaml")):
        plane.kubectl("apply", "--server-side", "-f", str(crd))
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=120s")
    objects = [_settings(f"argocd-{name}", {}) for name in _EMPTY]
    objects += [yaml.safe_load(SETTINGS.read_text()), _secret(), _project()]
    bundle = {"apiVersion": "v1", "kind": "List", "items": objects}
    plane.kubectl("apply", "-f", "-", input=json.dumps(bundle))


@contextlib.contextmanager
def running(plane: ControlPlane, folder: Path) -> Iterator[None]:
    """Its processes for the time of the block; their logs are in the folder.

    Errors: kubectl.NotReady with the end of a log when one does not come up.
    """
    records: list[process.ProcessRecord] = []
    try:
        for name, argv, port in _parts(plane, folder):
            log = folder / f"{name}.log"
            records.append(process.spawn(name=name, argv=argv, log=log, env=_environment(folder)))
            _wait_for(name, port=port, log=log)
        yield
    finally:
        for record in reversed(records):
            process.kill(record)


def _parts(plane: ControlPlane, folder: Path) -> Iterator[tuple[str, Sequence[str], int]]:
    redis, repositories, metrics = free_port(), free_port(), free_port()
    yield "redis", _redis(folder, port=redis), redis
    listen = ("--address", "127.0.0.1", "--port", str(repositories))
    watched = ("--metrics-address", "127.0.0.1", "--metrics-port", str(free_port()))
    cache = ("--redis", f"127.0.0.1:{redis}")
    argv: Sequence[str] = (
        _called(folder, program.REPOSITORIES),
        *listen,
        *watched,
        *cache,
        "--disable-tls",
    )
    yield program.REPOSITORIES, argv, repositories
    cluster = ("--kubeconfig", str(_kubeconfig(plane, folder)), "--namespace", NAMESPACE)
    source = ("--repo-server", f"127.0.0.1:{repositories}", "--repo-server-plaintext")
    argv = (
        *(_called(folder, program.CONTROLLER), *cluster, *source, *cache),
        *("--metrics-port", str(metrics), "--app-resync", str(_RESYNC_SECONDS)),
        *("--app-resync-jitter", "0"),
    )
    yield program.CONTROLLER, argv, metrics


def _redis(folder: Path, *, port: int) -> Sequence[str]:
    keep_nothing = ("--save", "", "--appendonly", "no")
    return (
        "redis-server",
        "--bind",
        "127.0.0.1",
        "--port",
        str(port),
        "--dir",
        str(folder),
        *keep_nothing,
    )


def _called(folder: Path, name: str) -> str:
    """The executable by the name of one of its parts."""
    link = folder / name
    if not link.is_symlink():
        link.symlink_to(program.executable())
    return str(link)


def _kubeconfig(plane: ControlPlane, folder: Path) -> Path:
    """That of the plane, with the namespace that Argo CD looks for its settings in."""
    path = folder / "kubeconfig"
    if not path.exists():
        document = yaml.safe_load(plane.kubeconfig.read_text())
        for context in document["contexts"]:
            context["context"]["namespace"] = NAMESPACE
        path.write_text(yaml.safe_dump(document))
    return path


def _environment(folder: Path) -> Mapping[str, str]:
    """All that it writes goes into the folder; git asks nobody and reads no settings of ours."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    return {
        "ARGOCD_FAKE_IN_CLUSTER": "true",
        "KUBECONFIG": str(folder / "kubeconfig"),
        "ARGOCD_GPG_ENABLED": "false",
        "ARGOCD_TLS_DATA_PATH": str(folder / "tls"),
        "ARGOCD_SSH_DATA_PATH": str(folder / "ssh"),
        "ARGOCD_ASK_PASS_SOCK": str(folder / "ask-pass.sock"),
        "TMPDIR": str(temporary),
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
    }


def _wait_for(name: str, *, port: int, log: Path) -> None:
    wait_for(
        name,
        lambda: _listens(port),
        timeout_seconds=_START_SECONDS,
        explain=lambda: shell.tail(log),
    )


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _settings(name: str, data: Mapping[str, str]) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _named(name),
        "data": dict(data),
    }


def _secret() -> dict[str, object]:
    data = {"server.secretkey": "only-for-tests", "admin.password": "none"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _named("argocd-secret"),
        "stringData": data,
    }


def _project() -> dict[str, object]:
    anything = [{"group": "*", "kind": "*"}]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": "default", "namespace": NAMESPACE},
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"namespace": "*", "server": "*"}],
            "clusterResourceWhitelist": anything,
            "namespaceResourceWhitelist": anything,
        },
    }


def _named(name: str) -> dict[str, object]:
    labels = {"app.kubernetes.io/part-of": "argocd"}
    return {"name": name, "namespace": NAMESPACE, "labels": labels}
