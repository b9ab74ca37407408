"""One door to all providers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import assert_never

from tests.cluster import choice, existing, gobuild, kind, lock, paths
from tests.cluster.local import provider as local
from tests.cluster.model import Cluster, ImageSource
from tests.cluster.progress import Progress

# The first start builds for for minutes; who comes second waits that long.
_LOCK_TIMEOUT_SECONDS = 3600.0


def ensure_cluster(
    *, progress: Progress | None = None, images: Sequence[ImageSource] = ()
) -> Cluster:
    """The full cluster, started when it does not run yet; the same one for every caller.

    images will be asked for later by `Cluster.build_image`: where the cluster itself is still to be
    built, they are built and loaded beside that.
    Errors: ClusterUnavailable when no provider fits; shell.CommandError or kubectl.NotReady when
        a start fails.
    """
    progress = progress or Progress()
    provider = choice.choose(os.environ, choice.ThisMachine())
    with cluster_lock():
        match provider:
            case choice.Provider.EXISTING:
                return existing.ensure(os.environ)
            case choice.Provider.KIND:
                return kind.ensure(progress)
            case choice.Provider.LOCAL:
                return local.ensure(progress, images=images)
            case _:
                assert_never(provider)


def must_build() -> bool:
    """Whether `ensure_cluster` takes minutes, because something that is kept was never made.

    Errors: ClusterUnavailable when no provider fits.
    """
    match choice.choose(os.environ, choice.ThisMachine()):
        case choice.Provider.EXISTING:
            return False
        case choice.Provider.KIND:
            return not kind.was_used()
        case choice.Provider.LOCAL:
            return not gobuild.all_built()
        case unknown:
            assert_never(unknown)


def remove_cluster(*, progress: Progress) -> None:
    """Stop what `ensure_cluster` started here, by whichever provider; the cache stays.

    Nothing depends on the environment: what runs is found by what was recorded.
    """
    with cluster_lock():
        if kind.was_used():
            kind.remove(progress)
        if local.was_used():
            local.remove(progress)


def cluster_lock() -> lock.LockContext:
    """Held while a cluster is started or stopped."""
    return lock.file_lock(paths.state_dir() / "cluster.lock", timeout_seconds=_LOCK_TIMEOUT_SECONDS)
