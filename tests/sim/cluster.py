"""An API server in memory, spoken to with the requests that the real adapter sends.

It sits behind `adapters.kube.Kube` in place of the HTTP session, so the adapter, its outcomes and
its limits are those of production. Objects are immutable; each change gets a new resourceVersion
and an entry in the watch log. tests/integration/contract keeps it honest against a real server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from tests.sim import fields, updates
from tests.sim.fields import Object
from tests.sim.updates import RefusedError

from tidegate import ports
from tidegate.adapters import kube_http as http

Key = tuple[str, str]
PLAIN_KINDS = (
    ports.SERVICE,
    ports.ENDPOINT_SLICE,
    ports.LEASE,
    ports.POD,
    ports.EVENT,
    ports.CONFIG_MAP,
)
SILENT = frozenset(
    {ports.VIRTUAL_SERVICE, ports.TRAEFIK_SERVICE, ports.VIRTUAL_SERVER}
)  # nobody says of which generation is in force
OF_OTHERS = (
    ports.GRPC_ROUTE,
    ports.HTTP_PROXY,
    ports.VIRTUAL_SERVICE,
    ports.TRAEFIK_SERVICE,
    ports.VIRTUAL_SERVER,
)
ROUTES = SILENT | {ports.HTTP_ROUTE, ports.GRPC_ROUTE, ports.HTTP_PROXY}
SPEC_KINDS = (
    ports.MODEL_DEPLOYMENT,
    ports.DEPLOYMENT,
    ports.HTTP_ROUTE,
    ports.AUTOSCALER,
    ports.ROLLOUT_POLICY,
    ports.CLUSTER_ROLLOUT_POLICY,
    ports.ROLLOUT_APPROVAL,
    ports.NOTIFICATION_PROVIDER,
)
OTHER_KINDS = (
    ports.METRIC_TEMPLATE,
    ports.CLUSTER_METRIC_TEMPLATE,
    ports.ROLLOUT_RECORD,
    ports.CONTROLLER_REVISION,
    ports.NAMESPACE,
    ports.GATEWAY,
    ports.GATEWAY_CLASS,
    ports.RESOURCE_QUOTA,
    ports.NODE,
    ports.JOB,
    ports.NETWORK_POLICY,
)
NAMESPACES = ("models", "tidegate-system", "elsewhere")


@dataclass(frozen=True, slots=True)
class Address:
    """What a URL path names; an empty name is the collection."""

    root: str
    plural: str
    namespace: str
    name: str
    subresource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One committed change, as watchers and judges see it. `new` is None for a deletion."""

    actor: str
    verb: str
    kind: ports.Kind
    old: Object | None
    new: Object | None
    version: int
    urgent: bool = False

    @property
    def body(self) -> Object:
        """The object after the change, or as it was last."""
        body = self.new if self.new is not None else self.old
        assert body is not None
        return body


@lru_cache(maxsize=4096)
def address(path: str) -> Address:
    """Take a URL path apart."""
    parts = path.strip("/").split("/")
    cut = 2 if parts[0] == "api" else 3
    root, rest = "/" + "/".join(parts[:cut]), parts[cut:]
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = [*rest, "", "", ""][:3]
    return Address(root, plural, namespace, name, subresource)


def matches(labels: Mapping[str, str], selector: str) -> bool:
    """Equality selectors, joined by commas."""
    return all(
        labels.get(key) == value
        for key, _, value in (part.partition("=") for part in selector.split(",") if part)
    )


