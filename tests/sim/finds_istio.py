"""Plays of managed routes once more with Istio in place of a Gateway, and what only it has.

Nobody says when a VirtualService is in force, so the operator goes on once it is written.
"""

from __future__ import annotations

from tests.sim import cluster_side, facts, finds_blue_green, finds_testers, shadowing
from tests.sim.cluster_side import ends_well, serve_and_walk
from tests.sim.fields import Object
from tests.sim.people import NAME, NAMESPACE
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, BY_NAME

from tidegate import ports

AGAIN = BY_NAME | finds_testers.PLAYS | shadowing.PLAYS | finds_blue_green.PLAYS
AGAIN |= cluster_side.CLUSTER_SIDE
HOST = "iris.example.com"
GATEWAYS = [{"name": "public", "namespace": "istio-system"}]


def _spec(run: Run) -> Object:
    found = run.cluster.get(ports.VIRTUAL_SERVICE, NAMESPACE, NAME)
    assert found is not None
    spec: Object = found["spec"]
    return spec


async def says_what_nobody_confirms(run: Run) -> None:
    """In a step and at rest the condition is Unknown, with who tells; the rollout goes its way."""
    await serve_and_walk(run, replicas=2, steps=((50, 30),))

    def told() -> Object:
        return facts.condition(run.body, "TrafficProgrammed")

    assert await run.until(lambda: told().get("reason") == "Unverified", limit=20.0), told()
    assert told()["status"] == "Unknown"
    assert "the measured share tells" in told()["message"]
    await ends_well(run)
    assert await run.until(lambda: told().get("reason") == "Unverified", limit=20.0), told()


async def from_the_mesh_to_a_gateway(run: Run) -> None:
    """In the middle of a step: hosts and timeouts follow within seconds, the weights stay."""
    _, candidate = await serve_and_walk(run, replicas=2, steps=((50, 30),))
    assert _spec(run)["hosts"] == [NAME]
    assert _spec(run)["gateways"] == ["mesh"]
    run.people.edit_part("traffic", istio={"hosts": [HOST], "gateways": GATEWAYS, "timeout": "5s"})
    assert await run.until(lambda: _spec(run)["hosts"] == [HOST], limit=9)
    assert _spec(run)["gateways"] == ["istio-system/public"]
    assert [it["timeout"] for it in _spec(run)["http"]] == ["5s"]
    assert cluster_side.shares(run)[candidate] == 50
    await ends_well(run)


PLAYS = {
    one.name: one
    for one in (
        *(
            AGAIN[name].routed_by(ports.VIRTUAL_SERVICE)
            for name in (
                "promotion",
                "rollback",
                "superseded",
                "aborted",
                "testers_first",
                "bad_for_testers",
                "shadow_then_canary",
                "shadow_of_a_bad_one_promote",
                "shown_and_switched_gatewayapi",
                "bad_after_the_switch_gatewayapi",
            )
        ),
        *(
            Scenario(
                name=script.__name__,
                script=script,
                truths={"bad": BAD},
                route_kind=ports.VIRTUAL_SERVICE,
            )
            for script in (says_what_nobody_confirms, from_the_mesh_to_a_gateway)
        ),
    )
}
