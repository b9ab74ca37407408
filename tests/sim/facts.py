"""What objects of the cluster say, in the words of the judges."""

from __future__ import annotations

from typing import Any

from tests.sim import gateway
from tests.sim.fields import Object

from tidegate import model
from tidegate.evidence.queries import presets
from tidegate.model import objects
from tidegate.revisions import render
from tidegate.rollout.duties import FINALIZER

NOT_REPEATED = frozenset(  # what may differ between two runs that ended alike
    {
        "since",
        "job",  # its name says when the rollout began
        "startedAt",
        "progressAt",
        "firstTrafficAt",
        "judgedSince",
        "confirmedAt",
        "endedAt",
        "evidenceSince",
        "inconclusiveSince",
        "evidenceDigest",
        "evidence",
        "finishedAt",
        "at",
        "lastTransitionTime",
        "analysis",
        "observedCandidate",
        "controller",
        "message",
        "reason",
        "handledAt",
        "requestedAt",
        "rollbackReason",
        "hold",
    }
)
# Providers whose shares stand in an object of ours.
BY_ROUTE = frozenset({"GatewayAPI", "Contour", "Istio", "Traefik", "NGINX"})
assert render.DRAIN_SECONDS  # the pods' drain is part of the world's contract


def status(body: Object | None) -> Object:
    found: Object = (body or {}).get("status") or {}
    return found


def rollout(body: Object | None) -> Object:
    """The active rollout, or empty."""
    found: Object = status(body).get("rollout") or {}
    return found if found.get("active") else {}


def is_readable(found: Object) -> bool:
    """Whether a rollout is told in words that this release knows."""
    states = {step["state"] for step in found["plan"]}
    kinds = {step.get("kind", "Live") for step in found["plan"]}
    return {*model.StepState} >= states and {*model.StageKind} >= kinds


def ends(body: Object | None) -> bool:
    """The active rollout goes no further."""
    return bool(rollout(body).get("rollbackBy"))


def stage_kind(body: Object | None) -> str:
    """Of which kind the stage is that is worked on, or empty."""
    running = rollout(body)
    step, plan = running.get("step"), running.get("plan") or []
    return str(plan[step["index"]].get("kind", "Live")) if step else ""


def switched(body: Object | None) -> bool:
    """The candidate of the active rollout was promoted, and is only watched."""
    plan = rollout(body).get("plan") or []
    return any(it.get("kind") == "Switch" and it["state"] == "Passed" for it in plan)


def condition(body: Object | None, kind: str) -> Object:
    """A condition of the status, or empty."""
    found = (it for it in status(body).get("conditions") or [] if it["type"] == kind)
    return next(found, {})


def provider(body: Object | None) -> str:
    """The data plane that a spec names, if it can be read so far; routes of people are one of its own."""
    traffic = ((body or {}).get("spec") or {}).get("traffic")
    if not isinstance(traffic, dict):
        return ""
    gateway = traffic.get("gatewayAPI")
    existing = isinstance(gateway, dict) and gateway.get("mode") == "Existing"
    return "Existing" if existing else str(traffic.get("provider"))


def replicas(body: Object) -> int:
    """Pods that spec asks for, or that its autoscalers chose; 1 where nobody can read it."""
    workload = body["spec"].get("workload")
    chosen = (status(body).get("autoscaling") or {}).get("replicas")
    if chosen and isinstance(workload, dict) and workload.get("autoscaling"):
        return int(chosen)
    asked = workload.get("replicas", 1) if isinstance(workload, dict) else 1
    return asked if isinstance(asked, int) and asked >= 0 else 1


def scaling(body: Object | None) -> Object:
    """What spec says of pods during a rollout, or empty."""
    strategy = ((body or {}).get("spec") or {}).get("strategy")
    found = strategy.get("scaling") if isinstance(strategy, dict) else None
    return found if isinstance(found, dict) else {}


def surge_policy(body: Object | None) -> str:
    """Who makes room for a candidate."""
    return str(scaling(body).get("surgePolicy", "Surge"))


def swaps_in_place(body: Object) -> bool:
    """The only pod of one version goes for that of the other."""
    return surge_policy(body) == "Recreate" and replicas(body) == 1


def stable(body: Object | None) -> str:
    return str((status(body).get("stable") or {}).get("revision", ""))


def intent(body: Object | None) -> float:
    return float((rollout(body).get("traffic") or {}).get("candidate", 0.0))


def failed_over_to(body: Object | None) -> str:
    """The revision that answers for stable by status, or empty."""
    found = status(body).get("failover") or {}
    return str(found["revision"]) if found.get("movedAt") else ""


def rejected(body: Object | None) -> set[str]:
    return {it["revision"] for it in status(body).get("rejectedRevisions") or []}


def holds_finalizer(body: Object | None) -> bool:
    return FINALIZER in ((body or {}).get("metadata", {}).get("finalizers") or [])