class Cluster:
    """Objects by kind, with a log; `handle` answers one request."""

    def __init__(self, *, now: Callable[[], datetime], kinds: Sequence[ports.Kind] = ()) -> None:
        self._now = now
        served = (*SPEC_KINDS, *OTHER_KINDS, *PLAIN_KINDS, *kinds)
        self.kinds = {(http.root(kind), kind.plural): kind for kind in served}
        # Those are served where a run asks for them.
        known = (*served, *OF_OTHERS)
        self._by_plural = {kind.plural: kind for kind in known}
        self._with_status = {kind.plural for kind in (*SPEC_KINDS, *ROUTES, *kinds)}
        self._objects: dict[str, dict[Key, Object]] = {kind.plural: {} for kind in known}
        self._managed: dict[str, fields.Managed] = {}
        self._uids = 0
        self.version = 100
        self.route_kind = ports.HTTP_ROUTE  # of all routes of this run
        self.namespaces = set(NAMESPACES)
        self.listeners: list[Callable[[Change], None]] = []
        self.refuse: Callable[[http.Request], RefusedError | None] = lambda _: None
        self.denied: frozenset[ports.Kind] = frozenset()  # that the operator may not list
        self.undeclared: frozenset[str] = frozenset()  # fields of a status that the CRD lacks

    # --- reading without a request (the world and the judges) ------------------------------------

    def get(self, kind: ports.Kind, namespace: str, name: str) -> Object | None:
        return self._objects[kind.plural].get((namespace, name))

    def all(self, kind: ports.Kind) -> Iterable[Object]:
        return self._objects[kind.plural].values()

    def exists(self, uid: str) -> bool:
        return uid in self._managed

    def owned_by(self, uid: str) -> list[tuple[ports.Kind, Object]]:
        return [
            (self._by_plural[plural], body)
            for plural, objects in self._objects.items()
            for body in objects.values()
            if any(o["uid"] == uid for o in body["metadata"].get("ownerReferences") or ())
        ]

    def restore(self, kind: ports.Kind, body: Object) -> None:
        """Put an object as it is, as out of a backup; nobody is told."""
        metadata = body["metadata"]
        self._objects[kind.plural][metadata.get("namespace", ""), metadata["name"]] = body
        self._managed.setdefault(metadata["uid"], {})
        self.version = max(self.version, int(metadata["resourceVersion"]))

    def unserve(self, kind: ports.Kind) -> None:
        """Its CRD is deleted, and every object with it."""
        self.kinds.pop((http.root(kind), kind.plural), None)
        for body in list(self._objects[kind.plural].values()):
            self._remove(kind, body, actor="people", verb="delete", urgent=False)

    def serve(self, kind: ports.Kind) -> None:
        """Its CRD is installed."""
        self.kinds[http.root(kind), kind.plural] = kind

    def put_pods(self, pods: Iterable[Object]) -> None:
        """Pods are not watched; the world puts them here before they are listed."""
        self._objects["pods"] = {
            (pod["metadata"]["namespace"], pod["metadata"]["name"]): pod for pod in pods
        }

    # --- requests --------------------------------------------------------------------------------

    def handle(self, request: http.Request, *, actor: str) -> http.Reply:
        """Carry the request out and answer it; a refused one changes nothing."""
        where = address(request.path)
        try:
            if not where.plural:
                return http.Reply(status=200, document={"resources": self._resources(where.root)})
            kind = self.kinds.get((where.root, where.plural))
            if kind is None:
                return http.Reply(status=404)  # plain text, no Status
            refused = self.refuse(request) if request.writes else None
            if refused is not None:
                raise refused
            return http.Reply(
                status=201 if request.method == "POST" else 200,
                document=self._carry_out(kind, where, request, actor),
            )
        except RefusedError as error:
            return error.reply

    def _resources(self, root: str) -> list[Object]:
        return [{"name": plural} for at, plural in self.kinds if at == root]

    def _carry_out(
        self, kind: ports.Kind, where: Address, request: http.Request, actor: str
    ) -> Object:
        match request.method:
            case "GET" if where.name:
                return self._pruned(self._existing(kind, where))
            case "GET":
                return self._list(kind, where, request)
            case "POST":
                return self._create(kind, where, request, actor)
            case "PUT":
                return self._replace(kind, where, request, actor)
            case "DELETE":
                return self._delete(kind, where, request, actor)
            case _ if request.content_type == http.APPLY:
                return self._apply(kind, where, request, actor)
            case _:
                return self._patch(kind, where, request, actor)

    def _existing(self, kind: ports.Kind, where: Address) -> Object:
        body = self._objects[kind.plural].get((where.namespace, where.name))
        if body is None:
            raise RefusedError(404, "NotFound", f"{kind.plural} {where.name!r} not found")
        return body

    def _pruned(self, body: Object) -> Object:
        """What is read has no undeclared fields, although they are stored."""
        if not self.undeclared & (body.get("status") or {}).keys():
            return body
        kept = {name: it for name, it in body["status"].items() if name not in self.undeclared}
        return {**body, "status": kept}

    def _list(self, kind: ports.Kind, where: Address, request: http.Request) -> Object:
        if kind in self.denied:
            raise RefusedError(403, "Forbidden", f"{kind.plural} is forbidden: cannot list")
        selector = dict(request.query).get("labelSelector", "")
        found = [
            body
            for (namespace, _), body in sorted(self._objects[kind.plural].items())
            if where.namespace in {"", namespace}
            and matches(body["metadata"].get("labels") or {}, selector)
        ]
        if request.accept == http.METADATA_LIST:
            found = [{"metadata": body["metadata"]} for body in found]
        return {"items": found, "metadata": {"resourceVersion": str(self.version)}}

    def _create(
        self, kind: ports.Kind, where: Address, request: http.Request, actor: str
    ) -> Object:
        body: Any = request.body
        if kind.namespaced and where.namespace not in self.namespaces:
            raise RefusedError(404, "NotFound", f"namespace {where.namespace!r} not found")
        name = body["metadata"]["name"]
        if (where.namespace, name) in self._objects[kind.plural]:
            raise RefusedError(409, "AlreadyExists", f"{kind.plural} {name!r} already exists")
        owner = (self._manager(request), "Update", "")
        made = self._born(kind, where.namespace, body)
        managed = fields.after_update({}, made, managed={}, owner=owner)
        if dict(request.query).get("dryRun"):
            return made
        return self._commit(kind, None, made, managed, actor=actor, verb="create", request=request)

    def _born(self, kind: ports.Kind, namespace: str, body: Object) -> Object:
        self._uids += 1
        metadata = {
            **{key: value for key, value in body["metadata"].items() if key != "resourceVersion"},
            "uid": f"00000000-0000-0000-0000-{self._uids:012d}",
            "creationTimestamp": self._now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        if kind.namespaced:
            metadata["namespace"] = namespace
        if kind.plural in self._with_status:
            metadata["generation"] = 1
            body = {key: value for key, value in body.items() if key != "status"}
        return {**body, "metadata": metadata}

    def _replace(
        self, kind: ports.Kind, where: Address, request: http.Request, actor: str
    ) -> Object:
        old, body = self._existing(kind, where), request.body
        assert isinstance(body, dict)
        self._check_version(old, body)
        metadata = {**body["metadata"]}
        for name in ("uid", "creationTimestamp", "deletionTimestamp", "generation", "namespace"):
            if name in old["metadata"]:
                metadata[name] = old["metadata"][name]
        new = {**body, "metadata": metadata}
        if kind.plural in self._with_status:
            new = updates.with_status_of(new, old)
        owner = (self._manager(request), "Update", "")
        managed = fields.after_update(old, new, managed=self._owners(old), owner=owner)
        return self._commit(kind, old, new, managed, actor=actor, verb="update", request=request)

    def _apply(self, kind: ports.Kind, where: Address, request: http.Request, actor: str) -> Object:
        config = request.body
        assert isinstance(config, dict)
        old = self._objects[kind.plural].get((where.namespace, where.name))
        owner = (self._manager(request), "Apply", where.subresource)
        if old is None:
            return self._applied_anew(kind, where, request, actor, owner)
        self._check_version(old, config)
        if where.subresource:
            self._refuse_undeclared(kind, config)
            members: tuple[str, ...] = ("status",)
        else:
            skipped = {"apiVersion", "kind", "status"}
            members = tuple(m for m in (*config, *old) if m not in skipped)
        try:
            new, managed = fields.applied(
                old,
                config,
                managed=self._owners(old),
                owner=owner,
                members=dict.fromkeys(members),
                force=dict(request.query).get("force") == "true",
            )
        except fields.FieldConflictError as error:
            cause = {"reason": "FieldManagerConflict", "message": str(error)}
            raise RefusedError(409, "Conflict", f"conflict: {error}", [cause]) from error
        verb = "apply_status" if where.subresource else "apply"
        return self._commit(kind, old, new, managed, actor=actor, verb=verb, request=request)

    def _refuse_undeclared(self, kind: ports.Kind, config: Object) -> None:
        named = sorted(self.undeclared & config["status"].keys())
        if named:
            of = f"(ml/iris; {kind.api_version}, Kind={kind.kind})"
            why = "\n".join(f".status.{name}: field not declared in schema" for name in named)
            message = f"failed to create typed patch object {of}: {why}"
            raise RefusedError(500, "InternalError", message)

    def _applied_anew(
        self,
        kind: ports.Kind,
        where: Address,
        request: http.Request,
        actor: str,
        owner: fields.Owner,
    ) -> Object:
        config: Any = request.body
        if where.subresource:
            raise RefusedError(404, "NotFound", f"{kind.plural} {where.name!r} not found")
        if config["metadata"].get("uid"):  # a resourceVersion alone does not keep it from creating
            raise RefusedError(409, "Conflict", "uid mismatch: the object does not exist")
        if kind.namespaced and where.namespace not in self.namespaces:
            raise RefusedError(404, "NotFound", f"namespace {where.namespace!r} not found")
        made = self._born(kind, where.namespace, config)
        managed = fields.after_update({}, made, managed={}, owner=owner)
        return self._commit(kind, None, made, managed, actor=actor, verb="apply", request=request)

    def _patch(self, kind: ports.Kind, where: Address, request: http.Request, actor: str) -> Object:
        old = self._existing(kind, where)
        assert isinstance(request.body, list)
        try:
            new = fields.patched(old, request.body)
        except fields.PatchFailedError as error:
            raise RefusedError(422, "Invalid", str(error)) from error
        if where.subresource:
            new = {**old, "status": new.get("status")}
        elif kind.plural in self._with_status:
            new = updates.with_status_of(new, old)
        owner = (self._manager(request), "Update", where.subresource)
        managed = fields.after_update(old, new, managed=self._owners(old), owner=owner)
        return self._commit(kind, old, new, managed, actor=actor, verb="patch", request=request)

    def _delete(
        self, kind: ports.Kind, where: Address, request: http.Request, actor: str
    ) -> Object:
        old = self._existing(kind, where)
        options: Any = request.body or {}
        for name, wanted in (options.get("preconditions") or {}).items():
            if wanted != old["metadata"][name]:
                raise RefusedError(409, "Conflict", f"the {name} in the precondition differs")
        if old["metadata"].get("finalizers"):
            if "deletionTimestamp" in old["metadata"]:
                return old
            stamp = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
            metadata = {**old["metadata"], "deletionTimestamp": stamp}
            metadata["generation"] = metadata.get("generation", 0) + 1
            new = {**old, "metadata": metadata}
            return self._commit(
                kind, old, new, self._owners(old), actor=actor, verb="delete", request=request
            )
        self._remove(kind, old, actor=actor, verb="delete", urgent=request.urgent)
        return old

    # --- committing ------------------------------------------------------------------------------

    def _commit(
        self,
        kind: ports.Kind,
        old: Object | None,
        new: Object,
        managed: fields.Managed,
        *,
        actor: str,
        verb: str,
        request: http.Request,
    ) -> Object:
        if old is not None:
            updates.refuse_new_finalizers(old, new)
            updates.refuse_new_data(kind, old, new)
            new = updates.with_generation(old, new) if kind.plural in self._with_status else new
            if updates.same(old, new):
                self._managed[old["metadata"]["uid"]] = managed
                return old
        if "deletionTimestamp" in new["metadata"] and not new["metadata"].get("finalizers"):
            assert old is not None
            self._remove(kind, old, actor=actor, verb=verb, urgent=request.urgent)
            return new
        self.version += 1
        metadata = {**new["metadata"], "resourceVersion": str(self.version)}
        metadata["managedFields"] = [
            {"manager": manager, "operation": operation, "subresource": sub}
            for manager, operation, sub in managed
        ]
        new = {**new, "metadata": metadata}
        self._managed[metadata["uid"]] = managed
        if kind is not ports.EVENT:
            key = (metadata.get("namespace", ""), metadata["name"])
            self._objects[kind.plural][key] = new
        self._tell(
            Change(
                actor=actor,
                verb=verb,
                kind=kind,
                old=old,
                new=new,
                version=self.version,
                urgent=request.urgent,
            )
        )
        return new

    def _remove(
        self, kind: ports.Kind, old: Object, *, actor: str, verb: str, urgent: bool
    ) -> None:
        self.version += 1
        metadata = old["metadata"]
        del self._objects[kind.plural][metadata.get("namespace", ""), metadata["name"]]
        self._managed.pop(metadata["uid"], None)
        last = {**old, "metadata": {**metadata, "resourceVersion": str(self.version)}}
        self._tell(
            Change(
                actor=actor,
                verb=verb,
                kind=kind,
                old=last,
                new=None,
                version=self.version,
                urgent=urgent,
            )
        )

    def _tell(self, change: Change) -> None:
        for listener in self.listeners:
            listener(change)

    def _owners(self, body: Object) -> fields.Managed:
        return self._managed.get(body["metadata"]["uid"], {})

    def _manager(self, request: http.Request) -> str:
        return dict(request.query).get("fieldManager", "unknown")

    def _check_version(self, old: Object, body: Object) -> None:
        wanted = body["metadata"].get("resourceVersion")
        if wanted and wanted != old["metadata"]["resourceVersion"]:
            raise RefusedError(409, "Conflict", "the object has been modified")
        uid = body["metadata"].get("uid")
        if uid and uid != old["metadata"]["uid"]:
            raise RefusedError(409, "Conflict", "the UID does not match")
