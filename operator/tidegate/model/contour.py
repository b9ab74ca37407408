"""The HTTPProxy of ours where Contour carries the split. Source: api.md, 5.2; ecosystem.md, 1.8."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyRef:
    """An HTTPProxy that belongs to the user; without a namespace it is in that of ours."""

    name: str
    namespace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContourProxy:
    """A root with a host name, or a part of one that the user keeps; exactly one of both.

    Without `path_prefixes` it takes every path. Timeouts are durations as Contour takes them, empty
    where none is given.
    """

    fqdn: str = ""
    tls_secret: str = ""
    included_by: ProxyRef | None = None
    ingress_class: str = ""
    path_prefixes: tuple[str, ...] = ()
    response_timeout: str = ""
    idle_timeout: str = ""