def shares(route: Object | None, *, name: str) -> dict[str, float]:
    """Share in percent by revision, as written in a route; testers are apart from that."""
    weights: dict[str, int] = {}
    for rule in gateway.rules(route, by_header=False):
        for backend in rule.get("backendRefs") or []:
            revision = backend["name"].removeprefix(f"{name}-" if name else "")
            weights[revision] = weights.get(revision, 0) + backend.get("weight", 1)
    total = sum(weights.values()) or 1
    return {revision: 100.0 * weight / total for revision, weight in weights.items()}


def mirrored_to(route: Object | None) -> dict[str, float]:
    """Percent of requests that a route copies, by Service; read apart from the operator's reader."""
    found: dict[str, float] = {}
    for rule in gateway.all_rules(route):
        for item in rule.get("filters") or []:
            if item.get("type") == "RequestMirror":
                mirror = item["requestMirror"]
                share = mirror.get("fraction") or {"numerator": mirror.get("percent", 100)}
                percent = 100 * share["numerator"] / share.get("denominator", 100)
                found[mirror["backendRef"]["name"]] = percent
    return found


def mirror_intent(body: Object | None) -> float:
    """Percent of requests that shall be copied to the candidate, by status."""
    return float((rollout(body).get("traffic") or {}).get("mirror", 0.0))


def live_beside_copies(body: Object | None) -> float:
    """Percent of the users that the active stage answers beside the copies that it asks for, or 0."""
    running = rollout(body)
    step, plan = running.get("step"), running.get("plan") or []
    stage = plan[step["index"]] if step else {}
    return float(stage["effectiveWeight"]) if stage.get("mirror") else 0.0


def completed(body: Object | None) -> str:
    """The revision with which the strategy has ended without a promotion, or empty."""
    last = status(body).get("lastRollout") or {}
    return str(last.get("revision", "")) if last.get("result") == "Completed" else ""


def mirrored(route: Object | None, *, name: str) -> set[str]:
    """Revisions that a route sends copies of requests to."""
    return {service.removeprefix(f"{name}-") for service in mirrored_to(route)}


def exposed(route: Object | None, *, name: str) -> dict[str, float]:
    """Percent of the requests that a revision sees, answered or copied."""
    found = shares(route, name=name)
    for service, percent in mirrored_to(route).items():
        revision = service.removeprefix(f"{name}-")
        found[revision] = found.get(revision, 0.0) + percent
    return found


def selected(service: Object | None) -> str:
    """The revision that an entry Service selects; empty for all of them, or without a Service."""
    selector = ((service or {}).get("spec") or {}).get("selector") or {}
    return str(selector.get(objects.LABEL_REVISION, ""))


def marker(body: Object | None) -> str:
    return objects.annotation(body or {}, objects.ANNOTATION_ROLLED_BACK)


def revision_label(body: Object | None) -> str:
    return objects.label(body or {}, objects.LABEL_REVISION)


def _ports(template: Object) -> list[Object]:
    return [it for c in template["spec"]["containers"] for it in c.get("ports") or []]


def named_port(template: Object, name: str) -> int:
    """The number of a port that the pods name, or 0."""
    return next((int(it["containerPort"]) for it in _ports(template) if it.get("name") == name), 0)


def listens_on(template: Object, *, said: int) -> int:
    """Where the server in these pods really listens: the port that its author declared.

    Declaring one is optional; without it the word of the spec that made them counts, `said`. What
    the operator has put into the template itself is nobody's word.
    """
    own = [it for it in _ports(template) if not str(it.get("name", "")).startswith("tidegate-")]
    return int(own[0]["containerPort"]) if own else said


def said_port(body: Object) -> int:
    """Where a spec says that its pods listen, or 0 where nobody can read it."""
    service, server = ((body.get("spec") or {}).get(it) or {} for it in ("service", "server"))
    if not isinstance(service, dict) or not isinstance(server, dict):
        return 0
    preset = presets.PRESETS.get(str(server.get("preset")))
    words = (service.get("targetPort"), server.get("port"), preset.port if preset else 0)
    return next((it for it in words if isinstance(it, int) and it), 0)


def passed(body: Object | None) -> list[bool]:
    """Which planned steps need no more proof; one that rounding leaves no share is none."""
    found: Object = status(body).get("rollout") or {}
    return [
        step["state"] in {"Passed", "Skipped"} or step["effectiveWeight"] == 0 < step["weight"]
        for step in found.get("plan") or []
    ]


def timeless(value: Any) -> Any:
    """A document without what may differ between two runs that ended alike."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in sorted(value.items()) if k not in NOT_REPEATED}
    if isinstance(value, list):
        return [timeless(item) for item in value]
    return value


def is_withdrawn(rollout: Object) -> bool:
    """Its candidate has had traffic, has none, and nobody has given it up; it may wait for room."""
    walks = rollout.get("active") and not rollout.get("rollbackReason")
    traffic = rollout.get("traffic") or {}
    visited = traffic.get("candidate") or traffic.get("routes") or traffic.get("preview")
    visited = visited or traffic.get("mirror")
    return bool(walks and rollout.get("firstTrafficAt") and not visited)


def analysed(body: Object | None, name: str) -> Object:
    """What status says of one metric; empty before it says anything."""
    found = status(body).get("analysis") or []
    return next((it for it in found if it["name"] == name), {})
