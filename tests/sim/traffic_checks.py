"""Checks of traffic, pods and writes in general, at every committed change.

They look at the cluster and at the truth of the world, never into the operator.
"""

from __future__ import annotations

from tests.sim import facts, gateway
from tests.sim.cluster import ROUTES, Change
from tests.sim.fields import Object
from tests.sim.nemesis import Calm
from tests.sim.oracle import CLOSE, Memory, by_operator, provider, require
from tests.sim.people import MD, NAME, NAMESPACE, USER_ROUTES
from tests.sim.truth import Truth

from tidegate import ports
from tidegate.controller.dependencies import SAID_ON
from tidegate.model import objects

WRITABLE = {
    MD,
    ports.DEPLOYMENT,
    ports.SERVICE,
    *ROUTES,
    ports.EVENT,
    ports.LEASE,
    ports.ROLLOUT_RECORD,
    ports.JOB,
    ports.NETWORK_POLICY,
    ports.CONFIG_MAP,
    ports.CONTROLLER_REVISION,
    ports.AUTOSCALER,
}
STORM_WRITES, STORM_SECONDS = 150, 60.0
EXPOSED_SECONDS = 60.0
GOOD = Truth()
DRAIN_SECONDS = 1.5  # half of the scaleDownDelay of every play


# --- writes in general ---------------------------------------------------------------------------


def stays_in_its_own(memory: Memory, change: Change) -> None:
    """I4, I5: only our kinds, only the owner's namespace, only objects that are ours."""
    if not by_operator(change):
        return
    if change.kind in SAID_ON:
        require(
            change.verb == "apply_status", "I4", "writes more than the status of what is people's"
        )
        return
    require(change.kind in WRITABLE, "I4", f"writes {change.kind.kind}")
    metadata = change.body["metadata"]
    if change.kind in {ports.LEASE, MD, ports.EVENT}:
        return
    where = f"{change.kind.kind} {metadata['name']}"
    require(metadata["namespace"] == NAMESPACE, "I4", f"writes {where} in another namespace")
    if change.kind in ROUTES and metadata["name"] in USER_ROUTES:
        return  # `user_route.only_weights_change`
    owners = metadata.get("ownerReferences") or []
    ours = any(o["kind"] == MD.kind and o.get("controller") for o in owners)
    require(ours, "I5", f"{where} is not owned by a ModelDeployment")
    # A write that was on its way when the object was created anew: the collector has to do.
    blind = memory.run.loop.time() - memory.created_at < memory.run.nemesis.view_lag_seconds
    if change.verb == "create" and memory.body is not None and not blind:
        uid = memory.body["metadata"]["uid"]
        require(objects.is_controlled_by(change.body, uid=uid), "I5", f"{where} has a dead owner")


def does_not_storm(memory: Memory, change: Change) -> None:
    """S9: writes are bounded, but for two leaders that a person has made by hand."""
    if not by_operator(change) or change.kind is ports.LEASE or memory.two_may_lead:
        return
    now = memory.run.loop.time()
    memory.recent_writes = [t for t in memory.recent_writes if t > now - STORM_SECONDS] + [now]
    require(len(memory.recent_writes) < STORM_WRITES, "S9", "writes without end")


def templates_never_change(_: Memory, change: Change) -> None:
    """I4: the pods of a revision are never edited."""
    if by_operator(change) and change.kind is ports.DEPLOYMENT and change.old and change.new:
        same = change.old["spec"]["template"] == change.new["spec"]["template"]
        require(same, "I4", "the pod template of a revision changed")


# --- traffic -------------------------------------------------------------------------------------


def weights_sum_up(_: Memory, change: Change) -> None:
    """S1."""
    if not by_operator(change) or change.kind not in ROUTES or change.new is None:
        return
    if change.new["metadata"]["name"] in USER_ROUTES:
        return  # its owner chooses the sums
    for rule in gateway.all_rules(change.new):
        weights = [backend["weight"] for backend in rule["backendRefs"]]
        total = sum(weights)
        require(min(weights) >= 0, "S1", f"negative weight in {weights}")
        require(total >= 100 and str(total).strip("0") == "1", "S1", f"weights {weights}")


