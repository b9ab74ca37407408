"""Plays drawn from a seed: a spec, what people do to it, and how long they wait in between."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, replace
from typing import Any

from tests.sim import drawn_strategies, facts
from tests.sim.drawn_steering import draw_steering, replanned, tend
from tests.sim.edits import EDITS, edited, undone
from tests.sim.people import MD, NAME, NAMESPACE, manifest
from tests.sim.run import REST_SECONDS, Run, Scenario
from tests.sim.storm import Storm
from tests.sim.truth import Truth

from tidegate import model, ports
from tidegate.model import objects

VERSIONS = {
    "good": Truth(),
    "slowly": Truth(startup_seconds=25.0),
    "bad": Truth(error_ratio=0.5),
    "worse": Truth(error_ratio=0.3),
    "crashing": Truth(starts=False, crashes=True),
    "stuck": Truth(starts=False),
}
SLUGGISH = Truth(slow_ratio=0.6)  # only where latency is judged
ERRORS = drawn_strategies.ERRORS
ERRORS_COMPARED = {"name": "errors", "preset": "error-ratio"}
LATENCY = {"name": "latency", "preset": "latency-p95", "threshold": {"max": 0.25}}
UNDECIDABLE = (  # a person has to decide: a limit above all buckets, and nothing that may decide
    [ERRORS, LATENCY | {"threshold": {"max": 30.0}}],
    [ERRORS | {"dryRun": True}],
)
STYLES = (model.IdentityMode.LABEL, model.IdentityMode.POD_LABEL, model.IdentityMode.POD)
STEPS: tuple[tuple[tuple[float, int], ...], ...] = (
    ((10, 10), (50, 10)),
    ((50, 5),),
    ((1, 0), (25, 5), (75, 5)),
    ((100, 5),),
    ((5, 15), (5.5, 0)),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the seed says about people."""

    spec: dict[str, Any]
    acts: tuple[tuple[float, str, str], ...]
    first: str = "good"  # what the first version is like


def draw(seed: int, dice: random.Random) -> Plan:
    """A spec and a list of (seconds to wait before, act, argument).

    Each family of acts has dice of its own, so that its acts move no others.
    """
    rare, revisions = random.Random(f"{seed}/rare"), random.Random(f"{seed}/revisions")
    spec: dict[str, Any] = {
        "provider": dice.choice(("GatewayAPI", "GatewayAPI", "ReplicaRatio")),
        "replicas": dice.choice((1, 2, 2, 3, 4)),
        "steps": dice.choice(STEPS),
        "revisionHistoryLimit": dice.choice((0, 1, 2)),
        "analysis": {"onInconclusive": dice.choice(("Pause", "Pause", "Rollback"))},
    }
    acts = [(dice.uniform(0.0, 10.0), "deploy", dice.choice(list(VERSIONS)))]
    for _ in range(dice.choice((0, 1, 1, 2, 3))):
        act, argument = dice.choice(ACTS)
        acts.append((dice.choice((0.3, 5.0, 20.0, 40.0)) * dice.random(), act, argument))
    if rare.random() < 0.25:
        act, argument = rare.choice(RARE_ACTS)
        acts.insert(rare.randint(1, len(acts)), (10.0 * rare.random(), act, argument))
    first = rare.choice(("stuck", "crashing", "slowly")) if rare.random() < 0.04 else "good"
    spec["analysis"]["metrics"] = metrics = _metrics(rare, acts, first)
    if LATENCY in metrics:
        acts.insert(rare.randint(0, len(acts)), (20.0 * rare.random(), *LATENCY_ACT))
    if revisions.random() < 0.25:
        act, argument = revisions.choice(REVISION_ACTS)
        at = revisions.randint(1, len(acts))
        acts.insert(at, (20.0 * revisions.random(), act, argument))
    if spec["provider"] == "GatewayAPI" and random.Random(f"{seed}/plane").random() < 0.15:
        spec["provider"] = "Existing"  # the route belongs to people
    _draw_sizes(random.Random(f"{seed}/sizes"), spec, acts)
    _draw_edits(random.Random(f"{seed}/edits"), spec, acts)
    drawn_strategies.bake(random.Random(f"{seed}/baking"), spec)
    draw_steering(random.Random(f"{seed}/steering"), spec, acts)
    drawn_strategies.blue_green(random.Random(f"{seed}/switching"), spec)
    return Plan(spec, tuple(acts), first)


