"""The operator's own settings: what the administrator decides, never a tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSourceSettings:
    """A Prometheus that tenants may name. Credentials are files mounted by the administrator.

    `enforces_namespace` says that a proxy in front of it adds a namespace matcher to every
    selector; only then may tenants write free queries (api.md, 8.2).
    """

    name: str
    url: str
    scrape_interval_seconds: float = 15.0
    timeout_seconds: float = 5.0
    bearer_token_file: str = ""
    ca_file: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    enforces_namespace: bool = False