def traffic_rises_with_cause(memory: Memory, change: Change) -> None:
    """S2, S3, S4, S10: more traffic for a candidate needs intent, proof and a finalizer."""
    if not by_operator(change) or change.new is None:
        return
    if change.kind in ROUTES and change.body["metadata"]["name"] == NAME:
        before, after = (facts.shares(it, name=NAME) for it in (change.old, change.new))
    elif change.kind is ports.SERVICE and change.new["metadata"]["name"] == NAME:
        before, after = _by_selector(memory, change.old), _by_selector(memory, change.new)
    else:
        return
    for revision, share in after.items():
        if share > before.get(revision, 0.0) + CLOSE:
            rises(memory, change, revision, share)


def creations_give_nothing(_: Memory, change: Change) -> None:
    """I7: no version guards a creation, so that a deposed leader's may come late."""
    if by_operator(change) and change.kind in ROUTES and change.old is None:
        given = [r for r, s in facts.shares(change.new, name=NAME).items() if s]
        require(len(given) == 1, "I7", f"a route was created with traffic for {given}")


def _by_selector(memory: Memory, service: Object | None) -> dict[str, float]:
    """ReplicaRatio: 100 for a revision selected alone; all selected shows as the intent."""
    if service is None or provider(memory) != "ReplicaRatio":
        return {}
    revision = facts.selected(service)
    if revision:
        return {revision: 100.0}
    running = facts.rollout(memory.body).get("revision", "")
    return {running: facts.intent(memory.body)} if running else {}


def rises(memory: Memory, change: Change, revision: str, share: float) -> None:
    """What must hold for a revision that is given more."""
    body, what = memory.body, f"{revision} gets {share:g} %"
    stable, running = facts.stable(body), facts.rollout(body)
    if revision == stable or body is None or "spec" not in body:
        return
    first = not stable  # nobody else could serve; a late write of its predecessor does no harm
    if change.urgent or first:
        require(revision not in memory.quarantined or first, "S4", f"{what} after its rejection")
        return
    if facts.failed_over_to(body) == revision:
        _stands_in(memory, revision, what=what)
        return
    require(running.get("revision") == revision, "S2", f"{what} without a rollout of it")
    require(revision not in memory.quarantined, "S4", f"{what} after its rejection")
    allowed = facts.intent(body)
    require(share <= allowed + CLOSE, "S2", f"{what}, intent is {allowed:g} %")
    require(not facts.ends(body), "S4", f"{what} while rolling back")
    require(facts.holds_finalizer(body), "S10", f"{what} without the finalizer")
    _proven(memory, revision, share)
    parked = facts.replicas(body) == 0
    require(parked or memory.has_pods(revision), "S5", f"{what} without ready endpoints")


def _stands_in(memory: Memory, revision: str, *, what: str) -> None:
    """S4, S10, S13: it answers for a stable revision without pods, and nobody has rejected it."""
    require(revision not in memory.quarantined, "S4", f"{what} after its rejection")
    require(facts.holds_finalizer(memory.body), "S10", f"{what} without the finalizer")
    require(memory.has_pods(revision), "S5", f"{what} without ready endpoints")
    stable = facts.stable(memory.body)
    since = memory.ready_from.get(stable, 0.0)
    steady = memory.had_pods(stable) and memory.run.loop.time() - since > 60.0
    require(not steady, "S13", f"{what}, and {stable} has had pods for a minute")


