"""The managed route, an HTTPRoute or a GRPCRoute: how it is written, read back, and known to be in force.

Every default that the API server would fill in is spelled out, so that what is read back equals
what was written. Backend order is fixed: stable, then candidate, then who leaves.
Source: ecosystem.md, 1.4 ("When a write is live"); invariant S1.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from tidegate import model
from tidegate.model import objects
from tidegate.traffic import splits
from tidegate.traffic.interface import Mechanism, Reference, Shape, Target, WantedDocument
from tidegate.traffic.planes import handover, header_rule, managed, mirror
from tidegate.traffic.planes.handover import Move
from tidegate.traffic.planes.managed import PENDING, Finding
from tidegate.traffic.rules import apart

_BY_PATH = "HTTPRoute"  # a GRPCRoute knows neither paths nor timeouts
_GROUP = "gateway.networking.k8s.io"
_DEFAULT_WEIGHT = 1  # of a backendRef that does not say
_ALONE = 100  # the sum of weights is a power of ten, here too


BY_HEADER = "spec.rules by header"


def _parts(route: model.Document) -> dict[str, model.Json]:
    """Rules that look at headers are apart from the others, as they come and go with the rollout.

    So are mirrors: who gets copies is one thing, the filters that a person asked for another.
    """
    spec = objects.mapping(route.get("spec"))
    (testers, by_header), (copies, weighted) = (mirror.apart(it) for it in apart(spec.get("rules")))
    return {
        "spec.parentRefs": spec.get("parentRefs"),
        "spec.hostnames": spec.get("hostnames"),
        BY_HEADER: by_header,
        "spec.rules": weighted,
        "spec.mirrors by header": testers,
        "spec.mirrors": copies,
    }


SHAPE = Shape(
    parts=_parts,
    moves=re.compile(
        r"spec\.mirrors.*|spec\.rules\[\d+\]\.backendRefs(\[\d+\]\.(name|weight))?"
        rf"|{BY_HEADER}(\[\d+\]\.(matches.*|backendRefs(\[\d+\]\.(name|weight))?))?"
    ),
)


def reference(*, meta: model.ObjectMeta, spec: model.Spec) -> Reference:
    """Where the route is found: it has the name of the ModelDeployment."""
    return Reference(kind=_gateway(spec).kind, name=meta.name)


def document(target: Target, move: Move) -> WantedDocument:
    """The whole route; each weight is written, since a missing one means 1."""
    meta, gateway = target.meta, _gateway(target.spec)
    hostnames = {"hostnames": list(gateway.hostnames)} if gateway.hostnames else {}
    body: model.Document = {
        "apiVersion": f"{_GROUP}/v1",
        "kind": gateway.kind,
        "metadata": managed.metadata(target),
        "spec": {
            "parentRefs": [_parent_ref(parent) for parent in gateway.parents],
            **hostnames,
            "rules": _rules(target, gateway, move),
        },
    }
    return WantedDocument(
        reference=reference(meta=meta, spec=target.spec),
        body=body,
        shape=SHAPE,
        mechanism=Mechanism.APPLY,
        carries_weights=True,
    )


def _gateway(spec: model.Spec) -> model.GatewayRoute:
    gateway = spec.traffic.gateway
    assert gateway is not None, "the schema requires traffic.gatewayAPI with this provider"
    return gateway


def _rules(target: Target, gateway: model.GatewayRoute, move: Move) -> list[model.Json]:
    """The rule with the weights, and behind it that of the testers, where there are any.

    In this order the first one keeps its place when the other comes and goes: some Gateways name what
    they make of a rule by its place. Which rule a request takes is a matter of headers, not of order.
    """
    by_path = gateway.kind == _BY_PATH
    paths: list[model.Document] = [
        {"path": {"type": "PathPrefix", "value": prefix}} for prefix in gateway.path_prefixes
    ]
    filters = [_filter(it) for it in gateway.filters]
    timeouts = _timeouts(gateway) if by_path else {}
    weighted: model.Document = {
        **({"matches": list(paths)} if by_path else {}),
        **_filtered([*filters, *_mirror(target)]),
        **timeouts,
        "backendRefs": [{**_backend(it.service), "weight": it.weight} for it in move.backends],
    }
    by_header = _by_header(target, paths if by_path else [{}], move)
    return [weighted, *({**it, **_filtered(filters), **timeouts} for it in by_header)]


def _by_header(
    target: Target, paths: list[model.Document], move: Move
) -> Iterator[dict[str, model.Json]]:
    """The rule of the testers; or one in its place that matches nobody, and would go to stable."""
    to, routes = target.candidate, move.exposure.routes
    if move.holds_place:
        to, routes = target.stable, header_rule.NOBODY
    if routes:
        backend = {**_backend(handover.service_of(target, to)), "weight": _ALONE}
        yield {"matches": header_rule.matches(paths, routes), "backendRefs": [backend]}


def _parent_ref(parent: model.ParentRef) -> model.Document:
    given: dict[str, str | int] = {
        "namespace": parent.namespace,
        "sectionName": parent.section_name,
        "port": parent.port,
    }
    chosen = {key: value for key, value in given.items() if value}
    return {"group": _GROUP, "kind": "Gateway", "name": parent.name, **chosen}


def _timeouts(gateway: model.GatewayRoute) -> dict[str, model.Json]:
    given = {
        "request": gateway.request_timeout,
        "backendRequest": gateway.backend_request_timeout,
    }
    chosen: model.Document = {key: value for key, value in given.items() if value}
    return {"timeouts": chosen} if chosen else {}


def _filtered(filters: Sequence[model.Json]) -> dict[str, model.Json]:
    return {"filters": filters} if filters else {}


def _mirror(target: Target) -> list[model.Document]:
    """The mirror of a candidate that gets copies; what testers send it, it has already."""
    if target.exposure.mirror_percent <= 0:
        return []
    return [mirror.filter_of(_candidate(target), percent=target.exposure.mirror_percent)]


def _filter(given: model.HeaderFilter) -> model.Document:
    changes: dict[str, model.Json] = {
        "set": _headers(given.set),
        "add": _headers(given.add),
        "remove": list(given.remove),
    }
    member = given.side[0].lower() + given.side[1:]
    return {"type": given.side, member: {key: value for key, value in changes.items() if value}}


def _headers(given: tuple[tuple[str, str], ...]) -> list[model.Json]:
    return [{"name": name, "value": value} for name, value in given]


def _candidate(target: Target) -> model.Document:
    return _backend(handover.service_of(target, target.candidate))


def _backend(service: str) -> model.Document:
    return {
        "group": "",
        "kind": "Service",
        "name": service,
        "port": objects.REVISION_SERVICE_PORT,
    }


def weights(live: model.Document, *, name: str) -> dict[str, float]:
    """Share in percent by revision, over all rules that look at no headers.

    A foreign backend keeps its own name. Empty when the route sends nothing anywhere.
    """
    sums: Counter[str] = Counter()
    _, rules = apart(objects.at(live, "spec", "rules"))
    for rule in rules:
        for backend in objects.items(objects.at(rule, "backendRefs")):
            service = objects.text(objects.at(backend, "name"))
            revision = objects.revision_of_object(service, name=name)
            weight = objects.whole(objects.at(backend, "weight"), default=_DEFAULT_WEIGHT)
            sums[revision] += weight
    return splits.percents(sums)


def by_header(live: model.Document, *, name: str) -> dict[str, tuple[header_rule.Headers, ...]]:
    """By which headers each revision is reached; a foreign backend keeps its own name."""
    rules, _ = apart(objects.at(live, "spec", "rules"))
    return {
        objects.revision_of_object(service, name=name): sent
        for service, sent in header_rule.read(rules).items()
    }


def holds_place(live: model.Document) -> bool:
    """A rule for requests by header stands there that none of them matches."""
    rules, _ = apart(objects.at(live, "spec", "rules"))
    return any(map(header_rule.is_closed, rules))


def first_finding(live: model.Document) -> Finding | None:
    """The first reason why the newest write is not in force at every parent; None when it is.

    For each parent of the spec one controller must say Accepted and ResolvedRefs for the route's
    generation, and have dropped no rule. Entries of other parents say nothing.
    """
    namespace = objects.text(objects.at(live, "metadata", "namespace"))
    statuses = objects.items(objects.at(live, "status", "parents"))
    parents = objects.items(objects.at(live, "spec", "parentRefs"))
    if not parents:
        return Finding(reason="NoMatchingParent", message="the route names no Gateway")
    for parent in parents:
        identity = _identity(parent, namespace=namespace)
        answers = [
            status
            for status in statuses
            if _identity(objects.at(status, "parentRef"), namespace=namespace) == identity
        ]
        if not answers:
            gateway = objects.text(objects.at(parent, "name"))
            return Finding(reason=PENDING, message=f"no answer from Gateway {gateway} yet")
        if finding := _unconfirmed(answers, generation=objects.generation(live)):
            return finding
    return None


def _unconfirmed(answers: Sequence[model.Json], *, generation: int) -> Finding | None:
    """Why no controller has accepted the route at one parent; None when one has.

    Which controller owns the Gateway is not known here, and entries of others may stay for ever. So
    one that accepts this generation is enough; else an answer to it says more than an older one.
    """
    findings = [_refused(answer, generation=generation) for answer in answers]
    if None in findings:
        return None
    told = [one for one in findings if one is not None]
    return next((one for one in told if one.reason != PENDING), told[0])


def _identity(parent: model.Json, *, namespace: str) -> tuple[str, str, str, str, str, int]:
    """A parentRef with its defaults, so that it is the same whoever filled them in."""
    return (
        _or(objects.at(parent, "group"), _GROUP),
        _or(objects.at(parent, "kind"), "Gateway"),
        _or(objects.at(parent, "namespace"), namespace),
        objects.text(objects.at(parent, "name")),
        objects.text(objects.at(parent, "sectionName")),
        objects.whole(objects.at(parent, "port")),
    )


def _or(value: model.Json, default: str) -> str:
    """A group may be given as the empty string, which is not the default."""
    return value if isinstance(value, str) else default


def _refused(answer: model.Json, *, generation: int) -> Finding | None:
    gateway = objects.text(objects.at(answer, "parentRef", "name"))
    conditions = objects.at(answer, "conditions")
    for kind in ("Accepted", "ResolvedRefs"):
        found = objects.condition(conditions, kind)
        observed = objects.whole(found.get("observedGeneration"), default=-1)
        if observed < generation:
            return Finding(
                reason=PENDING,
                message=f"Gateway {gateway} has not answered {kind} for generation {generation}",
            )
        if found.get("status") != "True":
            return _finding(found, kind=kind, gateway=gateway)
    partly = objects.condition(conditions, "PartiallyInvalid")
    if partly.get("status") == "True":
        return _finding(partly, kind="PartiallyInvalid", gateway=gateway)
    return None


def _finding(found: model.Document, *, kind: str, gateway: str) -> Finding:
    reason = objects.text(found.get("reason")) or kind
    message = objects.text(found.get("message"))
    return Finding(reason=reason, message=f"Gateway {gateway}, {kind}: {message or reason}")
