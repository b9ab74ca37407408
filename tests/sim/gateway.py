"""What a Gateway makes of a route: shares by weight, and testers by header before any weight."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.sim import mesh, nginx, proxies, traefik
from tests.sim.fields import Object

TESTERS_SHARE = 0.05  # of all requests, where some rule looks at headers
CLOSED = "x-tidegate-closed"  # a header that no request has


def all_rules(route: Object | None) -> list[Object]:
    """The rules of a route, or what others say in such words."""
    if route is not None and nginx.is_one(route):
        return nginx.rules(route)
    if route is not None and proxies.is_proxy(route):
        return proxies.rules(route)
    if route is not None and mesh.is_one(route):
        return mesh.rules(route)
    if route is not None and traefik.is_one(route):
        return traefik.rules(route)
    return ((route or {}).get("spec") or {}).get("rules") or []


def answer(route: Object, others: Iterable[Object]) -> Object | None:
    """What those say that are no Gateway; None of others."""
    if nginx.is_one(route):
        return nginx.answer(route, others)
    return proxies.answer(route, others) if proxies.is_proxy(route) else None


def touched(route: Object, others: Iterable[Object]) -> list[str]:
    """Names of those whose answer may be another now: parts of a root, and rivals for a host."""
    return nginx.beside(route, others) if nginx.is_one(route) else proxies.included(route)


def rules(route: Object | None, *, by_header: bool) -> list[Object]:
    """The rules of a route that look at headers in every match, or those that do not."""
    open_ = [rule for rule in all_rules(route) if not is_closed(rule)]
    return [rule for rule in open_ if _looks(rule) is by_header]


def is_closed(rule: Object) -> bool:
    """No request takes this rule."""
    names = [it["name"] for match in rule.get("matches") or [] for it in match.get("headers") or []]
    return names == [CLOSED]


def _looks(rule: Object) -> bool:
    found = rule.get("matches") or []
    return bool(found) and all(match.get("headers") for match in found)


def testers(route: Object | None, *, name: str) -> set[str]:
    """Revisions that requests are sent to by header."""
    return {
        backend["name"].removeprefix(f"{name}-")
        for rule in rules(route, by_header=True)
        for backend in rule.get("backendRefs") or []
        if backend.get("weight", 1) > 0
    }


@dataclass(slots=True, kw_only=True)
class Plane:
    """The data plane's view of one route: what is in force, by Service name."""

    weights: dict[str, int] = field(default_factory=dict)
    by_header: dict[str, int] = field(default_factory=dict)
    mirrors: dict[str, float] = field(default_factory=dict)  # percent of copies

    def shares(self, testers: float) -> Iterator[tuple[str, float]]:
        """Who gets which part of all requests, where so many are those of testers."""
        left = 1.0 - (testers if self.by_header else 0.0)
        for weights, part in ((self.weights, left), (self.by_header, 1.0 - left)):
            total = sum(weights.values()) or 1
            yield from ((name, part * weight / total) for name, weight in weights.items())


def plane_of(route: Object) -> Plane:
    """What is in force once a Gateway has taken this route."""
    weights, by_header = (
        {
            backend["name"]: backend.get("weight", 1)
            for rule in rules(route, by_header=looks)
            for backend in rule.get("backendRefs") or []
        }
        for looks in (False, True)
    )
    return Plane(weights=weights, by_header=by_header)