def _proven(memory: Memory, revision: str, share: float) -> None:
    """S3: every step before the first that grants this weight was passed."""
    running = facts.rollout(memory.body)
    plan, done = running.get("plan") or [], facts.passed(memory.body)
    grants = [i for i, step in enumerate(plan) if step["effectiveWeight"] >= share - CLOSE]
    upto = min(grants, default=len(plan))
    unproven = [index for index in range(upto) if not done[index]]
    require(not unproven, "S3", f"{revision} gets {share:g} % before step {unproven}")
    closed = [
        gate["name"]
        for step in plan[: upto + 1]
        for gate in step.get("gates", [])
        if "openedAt" not in gate and step["state"] != "Skipped"
    ]
    require(not closed, "S3", f"{revision} gets {share:g} % behind gate {closed}")
    legal = {round(step["effectiveWeight"], 3) for step in plan} | {100.0}
    part = _surge_percent(memory) < 100 and not unproven
    require(round(share, 3) in legal or part, "S2", f"{share:g} % is no weight of the plan")


def _surge_percent(memory: Memory) -> float:
    """`maxSurgePercent`; below 100 a weight is reached in parts where a route makes it."""
    scaling = facts.scaling(memory.body)
    usual = 25 if provider(memory) == "ReplicaRatio" else 100
    if facts.surge_policy(memory.body) != "Surge":
        usual = 0
    return float(scaling.get("maxSurgePercent", usual))


def users_are_never_mixed(memory: Memory, change: Change) -> None:
    """S17: a rollout that switches gives its candidate all users or none."""
    if not by_operator(change) or change.new is None or change.kind not in {*ROUTES, ports.SERVICE}:
        return
    kinds = {stage.get("kind") for stage in facts.rollout(memory.body).get("plan") or []}
    if "Preview" not in kinds:
        return
    if change.kind in ROUTES:
        parts = [it for it in facts.shares(change.new, name=NAME).values() if CLOSE < it < 100]
        require(not parts, "S17", f"users are shared: {parts}")
    elif change.kind is ports.SERVICE and change.new["metadata"]["name"] == NAME:
        require(facts.selected(change.new), "S17", "the entry Service selects every revision")


def nobody_is_sent_to_no_pods(memory: Memory, change: Change) -> None:
    """S13: no write moves traffic to a side without ready pods while the other has some."""
    if not by_operator(change) or change.new is None or change.old is None:
        return
    if change.kind in ROUTES and change.body["metadata"]["name"] == NAME:
        before, after = (facts.shares(it, name=NAME) for it in (change.old, change.new))
    elif change.kind is ports.SERVICE and change.new["metadata"]["name"] == NAME:
        before, after = ({facts.selected(it): 100.0} for it in (change.old, change.new))
    else:
        return
    if provider(memory) != "ReplicaRatio" and change.kind is ports.SERVICE:
        return  # it follows the roles; the route carries the users
    gain = [r for r, share in after.items() if r and share > before.get(r, 0.0) + CLOSE]
    lose = {r for r, share in before.items() if share > after.get(r, 0.0) + CLOSE}
    if "" in lose:
        lose = set(memory.ready_seen) - set(gain)
    for revision in gain:
        others = [r for r in lose if memory.had_pods(r)]
        # Whoever asks for no pods takes those of all others as well: a moment sooner is no loss.
        parked = memory.body is not None and facts.replicas(memory.body) == 0
        fine = parked or memory.has_pods(revision) or not others
        require(fine, "S13", f"{revision} has no ready pods, {others} have, and it gets traffic")


