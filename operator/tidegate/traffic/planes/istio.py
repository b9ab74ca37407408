"""One VirtualService of ours with a weight per revision Service: at Gateways, or in the mesh.

The first rule that fits takes a request, so that of the testers stands before the one with the weights.
Istio says nothing of when its proxies have a VirtualService; where its analysis writes errors into the
status, these count.
Source: Istio, `networking.istio.io/v1`; ecosystem.md, 1.7; docs/adr/0102.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import ClassVar

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.interface import (
    Capabilities,
    Mirror,
    Shape,
    Target,
    Weights,
)
from tidegate.traffic.planes import entry, handover, ways
from tidegate.traffic.planes.handover import Move, Split
from tidegate.traffic.planes.managed import Finding, ManagedObject
from tidegate.traffic.planes.ways import Headers, Way

_ALL = 100.0  # percent
_BY_HEADER = "spec.http by header"
_WHOLE = ("hosts", "gateways", "exportTo", "tcp", "tls")
_COPIES = r"(mirror.*|mirrors.*)"  # with the words of older releases
_COMPARED = {"exact": model.HeaderMatch.EXACT, "regex": model.HeaderMatch.REGULAR_EXPRESSION}


def _parts(live: model.Document) -> dict[str, model.Json]:
    """Rules that look at headers are apart from the others: they come and go with the rollout."""
    spec = objects.mapping(live.get("spec"))
    found = objects.items(spec.get("http"))
    whole = {f"spec.{name}": spec.get(name) for name in _WHOLE}
    return {
        **whole,
        _BY_HEADER: [it for it in found if _sent(it)],
        "spec.http": [it for it in found if not _sent(it)],
    }


_TO_WHOM = r"\.route(\[\d+\]\.(destination\.host|weight))?"
SHAPE = Shape(
    parts=_parts,
    moves=re.compile(
        rf"spec\.http\[\d+\]({_TO_WHOM}|\.{_COPIES})"
        rf"|{_BY_HEADER}(\[\d+\](\.match.*|{_TO_WHOM}|\.{_COPIES}))?"
    ),
)


class IstioPlane(ManagedObject):
    """Provider Istio."""

    kind = "VirtualService"
    api_version = "networking.istio.io/v1"
    shape = SHAPE
    abilities = Capabilities(weights=Weights.EXACT, mirror=Mirror.PERCENT, headers=True)
    unconfirmed: ClassVar[str] = "Istio does not say when its proxies have a VirtualService"

    def spec_of(self, target: Target, move: Move) -> model.Document:
        """Where it holds, and its rules."""
        asked = _asked(target.spec)
        return {**_where(target, asked), "http": list(_rules(target, asked, move))}

    def split(self, live: model.Document, *, name: str) -> Split:
        """Shares over all rules that look at no headers; of mirrors the largest."""
        rules = objects.items(objects.at(live, "spec", "http"))
        return ways.split([_way(it) for it in rules], name=name)

    def first_finding(self, live: model.Document, *, spec: model.Spec) -> Finding | None:  # noqa: ARG002
        """Only an error that the analysis of Istio, where it runs, found in this generation."""
        status = objects.mapping(live.get("status"))
        if _number(status.get("observedGeneration")) != objects.generation(live):
            return None
        for message in objects.items(status.get("validationMessages")):
            if objects.at(message, "level") == "ERROR":
                return _refusal(objects.mapping(objects.at(message, "type")))
        return None


def _asked(spec: model.Spec) -> model.VirtualService:
    asked = spec.traffic.istio
    assert asked is not None, "the schema requires traffic.istio with this provider"
    return asked


# --- as it is written ----------------------------------------------------------------------------


def _where(target: Target, asked: model.VirtualService) -> model.Document:
    """Hosts at Gateways; else the entry Service, for whoever calls it in the mesh.

    A Gateway is never named by one word, so that none called `mesh` puts foreign hosts there.
    """
    if not asked.gateways:
        service = entry.reference(meta=target.meta, spec=target.spec)
        return {"hosts": [service.name], "gateways": ["mesh"]}
    gateways = [f"{it.namespace or target.meta.namespace}/{it.name}" for it in asked.gateways]
    return {"hosts": list(asked.hosts), "gateways": gateways}


def _rules(target: Target, asked: model.VirtualService, move: Move) -> Iterator[model.Document]:
    """That of the testers, where there are any, and the one with the weights."""
    paths: list[model.Document] = [{"uri": {"prefix": it}} for it in asked.path_prefixes]
    timeout: model.Document = {"timeout": asked.timeout} if asked.timeout else {}
    if routes := move.exposure.routes:
        to = handover.service_of(target, target.candidate)
        headers = [{"headers": _headers(route.headers)} for route in routes]
        yield {
            "match": [{**path, **sent} for sent in headers for path in paths or [{}]],
            "route": [_destination(to, weight=int(_ALL))],
            **timeout,
        }
    yield {
        **({"match": paths} if paths else {}),
        "route": [_destination(it.service, weight=it.weight) for it in move.backends],
        **_copies(target),
        **timeout,
    }


def _headers(given: Headers) -> model.Document:
    """Names in lower case, as Istio wants them; its expressions compare whole values."""
    words = {match: word for word, match in _COMPARED.items()}
    return {one.name.lower(): {words[one.match]: one.value} for one in given}


def _destination(service: str, *, weight: int) -> model.Document:
    return {**_to(service), "weight": weight}


def _to(service: str) -> model.Document:
    """A short name is one of the VirtualService's own namespace."""
    port = {"number": objects.REVISION_SERVICE_PORT}
    return {"destination": {"host": service, "port": port}}


