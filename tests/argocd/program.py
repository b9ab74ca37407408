"""Argo CD as one executable, from its Go module: repositories, comparison and syncs, sets.

v3.2.11 is the newest that builds from its module: v3.2.12 calls a function that it does not have, and
later minors replace a module of theirs by a folder that is no part of the module.
"""

from __future__ import annotations

from pathlib import Path

from tests.cluster import choice, gobuild, parts
from tests.cluster.local import packages
from tests.cluster.progress import Progress

VERSION = "v3.2.11"
CONTROLLER = "argocd-application-controller"
REPOSITORIES = "argocd-repo-server"
SETS = "argocd-applicationset-controller"

# In the cache beside the parts of the cluster, whose hash knows nothing of it: so the version is
# a part of the name.
PROGRAM = gobuild.GoProgram(
    name=f"argocd-{VERSION}",
    module="github.com/argoproj/argo-cd/v3",
    version=VERSION,
    package="./cmd/tidegate-test",
    main=Path(__file__).parent / "go" / "main.go",
    checksum="h1:3hkR11XCp/nlyM2cWr3qeUSGuZgi3JkFdMpzgL5qOR8=",
    seconds=180,
)


_DEBIAN = {"redis-server": "redis-server", "git": "git"}


def lacks() -> str | None:
    """What this machine lacks to run Argo CD and how to get it; None when nothing."""
    missing = packages.missing(_DEBIAN)
    return f"install {' and '.join(missing)}" if missing else None


def prepare(progress: Progress) -> None:
    """Install and build what is missing; packages only as root, where apt is.

    Errors: failures.PartFailed.
    """
    machine = choice.ThisMachine()
    wanted = [packages.part(_DEBIAN)] if machine.is_root() and machine.has_apt() else []
    wanted += [*gobuild.control_plane_parts(), *gobuild.program_parts(PROGRAM)]
    parts.ensure(wanted, progress)
    gobuild.ensure_kubernetes(progress)


def executable() -> Path:
    """The executable; built when it is missing.

    Errors: failures.PartFailed.
    """
    return gobuild.ensure_program(PROGRAM, Progress())


def manifests() -> Path:
    """The folder of its CRDs."""
    source = gobuild.module_dir(PROGRAM.module, PROGRAM.version, checksum=PROGRAM.checksum)
    return source / "manifests" / "crds"