def pods_stay_while_they_serve(memory: Memory, change: Change) -> None:
    """I4, S5: no revision with traffic loses its pods, and stable never does."""
    if not by_operator(change) or change.kind is not ports.DEPLOYMENT:
        return
    body = memory.body
    gone = change.new is None or change.new["spec"]["replicas"] == 0
    if body is None or not gone or facts.replicas(body) == 0:
        return
    if change.old is not None and change.new and not change.old["spec"]["replicas"]:
        return  # it had none: another field was written, before the spec's new number
    if facts.swaps_in_place(body):
        return  # one pod goes for the other, whoever has the traffic
    revision = facts.revision_label(change.old or change.new)
    require(revision != facts.stable(body), "I4", f"stable {revision} loses its pods")
    route = memory.run.cluster.get(memory.run.cluster.route_kind, NAMESPACE, NAME)
    share = facts.shares(route, name=NAME).get(revision, 0.0)
    # A route that a predecessor made late gives the traffic that nobody else could serve either.
    rejected_first = not facts.stable(body) and revision in memory.quarantined
    if change.verb != "create" and provider(memory) in facts.BY_ROUTE and not rejected_first:
        require(share == 0, "S5", f"{revision} has {share:g} % and loses its pods")
    entry = memory.run.cluster.get(ports.SERVICE, NAMESPACE, NAME)
    require(facts.selected(entry) != revision, "S5", f"{revision} is selected and loses its pods")


def capacity_stays(memory: Memory, change: Change) -> None:
    """I4: where pods make the split, shrinking leaves as many ready pods as there are replicas."""
    if not by_operator(change) or change.kind is not ports.DEPLOYMENT or change.new is None:
        return
    body, nemesis = memory.body, memory.run.nemesis
    if body is None or change.old is None or type(nemesis) is not Calm:
        return
    if change.new["spec"]["replicas"] >= change.old["spec"]["replicas"]:
        return
    entry = memory.run.cluster.get(ports.SERVICE, NAMESPACE, NAME)
    chosen = facts.selected(entry)
    if entry is None or chosen not in {"", facts.revision_label(change.new)}:
        return  # it serves nobody
    serving = [
        min(it["spec"]["replicas"], facts.status(it).get("readyReplicas", 0))
        for it in memory.run.cluster.all(ports.DEPLOYMENT)
        if chosen in {"", facts.revision_label(it)}
    ]
    wanted = facts.replicas(body)
    if provider(memory) == "ReplicaRatio" and facts.surge_policy(body) != "Recreate":
        wanted -= not _surge_percent(memory)  # without any surge one pod may be missing
        require(sum(serving) >= wanted, "I4", f"{sum(serving)} of {wanted} pods are left to serve")


def pods_drain_before_they_go(memory: Memory, change: Change) -> None:
    """I4: between the last traffic of a revision and the end of its pods lies the drain delay."""
    if not by_operator(change) or change.kind is not ports.DEPLOYMENT or memory.body is None:
        return
    if change.old is None:
        return  # a Deployment that is made for a revision that waits has none to lose
    shrunk = change.new is not None and change.new["spec"]["replicas"] == 0
    shrunk = shrunk and facts.replicas(memory.body) > 0
    shrunk = shrunk and not facts.swaps_in_place(memory.body)
    if not shrunk or memory.run.nemesis.clock_skew_seconds:
        return
    last = memory.had_traffic.get(facts.revision_label(change.new), -1e9)
    drained = memory.run.loop.time() - last
    require(drained >= DRAIN_SECONDS - 0.1, "I4", f"pods go {drained:.1f} s after their traffic")


def ports_are_open(memory: Memory, change: Change) -> None:
    """I4: whoever is sent to a pod by a Service finds somebody who listens."""
    if not by_operator(change) or change.new is None:
        return
    if change.kind is ports.SERVICE:
        port_is_open(memory, change.new)
    elif change.kind is ports.DEPLOYMENT and facts.stable(memory.body):
        entry = memory.run.cluster.get(ports.SERVICE, NAMESPACE, NAME)
        if entry is not None and _is_ours(memory, entry):
            port_is_open(memory, entry)


def _is_ours(memory: Memory, service: Object) -> bool:
    body = memory.body
    uid = body["metadata"]["uid"] if body is not None else ""
    return objects.is_controlled_by(service, uid=uid)


