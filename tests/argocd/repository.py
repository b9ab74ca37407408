"""A Git repository in a folder, as people commit to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from tests.cluster import shell

_WHO = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "people"), ("EMAIL", "people@example.com"))
}
FOLDER = "models"


class Repository:
    """One branch, and one folder of manifests in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / FOLDER).mkdir(parents=True)
        self._git("init", "--quiet", "--initial-branch=main")

    @property
    def url(self) -> str:
        return f"file://{self._folder}"

    def commit(self, files: Mapping[str, dict[str, Any] | None]) -> str:
        """Write these manifests by the names of their files, or remove them; the commit's hash."""
        for name, body in files.items():
            path = self._folder / FOLDER / name
            if body is None:
                path.unlink()
            else:
                path.write_text(yaml.safe_dump(body, sort_keys=False))
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", ", ".join(files))
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *words: str) -> str:
        env = {**_WHO, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
        return shell.run_text("git", *words, cwd=self._folder, env=env)
