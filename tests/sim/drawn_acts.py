"""People who carry out what a seed says of them: one method for each act."""

from __future__ import annotations

import asyncio
import random

from tests.sim import drawn_policies, drawn_watch, facts
from tests.sim.drawn_plan import SLUGGISH, VERSIONS, Plan
from tests.sim.drawn_steering import replanned
from tests.sim.edits import EDITS, edited, undone
from tests.sim.people import MD, NAME, NAMESPACE, manifest
from tests.sim.run import Run
from tests.sim.storm import Storm

from tidegate import ports
from tidegate.model import objects


class Script:
    """Carries a plan out on a run."""

    def __init__(self, run: Run, plan: Plan) -> None:
        self._run = run
        self._plan = plan
        self._deployed = 0
        self._dice = random.Random(f"{run.seed}/people")
        self._platform = random.Random(f"{run.seed}/platform team")

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

    async def do_policy(self, argument: str) -> None:
        drawn_policies.write(self._run, argument)

    async def do_conflict(self, _: str) -> None:
        drawn_policies.contradict(self._run)

    async def do_unpolicy(self, _: str) -> None:
        """Whatever they asked for last is taken away."""
        for name in drawn_policies.written(self._run)[-1:]:
            drawn_policies.remove(self._run, name)

    async def do_repolicy(self, _: str) -> None:
        """A policy is tightened in the midst of what it is about, and loosened a while later."""
        for name in drawn_policies.written(self._run)[:1]:
            stop = {"op": "add", "path": "/spec/stopPolicy", "value": "Hold"}
            drawn_policies.patch(self._run, name, [stop])
            await asyncio.sleep(self._platform.choice((1.0, 15.0, 70.0)))
            go = {**stop, "value": "None"}
            if name in drawn_policies.written(self._run):
                drawn_policies.patch(self._run, name, [go])

    async def do_decide(self, argument: str) -> None:
        who = self._platform.choice(("alice", "bob", "dora"))
        drawn_policies.decide(self._run, who, argument)

    async def do_undecide(self, _: str) -> None:
        drawn_policies.withdraw(self._run)

    async def do_neighbour(self, argument: str) -> None:
        name, version = argument.split()
        self._deployed += 1
        self._run.world.truths[f"{version}-{self._deployed}"] = VERSIONS[version]
        drawn_policies.deploy_beside(self._run, name, f"{version}-{self._deployed}")

    async def do_wear(self, _: str) -> None:
        """What serves gets worse, for good or until somebody has seen it."""
        await drawn_watch.wear(self._run, passing=self._platform.random() < 0.5)

    def _deployments(self) -> list[str]:
        """Those of the ModelDeployment that is judged."""
        names = sorted(it["metadata"]["name"] for it in self._run.cluster.all(ports.DEPLOYMENT))
        return [it for it in names if not it.startswith(tuple(self._run.others))]