def _copies(target: Target) -> model.Document:
    """The candidate that gets copies; what testers send it, it has already."""
    percent = target.exposure.mirror_percent
    if percent <= 0:
        return {}
    to = _to(handover.service_of(target, target.candidate))["destination"]
    return {"mirror": to, "mirrorPercentage": {"value": percent}}


# --- as it is read -------------------------------------------------------------------------------


def _way(rule: model.Json) -> Way:
    return Way(answering=_answering(rule), copied=dict(_copied(rule)), sent=_sent(rule))


def _sent(rule: model.Json) -> tuple[Headers, ...]:
    """Headers of the requests that take this rule; none where some match looks at no header."""
    found = tuple(_read_headers(it) for it in objects.items(objects.at(rule, "match")))
    return tuple(dict.fromkeys(found)) if all(found) else ()


def _read_headers(match: model.Json) -> Headers:
    headers = objects.mapping(objects.at(match, "headers"))
    return tuple(_read_header(name, objects.mapping(how)) for name, how in headers.items())


def _read_header(name: str, how: model.Document) -> model.Header:
    """A way to compare that is not ours matches nothing of ours."""
    for word, match in _COMPARED.items():
        if value := objects.text(how.get(word)):
            return model.Header(name=name, value=value, match=match)
    return model.Header(name=name, value="")


def _answering(rule: model.Json) -> list[tuple[str, int]]:
    """Services by weight; one that stands alone gets everything, whatever its weight."""
    found = [
        (_host(objects.at(it, "destination")), objects.whole(objects.at(it, "weight")))
        for it in objects.items(objects.at(rule, "route"))
    ]
    return [(found[0][0], 1)] if len(found) == 1 else found


def _copied(rule: model.Json) -> Iterator[tuple[str, float]]:
    """Percent of the requests that are copied, by Service: all, where nothing is said."""
    if mirror := objects.at(rule, "mirror"):
        older = (objects.at(rule, word) for word in ("mirrorPercent", "mirror_percent"))
        said = (objects.at(rule, "mirrorPercentage", "value"), *older)
        yield _host(mirror), _percent(said)
    for one in objects.items(objects.at(rule, "mirrors")):
        yield (
            _host(objects.at(one, "destination")),
            _percent([objects.at(one, "percentage", "value")]),
        )


def _percent(said: Sequence[model.Json]) -> float:
    found = (float(it) for it in said if isinstance(it, int | float))
    return next(chain(found, [_ALL]))


def _host(destination: model.Json) -> str:
    """Its first word: the rest of a long name is namespace and domain of the cluster."""
    return objects.text(objects.at(destination, "host")).partition(".")[0]


# --- whether it is in force ----------------------------------------------------------------------


def _number(value: model.Json) -> int:
    """Numbers of 64 bits are words in some of Istio's answers."""
    text = value if isinstance(value, str) else ""
    return int(text) if text.isdecimal() else objects.whole(value, default=-1)


def _refusal(type_: model.Document) -> Finding:
    code, name = (objects.text(type_.get(it)) for it in ("code", "name"))
    message = f"Istio's analysis found {code or 'an error'}: see istioctl analyze"
    return Finding(reason=name or "NotValid", message=message)
