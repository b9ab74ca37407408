"""One VirtualServer of ours with a weight per revision Service, for NGINX Ingress Controller.

Weights are whole percents and sum to 100; a Service of weight 0 is listed and gets nothing. Testers stand
beside the split and come first, and the first of them that fits takes a request. What the controller
refuses serves nobody, so nothing is written that it would refuse. It says what it refused, and that it has
the object; of which generation it speaks it does not say.
Source: NGINX Ingress Controller, `k8s.nginx.org/v1`; docs/adr/0106.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.interface import Capabilities, Shape, Target, Weights
from tidegate.traffic.planes import handover, ways
from tidegate.traffic.planes.handover import Backend, Move, Split
from tidegate.traffic.planes.managed import PENDING, Finding, ManagedObject
from tidegate.traffic.planes.ways import Headers, Way
from tidegate.traffic.sizing.by_weight import ByWholePercent

_ALL = 100  # percent: what all weights sum to
_WHOLE = ("ingressClassName", "host", "upstreams", "routes")
_INVALID = "Invalid"
_REJECTED = "Rejected"  # said with a mere warning where another object has the host


def _parts(live: model.Document) -> dict[str, model.Json]:
    """What else stands in the spec, such as policies, is the user's."""
    spec = objects.mapping(live.get("spec"))
    whole = {f"spec.{name}": spec.get(name) for name in _WHOLE}
    return {**whole, "spec.tls.secret": objects.at(spec, "tls", "secret")}


_TO_WHOM = r"action(\.pass)?"
_MATCHES = rf"matches(\[\d+\](\.conditions.*|\.{_TO_WHOM}|\.splits.*)?)?"
SHAPE = Shape(
    parts=_parts,
    moves=re.compile(
        rf"spec\.routes\[\d+\]\.({_TO_WHOM}|splits(\[\d+\]\.(weight|{_TO_WHOM}))?|{_MATCHES})"
        r"|spec\.upstreams(\[\d+\]\.(name|service))?"
    ),
)


class NGINXPlane(ManagedObject):
    """Provider NGINX."""

    kind = "VirtualServer"
    api_version = "k8s.nginx.org/v1"
    shape = SHAPE
    abilities = Capabilities(weights=Weights.EXACT, headers=True)
    by_share = ByWholePercent
    unconfirmed: ClassVar[str] = (
        "NGINX Ingress Controller does not say of which generation of a VirtualServer it speaks"
    )

    def spec_of(self, target: Target, move: Move) -> model.Document:
        """Its host, an upstream for each Service, and a route for each path."""
        asked = _asked(target.spec)
        to = (
            {"splits": _splits(move)} if len(move.backends) > 1 else _pass(move.backends[0].service)
        )
        matches = list(_matches(target, move.exposure))
        answered: model.Document = {**to, **({"matches": matches} if matches else {})}
        return {
            **_host(asked),
            "upstreams": [_upstream(it, asked) for it in move.backends],
            "routes": [{"path": path, **answered} for path in asked.path_prefixes or ("/",)],
        }

    def split(self, live: model.Document, *, name: str) -> Split:
        """Shares over all routes; who is reached by header is apart."""
        spec = objects.mapping(live.get("spec"))
        services = {
            objects.text(objects.at(it, "name")): objects.text(objects.at(it, "service"))
            for it in objects.items(spec.get("upstreams"))
        }
        routes = objects.items(spec.get("routes"))
        return ways.split([way for it in routes for way in _ways(it, services)], name=name)

    def first_finding(self, live: model.Document, *, spec: model.Spec) -> Finding | None:
        """That nobody has it, or a refusal; one of an older generation holds until there is an answer."""
        status = objects.mapping(live.get("status"))
        state, reason = (objects.text(status.get(it)) for it in ("state", "reason"))
        if not state:
            message = f"NGINX Ingress Controller has not answered: {_served_by(spec)}"
            return Finding(reason=PENDING, message=message)
        if state != _INVALID and not reason.startswith(_REJECTED):
            return None
        told = objects.text(status.get("message")) or reason or state
        message = f"NGINX Ingress Controller, {state}: {told}"
        return Finding(reason=reason or "NotValid", message=message)


def _asked(spec: model.Spec) -> model.VirtualServer:
    asked = spec.traffic.nginx
    assert asked is not None, "the schema requires traffic.nginx with this provider"
    return asked


