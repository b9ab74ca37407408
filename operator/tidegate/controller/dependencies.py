"""What concerns which ModelDeployment: one row per kind, with the selector by which it is watched.

Whoever watches, sweeps, indexes or enqueues asks this table, so a new kind is one more row.
Source: architecture.md, 3.1.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from tidegate import ports
from tidegate.api import approvals, workload_ref
from tidegate.controller.plane_kinds import PLANE_KINDS
from tidegate.controller.workqueue import Key
from tidegate.model import objects
from tidegate.revisions import autoscaler

_REVISION_OBJECT = re.compile(r"(.+)-[0-9a-f]{10}")
WATCH_SELECTOR = f"{objects.LABEL_WATCH}=true"
TEMPLATE_KINDS = {
    kind.kind: kind for kind in (ports.METRIC_TEMPLATE, ports.CLUSTER_METRIC_TEMPLATE)
}
POLICY_KINDS = (ports.ROLLOUT_POLICY, ports.CLUSTER_ROLLOUT_POLICY)
# Nobody has to have them, and a rollout holds where they cannot be read.
HELD_WITHOUT = frozenset({*POLICY_KINDS, ports.ROLLOUT_APPROVAL})
# Objects of people on which the operator says something, and that keep no process from starting.
SAID_ON = frozenset({*HELD_WITHOUT, ports.NOTIFICATION_PROVIDER})


class Ref(NamedTuple):
    """Address of one object; the namespace of a cluster-scoped one is empty."""

    kind: ports.Kind
    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A kind and the label selector under which the feeder watches it."""

    kind: ports.Kind
    label_selector: str = ""


class By(enum.Enum):
    """What objects are found by: uid of their controller, label, or what they refer to.

    That is a template of a metric or the source of pods, a route of the user, the Deployment whose
    pods an autoscaler counts, or the ModelDeployment that an approval is about.
    """

    OWNER = enum.auto()
    LABEL = enum.auto()
    REFERENCE = enum.auto()
    TARGET = enum.auto()


IndexKey = tuple[By, ports.Kind, str, str]


class Known(Protocol):
    """What the store knows beside the object whose dependents are asked for."""

    def model_deployments(self) -> Iterable[Key]:
        """Every ModelDeployment."""
        ...

    def users_of(self, referred: Ref) -> Iterable[Key]:
        """The ModelDeployments that refer to this template, route or source of pods."""
        ...


