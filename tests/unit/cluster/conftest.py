from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test here touches the real cluster: cache and state are folders of the test."""
    monkeypatch.setenv("TIDEGATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TIDEGATE_STATE", str(tmp_path / "state"))
    for name in ("TIDEGATE_CLUSTER", "TIDEGATE_KUBECONFIG", "TIDEGATE_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path
