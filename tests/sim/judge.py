"""Judges every change of the cluster, and the state at rest."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from tests.sim import facts, mesh, nginx, oracle, proxies, traffic_checks, user_route
from tests.sim.cluster import ROUTES, Change
from tests.sim.fields import Object
from tests.sim.invariants import checks_of
from tests.sim.nemesis import Calm
from tests.sim.oracle import ViolatedError, require
from tests.sim.people import MD, NAME, NAMESPACE

from tidegate import model, ports
from tidegate.adapters import kube_http as http
from tidegate.api import config_maps, revision, workload_ref
from tidegate.model import objects

if TYPE_CHECKING:
    from tests.sim.replica import Process
    from tests.sim.run import Run

UNLED_SECONDS = 20.0  # a third of the shortest deadline
BESIDE_SECONDS = 1e-6  # of virtual time, which only passes where something is awaited
TERMINAL = frozenset({"Healthy", "RolledBack", "Failed", "Invalid"})


class Judge:
    """Holds the oracle's memory; the first violation ends the run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.memory = oracle.Memory(run)
        self.covered: Counter[str] = Counter()
        self._violated: asyncio.Future[None] = run.loop.create_future()

    async def race(self, play: Coroutine[Any, Any, None]) -> None:
        """Wait for the play or for the first violation."""
        task = asyncio.create_task(play)
        await asyncio.wait([task, self._violated], return_when=asyncio.FIRST_COMPLETED)
        if self._violated.done():
            task.cancel()
            self._violated.result()
        await task

    def on_change(self, change: Change) -> None:
        """Look at one committed change; the request itself is answered as usual."""
        if self._violated.done() or self._is_of_others(change):
            return
        try:
            for remember in oracle.REMEMBER:
                remember(self.memory, change)
            for check in checks_of(change.kind):
                check(self.memory, change)
            oracle.remember_rejections(self.memory, change)
        except Exception as error:  # noqa: BLE001  (a broken check must fail the run, not the server)
            self._violated.set_exception(error)
        self._cover(change)

    def _is_of_others(self, change: Change) -> bool:
        """It is about a ModelDeployment that is there for the sake of the other one."""
        name, others = str(change.body["metadata"]["name"]), self._run.others
        return any(name == it or name.startswith(f"{it}-") for it in others)

    def on_send(self, process: Process, request: http.Request) -> None:
        """S8: whoever starts a write holds the Lease."""
        if not request.writes or request.verb in {"put_lease", "create_event", "repeat_event"}:
            return
        lease = self._run.settings.leader_election
        record = self._run.cluster.get(ports.LEASE, lease.namespace, lease.name) or {}
        holder = (record.get("spec") or {}).get("holderIdentity")
        if self.memory.two_may_lead:
            return
        if holder != process.identity and not self._violated.done():
            what = f"{process.name} starts {request.verb}, the Lease is held by {holder}"
            self._violated.set_exception(ViolatedError("S8", what))

    def on_pass_waited(self, process: Process, request: http.Request, seconds: float) -> None:
        """S15: on its way to a write a pass has waited for the API server, and for nothing else."""
        if request.writes and seconds > BESIDE_SECONDS and not self._violated.done():
            what = f"{process.name} waited {seconds:.2f} s for something else before {request.verb}"
            self._violated.set_exception(ViolatedError("S15", what))

    def _cover(self, change: Change) -> None:
        if not oracle.by_operator(change) or change.kind is ports.LEASE:
            return
        if change.kind is MD and change.new is not None:
            before = facts.status(change.old).get("phase", "None")
            after = facts.status(change.new).get("phase", "None")
            if before != after:
                self.covered[f"phase {before} -> {after}"] += 1
            for condition in facts.status(change.new).get("conditions") or []:
                if condition["type"] == "AnalysisPassing":
                    self.covered[f"verdict {condition['reason']}"] += 1
            if facts.holds_finalizer(change.new) != facts.holds_finalizer(change.old):
                held = facts.holds_finalizer(change.new)
                self.covered[f"action {'AddFinalizer' if held else 'RemoveFinalizer'}"] += 1
        else:
            self.covered[f"action {_action(change)}"] += 1

    # --- at rest ---------------------------------------------------------------------------------

    def unfinished(self) -> str:
        """Why the cluster is not at rest yet, or empty."""
        run = self._run
        if run.body is None:
            left = list(self._leftovers())
            return f"left behind: {left}" if left else ""
        phase = run.phase()
        if phase not in TERMINAL:
            message = facts.status(run.body).get("message", "")
            return f"phase {phase or 'of an older spec'}: {message}"
        return ""

    def at_rest(self) -> None:
        """What must hold when nothing moves any more."""
        body = self._run.body
        if body is None:
            return
        require(not facts.holds_finalizer(body), "S10", "the finalizer is held at rest")
        require(not facts.rollout(body), "I3", "a rollout is active at rest")
        if facts.status(body)["phase"] == "Invalid":
            return
        self._recorded(body)
        self._right_result(body)
        self._no_quarrel_with_itself()
        stable = facts.stable(body)
        if stable:
            self._stable_serves(body, stable)
        self.covered[f"end {facts.status(body)['phase']}"] += 1

    def _no_quarrel_with_itself(self) -> None:
        """In calm weather nobody else writes, so nothing the operator writes is out of date."""
        counts = self._run.recorder.counts
        conflicts = [name for name in counts if name.endswith(" Conflict") and "lease" not in name]
        quiet = type(self._run.nemesis) is Calm and self._run.scenario.without_conflicts
        require(not quiet or not conflicts, "S8", f"conflicts with itself: {conflicts}")

    def _recorded(self, body: Object) -> None:
        """The last rollout has its record, unless it was refused; what fails is tried again."""
        last = facts.status(body).get("lastRollout") or {}
        name = last.get("record", "")
        record = self._run.cluster.get(ports.ROLLOUT_RECORD, NAMESPACE, name)
        if record is None:
            refused = self._run.recorder.counts["problem record_refused"]
            require(refused or not name, "S12", f"there is no record {name}")
            return
        same = {key: record["spec"].get(key) for key in ("result", "finishedAt")}
        wanted = {key: last[key] for key in same}
        require(same == wanted, "S12", f"record {name} says {same}, status {wanted}")
        self.covered["reduced record" if record["spec"].get("omitted") else "record"] += 1

    def _right_result(self, body: Object) -> None:
        """A good revision is served, a bad one is not; in doubt the old one serves."""
        phase = facts.status(body)["phase"]
        wanted = self._wanted(self._with_pods(body))
        wrong = self._run.world.truth(wanted.model_version).wrong
        if phase == "Healthy":
            done = {facts.stable(body), facts.completed(body)}
            require(wanted.hash in done, "I3", "Healthy, but something else serves")
        else:
            known = wanted.hash in facts.rejected(body)
            require(known, "I3", f"{phase}, but {wanted.model_version} was never rejected")
        doubt = self._run.scenario.may_reject_good or self._run.nemesis.may_reject_good
        # Deadlines run on while no operator does.
        doubt = doubt or self._run.longest_unled_seconds > UNLED_SECONDS
        if not wrong and not doubt:
            require(phase == "Healthy", "I3", f"good {wanted.model_version} ended {phase}")

    def _wanted(self, body: Object) -> model.Revision:
        """The revision that spec asks for, with what its ConfigMaps hold."""
        sources = {
            name: self._run.cluster.get(ports.CONFIG_MAP, NAMESPACE, name)
            for name in config_maps.tracked(body)
        }
        digests = {
            it: config_maps.digest_of(found) if found else "" for it, found in sources.items()
        }
        return revision.revision_of(body, config_maps=digests)

    def _with_pods(self, body: Object) -> Object:
        """The object with its pod template, which a Deployment of somebody may have."""
        name = workload_ref.source_name(body)
        source = self._run.cluster.get(ports.DEPLOYMENT, NAMESPACE, name) if name else None
        made = workload_ref.with_template(body, source) if source else body
        return made if isinstance(made, dict) else body

    def _stable_serves(self, body: Object, stable: str) -> None:
        cluster = self._run.cluster
        replicas = facts.replicas(body)
        for deployment in self._owned(ports.DEPLOYMENT, body):
            hash_ = facts.revision_label(deployment)
            wanted = replicas if hash_ == stable else 0
            have = deployment["spec"]["replicas"]
            require(have == wanted, "I3", f"{hash_} has {have} replicas, wants {wanted}")
            role = objects.label(deployment, objects.LABEL_ROLE)
            right = "stable" if hash_ == stable else "previous"
            require(role == right, "I3", f"{hash_} has role {role}")
        entry = cluster.get(ports.SERVICE, NAMESPACE, NAME)
        require(facts.selected(entry) == stable, "I3", f"entry selects {facts.selected(entry)!r}")
        if entry is not None:
            traffic_checks.port_is_open(self.memory, entry)
            port, wanted = entry["spec"]["ports"][0]["port"], body["spec"]["service"].get("port")
            require(port == wanted, "I3", f"the entry Service has port {port}, spec {wanted}")
        if facts.provider(body) in facts.BY_ROUTE:
            route = cluster.get(cluster.route_kind, NAMESPACE, NAME)
            shares = {r: s for r, s in facts.shares(route, name=NAME).items() if s}
            require(shares == {stable: 100.0}, "I3", f"the route gives {shares}")
            self._route_follows(body, route)
        elif facts.provider(body) == user_route.EXISTING:
            user_route.at_rest(self._run, stable)

    def _route_follows(self, body: Object, route: Object | None) -> None:
        """Every field of `traffic.gatewayAPI` is in force, and none that was taken away."""
        traffic = body["spec"]["traffic"]
        if "contour" in traffic:
            difference = proxies.differs(traffic["contour"], route)
            require(not difference, "I3", f"{difference}, spec {traffic['contour']}")
            return
        if "istio" in traffic:
            difference = mesh.differs(traffic["istio"], route)
            require(not difference, "I3", f"{difference}, spec {traffic['istio']}")
            return
        if "nginx" in traffic:
            difference = nginx.differs(traffic["nginx"], route)
            require(not difference, "I3", f"{difference}, spec {traffic['nginx']}")
            return
        if traffic["provider"] == "Traefik":
            return  # it has no settings
        asked = traffic["gatewayAPI"]
        spec: Object = (route or {}).get("spec") or {}
        rule: Object = (spec.get("rules") or [{}])[0]
        for field, found in {
            "hostnames": spec.get("hostnames"),
            "timeouts": rule.get("timeouts"),
            "filters": rule.get("filters"),
        }.items():
            wanted = asked.get(field)
            require((found or None) == (wanted or None), "I3", f"{field} {found}, spec {wanted}")
        parents = [it["name"] for it in spec.get("parentRefs") or []]
        wanted = [it["name"] for it in asked["parentRefs"]]
        require(parents == wanted, "I3", f"the route hangs on {parents}, spec {wanted}")

    def _owned(self, kind: ports.Kind, body: Object) -> list[Object]:
        uid = body["metadata"]["uid"]
        return [it for it in self._run.cluster.all(kind) if objects.is_controlled_by(it, uid=uid)]

    def _leftovers(self) -> list[str]:
        return [
            f"{kind.kind} {body['metadata']['name']}"
            for kind in (ports.DEPLOYMENT, ports.SERVICE, self._run.cluster.route_kind)
            for body in self._run.cluster.all(kind)
            if any(self._owns(o) for o in body["metadata"].get("ownerReferences") or [])
        ]

    def _owns(self, owner: Object) -> bool:
        return bool(owner["kind"] == MD.kind and owner["name"] not in self._run.others)

    def final_state(self) -> Object:
        """What the cluster holds, without times and versions."""
        cluster = self._run.cluster
        found: Object = {"status": facts.timeless(facts.status(self._run.body))}
        for kind in (ports.DEPLOYMENT, ports.SERVICE, cluster.route_kind):
            for body in cluster.all(kind):
                labels = body["metadata"].get("labels") or {}
                name = f"{kind.kind} {body['metadata']['name']}"
                found[name] = {"labels": labels, "spec": body.get("spec")}
        return found


def _action(change: Change) -> str:
    """The action of a decision that a write belongs to."""
    if change.verb == "delete":
        return "DeleteRevision"
    if change.kind is ports.AUTOSCALER:
        return "SetAutoscaler"
    if change.kind in ROUTES:
        return "SetTraffic lowering" if change.urgent else "SetTraffic"
    if change.kind is ports.SERVICE and change.body["metadata"]["name"] == NAME:
        return "SetTraffic lowering" if change.urgent else "SetTraffic"
    if change.verb == "create":
        return "CreateRevision" if change.kind is not ports.EVENT else "Event"
    if change.old and change.new and change.kind is ports.DEPLOYMENT:
        same = change.old["spec"]["replicas"] == change.new["spec"]["replicas"]
        return "SetRole" if same else "Scale"
    return "SetRole"


__all__ = ["Judge", "ViolatedError"]
