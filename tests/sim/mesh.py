"""What Istio makes of a VirtualService: its rules in the words of a Gateway's, and no answer at all.

Written from Istio's documentation, apart from the operator's reader. A destination that stands alone
gets everything; a mirror without a percent copies everything.
"""

from __future__ import annotations

from tests.sim.fields import Object


def traffic(traffic: Object) -> Object:
    """The same settings of a ModelDeployment with Istio in place of a Gateway."""
    rest = {key: value for key, value in traffic.items() if key != "gatewayAPI"}
    return {**rest, "provider": "Istio", "istio": {}}


def is_one(route: Object) -> bool:
    """Stored objects do not say their kind; an empty one has no rules all the same."""
    return "http" in (route.get("spec") or {})


def rules(route: Object) -> list[Object]:
    """Its rules, with weights and mirrors as they act."""
    return [_rule(it) for it in route["spec"]["http"]]


def _rule(rule: Object) -> Object:
    matches = [
        {"headers": [{"name": name, **how} for name, how in it.get("headers", {}).items()]}
        for it in rule.get("match") or []
    ]
    found = [(it["destination"]["host"], it.get("weight", 0)) for it in rule["route"]]
    alone = len(found) == 1
    backends = [{"name": host, "weight": 100 if alone else weight} for host, weight in found]
    return {"matches": matches, "backendRefs": backends, "filters": _copies(rule)}


def _copies(rule: Object) -> list[Object]:
    if "mirror" not in rule:
        return []
    percent = (rule.get("mirrorPercentage") or {}).get("value", 100)
    to = {"backendRef": {"name": rule["mirror"]["host"]}, "percent": percent}
    return [{"type": "RequestMirror", "requestMirror": to}]


def differs(asked: Object, route: Object | None) -> str:
    """Which setting of `traffic.istio` is not in force, or empty."""
    spec: Object = (route or {}).get("spec") or {}
    if "hosts" in asked and spec.get("hosts") != asked["hosts"]:
        return f"hosts are {spec.get('hosts')}"
    limits = [it.get("timeout") for it in spec.get("http") or []]
    return "" if all(it == asked.get("timeout") for it in limits) else f"timeouts are {limits}"
