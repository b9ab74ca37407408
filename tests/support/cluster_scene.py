"""A stage for one test: a namespace with its own Tidegate, models in it, and what happened."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cluster_client import Client, Object
from cluster_history import History, Look, Seen, looks, version_of
from cluster_tidegate import TESTKIT_IMAGE, Operator
from tests.cluster.api import GatewayRef

from tidegate import ports

SERVER_PORT = 8080
STEPS = ((20.0, "8s"), (60.0, "8s"))


_QUICK = {
    "interval": "1s",
    "warmup": "0s",
    "settle": "2s",
    "window": "30s",
    "minRequests": 50,
}


def restricted_pod() -> Object:
    """What the pod security standard `restricted` asks of a pod."""
    return {
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
    }


def restricted_container() -> Object:
    """The same for a container, and little of the machine."""
    return {
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "resources": {"requests": {"cpu": "5m", "memory": "32Mi"}},
    }


def model_server(**env: str) -> Object:
    """A pod template of the test server; the variables choose its faults."""
    return {
        "spec": {
            **restricted_pod(),
            "containers": [
                {
                    **restricted_container(),
                    "name": "server",
                    "image": TESTKIT_IMAGE,
                    "imagePullPolicy": "IfNotPresent",
                    "args": ["-m", "testkit.testserver"],
                    "env": [{"name": key, "value": value} for key, value in env.items()],
                    "ports": [{"containerPort": SERVER_PORT}],
                    "readinessProbe": {
                        "httpGet": {"path": "/healthz", "port": SERVER_PORT},
                        "periodSeconds": 1,
                        "timeoutSeconds": 5,
                    },
                }
            ],
        }
    }


def mount(pod: Object, *, config_map: str, folder: str) -> None:
    """Let the first container of a pod's spec read the files of a ConfigMap in a folder."""
    volume = {"name": config_map, "configMap": {"name": config_map}}
    pod["volumes"] = [*pod.get("volumes", ()), volume]
    container = pod["containers"][0]
    mounted = {"name": config_map, "mountPath": folder, "readOnly": True}
    container["volumeMounts"] = [*container.get("volumeMounts", ()), mounted]


def metric(preset: str, *, excess: float = 0.2, **threshold: float) -> Object:
    """A metric whose limits some hundred requests prove, so that a step takes seconds.

    About 30 / excess requests of the candidate are needed, and as many for a `max` of that size.
    """
    return {
        "name": preset,
        "preset": preset,
        "threshold": threshold,
        "compare": {"toleranceAbsolute": excess},
    }


def host_of(name: str, *, namespace: str) -> str:
    """The host name of a model behind the Gateway."""
    return f"{name}.{namespace}.test"


def gateway_traffic(name: str, *, namespace: str, gateway: GatewayRef) -> Object:
    """Traffic through the shared Gateway."""
    parent = {"name": gateway.name, "namespace": gateway.namespace}
    return {
        "provider": "GatewayAPI",
        "gatewayAPI": {"parentRefs": [parent], "hostnames": [host_of(name, namespace=namespace)]},
    }


