"""What Traefik makes of a TraefikService: one rule in the words of a Gateway's, and no answer at all.

Written from Traefik's documentation, apart from the operator's reader. A Service without a weight has
weight 1; a mirror without a percent gets nothing.
"""

from __future__ import annotations

from tests.sim.fields import Object


def traffic(traffic: Object) -> Object:
    """The same settings of a ModelDeployment with Traefik in place of a Gateway."""
    rest = {key: value for key, value in traffic.items() if key != "gatewayAPI"}
    return {**rest, "provider": "Traefik"}


def is_one(route: Object) -> bool:
    """Stored objects do not say their kind."""
    return bool({"weighted", "mirroring"} & (route.get("spec") or {}).keys())


def rules(route: Object) -> list[Object]:
    """Its one rule, with weights and mirrors as they act."""
    spec = route["spec"]
    if "mirroring" not in spec:
        services = spec["weighted"]["services"]
        found = [{"name": it["name"], "weight": it.get("weight", 1)} for it in services]
        return [{"matches": [], "backendRefs": found, "filters": []}]
    main = spec["mirroring"]
    filters = [
        {
            "type": "RequestMirror",
            "requestMirror": {"backendRef": {"name": it["name"]}, "percent": it.get("percent", 0)},
        }
        for it in main.get("mirrors") or []
    ]
    backend = {"name": main["name"], "weight": 100}
    return [{"matches": [], "backendRefs": [backend], "filters": filters}]