def _draw_sizes(
    dice: random.Random, spec: dict[str, Any], acts: list[tuple[float, str, str]]
) -> None:
    """Rarely many pods, a small surge, or none at all for a while."""
    if dice.random() < 0.02:
        spec["replicas"] = dice.choice((8, 20, 50))
    if dice.random() < 0.1:
        spec["scaling"] = {"maxSurgePercent": dice.choice((10, 25, 50))}
    if dice.random() < 0.06:
        acts.insert(dice.randint(1, len(acts)), (20.0 * dice.random(), *PARK_ACT))


def _draw_edits(
    dice: random.Random, spec: dict[str, Any], acts: list[tuple[float, str, str]]
) -> None:
    """Fields of the spec that somebody changes, some for good."""
    fitting = [
        name for name, edit in EDITS.items() if not edit.plane or spec["provider"] == "GatewayAPI"
    ]
    while dice.random() < 0.3:
        wait = dice.choice((0.5, 5.0, 20.0)) * dice.random()
        acts.insert(dice.randint(1, len(acts)), (wait, "edit", dice.choice(fitting)))


def _metrics(
    rare: random.Random, acts: list[tuple[float, str, str]], first: str
) -> list[dict[str, Any]]:
    """Mostly a limit of errors; sometimes only the comparison with stable, or latency, too.

    Where people may promote a bad version, what is a little less bad would be an improvement; and
    where the first version never serves, a bad one may be the first that does.
    """
    waved_through = any(argument.startswith("promote") for _, _, argument in acts)
    waved_through = waved_through or first in {"stuck", "crashing"}
    compared = [ERRORS] if waved_through else [ERRORS_COMPARED]
    choices = ([ERRORS], compared, [ERRORS, LATENCY], *UNDECIDABLE)
    return rare.choices(choices, weights=(0.66, 0.14, 0.14, 0.03, 0.03))[0]


ACTS = (
    ("deploy", "good"),
    ("deploy", "bad"),
    ("deploy", "good"),
    ("back", ""),
    ("bounce", ""),
    ("ask", "abort"),
    ("ask", "retry"),
    ("ask", "promote"),
    ("ask", "promote-full"),
    ("ask", "pause"),
    ("ask", "resume"),
    ("ask", "nonsense"),
    ("pause", ""),
    ("unpause", ""),
    ("replicas", "1"),
    ("replicas", "3"),
    ("steps", ""),
    ("judging", ""),
    ("invalid", ""),
    ("delete", ""),
    ("recreate", ""),
    ("edit_route", ""),
    ("delete_route", ""),
    ("delete_entry", ""),
    ("scale_stable", ""),
    ("delete_deployment", ""),
    ("newer_version", ""),
)

RARE_ACTS = (
    ("delete_lease", ""),
    ("steal_lease", ""),
    ("edit_entry", ""),
    ("foreign_route", ""),
    ("delete_service", ""),
    ("delete_stable", ""),
)
LATENCY_ACT = ("deploy", "sluggish")
PARK_ACT = ("park", "")
REVISION_ACTS = (
    ("other_port", "9000"),
    ("other_port", "7000"),
    ("unreadable", "analysis"),
    ("unreadable", "strategy"),
    ("unreadable", "workload"),
    ("unreadable", "server"),
    ("unknown_field", ""),
    ("change_in_place", ""),
    ("empty_status", ""),
    ("delete_frozen", ""),
)


