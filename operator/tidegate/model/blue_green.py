"""What a blue-green rollout asks for. Source: api.md, 5.3 (`strategy.blueGreen`)."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.model.headers import HeaderRoute


@dataclass(frozen=True, slots=True, kw_only=True)
class BlueGreen:
    """The candidate beside stable, at its preview Service, until the users are switched.

    `preview_percent` of the replicas serve the preview; the switch always finds all of them. With
    `min_requests` above 0 the preview has to prove that it keeps its limits, by `deadline_seconds`
    at the latest; else it lasts `preview_seconds` and only a breach ends it. Copies of `mirror_percent` of
    the users' requests make it comparable with stable. With `smoke_test` a Job has to succeed
    meanwhile. Requests that fit one of the `routes` go to it while it is in preview.
    """

    preview_service: str
    preview_percent: float = 100.0
    preview_seconds: float = 600.0
    deadline_seconds: float = 3600.0
    min_requests: int = 0
    mirror_percent: float = 0.0
    auto_promote: bool = True
    smoke_test: bool = False
    routes: tuple[HeaderRoute, ...] = ()
