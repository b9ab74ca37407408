"""What tests and the demo use of the cluster tooling.

`control_plane()` gives an own API server in 2-3 s; `ensure_cluster()` the full cluster with a node,
a Gateway and Prometheus, from whichever provider this machine can run.
"""

from __future__ import annotations

from tests.cluster.controlplane import ControlPlane, control_plane
from tests.cluster.kubectl import NotReady
from tests.cluster.model import Cluster, ClusterUnavailable, GatewayRef, ImageSource
from tests.cluster.providers import ensure_cluster, must_build
from tests.cluster.shell import CommandError

__all__ = [
    "Cluster",
    "ClusterUnavailable",
    "CommandError",
    "ControlPlane",
    "GatewayRef",
    "ImageSource",
    "NotReady",
    "control_plane",
    "ensure_cluster",
    "must_build",
]