class Script:
    """Carries a plan out on a run."""

    def __init__(self, run: Run, plan: Plan) -> None:
        self._run = run
        self._plan = plan
        self._deployed = 0
        self._dice = random.Random(f"{run.seed}/people")

    async def play(self) -> None:
        run = self._run
        if isinstance(run.nemesis, Storm):
            run.nemesis.begin(run)
        run.people.create(manifest("v1", **self._plan.spec))
        await run.until(lambda: run.phase() == "Healthy", limit=60.0)
        for wait, act, argument in self._plan.acts:
            await asyncio.sleep(wait)
            run.judge.covered[f"act {act} {argument}".strip()] += 1
            run.trace.add(f"act {act} {argument}")
            await getattr(self, f"do_{act}")(argument)
        await asyncio.sleep(self._dice.choice((0.0, 20.0, 60.0)))
        if isinstance(run.nemesis, Storm):
            run.nemesis.end()
        if (run.body or {}).get("spec", {}).get("paused"):
            run.people.edit_spec({"paused": False})

    async def do_deploy(self, argument: str) -> None:
        self._deployed += 1
        version = f"{argument}-{self._deployed}"
        self._run.world.truths[version] = (VERSIONS | {"sluggish": SLUGGISH})[argument]
        self._run.people.deploy(version)

    async def do_back(self, _: str) -> None:
        stable = facts.status(self._run.body).get("stable") or {}
        self._run.people.deploy(stable.get("modelVersion", "v1"))

    async def do_bounce(self, _: str) -> None:
        """A to B to A between looks."""
        version = ((self._run.body or {}).get("spec") or {}).get("model", {}).get("version")
        if version:
            await self.do_deploy("good")
            await asyncio.sleep(self._dice.choice((0.0, 0.02, 1.5)))
            self._run.people.deploy(version)

    async def do_ask(self, argument: str) -> None:
        self._run.people.ask(argument)

    async def do_pause(self, _: str) -> None:
        self._run.people.edit_spec({"paused": True})

    async def do_unpause(self, _: str) -> None:
        self._run.people.edit_spec({"paused": False})

    async def do_replicas(self, argument: str) -> None:
        self._run.people.edit_part("workload", replicas=int(argument))

    async def do_steps(self, _: str) -> None:
        body = self._run.body
        if body is not None:
            steps = [{"name": "only", "weight": 33, "hold": "5s", "deadline": "5m"}]
            switches = {"type", "blueGreen"}  # whoever writes steps wants a canary
            kept = {k: it for k, it in body["spec"]["strategy"].items() if k not in switches}
            self._run.people.edit_spec({"strategy": {**kept, "canary": {"steps": steps}}})

    async def do_replan(self, argument: str) -> None:
        """Other steps, which a rollout that runs adopts only by request."""
        body = self._run.body
        if body is not None and "canary" in body["spec"]["strategy"]:
            steps = replanned(body["spec"]["strategy"]["canary"]["steps"], argument)
            self._run.people.edit_part("strategy", canary={"steps": steps})

    async def do_level(self, argument: str) -> None:
        self._run.people.edit_spec({"automation": {"level": argument}})

    async def do_judging(self, _: str) -> None:
        self._run.people.edit_part("analysis", minRequests=25_000)

    async def do_invalid(self, _: str) -> None:
        """A metric source that does not exist, mended a while later."""
        body = self._run.body
        if body is None:
            return
        good = body["spec"]["analysis"]
        self._run.people.edit_part("analysis", source="nowhere")
        await asyncio.sleep(self._dice.choice((1.0, 15.0)))
        self._run.people.edit_spec({"analysis": good})

    async def do_other_port(self, argument: str) -> None:
        """A good version that listens elsewhere."""
        port = int(argument)
        container = {"name": "server", "image": "mlserver:1", "ports": [{"containerPort": port}]}
        self._deployed += 1
        version = f"good-{self._deployed}"
        self._run.world.truths[version] = VERSIONS["good"]
        body = self._run.body
        if body is not None:
            template = {"spec": {"containers": [container]}}
            model = {"version": version, "uri": f"s3://models/iris/{version}"}
            workload = {**body["spec"]["workload"], "template": template}
            server = {"preset": "MLServer", "port": port}
            self._run.people.edit_spec({"model": model, "server": server, "workload": workload})

    async def do_unreadable(self, argument: str) -> None:
        """A part of the spec that nobody can read, mended a while later."""
        body = self._run.body
        if body is None:
            return
        good = body["spec"][argument]
        self._run.people.edit_spec({argument: "unreadable"})
        await asyncio.sleep(self._dice.choice((1.0, 15.0, 40.0)))
        self._run.people.edit_spec({argument: good})

    async def do_edit(self, argument: str) -> None:
        """A field with another value; undone a while later unless it may stay."""
        body, edit = self._run.body, EDITS[argument]
        if body is None:
            return
        self._run.people.edit_spec(edited(body["spec"], edit))
        if edit.stays and self._dice.random() < 0.5:
            return
        await asyncio.sleep(self._dice.choice((1.0, 15.0, 40.0)))
        if self._run.body is not None:
            before = undone(self._run.body["spec"], edit, before=body["spec"])
            self._run.people.edit_spec(before)

    async def do_park(self, _: str) -> None:
        """No pods for a while; without any, whatever is asked for is promoted unseen."""
        body = self._run.body
        version = str(body["spec"]["model"]["version"]) if body is not None else ""
        if body is None or self._run.world.truth(version).wrong:
            return
        replicas = body["spec"]["workload"]["replicas"]
        self._run.people.edit_part("workload", replicas=0)
        await asyncio.sleep(self._dice.choice((1.0, 10.0, 40.0)))
        if self._run.body is not None:
            self._run.people.edit_part("workload", replicas=replicas)

    async def do_unknown_field(self, _: str) -> None:
        """A manifest of a newer release."""
        self._run.people.edit_spec({"futureField": {"a": 1}})

    async def do_change_in_place(self, _: str) -> None:
        """Somebody sets another image on whatever runs."""
        path = "/spec/template/spec/containers/0/image"
        for name in self._deployments():
            patch = [{"op": "replace", "path": path, "value": "other:2"}]
            self._run.people.patch(ports.DEPLOYMENT, name, patch)

    async def do_empty_status(self, _: str) -> None:
        """As after a restore without status."""
        self._run.people.patch_status({"op": "add", "path": "/status", "value": {}})

    async def do_delete_frozen(self, _: str) -> None:
        """All ControllerRevisions go: what runs says how it is made."""
        for body in list(self._run.cluster.all(ports.CONTROLLER_REVISION)):
            self._run.people.delete(ports.CONTROLLER_REVISION, body["metadata"]["name"])

    async def do_delete(self, _: str) -> None:
        self._run.people.delete(MD, NAME)

    async def do_recreate(self, _: str) -> None:
        """Delete, and create under the same name as soon as that is possible."""
        self._run.people.delete(MD, NAME)
        if await self._run.until(lambda: self._run.body is None, limit=120.0):
            await asyncio.sleep(self._dice.choice((0.0, 0.05, 2.0)))
            self._run.people.create(manifest("v1", **self._plan.spec))

    async def do_edit_route(self, _: str) -> None:
        """Somebody turns the weights round; in the end the route is deleted to give it back."""
        route = self._run.cluster.get(ports.HTTP_ROUTE, NAMESPACE, NAME)
        if route is None:
            return
        rules = [
            {**rule, "backendRefs": [{**it, "weight": 50} for it in rule["backendRefs"]]}
            for rule in route["spec"]["rules"]
        ]
        self._run.people.patch(
            ports.HTTP_ROUTE, NAME, [{"op": "replace", "path": "/spec/rules", "value": rules}]
        )
        await asyncio.sleep(self._dice.choice((0.5, 10.0)))
        self._run.people.delete(ports.HTTP_ROUTE, NAME)

    async def do_delete_route(self, _: str) -> None:
        self._run.people.delete(ports.HTTP_ROUTE, NAME)

    async def do_delete_entry(self, _: str) -> None:
        self._run.people.delete(ports.SERVICE, NAME)

    async def do_scale_stable(self, _: str) -> None:
        """Somebody else sizes the Deployments; in the end each has back what Tidegate asked for."""
        names = self._deployments()
        for name in names:
            patch = [{"op": "replace", "path": "/spec/replicas", "value": 5}]
            self._run.people.patch(ports.DEPLOYMENT, name, patch)
        await asyncio.sleep(self._dice.choice((0.5, 10.0, 60.0)))
        for name in names:
            body = self._run.cluster.get(ports.DEPLOYMENT, NAMESPACE, name)
            asked = objects.annotation(body or {}, objects.ANNOTATION_REPLICAS)
            patch = [{"op": "replace", "path": "/spec/replicas", "value": int(asked or 0)}]
            self._run.people.patch(ports.DEPLOYMENT, name, patch)

    async def do_delete_deployment(self, _: str) -> None:
        candidate = facts.rollout(self._run.body).get("revision")
        if candidate:
            self._run.people.delete(ports.DEPLOYMENT, f"{NAME}-{candidate}")

    async def do_delete_lease(self, _: str) -> None:
        self._run.people.delete_lease()

    async def do_steal_lease(self, _: str) -> None:
        """Somebody writes a holder into the Lease who will never renew it."""
        self._run.people.steal_lease()

    async def do_edit_entry(self, _: str) -> None:
        """The entry Service is turned to nothing; in the end it is deleted to give it back."""
        patch = [{"op": "add", "path": "/spec/selector", "value": {"app": "nobody"}}]
        self._run.people.patch(ports.SERVICE, NAME, patch)
        await asyncio.sleep(self._dice.choice((0.5, 10.0)))
        self._run.people.delete(ports.SERVICE, NAME)

    async def do_foreign_route(self, _: str) -> None:
        """Somebody else's route has our name for a while."""
        route = self._run.cluster.get(ports.HTTP_ROUTE, NAMESPACE, NAME)
        if route is None:
            return
        self._run.people.delete(ports.HTTP_ROUTE, NAME)
        self._run.people.create_route({**route["spec"], "rules": []})
        await asyncio.sleep(self._dice.choice((0.5, 10.0)))
        self._run.people.delete(ports.HTTP_ROUTE, NAME)

    async def do_delete_service(self, _: str) -> None:
        """The Service of a revision goes; its endpoints go with it."""
        revision = facts.rollout(self._run.body).get("revision") or facts.stable(self._run.body)
        if revision:
            self._run.people.delete(ports.SERVICE, f"{NAME}-{revision}")

    async def do_delete_stable(self, _: str) -> None:
        stable = facts.stable(self._run.body)
        if stable:
            self._run.people.delete(ports.DEPLOYMENT, f"{NAME}-{stable}")

    async def do_newer_version(self, _: str) -> None:
        """A newer operator wrote fields that this one does not know."""
        self._run.people.patch_status(
            {"op": "add", "path": "/status/futureField", "value": {"a": 1}}
        )

    def _deployments(self) -> list[str]:
        return sorted(body["metadata"]["name"] for body in self._run.cluster.all(ports.DEPLOYMENT))


