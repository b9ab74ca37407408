"""A ModelDeployment `iris` and live objects around it, for tests of traffic and workloads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.plane import Reference, Target, WantedDocument

STABLE = "aaaaaaaaaa"
CANDIDATE = "bbbbbbbbbb"
THIRD = "cccccccccc"

PORT = model.PodPort(number=8080, name=objects.PORT_NAME)

META = model.ObjectMeta(
    namespace="ml", name="iris", uid="uid-1", generation=3, resource_version="100"
)

GATEWAY = model.GatewayRoute(
    parents=(model.ParentRef(name="inference", namespace="gateways"),),
    hostnames=("iris.example.com",),
    path_prefixes=("/v2", "/metrics"),
)

SPEC = model.Spec(
    model=model.Model(name="iris", version="1.4.0", uri="s3://models/iris/1.4.0"),
    server=model.Server(preset="MLServer", port=8080, metrics_port=8082, metrics_path="/metrics"),
    replicas=4,
    template={"spec": {"containers": [{"name": "server", "image": "mlserver:1"}]}},
    service=model.EntryService(name="iris", port=80, target_port=8080),
    traffic=model.Traffic(provider=model.Provider.REPLICA_RATIO),
    steps=(),
    scaling=model.Scaling(max_surge_percent=25),
    scale_down_delay_seconds=30,
    analysis=model.Analysis(
        source="default",
        interval_seconds=5,
        warmup_seconds=0,
        settle_seconds=0,
        min_requests=0,
        breach_failures=1,
        breach_out_of=1,
        error_limit=1,
        no_data_timeout_seconds=60,
        on_inconclusive=model.OnInconclusive.PAUSE,
        metrics=(),
    ),
    rollback=model.Rollback(),
    progress_deadline_seconds=1800,
    revision_history_limit=5,
)

GATEWAY_SPEC = replace(
    SPEC, traffic=model.Traffic(provider=model.Provider.GATEWAY_API, gateway=GATEWAY)
)

PROXY = model.ContourProxy(fqdn="iris.example.com")
CONTOUR_SPEC = replace(SPEC, traffic=model.Traffic(provider=model.Provider.CONTOUR, contour=PROXY))

MESH = model.VirtualService()
ISTIO_SPEC = replace(SPEC, traffic=model.Traffic(provider=model.Provider.ISTIO, istio=MESH))
TRAEFIK_SPEC = replace(SPEC, traffic=model.Traffic(provider=model.Provider.TRAEFIK))
SERVER = model.VirtualServer(host="iris.example.com")
NGINX_SPEC = replace(SPEC, traffic=model.Traffic(provider=model.Provider.NGINX, nginx=SERVER))


def target(
    spec: model.Spec = SPEC,
    *,
    weight_percent: float = 0.0,
    mirror_percent: float = 0.0,
    candidate: str = CANDIDATE,
    marker: str = "",
    ready_pods: Mapping[str, int] | None = None,
    entry_revision: str = STABLE,
    ports: Mapping[str, model.PodPort] | None = None,
) -> Target:
    """Traffic between stable and candidate; every pod of both is ready unless told otherwise."""
    return Target(
        meta=META,
        spec=spec,
        stable=STABLE,
        candidate=candidate,
        exposure=model.Exposure(live_percent=weight_percent, mirror_percent=mirror_percent),
        marker=marker,
        ports={STABLE: PORT, CANDIDATE: PORT} if ports is None else ports,
        ready_pods={STABLE: 4, CANDIDATE: 4} if ready_pods is None else ready_pods,
        entry_revision=entry_revision,
    )


def stored(wanted: WantedDocument, *, generation: int = 1, uid: str = META.uid) -> model.Document:
    """The document as the API server would hold it."""
    body = wanted.body
    metadata = {
        **objects.mapping(body["metadata"]),
        "generation": generation,
        "resourceVersion": "200",
        "ownerReferences": [{**objects.owner_reference(META), "uid": uid}],
    }
    return {**body, "metadata": metadata}


def found(
    *live: tuple[WantedDocument, model.Document],
) -> dict[Reference, model.Document]:
    """Live documents by reference."""
    return {wanted.reference: document for wanted, document in live}
