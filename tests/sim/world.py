"""What moves by itself around the operator: pods, readiness, endpoints, gateway, users, scrapes.

The world acts like other controllers: it sees changes of the cluster and answers them a little
later. What a revision is really worth is written in its `Truth`, by model version.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from tests.sim import facts, pod_documents
from tests.sim.cluster import ROUTES, Change, Cluster
from tests.sim.fields import Object
from tests.sim.gateway import TESTERS_SHARE, Plane, answer, plane_of, touched
from tests.sim.labels import LabelWorld
from tests.sim.metrics import PodCounters, Prometheus, target_labels
from tests.sim.pair_counters import PairCounters
from tests.sim.pod import Pod
from tests.sim.truth import Truth

from tidegate import model, ports
from tidegate.adapters import kube_http as http
from tidegate.model import objects

START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
SCRAPE_SECONDS = 2.0
REQUESTS_PER_SECOND = 20_000.0  # so that seconds prove what takes hours elsewhere
PREVIEW_PART = 0.25  # of so many requests as users send, testers send as well


class World:
    """The rest of the cluster. All delays are seconds."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        truths: dict[str, Truth],
        style: model.IdentityMode = model.IdentityMode.LABEL,
        scrape_seconds: float = SCRAPE_SECONDS,
    ) -> None:
        self._cluster = cluster
        self.style = style
        self._scrape_seconds = scrape_seconds
        self._loop = asyncio.get_running_loop()
        self.truths = truths
        self.prometheus = Prometheus()
        self.pods: dict[str, list[Pod]] = {}  # by uid of the Deployment
        self.planes: dict[tuple[str, str], Plane] = {}
        self.requests_per_second = REQUESTS_PER_SECOND
        self.testers_share = TESTERS_SHARE
        self.preview_part = PREVIEW_PART
        self.gateway_accepts = True
        self.silent_gateways: set[str] = set()  # leave their parent out of a route's status
        self.leftover_answers: list[Object] = []  # of controllers that own no Gateway any more
        self.gateway_seconds = 0.3
        self.controller_seconds = 0.05
        self.capacity = 10_000
        self.user_errors = 0.0
        self.outage_error_ratio = 0.0  # of a backend that all revisions need
        self.inferred: list[str] = []  # addresses that were asked for an inference
        self.is_shielded = False  # no packet of the operator's reaches a pod
        self.comparer: PairCounters | None = None
        self.mix: Mapping[str, Mapping[str, float]] = {}  # what users send: by feature and bin
        self.labels: LabelWorld | None = None
        self.is_scraped: Callable[[Pod], bool] = lambda _: True
        self.served: dict[str, float] = {}  # requests by revision
        self._served_until: dict[str, tuple[list[float], list[float]]] = {}
        self._documents: dict[tuple[str, bool, bool], Object] = {}
        self._made = 0
        self._pending: set[tuple[str, str]] = set()
        self._last_scrape = self._loop.time()
        cluster.listeners.append(self._seen)
        self._loop.call_later(self._scrape_seconds, self._tick)

    # --- reactions -------------------------------------------------------------------------------

    def _seen(self, change: Change) -> None:
        if change.new is None and change.kind is not ports.POD:
            uid = change.body["metadata"]["uid"]
            self._later(self.controller_seconds * 2, ("collect", uid), lambda: self._collect(uid))
        if change.verb in {"create", "apply"}:
            self._orphan(change.body)
        if change.kind is ports.DEPLOYMENT and change.actor != "world":
            uid = change.body["metadata"]["uid"]
            self._later(self.controller_seconds, ("pods", uid), lambda: self._pods(uid))
        elif change.kind is ports.SERVICE:
            self._later(self.controller_seconds, ("slices", ""), self._slices)
        elif change.kind in ROUTES and change.actor != "world":
            key = (change.body["metadata"]["namespace"], change.body["metadata"]["name"])
            self._later(self.gateway_seconds, ("route", key[1]), lambda: self._route(key))
            for name in touched(change.body, self._cluster.all(change.kind)):
                part = (key[0], name)
                self._later(self.gateway_seconds, ("route", name), partial(self._route, part))

    def _later(self, seconds: float, what: tuple[str, str], act: Callable[[], None]) -> None:
        """Do it once, however often it is asked for meanwhile."""
        if what in self._pending:
            return
        self._pending.add(what)

        def run() -> None:
            self._pending.discard(what)
            act()

        self._loop.call_later(seconds, run)

    def _orphan(self, body: Object) -> None:
        """An object whose owner is already gone is collected, too."""
        for owner in body["metadata"].get("ownerReferences") or ():
            if not self._cluster.exists(owner["uid"]):
                self._later(1.0, ("collect", owner["uid"]), partial(self._collect, owner["uid"]))

    def _collect(self, uid: str) -> None:
        for kind, body in self._cluster.owned_by(uid):
            self._write("DELETE", kind, body)
        self.pods.pop(uid, None)
        # A Service that was made again meanwhile lost the slices of the old one.
        self._later(self.controller_seconds, ("slices", ""), self._slices)

    # --- Deployments -----------------------------------------------------------------------------

    def _pods(self, uid: str) -> None:
        body = self._deployment(uid)
        if body is None:
            for pod in self.pods.pop(uid, []):
                pod.gone, pod.ready = True, False
            self._slices()
            return
        pods = self.pods.setdefault(uid, [])
        wanted = body["spec"]["replicas"]
        while len(pods) > wanted:
            last = min(range(len(pods)), key=lambda i: (pods[i].ready, -i))
            pods[last].gone, pods[last].ready = True, False
            del pods[last]
        while len(pods) < wanted and self.running < self.capacity:
            pods.append(self._new_pod(uid, body))
        self._report(uid)

    @property
    def running(self) -> int:
        return sum(len(pods) for pods in self.pods.values())

    def _new_pod(self, uid: str, body: Object) -> Pod:
        self._made += 1
        template = body["spec"]["template"]
        labels = template["metadata"]["labels"]
        # A Deployment of somebody else is of no revision.
        version = objects.annotation(body, objects.ANNOTATION_MODEL_VERSION)
        revision = labels.get(objects.LABEL_REVISION, "")
        name = f"{body['metadata']['name']}-5d4b9c6f5d-{self._made:05d}"
        identity = {
            **target_labels(
                self.style,
                namespace=body["metadata"]["namespace"],
                name=labels.get(objects.LABEL_MODEL_DEPLOYMENT, ""),
                revision=revision,
                pod=name,
            ),
            "instance": f"10.0.{self._made // 250}.{self._made % 250}:8082",
            "job": "pods",
        }
        pod = Pod(
            name=name,
            namespace=body["metadata"]["namespace"],
            revision=revision,
            version=version,
            labels=labels,
            counters=PodCounters(labels=identity),
            created_at=self._loop.time(),
        )
        self.prometheus.add(pod.counters)
        truth = self.truth(version)
        if truth.starts:
            self._loop.call_later(
                truth.startup_seconds, lambda: self.set_ready(uid, pod, ready=True)
            )
        return pod

    def truth(self, version: str) -> Truth:
        return self.truths.get(version, Truth())

    def set_ready(self, uid: str, pod: Pod, *, ready: bool) -> None:
        """The pod's readiness changes; Deployment and endpoints follow."""
        if pod.gone or pod.ready is ready:
            return
        pod.ready = ready
        self._later(self.controller_seconds, ("pods", uid), lambda: self._pods(uid))

    def look_after(self, uid: str) -> None:
        """Bring pods, status and endpoints of a Deployment up to date soon."""
        self._later(self.controller_seconds, ("pods", uid), lambda: self._pods(uid))

    def restart_pods(self, uid: str) -> None:
        """All pods of a Deployment are lost; new ones start."""
        for pod in self.pods.get(uid, []):
            pod.gone, pod.ready = True, False
        self.pods[uid] = []
        self.look_after(uid)

    def evict(self, uid: str, *, youngest: bool = False) -> None:
        """One pod of a Deployment is taken by the cluster; another one starts where there is room."""
        pods = self.pods.get(uid, [])
        if pods:
            pod = pods.pop(-1 if youngest else 0)
            pod.gone, pod.ready = True, False
            self.look_after(uid)

    def _report(self, uid: str) -> None:
        """Status of the Deployment, then endpoints."""
        body = self._deployment(uid)
        if body is not None:
            pods = self.pods.get(uid, [])
            ready = sum(pod.ready for pod in pods)
            status = {
                "observedGeneration": body["metadata"]["generation"],
                "replicas": len(pods),
                "readyReplicas": ready,
                "availableReplicas": ready,
            }
            self._patch_status(ports.DEPLOYMENT, body, status)
        self._slices()

    def _deployment(self, uid: str) -> Object | None:
        for body in self._cluster.all(ports.DEPLOYMENT):
            if body["metadata"]["uid"] == uid:
                return body
        return None

    # --- endpoints -------------------------------------------------------------------------------

    def _slices(self) -> None:
        """One EndpointSlice per revision Service, with the labels of the Service."""
        for service in list(self._cluster.all(ports.SERVICE)):
            if objects.LABEL_REVISION in (service["metadata"].get("labels") or {}):
                self._slice(service)

    def _slice(self, service: Object) -> None:
        metadata = service["metadata"]
        endpoints = [
            {
                "addresses": [pod.address],
                "conditions": {"ready": pod.ready},
                "targetRef": {"kind": "Pod", "name": pod.name, "uid": f"uid-{pod.name}"},
            }
            for pod in self.selected(service["spec"]["selector"])
        ]
        name = f"{metadata['name']}-slice"
        old = self._cluster.get(ports.ENDPOINT_SLICE, metadata["namespace"], name)
        if old is not None and old["endpoints"] == endpoints:
            return
        body = {
            "apiVersion": ports.ENDPOINT_SLICE.api_version,
            "kind": "EndpointSlice",
            "addressType": "IPv4",
            "metadata": {
                "name": name,
                "namespace": metadata["namespace"],
                "labels": {
                    **metadata.get("labels", {}),
                    objects.LABEL_SERVICE_NAME: metadata["name"],
                },
                "ownerReferences": [
                    {
                        "apiVersion": "v1",
                        "kind": "Service",
                        "name": metadata["name"],
                        "uid": metadata["uid"],
                        "controller": True,
                    }
                ],
            },
            "endpoints": endpoints,
        }
        self._write("PUT" if old is not None else "POST", ports.ENDPOINT_SLICE, body)

    def selected(self, selector: dict[str, str]) -> list[Pod]:
        """Pods with these labels, in the order in which they were made."""
        return [
            pod
            for pods in self.pods.values()
            for pod in pods
            if all(pod.labels.get(key) == value for key, value in selector.items())
        ]

    # --- gateway ---------------------------------------------------------------------------------

    def _route(self, key: tuple[str, str]) -> None:
        body = self._cluster.get(self._cluster.route_kind, *key)
        if body is None:
            self.planes.pop(key, None)
            return
        if not self.gateway_accepts:
            self._loop.call_later(2.0, lambda: self._route(key))
            return
        self.planes[key] = plane_of(body)
        self.planes[key].mirrors = facts.mirrored_to(body)
        self._patch_status(self._cluster.route_kind, body, self._reported(body))

    def _reported(self, body: Object) -> Object:
        """The status of a route that was taken."""
        said = answer(body, self._cluster.all(self._cluster.route_kind))
        if said is not None:
            return said
        generation = body["metadata"]["generation"]
        answers = [
            {
                "parentRef": parent,
                "controllerName": "example.com/gateway",
                "conditions": [
                    {
                        "type": kind,
                        "status": "True",
                        "reason": kind,
                        "observedGeneration": generation,
                    }
                    for kind in ("Accepted", "ResolvedRefs")
                ],
            }
            for parent in body["spec"].get("parentRefs", ())  # some answer nothing
            if parent["name"] not in self.silent_gateways
        ]
        return {"parents": [*self.leftover_answers, *answers]}

    def report_routes(self) -> None:
        """Every Gateway writes the status of its routes anew."""
        for body in list(self._cluster.all(self._cluster.route_kind)):
            self._route((body["metadata"]["namespace"], body["metadata"]["name"]))

    # --- users and scrapes -----------------------------------------------------------------------

    def _tick(self) -> None:
        """Users have sent requests since the last scrape; now the scrape happens."""
        now = self._loop.time()
        requests = self.requests_per_second * (now - self._last_scrape)
        self._last_scrape = now
        for selector, share in self.shares():
            pods = [pod for pod in self.selected(selector) if pod.ready]
            if not pods:
                self.user_errors += requests * share
            for pod in pods:
                self._serve(pod, requests * share / len(pods))
        for service in filter(_is_preview, self._cluster.all(ports.SERVICE)):
            pods = [pod for pod in self.selected(service["spec"]["selector"]) if pod.ready]
            for pod in pods:
                self._serve(pod, requests * self.preview_part / len(pods))
        self._copy(requests)
        for revision, total in self.served.items():
            times, totals = self._served_until.setdefault(revision, ([], []))
            times.append(now)
            totals.append(total)
        self._scrape(START + now)
        self._loop.call_later(self._scrape_seconds, self._tick)

    def _scrape(self, at: float) -> None:
        for pods in self.pods.values():
            for pod in pods:
                if pod.ready and self.is_scraped(pod):
                    pod.counters.scrape(at)
                    if self.labels is not None:
                        self.labels.scrape(pod.counters, at)
        if self.comparer is not None:
            self.comparer.scrape(at)

    def _copy(self, requests: float) -> None:
        """Copies go to whoever is there; nobody waits for an answer."""
        for (namespace, _), plane in self.planes.items():
            for name, percent in plane.mirrors.items():
                service = self._cluster.get(ports.SERVICE, namespace, name)
                pods = [it for it in self.selected(_selector(service)) if it.ready]
                for pod in pods:
                    self._serve(pod, requests * percent / 100 / len(pods))
                if pods and self.comparer is not None:
                    self._pair(pods[0], requests * percent / 100, self.comparer)

    def _pair(self, shadow: Pod, requests: float, comparer: PairCounters) -> None:
        same = requests * self.truth(shadow.version).agreement
        for selector, share in self.shares():
            for pod in [it for it in self.selected(selector) if it.ready][:1]:
                comparer.pair(pod.revision, shadow.revision, (same * share, requests * share))

    def served_by(self, revision: str, *, after: datetime) -> float:
        """Requests that a revision has answered since the scrape before this instant."""
        times, totals = self._served_until.get(revision, ([], []))
        before = bisect_right(times, after.timestamp() - START)
        return self.served.get(revision, 0.0) - (totals[before - 1] if before else 0.0)

    def _serve(self, pod: Pod, requests: float) -> None:
        truth = self.truth(pod.version)
        if truth.hangs:
            self.user_errors += requests
            return
        self.served[pod.revision] = self.served.get(pod.revision, 0.0) + requests
        error_ratio = 1.0 - (1.0 - truth.error_ratio) * (1.0 - self.outage_error_ratio)
        pod.counters.serve(requests, error_ratio=error_ratio, slow_ratio=truth.slow_ratio)
        pod.counters.observe(requests, truth.sees(self.mix))
        if self.labels is not None:
            at = START + self._last_scrape
            self.labels.predict(pod.counters, requests, truth=truth, version=pod.version, at=at)

    def shares(self) -> list[tuple[dict[str, str], float]]:
        """Who gets which share of the users' requests, as the data planes say."""
        found: list[tuple[dict[str, str], float]] = []
        for (namespace, _), plane in self.planes.items():
            for name, share in plane.shares(self.testers_share):
                service = self._cluster.get(ports.SERVICE, namespace, name)
                found.append((_selector(service), share))
        if not self.planes:
            found += [
                (service["spec"]["selector"], 1.0)
                for service in self._cluster.all(ports.SERVICE)
                if objects.LABEL_REVISION not in (service["metadata"].get("labels") or {})
                and not _is_preview(service)
            ]
        return found

    def answers(self, address: str) -> bool:
        """Whether a ready pod has this address."""
        return bool(self.version_at(address))

    def version_at(self, address: str) -> str:
        """The version of the ready pod at this address, or empty."""
        ready = (pod for pods in self.pods.values() for pod in pods if pod.ready)
        return next((pod.version for pod in ready if pod.address == address), "")

    def trouble(self) -> list[Object]:
        """Pods as the API lists them."""
        found = [
            self._document(pod, crashes=self.truth(pod.version).crashes)
            for pods in self.pods.values()
            for pod in pods
        ]
        full = self.running >= self.capacity
        pending = (
            pod_documents.pending_document(body)
            for body in self._cluster.all(ports.DEPLOYMENT)
            if full and len(self.pods.get(body["metadata"]["uid"], [])) < body["spec"]["replicas"]
        )
        return [*found, *pending]

    def _document(self, pod: Pod, *, crashes: bool) -> Object:
        """The same one until something changes."""
        key = (pod.name, pod.ready, crashes)
        found = self._documents.get(key)
        if found is None:
            found = self._documents[key] = pod_documents.pod_document(
                pod, crashes=crashes, start=START
            )
        return found

    # --- writing ---------------------------------------------------------------------------------

    def _patch_status(self, kind: ports.Kind, body: Object, status: Object) -> None:
        if body.get("status") == status:
            return
        operations = [{"op": "add", "path": "/status", "value": status}]
        metadata = body["metadata"]
        path = http.path(kind, namespace=metadata["namespace"], name=metadata["name"])
        self._cluster.handle(
            http.Request(
                verb="status",
                method="PATCH",
                path=f"{path}/status",
                body=operations,
                content_type=http.JSON_PATCH,
                query=(("fieldManager", "world"),),
            ),
            actor="world",
        )

    def _write(self, method: str, kind: ports.Kind, body: Object) -> None:
        metadata = body["metadata"]
        name = "" if method == "POST" else metadata["name"]
        payload: Any = {"preconditions": {"uid": metadata["uid"]}} if method == "DELETE" else body
        self._cluster.handle(
            http.Request(
                verb=method.lower(),
                method=method,
                path=http.path(kind, namespace=metadata.get("namespace", ""), name=name),
                body=payload,
                query=(("fieldManager", "world"),),
            ),
            actor="world",
        )


def _is_preview(service: Object) -> bool:
    return objects.label(service, objects.LABEL_COMPONENT) == objects.PREVIEW_COMPONENT


def _selector(service: Object | None) -> dict[str, str]:
    """Of which pods a Service is; without one, of none."""
    return dict(service["spec"]["selector"]) if service else {"no": "pods"}