# --- as it is written ----------------------------------------------------------------------------


def _host(asked: model.VirtualServer) -> model.Document:
    named = {"ingressClassName": asked.ingress_class} if asked.ingress_class else {}
    tls: model.Document = {"tls": {"secret": asked.tls_secret}} if asked.tls_secret else {}
    return {**named, "host": asked.host, **tls}


def _upstream(backend: Backend, asked: model.VirtualServer) -> model.Document:
    """Under the name of its Service, which is unique and no word of NGINX's."""
    named = {"name": backend.service, "service": backend.service}
    timeout = {"read-timeout": asked.read_timeout} if asked.read_timeout else {}
    return {**named, "port": objects.REVISION_SERVICE_PORT, **timeout}


def _splits(move: Move) -> list[model.Document]:
    """The candidate's share in whole percent, and the rest to stable, who comes first."""
    total = sum(it.weight for it in move.backends)
    given = [round(it.weight * _ALL / total) for it in move.backends]
    given[0] = _ALL - sum(given[1:])
    return [
        {"weight": weight, **_pass(it.service)}
        for it, weight in zip(move.backends, given, strict=True)
    ]


def _pass(service: str) -> model.Document:
    return {"action": {"pass": service}}


def _matches(target: Target, exposure: model.Exposure) -> Iterator[model.Document]:
    """Those of the testers, where there are any."""
    for route in exposure.routes:
        to = _pass(handover.service_of(target, target.candidate))
        yield {"conditions": [_condition(one) for one in route.headers], **to}


def _condition(header: model.Header) -> model.Document:
    """Expressions alone: what is none compares without regard to upper and lower case.

    The form of an expression tells the two ways to compare apart.
    """
    is_exact = header.match is model.HeaderMatch.EXACT
    text = f"^{re.escape(header.value)}$" if is_exact else f"(?:{header.value})"
    return {"header": header.name, "value": "~" + _quoted(text)}


def _quoted(text: str) -> str:
    """As it has to stand between double quotes in NGINX's configuration."""
    return text.replace("\\", r"\\").replace('"', r"\"")


# --- as it is read -------------------------------------------------------------------------------


def _ways(route: model.Json, services: Mapping[str, str]) -> Iterator[Way]:
    """Matches, then what everybody else gets; a match always looks at something."""
    for match in objects.items(objects.at(route, "matches")):
        conditions = objects.items(objects.at(match, "conditions"))
        headers: Headers = tuple(_read_condition(it) for it in conditions)
        yield Way(answering=_answering(match, services), sent=(headers,))
    yield Way(answering=_answering(route, services))


def _answering(given: model.Json, services: Mapping[str, str]) -> list[tuple[str, int]]:
    """Services by weight; whoever stands alone has no weight and gets everything."""
    alone = [(objects.at(given, "action"), 1)]
    shared = [
        (objects.at(it, "action"), objects.whole(objects.at(it, "weight")))
        for it in objects.items(objects.at(given, "splits"))
    ]
    found = ((_upstream_of(action), weight) for action, weight in shared or alone)
    return [(services.get(name, name), weight) for name, weight in found if name]


def _upstream_of(action: model.Json) -> str:
    """Empty where NGINX answers by itself."""
    passed = objects.text(objects.at(action, "pass"))
    return passed or objects.text(objects.at(action, "proxy", "upstream"))


def _read_condition(condition: model.Json) -> model.Header:
    """A way to compare that is not ours matches nothing of ours."""
    name = objects.text(objects.at(condition, "header"))
    text = _unescaped(objects.text(objects.at(condition, "value")))
    if exact := re.fullmatch(r"~\^(.*)\$", text, re.DOTALL):
        value = _unescaped(exact[1])
        return model.Header(name=name, value=value if re.escape(value) == exact[1] else "")
    if expression := re.fullmatch(r"~\(\?:(.*)\)", text, re.DOTALL):
        match = model.HeaderMatch.REGULAR_EXPRESSION
        return model.Header(name=name, value=expression[1], match=match)
    return model.Header(name=name, value="")


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


# --- whether it is in force ----------------------------------------------------------------------


def _served_by(spec: model.Spec) -> str:
    class_ = _asked(spec).ingress_class
    return f"is there one of class {class_}?" if class_ else "is there one in this cluster?"
