"""The VirtualService of ours where Istio carries the split. Source: ecosystem.md, 1.7; docs/adr/0102."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class IstioGateway:
    """A Gateway of Istio; without a namespace it is in that of ours."""

    name: str
    namespace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualService:
    """Host names at Gateways, both or neither; without them the entry Service's name in the mesh.

    Without `path_prefixes` it takes every path. `timeout` is a duration as Istio takes it, empty where
    there is none.
    """

    hosts: tuple[str, ...] = ()
    gateways: tuple[IstioGateway, ...] = ()
    path_prefixes: tuple[str, ...] = ()
    timeout: str = ""