class Served(enum.Enum):
    """Whether a cluster serves a kind."""

    BY_OUR_CRDS = enum.auto()  # no start without them
    ALWAYS = enum.auto()
    PERHAPS = enum.auto()  # other people's CRDs, and records, which no rollout depends on


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind: whom its objects concern, by what they are found, and how they are watched.

    A kind without a selector is watched whole; None is for what only the settings can select.
    """

    concerns: Callable[[Ref, ports.Object, Known], Iterable[Key]]
    found_by: Callable[[Ref, ports.Object], Iterable[IndexKey]]
    served: Served = Served.ALWAYS
    selector: str | None = WATCH_SELECTOR


def keys_of(kind: ports.Kind, body: ports.Object, *, known: Known) -> set[Key]:
    """The ModelDeployments to look at when this object changes."""
    return set(TABLE[kind].concerns(ref_of(kind, body), body, known))


def index_keys(ref: Ref, body: ports.Object) -> tuple[IndexKey, ...]:
    """By what an object is found, each once."""
    return tuple(dict.fromkeys(TABLE[ref.kind].found_by(ref, body)))


def asked_for() -> list[ports.Kind]:
    """The kinds that a cluster may not serve, ours first."""
    return [*served(Served.BY_OUR_CRDS), *served(Served.PERHAPS)]


def served(how: Served) -> list[ports.Kind]:
    """The kinds that are served so."""
    return [kind for kind, row in TABLE.items() if row.served is how]


def watched(*, absent: Collection[ports.Kind] = (), namespace_selector: str = "") -> list[Watched]:
    """What to watch in a cluster that lacks some kinds; namespaces only where some are selected."""
    found = [
        Watched(kind=kind, label_selector=row.selector)
        for kind, row in TABLE.items()
        if row.selector is not None and kind not in absent
    ]
    if namespace_selector:
        found.append(Watched(kind=ports.NAMESPACE, label_selector=namespace_selector))
    return found


def ref_of(kind: ports.Kind, body: ports.Object) -> Ref:
    """The address of an object of this kind."""
    metadata = body["metadata"]
    return Ref(kind, str(metadata.get("namespace", "")), str(metadata["name"]))


# --- whom an object concerns ---------------------------------------------------------------------


def _itself(ref: Ref, _body: ports.Object, _known: Known) -> Iterable[Key]:
    return (Key(ref.namespace, ref.name),)


def _users(ref: Ref, _body: ports.Object, known: Known) -> Iterable[Key]:
    return known.users_of(ref)


def _all_within(ref: Ref, _body: ports.Object, known: Known) -> Iterable[Key]:
    """Those of the namespace of an object, or all where it has none."""
    keys = known.model_deployments()
    return keys if not ref.namespace else (it for it in keys if it.namespace == ref.namespace)


def _those_within(ref: Ref, _body: ports.Object, known: Known) -> Iterable[Key]:
    return (key for key in known.model_deployments() if key.namespace == ref.name)


def _owners(ref: Ref, body: ports.Object, _known: Known) -> Iterable[Key]:
    """By owner and by label: either may have been taken away."""
    for owner in _owner_references(body):
        ours = str(owner.get("apiVersion", "")).startswith(f"{ports.TIDEGATE_GROUP}/")
        if ours and owner.get("kind") == ports.MODEL_DEPLOYMENT.kind:
            yield Key(ref.namespace, str(owner["name"]))
    if label := _labels(body).get(objects.LABEL_MODEL_DEPLOYMENT):
        yield Key(ref.namespace, str(label))


def _owners_and_scaled(ref: Ref, body: ports.Object, known: Known) -> Iterable[Key]:
    """Whose revision an autoscaler has for its target, whoever owns it."""
    yield from _owners(ref, body, known)
    if found := _REVISION_OBJECT.fullmatch(autoscaler.target(body)):
        yield Key(ref.namespace, found[1])


def _owners_and_users(ref: Ref, body: ports.Object, known: Known) -> Iterable[Key]:
    """A route may be ours or one of the user; a Deployment that of a revision, or a source of pods."""
    yield from _owners(ref, body, known)
    yield from known.users_of(ref)


def _nobody(_ref: Ref, _body: ports.Object, _known: Known) -> Iterable[Key]:
    return ()


def _decided(ref: Ref, body: ports.Object, _known: Known) -> Iterable[Key]:
    if name := approvals.model_deployment(body):
        yield Key(ref.namespace, name)


# --- by what an object is found ------------------------------------------------------------------


def _by_name(_ref: Ref, _body: ports.Object) -> Iterable[IndexKey]:
    return ()


def _by_owner_and_label(ref: Ref, body: ports.Object) -> Iterable[IndexKey]:
    for owner in _owner_references(body):
        if owner.get("controller"):
            yield By.OWNER, ref.kind, ref.namespace, str(owner.get("uid", ""))
    if label := _labels(body).get(objects.LABEL_MODEL_DEPLOYMENT):
        yield By.LABEL, ref.kind, ref.namespace, str(label)


def _by_owner_and_target(ref: Ref, body: ports.Object) -> Iterable[IndexKey]:
    yield from _by_owner_and_label(ref, body)
    if name := autoscaler.target(body):
        yield By.TARGET, ref.kind, ref.namespace, name


def _by_decided(ref: Ref, body: ports.Object) -> Iterable[IndexKey]:
    if name := approvals.model_deployment(body):
        yield By.TARGET, ref.kind, ref.namespace, name


def _by_references(ref: Ref, body: ports.Object) -> Iterable[IndexKey]:
    """The templates, routes and source that a ModelDeployment names; what is malformed names none."""
    if source := source_of(ref.namespace, body):
        yield By.REFERENCE, source.kind, source.namespace, source.name
    metrics = _at(_at(_at(body, "spec"), "analysis"), "metrics")
    named = [_at(metric, "templateRef") for metric in metrics] if isinstance(metrics, list) else []
    compare = _at(_at(_at(_at(body, "spec"), "strategy"), "shadow"), "compare")
    named.append(_at(compare, "templateRef"))
    for reference in dict.fromkeys(template_ref(ref.namespace, it) for it in named):
        if reference is not None:
            yield By.REFERENCE, reference.kind, reference.namespace, reference.name
    routes = _at(_at(_at(_at(body, "spec"), "traffic"), "gatewayAPI"), "routeRefs")
    for route in routes if isinstance(routes, list) else []:
        row = PLANE_KINDS.get(str(_at(route, "kind") or ports.HTTP_ROUTE.kind))
        if row is not None:
            yield By.REFERENCE, row.kind, ref.namespace, str(_at(route, "name"))


def template_ref(namespace: str, reference: object) -> Ref | None:
    """The template that a reference in an object of this namespace means."""
    kind = TEMPLATE_KINDS.get(str(_at(reference, "kind")))
    if kind is None:
        return None
    return Ref(kind, namespace if kind.namespaced else "", str(_at(reference, "name")))


def source_of(namespace: str, body: ports.Object) -> Ref | None:
    """The Deployment from which a ModelDeployment of this namespace takes its pod template."""
    name = workload_ref.source_name(body)
    return Ref(ports.DEPLOYMENT, namespace, name) if name else None


def _labels(body: ports.Object) -> Mapping[str, Any]:
    return body["metadata"].get("labels") or {}


def _owner_references(body: ports.Object) -> list[Mapping[str, Any]]:
    return body["metadata"].get("ownerReferences") or []


def _at(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, Mapping) else None


_TEMPLATE = Row(concerns=_users, found_by=_by_name, served=Served.BY_OUR_CRDS, selector="")
_OWNED = Row(concerns=_owners, found_by=_by_owner_and_label)
_OWNED_PERHAPS = Row(concerns=_owners, found_by=_by_owner_and_label, served=Served.PERHAPS)
_ROUTE = Row(concerns=_owners_and_users, found_by=_by_owner_and_label, served=Served.PERHAPS)
# Without its kind nobody has policies. A selector decides whom one concerns, now and before.
_POLICY = Row(concerns=_all_within, found_by=_by_name, served=Served.PERHAPS, selector="")
TABLE: Mapping[ports.Kind, Row] = {
    ports.MODEL_DEPLOYMENT: Row(
        concerns=_itself, found_by=_by_references, served=Served.BY_OUR_CRDS, selector=""
    ),
    ports.METRIC_TEMPLATE: _TEMPLATE,
    ports.CLUSTER_METRIC_TEMPLATE: _TEMPLATE,
    # The source of a pod template is somebody else's and has no label of ours.
    ports.DEPLOYMENT: Row(concerns=_owners_and_users, found_by=_by_owner_and_label, selector=""),
    ports.CONTROLLER_REVISION: _OWNED,
    ports.SERVICE: _OWNED,
    ports.ENDPOINT_SLICE: _OWNED,
    ports.AUTOSCALER: Row(concerns=_owners_and_scaled, found_by=_by_owner_and_target, selector=""),
    **{row.kind: _ROUTE for row in PLANE_KINDS.values()},
    ports.ROLLOUT_RECORD: _OWNED_PERHAPS,
    ports.ROLLOUT_POLICY: _POLICY,
    ports.CLUSTER_ROLLOUT_POLICY: _POLICY,
    ports.ROLLOUT_APPROVAL: Row(
        concerns=_decided, found_by=_by_decided, served=Served.PERHAPS, selector=""
    ),
    # No rollout depends on who is told of it.
    ports.NOTIFICATION_PROVIDER: Row(
        concerns=_nobody, found_by=_by_name, served=Served.PERHAPS, selector=""
    ),
    ports.NAMESPACE: Row(concerns=_those_within, found_by=_by_name, selector=None),
}
