"""An Application of Argo CD that follows a repository, and what Argo CD says of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cluster_client import Client, Object
from tests.argocd.repository import FOLDER, Repository
from tests.argocd.server import NAMESPACE

from tidegate import ports

APPLICATION = ports.Kind(
    group="argoproj.io", version="v1alpha1", plural="applications", kind="Application"
)
WAIT_SECONDS = 300.0  # a busy machine may take long
SERVER_SIDE_DIFF = {"argocd.argoproj.io/compare-options": "ServerSideDiff=true"}
SELF_HEAL = {"prune": True, "selfHeal": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One Application; `namespace` is where its objects go."""

    client: Client
    name: str
    namespace: str
    repository: Repository

    def create(
        self,
        *,
        options: Sequence[str] = (),
        annotations: dict[str, str] | None = None,
        finalizer: bool = False,
    ) -> None:
        """Let Argo CD follow the repository, and undo what others write."""
        metadata: Object = {"name": self.name, "namespace": NAMESPACE}
        metadata["annotations"] = annotations or {}
        if finalizer:
            metadata["finalizers"] = ["resources-finalizer.argocd.argoproj.io"]
        source = {"repoURL": self.repository.url, "path": FOLDER, "targetRevision": "main"}
        spec = {
            "project": "default",
            "source": source,
            "destination": {
                "server": "https://kubernetes.default.svc",
                "namespace": self.namespace,
            },
            "syncPolicy": {"automated": SELF_HEAL, "syncOptions": list(options)},
        }
        self.client.apply(APPLICATION, {"metadata": metadata, "spec": spec})

    def delete(self) -> None:
        """Delete it; with its finalizer all that it made goes, too."""
        self.client.delete(APPLICATION, namespace=NAMESPACE, name=self.name)

    def body(self) -> Object | None:
        return self.client.get(APPLICATION, namespace=NAMESPACE, name=self.name)

    def refresh(self) -> None:
        """Let it look at Git now."""
        notes = {"argocd.argoproj.io/refresh": "normal"}
        self.client.merge(
            APPLICATION,
            namespace=NAMESPACE,
            name=self.name,
            body={"metadata": {"annotations": notes}},
        )

    def commit(self, files: dict[str, Object | None]) -> str:
        """Commit, and wait until Argo CD has compared with this commit."""
        revision = self.repository.commit(files)
        if self.body() is not None:
            self.refresh()
            self.wait(lambda it: it.revision == revision, what=f"compares with {revision}")
        return revision

    def look(self) -> Look:
        """What Argo CD says now."""
        return Look((self.body() or {}).get("status") or {})

    def wait(
        self, until: Callable[[Look], bool], *, what: str, seconds: float = WAIT_SECONDS
    ) -> Look:
        """The first look at which it is so. Errors: AssertionError with the last."""
        deadline = time.monotonic() + seconds
        while not until(look := self.look()):
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}; {look}"
            time.sleep(0.1)
        return look


@dataclass(frozen=True, slots=True)
class Look:
    """The status of an Application."""

    status: Object

    @property
    def sync(self) -> str:
        return str(self.status.get("sync", {}).get("status", ""))

    @property
    def revision(self) -> str:
        """The commit that was compared with."""
        return str(self.status.get("sync", {}).get("revision", ""))

    @property
    def health(self) -> str:
        return str(self.status.get("health", {}).get("status", ""))

    @property
    def syncs(self) -> int:
        """How many syncs there were; Argo CD keeps the last ten."""
        return len(self.status.get("history", ()))

    @property
    def operation(self) -> str:
        """How the newest sync ended, or that it runs."""
        return str(self.status.get("operationState", {}).get("phase", ""))

    @property
    def complaints(self) -> list[str]:
        """What Argo CD could not do."""
        return [it["message"] for it in self.status.get("conditions", ())]

    @property
    def resources(self) -> dict[str, Object]:
        """What stands in Git, by `KIND/NAME`."""
        found: list[Any] = self.status.get("resources", [])
        return {f"{it['kind']}/{it['name']}": it for it in found}
