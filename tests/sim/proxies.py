"""What Contour makes of an HTTPProxy: its routes as rules of a Gateway, and what it answers.

Written from Contour's documentation, apart from the operator's reader. Where no Service of a route has
a weight all count alike; a mirror without a weight gets all requests.
"""

from __future__ import annotations

from collections.abc import Iterable

from tests.sim.fields import Object

MEMBERS = {"routes", "virtualhost", "includes"}  # of its spec; a route has none of them
HOST = "iris.example.com"


def traffic(traffic: Object) -> Object:
    """The same settings of a ModelDeployment with Contour in place of a Gateway."""
    rest = {key: value for key, value in traffic.items() if key != "gatewayAPI"}
    return {**rest, "provider": "Contour", "contour": {"fqdn": HOST}}


def is_proxy(route: Object) -> bool:
    """Stored objects do not say their kind."""
    return bool(MEMBERS & (route.get("spec") or {}).keys())


def rules(proxy: Object) -> list[Object]:
    """Its routes, with weights and mirrors as they act."""
    return [_rule(route) for route in proxy["spec"].get("routes") or []]


def _rule(route: Object) -> Object:
    headers = [it["header"] for it in route.get("conditions") or [] if "header" in it]
    answering = [it for it in route["services"] if not it.get("mirror")]
    weights = [it.get("weight", 0) for it in answering]
    alike = not any(weights)
    filters = [
        {
            "type": "RequestMirror",
            "requestMirror": {
                "backendRef": {"name": it["name"]},
                "percent": it.get("weight") or 100,
            },
        }
        for it in route["services"]
        if it.get("mirror")
    ]
    backends = [
        {"name": it["name"], "weight": 1 if alike else weight}
        for it, weight in zip(answering, weights, strict=True)
    ]
    return {"matches": [{"headers": headers}], "backendRefs": backends, "filters": filters}


def included(route: Object) -> list[str]:
    """Names of those that an HTTPProxy makes a part of its own."""
    return [it["name"] for it in (route.get("spec") or {}).get("includes") or []]


def answer(proxy: Object, others: Iterable[Object]) -> Object:
    """The status that Contour writes: a part that no root includes is an orphan."""
    own = proxy["metadata"]
    is_part = any(own["name"] in included(other) for other in others)
    condition: Object = {"type": "Valid", "observedGeneration": own["generation"]}
    if "virtualhost" in proxy["spec"] or is_part:
        told = {"status": "True", "reason": "Valid", "message": "Valid HTTPProxy"}
        return {"currentStatus": "valid", "conditions": [condition | told]}
    why = "this HTTPProxy is not part of a delegation chain from a root HTTPProxy"
    error = {"type": "Orphaned", "status": "True", "reason": "Orphaned", "message": why}
    told = {"status": "False", "reason": "ErrorPresent", "message": "At least one error present"}
    return {"currentStatus": "orphaned", "conditions": [condition | told | {"errors": [error]}]}


def differs(asked: Object, proxy: Object | None) -> str:
    """Which setting of `traffic.contour` is not in force, or empty."""
    spec: Object = (proxy or {}).get("spec") or {}
    host = spec.get("virtualhost") or {}
    if host.get("fqdn") != asked.get("fqdn"):
        return f"fqdn is {host.get('fqdn')}"
    policies = [route.get("timeoutPolicy") for route in spec.get("routes") or []]
    wanted = asked.get("timeouts") or None
    return "" if all(it == wanted for it in policies) else f"timeouts are {policies}"
