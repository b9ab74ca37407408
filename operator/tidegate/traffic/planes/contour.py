"""One HTTPProxy of ours with a weight per revision Service: a root, or a part of the user's own.

Weights are written for every Service, since one without a weight has none once another has one. A
mirror stands among the Services of a route, with its percent for a weight; 0 means all of them there.
Source: Contour, `projectcontour.io/v1`; ecosystem.md, 1.8; docs/adr/0056.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.interface import (
    Capabilities,
    Mirror,
    Shape,
    Target,
    Weights,
)
from tidegate.traffic.planes import handover, ways
from tidegate.traffic.planes.handover import Move, Split
from tidegate.traffic.planes.managed import PENDING, Finding, ManagedObject
from tidegate.traffic.planes.ways import Way

_ALL = 100  # percent, and the weight of whoever stands alone
_BY_HEADER = "spec.routes by header"
_WHOLE = ("virtualhost", "ingressClassName", "includes", "tcpproxy")
_COMPARED = {"exact": model.HeaderMatch.EXACT, "regex": model.HeaderMatch.REGULAR_EXPRESSION}


def _parts(proxy: model.Document) -> dict[str, model.Json]:
    """Routes that look at headers are apart from the others: they come and go with the rollout."""
    spec = objects.mapping(proxy.get("spec"))
    by_header, others = _apart(spec.get("routes"))
    whole = {f"spec.{name}": spec.get(name) for name in _WHOLE}
    return {**whole, _BY_HEADER: by_header, "spec.routes": others}


_TO_WHOM = r"\.services(\[\d+\]\.(name|weight|mirror))?"
SHAPE = Shape(
    parts=_parts,
    moves=re.compile(
        rf"spec\.routes\[\d+\]{_TO_WHOM}|{_BY_HEADER}(\[\d+\](\.conditions.*|{_TO_WHOM}))?"
    ),
)


class ContourPlane(ManagedObject):
    """Provider Contour."""

    kind = "HTTPProxy"
    api_version = "projectcontour.io/v1"
    shape = SHAPE
    abilities = Capabilities(weights=Weights.EXACT, mirror=Mirror.WHOLE_PERCENT, headers=True)

    def spec_of(self, target: Target, move: Move) -> model.Document:
        """Its host, and its routes."""
        proxy = _proxy(target.spec)
        return {**_host(proxy), "routes": list(_routes(target, proxy, move))}

    def split(self, live: model.Document, *, name: str) -> Split:
        """Shares over all routes that look at no headers; of mirrors the largest."""
        routes = objects.items(objects.at(live, "spec", "routes"))
        return ways.split([_way(it) for it in routes], name=name)

    def first_finding(self, live: model.Document, *, spec: model.Spec) -> Finding | None:
        """Contour must have called that generation valid."""
        valid = objects.condition(objects.at(live, "status", "conditions"), "Valid")
        generation = objects.generation(live)
        if objects.whole(valid.get("observedGeneration"), default=-1) < generation:
            message = f"Contour has not answered for generation {generation}: {_served_by(spec)}"
            return Finding(reason=PENDING, message=message)
        if valid.get("status") == "True":
            return None
        return _refusal(valid, parent=_proxy(spec).included_by)


def _proxy(spec: model.Spec) -> model.ContourProxy:
    proxy = spec.traffic.contour
    assert proxy is not None, "the schema requires traffic.contour with this provider"
    return proxy


# --- as it is written ----------------------------------------------------------------------------


def _host(proxy: model.ContourProxy) -> model.Document:
    """A root has a host name; a part has none, and is found by whoever includes it."""
    named = {"ingressClassName": proxy.ingress_class} if proxy.ingress_class else {}
    if not proxy.fqdn:
        return {**named}
    tls: model.Document = {"tls": {"secretName": proxy.tls_secret}} if proxy.tls_secret else {}
    return {**named, "virtualhost": {"fqdn": proxy.fqdn, **tls}}


def _routes(target: Target, proxy: model.ContourProxy, move: Move) -> Iterator[model.Document]:
    """Those of the testers, where there are any, and those with the weights; one for each path."""
    policy = _timeouts(proxy)
    paths: list[list[model.Json]] = [[{"prefix": it}] for it in proxy.path_prefixes] or [[]]
    weighted = [_service(one.service, weight=one.weight) for one in move.backends]
    testers = _service(handover.service_of(target, target.candidate), weight=_ALL)
    for route in move.exposure.routes:
        headers = [_header(one) for one in route.headers]
        for path in paths:
            yield {"conditions": [*path, *headers], "services": [testers], **policy}
    for path in paths:
        yield {
            **({"conditions": path} if path else {}),
            "services": [*weighted, *_copies(target)],
            **policy,
        }


def _timeouts(proxy: model.ContourProxy) -> model.Document:
    given = {"response": proxy.response_timeout, "idle": proxy.idle_timeout}
    chosen: model.Document = {name: text for name, text in given.items() if text}
    return {"timeoutPolicy": chosen} if chosen else {}


def _header(header: model.Header) -> model.Document:
    member = next(name for name, match in _COMPARED.items() if match is header.match)
    return {"header": {"name": header.name, member: header.value}}


def _copies(target: Target) -> Iterator[model.Document]:
    """The candidate that gets copies; what testers send it, it has already."""
    percent = int(target.exposure.mirror_percent)
    if percent > 0:
        yield {**_service(handover.service_of(target, target.candidate), weight=percent), **_MIRROR}


_MIRROR: model.Document = {"mirror": True}


def _service(name: str, *, weight: int) -> model.Document:
    return {"name": name, "port": objects.REVISION_SERVICE_PORT, "weight": weight}


# --- as it is read -------------------------------------------------------------------------------


def _apart(routes: model.Json) -> tuple[list[model.Json], list[model.Json]]:
    """The routes that look at headers, and the others, each in their order."""
    found = objects.items(routes)
    return [it for it in found if _headers(it)], [it for it in found if not _headers(it)]


def _way(route: model.Json) -> Way:
    headers = _headers(route)
    services = objects.items(objects.at(route, "services"))
    return Way(
        answering=_answering(services),
        copied=_copied(services),
        sent=(headers,) if headers else (),
    )


def _headers(route: model.Json) -> tuple[model.Header, ...]:
    """What a request must have; a way to compare that is not ours matches nothing of ours."""
    conditions = objects.items(objects.at(route, "conditions"))
    found = (objects.mapping(objects.at(one, "header")) for one in conditions)
    return tuple(_read_header(one) for one in found if one)


def _read_header(condition: model.Document) -> model.Header:
    name = objects.text(condition.get("name"))
    for member, match in _COMPARED.items():
        if value := objects.text(condition.get(member)):
            return model.Header(name=name, value=value, match=match)
    return model.Header(name=name, value="")


def _answering(services: Sequence[model.Json]) -> list[tuple[str, int]]:
    """Services that answer, by weight. Where none has a weight, all count alike."""
    found = [
        (objects.text(objects.at(it, "name")), objects.whole(objects.at(it, "weight")))
        for it in services
        if objects.at(it, "mirror") is not True
    ]
    alike = not any(weight for _, weight in found)
    return [(name, 1) for name, _ in found] if alike else found


def _copied(services: Sequence[model.Json]) -> dict[str, float]:
    """Percent of the requests that are copied; a mirror without a weight gets all."""
    return {
        objects.text(objects.at(it, "name")): float(objects.whole(objects.at(it, "weight")) or _ALL)
        for it in services
        if objects.at(it, "mirror") is True
    }


# --- whether it is in force ----------------------------------------------------------------------


def _served_by(spec: model.Spec) -> str:
    class_ = _proxy(spec).ingress_class
    return f"is there one of class {class_}?" if class_ else "is there one in this cluster?"


def _refusal(valid: model.Document, *, parent: model.ProxyRef | None) -> Finding:
    """The first error that Contour tells, which says more than the condition does."""
    errors = objects.items(valid.get("errors"))
    told = objects.mapping(errors[0]) if errors else valid
    reason = objects.text(told.get("reason")) or "NotValid"
    message = objects.text(told.get("message")) or reason
    if parent is not None and objects.text(told.get("type")) == "Orphaned":
        where = f"{parent.namespace}/{parent.name}" if parent.namespace else parent.name
        message = f"{message}; HTTPProxy {where} must include it (spec.includes)"
    return Finding(reason=reason, message=f"Contour, Valid: {message}")
