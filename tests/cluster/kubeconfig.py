"""Kubeconfig files: written for our own clusters, read carefully for foreign ones."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import yaml
from tests.cluster import paths
from tests.cluster.certificates import KeyPair


def write(path: Path, *, server: str, authority: Path, client: KeyPair, context: str) -> Path:
    """A kubeconfig with everything inside it, readable by its owner only."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": context,
                "cluster": {"server": server, "certificate-authority-data": _encoded(authority)},
            }
        ],
        "users": [
            {
                "name": context,
                "user": {
                    "client-certificate-data": _encoded(client.certificate),
                    "client-key-data": _encoded(client.key),
                },
            }
        ],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
        "current-context": context,
    }
    return write_document(path, document)


def write_document(path: Path, document: dict[str, Any]) -> Path:
    """Write a kubeconfig document, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    paths.write_if_changed(path, yaml.safe_dump(document, sort_keys=False))
    return path


def with_only_context(document: dict[str, Any], *, context: str) -> dict[str, Any] | None:
    """The same kubeconfig reduced to one context, made current; None when it has no such context.

    What was not named cannot be reached by accident.
    """
    entries = [entry for entry in document.get("contexts") or [] if entry.get("name") == context]
    if not entries:
        return None
    chosen = entries[0]["context"]
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": _named(document.get("clusters"), chosen.get("cluster")),
        "users": _named(document.get("users"), chosen.get("user")),
        "contexts": entries[:1],
        "current-context": context,
    }


def _named(entries: list[dict[str, Any]] | None, name: str | None) -> list[dict[str, Any]]:
    return [entry for entry in entries or [] if entry.get("name") == name]


def _encoded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