def scenario(seed: int, *, only: frozenset[str] | None = None, acts: int | None = None) -> Scenario:
    """The play of this seed; `only` and `acts` narrow faults and people, for shrinking."""
    dice = random.Random(f"{seed}/plan")
    plan = draw(seed, dice)
    if acts is not None:
        plan = replace(plan, acts=plan.acts[:acts])
    spoils = {"delete_entry", "edit_route", "delete_route"}
    spoils |= {act for act, _ in (*RARE_ACTS, *REVISION_ACTS, PARK_ACT)} | {"edit"}
    gentle = not spoils & {act for _, act, _ in plan.acts}

    faults = tuple(Storm(random.Random(f"{seed}/nemesis"), only=only).windows)
    return Scenario(
        name=f"seed {seed}",
        style=random.Random(f"{seed}/labels").choice(STYLES),
        script=lambda run: Script(run, plan).play(),
        truths={"v1": VERSIONS[plan.first]},
        make_nemesis=lambda weather: Storm(weather, only=only),
        may_reject_good=not gentle or _asks_to_abort(plan) or _blames(plan, faults),
        replicas=2 if "deposed" in faults else dice.choice((1, 1, 2)),
        tend=tend,
        acts=tuple(act for _, act, _ in plan.acts),
        faults=faults,
        words=_words(plan, faults),
        rest_seconds=75.0 if dice.random() < 0.2 else REST_SECONDS,
        idle_seconds=700.0 if dice.random() < 0.04 else 0.0,
    )


