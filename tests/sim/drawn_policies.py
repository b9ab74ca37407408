"""What a seed says of platform teams: policies that come, change and go, who decides at gates, neighbours."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tests.sim import facts
from tests.sim.drawn_steering import Act
from tests.sim.fields import Object
from tests.sim.people import MD, NAME, NAMESPACE, manifest

from tidegate import ports

if TYPE_CHECKING:
    from tests.sim.run import Run

CLUSTER, OWN = ports.CLUSTER_ROLLOUT_POLICY, ports.ROLLOUT_POLICY
NEIGHBOURS = ("alpha", "zulu")  # by name before and after the one that is judged
FIRST_ROLLBACKS = 2  # the fewest that a circuit breaker may ask for
_SHARE = 0.15  # of all seeds

BOARD: Object = {
    "name": "board",
    "when": {"beforeWeight": 50},
    "approverGroups": ["ml-risk"],
    "minApprovals": 2,
}
GONE_DAY: Object = {"name": "never", "schedule": "0 0 31 2 *", "duration": "1h"}


def _frozen(begins: float, lasts: float, **more: str) -> Callable[[datetime], Object]:
    def spec(now: datetime) -> Object:
        begin = now + timedelta(seconds=begins)
        end = begin + timedelta(seconds=lasts)
        window = {"name": "closed", "from": begin.isoformat(), "to": end.isoformat()}
        return {"freezeWindows": [window | more]}

    return spec


def _always(spec: Object) -> Callable[[datetime], Object]:
    return lambda _: spec


# Which kind, and what it asks for at this instant. What a name holds back for good, a person takes
# away in the end; the others end by themselves.
POLICIES: dict[str, tuple[ports.Kind, Callable[[datetime], Object]]] = {
    "freeze": (CLUSTER, _frozen(0.0, 40.0)),
    "freeze-soon": (CLUSTER, _frozen(8.0, 60.0)),
    "freeze-own": (OWN, _frozen(2.0, 90.0)),
    "freeze-new": (OWN, _frozen(0.0, 60.0, inFlight="Continue")),
    "stop": (CLUSTER, _always({"stopPolicy": "Hold"})),
    "told": (CLUSTER, _always({"stopPolicy": "Hold", "enforcementAction": "Warn"})),
    "unreadable": (OWN, _always({"freezeWindows": [GONE_DAY]})),
    "long-bake": (OWN, _always({"constraints": {"minBake": "1h"}})),
    "kept": (CLUSTER, _always({"constraints": {"minReplicas": 1}})),
    "no-canary": (CLUSTER, _always({"constraints": {"allowedStrategies": ["Shadow"]}})),
    "only-canary": (OWN, _always({"constraints": {"allowedStrategies": ["Canary"]}})),
    "gate": (CLUSTER, _always({"approvals": [BOARD]})),
    "gate-late": (
        OWN,
        _always({"approvals": [{"name": "owner", "when": {"beforePromotion": True}}]}),
    ),
    "queue": (OWN, _always({"constraints": {"maxConcurrentRollouts": {"perNamespace": 1}}})),
    "breaker": (
        CLUSTER,
        _always({"circuitBreaker": {"rollbacks": FIRST_ROLLBACKS, "within": "2m"}}),
    ),
}
BY_THEMSELVES = frozenset({"freeze", "freeze-soon", "freeze-own", "freeze-new"})
REJECT = ("decide", "Reject")
CONFLICT = ("conflict", "")
_DRAWN = (
    *(("policy", name) for name in POLICIES),
    ("unpolicy", ""),
    ("repolicy", ""),
    ("decide", "Approve"),
    REJECT,
    ("undecide", ""),
    *(("neighbour", f"{name} {version}") for name in NEIGHBOURS for version in ("good", "bad")),
)
POLICY_ACTS = (*_DRAWN, CONFLICT)
_OFTEN = (("policy", "freeze-soon"), ("policy", "gate"), ("repolicy", ""), ("decide", "Approve"))


def draw_policies(dice: random.Random, acts: list[Act]) -> None:
    """Sometimes a platform team writes policies, before and in the midst of what others do."""
    if dice.random() >= _SHARE:
        return
    for _ in range(dice.choice((1, 2, 3, 4))):
        act, argument = dice.choice((*_DRAWN, *_OFTEN))
        wait = dice.choice((0.0, 2.0, 10.0)) * dice.random()
        acts.insert(dice.randint(0, len(acts)), (wait, act, argument))
    name = dice.choice(list(POLICIES))
    acts.insert(dice.randint(0, 1), (5.0 * dice.random(), "policy", name))
    if name in {"queue", "breaker"}:
        version = "bad" if name == "breaker" else "good"
        for one in NEIGHBOURS:  # once to be there, and once to be rolled out
            for at in (0, dice.randint(1, len(acts))):
                acts.insert(at, (2.0 * dice.random(), "neighbour", f"{one} {version}"))
    if dice.random() < 0.15:
        acts.insert(dice.randint(0, len(acts)), (10.0 * dice.random(), *CONFLICT))


def draws_on(acts: tuple[Act, ...]) -> bool:
    """Somebody writes policies or decides about gates in this play."""
    mine = {act for act, _ in POLICY_ACTS}
    return any(act in mine for _, act, _ in acts)


# --- what they do --------------------------------------------------------------------------------


def write(run: Run, name: str) -> None:
    """A policy comes; one of that name is written anew."""
    kind, spec = POLICIES[name]
    if _exists(run, name):
        patch(run, name, [{"op": "add", "path": "/spec", "value": spec(run.wall())}])
        return
    body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}}
    run.people.create_of(kind, body | {"spec": spec(run.wall())})


def contradict(run: Run) -> None:
    """Two policies that together allow no strategy at all."""
    for name in ("no-canary", "only-canary"):
        write(run, name)


def patch(run: Run, name: str, operations: list[Object]) -> None:
    kind, _ = POLICIES[name]
    change = run.people.patch if kind.namespaced else run.people.patch_cluster
    change(kind, name, operations)


def remove(run: Run, name: str) -> None:
    if _exists(run, name):
        run.people.delete(POLICIES[name][0], name)


def _exists(run: Run, name: str) -> bool:
    kind, _ = POLICIES[name]
    return run.cluster.get(kind, NAMESPACE if kind.namespaced else "", name) is not None


def written(run: Run) -> list[str]:
    """The policies that there are, by name."""
    return [name for name in POLICIES if _exists(run, name)]


def decide(run: Run, who: str, decision: str, *, name: str = NAME) -> None:
    """A decision about the gate that a rollout waits at, or about the board's; given once per attempt."""
    body = run.cluster.get(MD, NAMESPACE, name)
    rollout = facts.rollout(body)
    if not rollout:
        return
    kind, gate = ports.ROLLOUT_APPROVAL, _gate(rollout)
    told = f"{who}-{name}-{gate}-{rollout['revision']}-{rollout['attempt']}"
    if run.cluster.get(kind, NAMESPACE, told) is not None:
        return
    spec = {
        "modelDeployment": name,
        "revision": rollout["revision"],
        "attempt": rollout["attempt"],
        "gate": gate,
        "decision": decision,
        "approver": {"username": who, "groups": ["ml-risk"]},
        "comment": "as discussed",
    }
    head = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": told}}
    run.people.create_of(kind, head | {"spec": spec})


