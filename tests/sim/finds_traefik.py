"""Plays of managed routes once more with Traefik in place of a Gateway."""

from __future__ import annotations

from tests.sim import facts, finds_blue_green, shadowing
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BY_NAME
from tests.sim.shadowing import asked, shadow

from tidegate import ports

AGAIN = BY_NAME | shadowing.PLAYS | finds_blue_green.PLAYS


async def copies_beside_a_share(run: Run) -> None:
    """A TraefikService shares or copies: refused with the field before anything is made; it heals."""
    steps = [{"name": "p20", "weight": 20, "hold": "5s", "mirrorPercent": 40}]
    run.people.create(asked(strategy={"canary": {"steps": steps}}))
    assert await run.until(lambda: run.phase() == "Invalid"), run.phase()
    told = facts.condition(run.body, "Stalled")
    assert told["reason"] == "UnsupportedByProvider", told
    assert "leave out the mirror beside a weight" in told["message"], told
    assert not list(run.cluster.all(ports.DEPLOYMENT))
    strategy = {**shadow("Promote", mirrorPercent=20), "scaleDownDelay": "3s"}
    run.people.edit_spec({"strategy": strategy})
    assert await run.until(lambda: run.phase() == "Healthy"), run.phase()


PLAYS = {
    one.name: one
    for one in (
        *(
            AGAIN[name].routed_by(ports.TRAEFIK_SERVICE)
            for name in (
                "promotion",
                "rollback",
                "aborted",
                "shadow_then_canary",
                "shadow_of_a_bad_one_promote",
                "shown_and_switched_gatewayapi",
            )
        ),
        Scenario(
            name="copies_beside_a_share",
            script=copies_beside_a_share,
            route_kind=ports.TRAEFIK_SERVICE,
        ),
    )
}
