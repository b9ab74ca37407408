"""What NGINX Ingress Controller makes of a VirtualServer: its rules in the words of a Gateway's, and its answer.

Written from its documentation and its checks, apart from the operator's reader. What it calls invalid it
does not serve at all, and its answer names no generation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.sim.fields import Object

HOST = "iris.example.com"


def traffic(traffic: Object) -> Object:
    """The same settings of a ModelDeployment with NGINX in place of a Gateway."""
    rest = {key: value for key, value in traffic.items() if key != "gatewayAPI"}
    return {**rest, "provider": "NGINX", "nginx": {"host": HOST}}


def is_one(route: Object) -> bool:
    """Stored objects do not say their kind."""
    return "upstreams" in (route.get("spec") or {})


def rules(server: Object) -> list[Object]:
    """Matches before the rest of their route, with weights as they act."""
    return [] if wrong(server) else list(_rules(server["spec"]))


def _rules(spec: Object) -> Iterator[Object]:
    services = {it["name"]: it["service"] for it in spec["upstreams"]}
    for route in spec["routes"]:
        for match in route.get("matches") or []:
            headers = [{"name": it["header"], **it} for it in match["conditions"]]
            yield _rule([{"headers": headers}], match, services)
        yield _rule([], route, services)


def _rule(matches: list[Object], given: Object, services: Object) -> Object:
    """One action takes everything."""
    shared = given.get("splits") or [{"weight": 100, "action": given["action"]}]
    backends = [{"name": services[it["action"]["pass"]], "weight": it["weight"]} for it in shared]
    return {"matches": matches, "backendRefs": backends, "filters": []}


def wrong(server: Object) -> str:
    """What the controller refuses, or empty."""
    spec = server["spec"]
    known = {it["name"] for it in spec["upstreams"]}
    if len(known) < len(spec["upstreams"]):
        return "spec.upstreams: Duplicate value"
    for route in spec["routes"]:
        for given in (route, *(route.get("matches") or [])):
            if found := _wrong_with(given, known):
                return f"spec.routes: {found}"
    return ""


def _wrong_with(given: Object, known: set[str]) -> str:
    if ("action" in given) == ("splits" in given):
        return "must specify exactly one of `action` or `splits`"
    splits = given.get("splits") or [{"weight": 100, "action": given.get("action")}]
    weights = [it["weight"] for it in splits]
    if "splits" in given and len(splits) < 2:
        return "must include at least 2 splits"
    if sum(weights) != 100 or not all(0 <= it <= 100 and it == int(it) for it in weights):
        return f"the sum of the weights of all splits must be equal to 100: {weights}"
    unknown = {it["action"]["pass"] for it in splits} - known
    return f"no upstream {', '.join(sorted(unknown))}" if unknown else ""


def beside(server: Object, others: Iterable[Object]) -> list[str]:
    """Names of those that want its host, too: what happens to it changes what they get."""
    host = server["spec"].get("host")
    return [it["metadata"]["name"] for it in others if it["spec"].get("host") == host]


def answer(server: Object, others: Iterable[Object]) -> Object:
    """The status that it writes: of those with one host the oldest is served."""
    name = server["metadata"]["name"]
    if problem := wrong(server):
        return _said("Invalid", "Rejected", f"VirtualServer {name} is invalid: {problem}")
    same = [it for it in others if it["spec"].get("host") == server["spec"]["host"]]
    first = min(same, key=lambda it: (it["metadata"]["creationTimestamp"], it["metadata"]["uid"]))
    if first["metadata"]["name"] != name:
        return _said("Warning", "Rejected", "Host is taken by another resource")
    return _said("Valid", "AddedOrUpdated", f"Configuration for {name} was added or updated")


def _said(state: str, reason: str, message: str) -> Object:
    return {"state": state, "reason": reason, "message": message}


def differs(asked: Object, server: Object | None) -> str:
    """Which setting of `traffic.nginx` is not in force, or empty."""
    spec: Object = (server or {}).get("spec") or {}
    if spec.get("host") != asked["host"]:
        return f"host is {spec.get('host')}"
    paths = [it["path"] for it in spec.get("routes") or []]
    return "" if paths == (asked.get("pathPrefixes") or ["/"]) else f"paths are {paths}"