def model_deployment(
    name: str,
    *,
    namespace: str,
    version: str,
    traffic: Object,
    env: dict[str, str] | None = None,
    replicas: int = 1,
    steps: Sequence[tuple[float, str]] = STEPS,
    analysis: Object | None = None,
    whole_analysis: Object | None = None,
    **spec: Any,
) -> Object:
    """A ModelDeployment with short times: a good version takes about half a minute.

    `whole_analysis` stands instead of them, for the defaults.
    """
    planned = [{"name": f"p{weight:g}", "weight": weight, "hold": hold} for weight, hold in steps]
    return {
        "apiVersion": ports.MODEL_DEPLOYMENT.api_version,
        "kind": ports.MODEL_DEPLOYMENT.kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "model": {"version": version},
            "workload": {"replicas": replicas, "template": model_server(**(env or {}))},
            "traffic": traffic,
            "strategy": {"canary": {"steps": planned}, "scaleDownDelay": "5s"},
            "analysis": whole_analysis
            or {**_QUICK, "metrics": [metric("error-ratio", max=0.2)], **(analysis or {})},
            # Pods need their time on a busy machine.
            "progressDeadline": "5m",
            **spec,
        },
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A namespace, its operator and its history."""

    client: Client
    namespace: str
    operator: Operator
    history: History
    gateway: GatewayRef

    def model(self, name: str = "m", *, gateway: bool = True, **options: Any) -> Model:
        """A model behind the Gateway, or behind its Service alone; not applied yet."""
        traffic: Object = {"provider": "ReplicaRatio"}
        if gateway:
            traffic = gateway_traffic(name, namespace=self.namespace, gateway=self.gateway)
        return Model(scene=self, name=name, options={"traffic": traffic, **options})


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A ModelDeployment of a scene: what is asked for, and what was told about it."""

    scene: Scene
    name: str
    options: Object = field(default_factory=dict)

    @property
    def host(self) -> str:
        return host_of(self.name, namespace=self.scene.namespace)

    def apply(self, version: str, **changes: Any) -> float:
        """Apply this version; unix seconds since when only it, and what followed, was told."""
        body = model_deployment(
            self.name,
            namespace=self.scene.namespace,
            version=version,
            **{**self.options, **changes},
        )
        asked_at = time.time()
        answer = self.scene.client.apply(ports.MODEL_DEPLOYMENT, body)
        return self._told_at(answer, asked_at=asked_at)

    def annotate(self, **annotations: str) -> float:
        """Set annotations in tidegate.dev/; unix seconds as those of `apply`."""
        keys = {f"tidegate.dev/{key.replace('_', '-')}": it for key, it in annotations.items()}
        asked_at = time.time()
        answer = self.scene.client.merge(
            ports.MODEL_DEPLOYMENT,
            namespace=self.scene.namespace,
            name=self.name,
            body={"metadata": {"annotations": keys}},
        )
        return self._told_at(answer, asked_at=asked_at)

    def ask(self, request: str, *, of: Look) -> float:
        """Ask for this of the rollout and the step that were seen, as the command line does."""
        asked = {
            "request": request,
            "request_revision": of.rollout["revision"],
            "requested_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        step = {"request_step": of.step["name"]} if of.step.get("name") else {}
        return self.annotate(**asked, **step)

    def _told_at(self, answer: Object, *, asked_at: float) -> float:
        """When the watch told this version, if not long before.

        What was written earlier may be told later than the answer itself came: then a status of the
        version before would pass for one of this.
        """
        told = self.wait_for(
            lambda look: look.version >= version_of(answer),
            seconds=90,
            what=f"the watch tells of the change of {self.name}",
        )
        return max(asked_at, told.at)

    def delete(self) -> float:
        """Ask for the deletion; unix seconds of the answer."""
        self.scene.client.delete(
            ports.MODEL_DEPLOYMENT, namespace=self.scene.namespace, name=self.name
        )
        return time.time()

    def looks(self, *, since: float = 0.0) -> list[Look]:
        """All versions of the ModelDeployment so far."""
        told = looks(self.scene.history.of(ports.MODEL_DEPLOYMENT, self.name))
        return [look for look in told if look.at >= since]

    def routes(self) -> list[Seen]:
        """All versions of its HTTPRoute so far."""
        return self.scene.history.of(ports.HTTP_ROUTE, self.name)

    def deployment(self, revision: str) -> list[Seen]:
        """All versions of the Deployment of a revision so far."""
        return self.scene.history.of(ports.DEPLOYMENT, f"{self.name}-{revision}")

    def wait_for(
        self, until: Callable[[Look], bool], *, seconds: float, what: str, since: float = 0.0
    ) -> Look:
        """The first version told at or after `since` for which `until` holds."""
        return self.scene.history.wait_for(
            lambda: next((look for look in self.looks(since=since) if until(look)), None),
            seconds=seconds,
            explain=lambda: f"{what}: not within {seconds:g} s\n{self.tell()}",
        )

    def wait_for_phase(self, phase: str, *, seconds: float, since: float = 0.0) -> Look:
        """The first version that speaks of the newest spec and is in this phase."""
        return self.wait_for(
            lambda look: look.current and look.phase == phase,
            seconds=seconds,
            since=since,
            what=f"{self.name} is {phase}",
        )

    def wait_for_weight(self, percent: float, *, seconds: float, since: float = 0.0) -> Look:
        """The first version in which a step with this weight is confirmed."""
        return self.wait_for(
            lambda look: look.intended_percent == percent and "confirmedAt" in look.step,
            seconds=seconds,
            since=since,
            what=f"{self.name} holds {percent:g} %",
        )

    def wait_for_rest(self, *, seconds: float = 120.0, since: float = 0.0) -> Look:
        """Until pods of retired revisions are gone; then the operator has nothing to do."""
        return self.wait_for(
            lambda look: look.current and not look.active and not look.status.get("retiring"),
            seconds=seconds,
            since=since,
            what=f"{self.name} is at rest",
        )

    def tell(self) -> str:
        """All there is to say when a test fails."""
        versions = self.looks()
        if not versions:
            return f"{self.name} does not exist\n{self.scene.operator.logs()}"
        last = versions[-1]
        conditions = {it["type"]: it["status"] for it in last.status.get("conditions", ())}
        course = [f"{look.phase}/{look.intended_percent:g}" for look in versions]
        shortened = [word for i, word in enumerate(course) if i == 0 or course[i - 1] != word]
        return "\n".join(
            (
                f"phase {last.phase}: {last.message}",
                f"course: {' '.join(shortened)}",
                f"conditions: {conditions}",
                f"step: {last.step}, waiting for: {last.waiting_for}",
                f"analysis: {json.dumps(last.status.get('analysis', ()))}",
                f"events: {self.events()}",
                self.scene.operator.logs(),
            )
        )

    def events(self) -> list[str]:
        """Reasons of the Events, oldest first."""
        found = [
            event
            for event in self.scene.client.list(ports.EVENT, namespace=self.scene.namespace)
            if event["regarding"].get("kind") == ports.MODEL_DEPLOYMENT.kind
            and event["regarding"]["name"] == self.name
        ]
        return [event["reason"] for event in sorted(found, key=lambda it: it["eventTime"])]