def port_is_open(memory: Memory, service: Object) -> None:
    """Every pod that a Service selects listens where the Service sends requests to."""
    spec = service["spec"]
    target = spec["ports"][0]["targetPort"]
    for deployment in memory.run.cluster.all(ports.DEPLOYMENT):
        pods = deployment["spec"]["template"]
        labels = pods["metadata"]["labels"]
        selected = all(labels.get(key) == value for key, value in spec["selector"].items())
        if selected and deployment["spec"]["replicas"]:
            number = facts.named_port(pods, target) if isinstance(target, str) else target
            said = memory.made_ports.get(facts.revision_label(deployment), 0)
            open_port = facts.listens_on(pods, said=said)
            what = f"{service['metadata']['name']} sends to {target} ({number})"
            where = f"{deployment['metadata']['name']} listens on {open_port}"
            require(number == open_port, "I4", f"{what}, {where}")


def mirrors_answer_nobody(memory: Memory, change: Change) -> None:
    """S11: who gets copies of requests has no share of them, but where its step asks for both."""
    if not by_operator(change) or change.kind not in ROUTES or change.new is None:
        return
    shares = facts.shares(change.new, name=NAME)
    allowed = facts.live_beside_copies(memory.body)
    for revision in facts.mirrored(change.new, name=NAME):
        share = shares.get(revision, 0.0)
        require(share <= allowed + CLOSE, "S11", f"{revision} is mirrored and has {share:g} %")


def _answering(route: Object | None) -> set[str]:
    shared = (revision for revision, share in facts.shares(route, name=NAME).items() if share)
    return {*shared, *gateway.testers(route, name=NAME)}


def _reached(route: Object | None) -> set[str]:
    """Whoever gets requests, or copies of some."""
    return _answering(route) | facts.mirrored(route, name=NAME)


def mirrors_rise_with_cause(memory: Memory, change: Change) -> None:
    """S2, S4, S5, S10, S11: copies need intent, pods that can answer them, and the finalizer."""
    if not by_operator(change) or change.kind is not ports.HTTP_ROUTE or change.new is None:
        return
    before = facts.mirrored_to(change.old)
    for service, percent in facts.mirrored_to(change.new).items():
        if percent > before.get(service, 0.0) + CLOSE:
            _copies_rise(memory, service.removeprefix(f"{NAME}-"), percent)


def _copies_rise(memory: Memory, revision: str, percent: float) -> None:
    body, what = memory.body, f"{revision} gets copies of {percent:g} %"
    if body is None or "spec" not in body:
        return
    require(revision != facts.stable(body), "S11", f"{what}, and answers the users")
    require(facts.rollout(body).get("revision") == revision, "S2", f"{what} without a rollout")
    require(revision not in memory.quarantined, "S4", f"{what} after its rejection")
    intent = facts.mirror_intent(body)
    require(abs(percent - intent) <= CLOSE, "S2", f"{what}, intent is {intent:g} %")
    require(not facts.ends(body), "S4", f"{what} while rolling back")
    require(facts.holds_finalizer(body), "S10", f"{what} without the finalizer")
    require(memory.has_pods(revision), "S5", f"{what} without ready endpoints")


def bad_revisions_leave_in_time(memory: Memory, change: Change) -> None:
    """I2: in calm weather a bad revision loses its traffic within the bound."""
    if change.kind not in ROUTES or type(memory.run.nemesis) is not Calm:
        return
    if change.body["metadata"]["name"] in USER_ROUTES:
        return
    now = memory.run.loop.time()
    before, after = (_reached(it) for it in (change.old, change.new))
    for deployment in memory.run.cluster.all(ports.DEPLOYMENT):
        revision = facts.revision_label(deployment)
        version = objects.annotation(deployment, objects.ANNOTATION_MODEL_VERSION)
        if revision in after - before:
            memory.exposed_since[revision] = now
        left = revision in before - after
        if left and memory.run.scenario.truths.get(version, GOOD).wrong:
            seconds = now - memory.exposed_since.get(revision, now)
            require(
                seconds <= EXPOSED_SECONDS, "I2", f"bad {version} had traffic for {seconds:.0f} s"
            )
