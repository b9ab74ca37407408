"""What people and other programs do to the cluster: deploy, edit, ask, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.sim import mesh, nginx, proxies, traefik
from tests.sim.drawn_steering import named_steps
from tests.sim.fields import Object

from tidegate import ports
from tidegate.adapters import kube_http as http
from tidegate.api import revision
from tidegate.model import objects

if TYPE_CHECKING:
    from tests.sim.run import Run

NAMESPACE = "models"
NAME = "iris"
SECOND = f"{NAME}-candidate"  # beside the entry Service, where people own the route
ROUTE, OTHER_ROUTE = "shop", "shop-of-others"
USER_ROUTES = frozenset({ROUTE, OTHER_ROUTE})
MD = ports.MODEL_DEPLOYMENT


def manifest(
    version: str,
    *,
    provider: str = "GatewayAPI",
    replicas: int = 2,
    steps: tuple[tuple[float, int], ...] = ((10, 10), (50, 10)),
    scaling: Object | None = None,
    **more: Any,
) -> Object:
    """A ModelDeployment. Steps are pairs of weight and hold in seconds."""
    existing = provider == "Existing"
    named = "GatewayAPI" if existing else provider
    traffic: Object = {"provider": named, "verify": {"timeout": "30s"}}
    if existing:
        traffic["gatewayAPI"] = {"mode": "Existing", "routeRefs": [{"name": ROUTE}]}
    if provider == "GatewayAPI":
        traffic["gatewayAPI"] = {"parentRefs": [{"name": "inference", "namespace": "gateways"}]}
    analysis = {
        "source": "prometheus",
        "interval": "5s",
        "warmup": "2s",
        "settle": "1s",
        "window": "30s",
        "minRequests": 20_000,
        "breachAfter": {"failures": 2, "outOf": 3},
        "noDataTimeout": "1m",
        "errorLimit": 4,
        "metrics": [{"name": "errors", "preset": "error-ratio", "threshold": {"max": 0.05}}],
    } | more.pop("analysis", {})
    canary = {"steps": named_steps(steps)}
    strategy: Object = {"scaleDownDelay": "3s", **more.pop("strategy", {})}
    if strategy.get("type", "Canary") == "Canary":
        strategy = {"canary": canary, **({"scaling": scaling} if scaling else {}), **strategy}
    return {
        "apiVersion": MD.api_version,
        "kind": MD.kind,
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "model": {"version": version, "uri": f"s3://models/iris/{version}"},
            "server": {"preset": "MLServer"},
            "workload": {
                "replicas": replicas,
                "template": {"spec": {"containers": [{"name": "server", "image": "mlserver:1"}]}},
            },
            "service": {"port": 80},
            "traffic": traffic,
            "strategy": strategy,
            "analysis": analysis,
            "progressDeadline": "1m",
            "revisionHistoryLimit": 1,
            **more,
        },
    }


def user_route_spec(*, stable: int = 100, candidate: int = 0) -> Object:
    """Two rules; the first names both Services, the second is none of our business."""
    both = ((NAME, stable), (SECOND, candidate))
    return {
        "parentRefs": [{"name": "inference", "namespace": "gateways"}],
        "hostnames": ["shop.example.com"],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "timeouts": {"request": "10s"},
                "backendRefs": [
                    {"group": "", "kind": "Service", "name": name, "port": 80, "weight": weight}
                    for name, weight in both
                ],
            },
        ],
    }


class People:
    """Acts on the cluster as users do: through the API, with their own field manager."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._asked = 0
        self.route_spec = user_route_spec()

    @property
    def body(self) -> Object | None:
        return self._run.cluster.get(MD, NAMESPACE, NAME)

    def create(self, body: Object) -> None:
        """With the route that belongs to people, where the spec names one."""
        self.create_without_route(body)
        existing = body["spec"]["traffic"].get("gatewayAPI", {}).get("mode") == "Existing"
        if (
            existing
            and self._run.cluster.get(self._run.cluster.route_kind, NAMESPACE, ROUTE) is None
        ):
            self.create_user_route()

    def create_without_route(self, body: Object) -> None:
        """The ModelDeployment alone."""
        self._send("POST", MD, "", self._with_route_kind(body))

    def _with_route_kind(self, body: Object) -> Object:
        """Of the kind of this run."""
        kind, traffic = self._run.cluster.route_kind, body["spec"]["traffic"]
        if kind is ports.HTTP_ROUTE or "gatewayAPI" not in traffic:
            return body
        if kind is ports.HTTP_PROXY:
            return {**body, "spec": {**body["spec"], "traffic": proxies.traffic(traffic)}}
        if kind is ports.VIRTUAL_SERVICE:
            return {**body, "spec": {**body["spec"], "traffic": mesh.traffic(traffic)}}
        if kind is ports.TRAEFIK_SERVICE:
            return {**body, "spec": {**body["spec"], "traffic": traefik.traffic(traffic)}}
        if kind is ports.VIRTUAL_SERVER:
            return {**body, "spec": {**body["spec"], "traffic": nginx.traffic(traffic)}}
        gateway = dict(traffic["gatewayAPI"])
        if "routeRefs" in gateway:
            gateway["routeRefs"] = [{**it, "kind": kind.kind} for it in gateway["routeRefs"]]
        else:
            gateway["routeKind"] = kind.kind
        return {**body, "spec": {**body["spec"], "traffic": {**traffic, "gatewayAPI": gateway}}}

    def create_user_route(self, name: str = ROUTE, *, watched: bool = False) -> None:
        """As Git has it; the label lets the operator watch it."""
        kind = self._run.cluster.route_kind
        labels = {objects.LABEL_WATCH: "true"} if watched else {}
        metadata = {"name": name, "namespace": NAMESPACE, "labels": {"app": ROUTE, **labels}}
        body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
        self._send("POST", kind, "", {**body, "spec": self.route_spec})

    def create_of(self, kind: ports.Kind, body: Object) -> None:
        """An object of another kind, which is somebody else's."""
        self._send("POST", kind, "", body)

    def deploy(self, version: str) -> None:
        """Ask for another version of the model."""
        self.edit_spec({"model": {"version": version, "uri": f"s3://models/iris/{version}"}})

    def edit_spec(self, changed: Object) -> None:
        """Replace members of the spec; None takes one away."""
        body = self.body
        if body is None:
            return
        operations = [
            {"op": "remove", "path": f"/spec/{key}"}
            if value is None
            else _set(f"/spec/{key}", value)
            for key, value in changed.items()
            if value is not None or key in body["spec"]
        ]
        self.patch(MD, NAME, operations)

    def edit_part(self, part: str, **changes: Any) -> None:
        """Change some members of one part of the spec, such as `analysis`."""
        body = self.body
        if body is not None:
            self.edit_spec({part: {**body["spec"][part], **changes}})

    def ask(self, request: str, *, wanted: str = "") -> None:
        """Write the request annotations, as the command line does."""
        body = self.body
        if body is None:
            return
        self._asked += 1
        asked_at = self._run.wall().strftime(f"%Y-%m-%dT%H:%M:%S.{self._asked:06d}+00:00")
        annotations = {
            **(body["metadata"].get("annotations") or {}),
            "tidegate.dev/request": request,
            "tidegate.dev/request-revision": wanted or self.revision_asked_about(request),
            "tidegate.dev/requested-at": asked_at,
        }
        self.patch(MD, NAME, [_set("/metadata/annotations", annotations)])

    def revision_asked_about(self, request: str) -> str:
        """The revision that a person would mean."""
        body = self.body
        assert body is not None
        rollout = (body.get("status") or {}).get("rollout") or {}
        if request != "retry" and rollout.get("active"):
            return str(rollout["revision"])
        return revision.revision_of(body).hash

    def delete(self, kind: ports.Kind, name: str) -> None:
        self._send("DELETE", kind, name, {})

    def create_route(self, spec: Object) -> None:
        """A route of somebody else under our name."""
        kind = self._run.cluster.route_kind
        metadata = {"name": NAME, "namespace": NAMESPACE, "labels": {objects.LABEL_WATCH: "true"}}
        body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
        self._send("POST", kind, "", {**body, "spec": spec})

    def delete_lease(self) -> None:
        """As somebody does who wants another leader."""
        self._write_lease("DELETE", {})

    def steal_lease(self) -> None:
        """Another holder, who never renews."""
        self._write_lease("PATCH", [_set("/spec/holderIdentity", "somebody")])

    def _write_lease(self, method: str, body: Any) -> None:
        lease = self._run.settings.leader_election
        if self._run.cluster.get(ports.LEASE, lease.namespace, lease.name) is None:
            return
        path = http.path(ports.LEASE, namespace=lease.namespace, name=lease.name)
        self._send_to(method, path, body)

    def patch(self, kind: ports.Kind, name: str, operations: list[Object]) -> None:
        if self._run.cluster.get(kind, NAMESPACE, name) is not None:
            self._send("PATCH", kind, name, operations)

    def patch_cluster(self, kind: ports.Kind, name: str, operations: list[Object]) -> None:
        """Of an object without a namespace."""
        self._send("PATCH", kind, name, operations)

    def patch_status(self, operation: Object) -> None:
        """Another writer of the status."""
        if self.body is not None and self.body.get("status"):
            self._send("PATCH", MD, f"{NAME}/status", [operation])

    def _send(self, method: str, kind: ports.Kind, name: str, body: Any) -> None:
        path = "/".join(filter(None, (http.path(kind, namespace=NAMESPACE), name)))
        self._send_to(method, path, body)

    def _send_to(self, method: str, path: str, body: Any) -> None:
        request = http.Request(
            verb=method.lower(),
            method=method,
            path=path,
            body=body,
            content_type=http.JSON_PATCH if method == "PATCH" else http.JSON,
            query=(("fieldManager", "people"),),
        )
        reply = self._run.cluster.handle(request, actor="people")
        self._run.trace.request("people", request, reply.status)


def _set(path: str, value: Any) -> Object:
    return {"op": "add", "path": path, "value": value}
