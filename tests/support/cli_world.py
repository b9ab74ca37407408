"""A ModelDeployment in memory for the commands that talk to a cluster, and a clock that leaps."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tidegate import model, ports
from tidegate.api import convert, record

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
STABLE = model.Revision(hash="6d9f7c01ab", digest="6d9f7c01ab" + "0" * 54, model_version="1.4.0")
CANDIDATE = model.Revision(hash="8b1c22e9d4", digest="8b1c22e9d4" + "0" * 54, model_version="1.5.0")

PLAN = tuple(
    model.Stage(
        name=f"p{weight:g}",
        weight_percent=weight,
        effective_weight_percent=effective,
        hold_seconds=600.0,
        deadline_seconds=3600.0,
        min_requests=100,
        state=state,
    )
    for weight, effective, state in (
        (10.0, 25.0, model.StepState.PASSED),
        (50.0, 50.0, model.StepState.ACTIVE),
    )
)
ROLLOUT = model.Rollout(
    id="iris-8b1c22e9d4-1",
    revision=CANDIDATE,
    attempt=1,
    active=True,
    started_at=NOW - timedelta(minutes=30),
    progress_at=NOW,
    plan=PLAN,
    step=model.ActiveStep(
        index=1,
        name="p50",
        started_at=NOW - timedelta(minutes=5),
        confirmed_at=NOW - timedelta(minutes=4),
        hold_until=NOW + timedelta(minutes=6),
        deadline_at=NOW + timedelta(minutes=56),
    ),
    exposure=model.Exposure(live_percent=50.0),
    observed_candidate_percent=49.25,
)
HEALTHY = model.Status(
    observed_generation=2,
    phase=model.Phase.HEALTHY,
    message="serving 1.4.0",
    health_status="Healthy",
    desired=STABLE,
    stable=model.RevisionStatus(
        revision=STABLE.hash,
        model_version=STABLE.model_version,
        replicas=4,
        ready_replicas=4,
        since=NOW - timedelta(days=3),
    ),
)
PROGRESSING = dataclasses.replace(
    HEALTHY,
    phase=model.Phase.PROGRESSING,
    message="serving 1.4.0; 1.5.0 at weight 50 (step p50)",
    health_status="Progressing",
    desired=CANDIDATE,
    candidate=model.RevisionStatus(
        revision=CANDIDATE.hash, model_version="1.5.0", replicas=2, ready_replicas=2
    ),
    rollout=ROLLOUT,
)
REJECTION = model.RejectedRevision(
    revision=CANDIDATE.hash,
    model_version="1.5.0",
    reason="error-ratio 0.08 > 0.01 (n=5210)",
    at=NOW,
    by="Analysis",
)
ROLLED_BACK = dataclasses.replace(
    HEALTHY,
    phase=model.Phase.ROLLED_BACK,
    message="serving 1.4.0; spec asks for 1.5.0, rejected: error-ratio 0.08 > 0.01 (n=5210)",
    health_status="Degraded",
    desired=CANDIDATE,
    rejected=(REJECTION,),
)


def document(
    status: model.Status | None,
    *,
    name: str = "iris",
    namespace: str = "ml",
    generation: int = 2,
    annotations: dict[str, str] | None = None,
) -> ports.Object:
    """A ModelDeployment as the API server gives it; without status none was written yet."""
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "uid": "uid-1",
        "generation": generation,
        "resourceVersion": "1",
        "creationTimestamp": "2026-11-15T12:00:00Z",
        "managedFields": [{"manager": "kubectl"}],
    }
    if annotations is not None:
        metadata["annotations"] = annotations
    body: ports.Object = {
        "apiVersion": ports.MODEL_DEPLOYMENT.api_version,
        "kind": "ModelDeployment",
        "metadata": metadata,
        "spec": {"model": {"version": "1.5.0"}},
    }
    return body if status is None else body | {"status": convert.write_status(status)}


def recorded(
    *, attempt: int, result: model.RolloutResult, name: str = "iris", hours_ago: int = 0
) -> ports.Object:
    """A RolloutRecord of the candidate as the API server gives it."""
    meta = model.ObjectMeta(
        namespace="ml", name=name, uid="uid-1", generation=2, resource_version="1"
    )
    last = model.LastRollout(
        id=f"{name}-{CANDIDATE.hash}-{attempt}",
        result=result,
        finished_at=NOW - timedelta(hours=hours_ago),
        reason="error-ratio 0.08 > 0.01 (n=5210)",
        by="Analysis",
        revision=CANDIDATE.hash,
        attempt=attempt,
        record=f"{name}-{CANDIDATE.hash}-{attempt}",
    )
    return record.write_record(meta, last=last, rollout=ROLLOUT)


def answered(
    body: ports.Object, *, outcome: str, reason: str = "", requested_at: str = ""
) -> ports.Object:
    """The object once the operator has answered the request in its annotations."""
    asked = convert.read_request(body["metadata"].get("annotations"))
    assert asked is not None
    handled = model.HandledRequest(
        request=asked.request,
        revision=asked.revision,
        requested_at=requested_at or asked.requested_at,
        handled_at=NOW,
        outcome=outcome,
        reason=reason,
    )
    status = dataclasses.replace(convert.read_status(body["status"]), last_handled_request=handled)
    return body | {"status": convert.write_status(status)}


class LeapingClock:
    """`ports.Clock` on which a sleep takes no time and moves it on."""

    def __init__(self) -> None:
        self.slept_seconds = 0.0

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.slept_seconds)

    def monotonic(self) -> float:
        return self.slept_seconds

    async def sleep(self, seconds: float) -> None:
        self.slept_seconds += seconds


class MemoryApi:
    """The four verbs of `ports.KubeApi` that the commands use, on ModelDeployments in memory.

    `after_read` stands for everybody else: it is called after each read and may change `bodies`.
    `failures` are the next outcomes of reads, `patch_failures` those of patches; `others` are objects
    of other kinds, or why they cannot be read.
    """

    def __init__(self, *bodies: ports.Object, served: bool = True) -> None:
        self.bodies = list(bodies)
        self.records: list[ports.Object] = []
        self.others: dict[ports.Kind, list[ports.Object] | ports.Failure] = {}
        self.served = served
        self.failures: list[ports.Failure] = []
        self.patch_failures: list[ports.Failure] = []
        self.after_read: Callable[[], None] = lambda: None

    async def serves(self, kind: ports.Kind) -> ports.Result[bool]:
        assert kind == ports.MODEL_DEPLOYMENT
        return ports.Ok(self.served)

    async def get(
        self, kind: ports.Kind, *, namespace: str, name: str
    ) -> ports.Result[ports.Object | None]:
        if kind in self.others:
            return self._other(kind, name)
        assert kind == ports.MODEL_DEPLOYMENT
        if self.failures:
            return self.failures.pop(0)
        found = copy.deepcopy(self._find(namespace, name))
        self.after_read()
        return ports.Ok(found)

    async def list_objects(
        self, kind: ports.Kind, *, namespace: str, label_selector: str
    ) -> ports.Result[list[ports.Object]]:
        if self.failures:
            return self.failures.pop(0)
        if kind in self.others:
            found = self.others[kind]
            return ports.Ok(found) if isinstance(found, list) else found
        if kind == ports.ROLLOUT_RECORD:
            return ports.Ok([it for it in self.records if selected(it, label_selector)])
        assert (kind, label_selector) == (ports.MODEL_DEPLOYMENT, "")
        return ports.Ok(
            [it for it in self.bodies if namespace in {"", it["metadata"]["namespace"]}]
        )

    async def json_patch(
        self, kind: ports.Kind, *, namespace: str, name: str, operations: Sequence[ports.Object]
    ) -> ports.Result[ports.Object]:
        assert kind == ports.MODEL_DEPLOYMENT
        if self.patch_failures:
            return self.patch_failures.pop(0)
        body = self._find(namespace, name)
        if body is None:
            return ports.Conflict(message="gone")
        patched = apply_patch(body, operations)
        if patched is None:
            return ports.Conflict(message="the test failed")
        version = int(patched["metadata"]["resourceVersion"]) + 1
        patched["metadata"]["resourceVersion"] = str(version)
        self.bodies[self.bodies.index(body)] = patched
        return ports.Ok(patched)

    def _other(self, kind: ports.Kind, name: str) -> ports.Result[ports.Object | None]:
        found = self.others[kind]
        if not isinstance(found, list):
            return found
        return ports.Ok(next((it for it in found if it["metadata"]["name"] == name), None))

    def _find(self, namespace: str, name: str) -> ports.Object | None:
        wanted = (namespace, name)
        places = [(it["metadata"]["namespace"], it["metadata"]["name"]) for it in self.bodies]
        return self.bodies[places.index(wanted)] if wanted in places else None


def selected(body: ports.Object, label_selector: str) -> bool:
    """True when the object has the one label that is asked for."""
    name, _, value = label_selector.partition("=")
    return bool(body["metadata"]["labels"].get(name) == value)


def apply_patch(body: ports.Object, operations: Sequence[ports.Object]) -> ports.Object | None:
    """RFC 6902 for test, add and remove of object members; `None` where a test fails."""
    body = copy.deepcopy(body)
    for operation in operations:
        *parents, last = (
            part.replace("~1", "/").replace("~0", "~")
            for part in operation["path"].removeprefix("/").split("/")
        )
        node = body
        for parent in parents:
            node = node[parent]
        match operation["op"]:
            case "test":
                if node.get(last) != operation["value"]:
                    return None
            case "add":
                node[last] = operation["value"]
            case "remove":
                del node[last]
            case unknown:
                raise AssertionError(unknown)
    return body
