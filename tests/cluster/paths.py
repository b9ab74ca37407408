"""Folders of the cluster tooling: a cache that is kept and a state that is thrown away."""

from __future__ import annotations

import os
from pathlib import Path

from tests.cluster import versions

MANIFESTS = Path(__file__).resolve().parent / "manifests"


def _folder(variable: str, default: str) -> Path:
    path = Path(os.environ.get(variable) or default).expanduser().resolve()
    path.mkdir(parents=True, exist_ok=True)
    return path


def cache_dir() -> Path:
    """What is expensive to build: `${TIDEGATE_CACHE:-~/.cache/tidegate}/<hash of versions>`."""
    path = _folder("TIDEGATE_CACHE", "~/.cache/tidegate") / versions.versions_hash()
    path.mkdir(exist_ok=True)
    return path


def state_dir() -> Path:
    """Process ids, logs, kubeconfig and certificates of the running cluster."""
    return _folder("TIDEGATE_STATE", "~/.local/state/tidegate")


def bin_dir() -> Path:
    """Executables built from Go modules."""
    path = cache_dir() / "bin"
    path.mkdir(exist_ok=True)
    return path


def log_dir() -> Path:
    """One log file per component and per build step."""
    path = state_dir() / "logs"
    path.mkdir(exist_ok=True)
    return path


def write_if_changed(path: Path, text: str) -> None:
    """Write a file only when its text differs: kube-proxy ends when its configuration is touched."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