def _gate(rollout: Object) -> str:
    closed = (
        gate["name"]
        for stage in rollout.get("plan") or []
        for gate in stage.get("gates", [])
        if "openedAt" not in gate
    )
    return next(closed, "board")


def withdraw(run: Run) -> None:
    """Whoever decided last takes it back."""
    names = [it["metadata"]["name"] for it in run.cluster.all(ports.ROLLOUT_APPROVAL)]
    if names:
        run.people.delete(ports.ROLLOUT_APPROVAL, names[-1])


def deploy_beside(run: Run, name: str, version: str) -> None:
    """Another ModelDeployment of the namespace: made when it is first named, and then rolled out."""
    run.others.add(name)
    if run.cluster.get(MD, NAMESPACE, name) is None:
        body = manifest("v1", steps=((50, 10),))
        run.people.create({**body, "metadata": {**body["metadata"], "name": name}})
        return
    value = {"version": version, "uri": f"s3://models/iris/{version}"}
    run.people.patch(MD, name, [{"op": "add", "path": "/spec/model", "value": value}])


# --- in the end ----------------------------------------------------------------------------------

_FOR_PEOPLE = frozenset({"Inconclusive", "ManualStep", "Request", "AutomationLevel", "Stalled"})


def tend(run: Run) -> None:
    """Who is asked decides; what holds rollouts for good is taken away; what ends by itself is not."""
    if not (written(run) or run.others):
        return
    for name in (NAME, *sorted(run.others)):
        rollout = facts.rollout(run.cluster.get(MD, NAMESPACE, name))
        reason = (rollout.get("waitingFor") or {}).get("reason")
        wrong = run.world.truth(str(rollout.get("modelVersion"))).wrong
        if reason == "Approval" and not wrong:
            for who in ("alice", "bob"):
                decide(run, who, "Approve", name=name)
        if reason == "Policy":
            _give_way(run)
        if name != NAME and (reason in _FOR_PEOPLE or (reason == "Approval" and wrong)):
            run.people.delete(MD, name)


def _give_way(run: Run) -> None:
    for name in written(run):
        if name not in BY_THEMSELVES:
            remove(run, name)
