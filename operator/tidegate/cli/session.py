"""Which cluster and namespace a command means, chosen as kubectl chooses, and the connection."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate import ports
from tidegate.adapters import kube
from tidegate.api import documents
from tidegate.api.revision import mapping
from tidegate.cli.outcome import CliError

FIELD_MANAGER = "tidegate-cli"
DEFAULT_NAMESPACE = "default"
_SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A cluster, by kubeconfig files and a context, and a namespace in it."""

    kubeconfig: str
    context: str
    namespace: str


def locate(environ: Mapping[str, str], *, kubeconfig: str, context: str, namespace: str) -> Place:
    """What the flags mean; an empty flag is not given.

    Flag, then KUBECONFIG, then the pod's own service account, then ~/.kube/config. Of several
    files the first one that says something counts, as for kubectl; our client library takes the
    last one's current context, so the context is always named to it.
    Errors: CliError when a file cannot be read or has no such context.
    """
    files = kubeconfig or environ.get("KUBECONFIG", "")
    if not files and kube.in_cluster():
        return Place(kubeconfig="", context="", namespace=namespace or _own_namespace())
    files = files or str(Path.home() / ".kube" / "config")
    configs = _read_all(files.split(os.pathsep))
    if not configs:
        raise CliError(f"there is no kubeconfig at {files}: name one by --kubeconfig or KUBECONFIG")
    name, entry = chosen_context(configs, wanted=context)
    return Place(
        kubeconfig=files,
        context=name,
        namespace=namespace or str(entry.get("namespace") or DEFAULT_NAMESPACE),
    )


def chosen_context(
    configs: Sequence[Mapping[str, Any]], *, wanted: str
) -> tuple[str, Mapping[str, Any]]:
    """Name and content of the context that counts.

    Errors: CliError when none is current or none has that name.
    """
    current = (config.get("current-context") for config in configs)
    name = wanted or next((str(it) for it in current if it), "")
    contexts = {
        str(mapping(entry).get("name")): mapping(mapping(entry).get("context"))
        for config in reversed(configs)
        for entry in _items(config.get("contexts"))
    }
    if name in contexts:
        return name, contexts[name]
    known = ", ".join(sorted(contexts)) or "none"
    problem = f"the kubeconfig has no context {name}" if name else "no context is current"
    raise CliError(f"{problem}: name one by --context (known: {known})")


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _read_all(files: Sequence[str]) -> list[Mapping[str, Any]]:
    paths = [Path(file).expanduser() for file in files if file]
    return [_read(path) for path in paths if path.exists()]


def _read(path: Path) -> Mapping[str, Any]:
    try:
        document = documents.load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CliError(f"cannot read kubeconfig {path}: {error}; repair or replace it") from error
    if not isinstance(document, dict):
        raise CliError(f"{path} is no kubeconfig: repair or replace it")
    return document


def _own_namespace() -> str:
    try:
        return _SERVICE_ACCOUNT_NAMESPACE.read_text(encoding="utf-8").strip()
    except OSError:
        return DEFAULT_NAMESPACE


class _Uncounted:
    """Requests of a command are counted by nobody, so that it needs no metrics library."""

    def api_request(self, *, verb: str, outcome: str) -> None:
        """Nothing to do."""


@asynccontextmanager
async def connected(place: Place) -> AsyncIterator[ports.KubeApi]:
    """The API server, for the time of the block.

    Errors: CliError when there are no usable credentials.
    """
    try:
        api = await kube.connect(
            recorder=_Uncounted(),
            kubeconfig=place.kubeconfig,
            context=place.context,
            field_manager=FIELD_MANAGER,
        )
    except kube.LoginError as error:
        raise CliError(f"{error}; log in again, or name another --context") from error
    except (TypeError, AttributeError, LookupError) as error:
        # What the client library stumbles over in a file that is YAML but no kubeconfig.
        raise CliError(f"the kubeconfig {place.kubeconfig} is malformed: repair it") from error
    try:
        yield api
    finally:
        await api.close()
