"""Where the local provider keeps its files.

What is expensive (images) is in the cache, what must not survive a reboot (sockets, containerd's
notes about running containers) in /run, everything else in the state folder.
"""

from __future__ import annotations

from pathlib import Path

from tests.cluster import paths

NODE_NAME = "tidegate-node"
RUN = Path("/run/tidegate")
# Addresses and names are fixed, so a machine has one local cluster; this says whose it is.
OWNER = RUN / "owner"
LOCK = Path("/run/tidegate.lock")
CONTAINERD_SOCKET = RUN / "containerd.sock"
CONTAINERD_STATE = RUN / "containerd"
RUNC_ROOT = RUN / "runc"
CNI_BINARIES = Path("/usr/lib/cni")
CNI_NETWORK = "tidegate"
# libcni keeps one file per pod here and cannot be told otherwise; ours begin with our name.
CNI_RESULTS = Path("/var/lib/cni/results")
# The kubelet makes links to log files here and cannot be told otherwise; ours point into our state.
CONTAINER_LOG_LINKS = Path("/var/log/containers")


def root() -> Path:
    """State of the local cluster, deleted when it stops."""
    path = paths.state_dir() / "local"
    path.mkdir(exist_ok=True)
    return path


def folder(name: str) -> Path:
    """A folder below the state of the local cluster."""
    path = root() / name
    path.mkdir(exist_ok=True)
    return path


def image_store() -> Path:
    """containerd's images, kept between starts."""
    path = paths.cache_dir() / "containerd"
    path.mkdir(exist_ok=True)
    return path


def kubeconfig() -> Path:
    """The kubeconfig for people and tests on this machine."""
    return paths.state_dir() / "kubeconfig"
