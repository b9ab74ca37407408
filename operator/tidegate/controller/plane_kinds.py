"""Kinds of other projects that a data plane writes: one row per kind, with what installs it.

Whoever writes, reads, watches or checks such objects asks this table, so a plane of another kind is
one more row here, and its rights in the chart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tidegate import ports


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneKind:
    """A kind that a cluster may not serve, and how a person installs it."""

    kind: ports.Kind
    install: str


_GATEWAY_API: Final = (
    "with your Gateway's own chart or by 'kubectl apply --server-side -f "
    "https://github.com/kubernetes-sigs/gateway-api/releases/latest/download/standard-install.yaml'"
)
_CONTOUR: Final = (
    "with its own chart or by 'kubectl apply -f https://projectcontour.io/quickstart/contour.yaml'"
)
_ISTIO: Final = "with its own chart or by 'istioctl install'"
_TRAEFIK: Final = "with its own chart, whose CRDs have it"
_NGINX: Final = "by F5, with its own chart, whose CRDs have it"
# Each with the first release that serves it at this version.
_ROWS: Final = (
    PlaneKind(kind=ports.HTTP_ROUTE, install=f"Gateway API 1.0 or newer, {_GATEWAY_API}"),
    PlaneKind(kind=ports.GRPC_ROUTE, install=f"Gateway API 1.1 or newer, {_GATEWAY_API}"),
    PlaneKind(kind=ports.HTTP_PROXY, install=f"Contour 1.26 or newer, {_CONTOUR}"),
    PlaneKind(kind=ports.VIRTUAL_SERVICE, install=f"Istio 1.22 or newer, {_ISTIO}"),
    PlaneKind(kind=ports.TRAEFIK_SERVICE, install=f"Traefik 3.0 or newer, {_TRAEFIK}"),
    PlaneKind(
        kind=ports.VIRTUAL_SERVER, install=f"NGINX Ingress Controller 3.4 or newer, {_NGINX}"
    ),
)
PLANE_KINDS: Final[Mapping[str, PlaneKind]] = {row.kind.kind: row for row in _ROWS}
# All that a plane may write, by the name of the kind.
KINDS: Final[Mapping[str, ports.Kind]] = {
    ports.SERVICE.kind: ports.SERVICE,
    **{name: row.kind for name, row in PLANE_KINDS.items()},
}