def _blames(plan: Plan, faults: tuple[str, ...]) -> bool:
    """With all requests at the candidate nobody can say that an outage is not its fault."""
    everything = any(weight == 100 for weight, _ in plan.spec["steps"])
    bakes = "postPromotion" in plan.spec.get("strategy", {})
    return (everything or bakes) and "shared_outage" in faults


def _words(plan: Plan, faults: tuple[str, ...]) -> str:
    spec = plan.spec
    steps = ", ".join(f"{weight:g} % for {hold} s" for weight, hold in spec["steps"])
    lines = [f"{spec['provider']}, {spec['replicas']} replicas, steps {steps}"]
    if asked := spec.get("strategy", {}).get("blueGreen"):
        lines += [f"no steps but a switch: {asked}"]
    judged = ", ".join(_judged(metric) for metric in spec["analysis"]["metrics"])
    if bake := spec.get("strategy", {}).get("postPromotion"):
        lines += [f"a bake of {bake['bake']} that keeps {bake['keepPreviousPercent']} % of stable"]
    lines += [f"the first version is {plan.first}, judged by {judged}"]
    lines += [f"{wait:.1f} s later: {act} {argument}".strip() for wait, act, argument in plan.acts]
    return "\n".join([*lines, f"faults: {', '.join(faults) or 'none'}"])


def _judged(metric: dict[str, Any]) -> str:
    limit = metric.get("threshold")
    return f"{metric['name']} {'up to ' + str(limit['max']) if limit else 'compared with stable'}"


def _asks_to_abort(plan: Plan) -> bool:
    inconclusive = plan.spec["analysis"]["onInconclusive"] == "Rollback"
    return inconclusive or any(argument == "abort" for _, _, argument in plan.acts)
