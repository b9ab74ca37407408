"""The VirtualServer of ours where NGINX carries the split. Source: docs/adr/0106."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualServer:
    """A host name of its own, which no other VirtualServer or Ingress of the controller has.

    Without `path_prefixes` it takes every path. `read_timeout` is a time as NGINX takes it, empty where
    none is given.
    """

    host: str
    tls_secret: str = ""
    ingress_class: str = ""
    path_prefixes: tuple[str, ...] = ()
    read_timeout: str = ""
