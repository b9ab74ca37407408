"""Values that policies give: whose counts, whatever the order, and which a rollout keeps."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from policy_world import canary, walk_to
from rollout_world import V2

from tidegate import model
from tidegate.policy import defaults

BAKE, LEVEL = "strategy.postPromotion.bake", "automation.level"


def policy(name: str, *, cluster: bool = True, priority: int = 0, **values: str) -> model.Policy:
    paths = {"bake": BAKE, "level": LEVEL}
    kind = "ClusterRolloutPolicy" if cluster else "RolloutPolicy"
    given_ = tuple((paths[it], value) for it, value in values.items())
    return model.Policy(kind=kind, name=name, priority=priority, defaults=given_)


EVERY = (
    policy("a", priority=5, bake="1h", level="Gated"),
    policy("b", priority=9, bake="2h"),
    policy("c", priority=9, bake="3h"),
    policy("d", cluster=False, bake="5m"),
    policy("e"),
)


def found(*of: model.Policy) -> dict[str, tuple[str, str]]:
    return {it.field: (it.value, it.policy) for it in defaults.merged(of)}


def test_a_namespace_then_priority_then_the_name_counts() -> None:
    assert found(*EVERY) == {
        BAKE: ("5m", "RolloutPolicy/d"),
        LEVEL: ("Gated", "ClusterRolloutPolicy/a"),
    }
    assert found(*EVERY[:3])[BAKE] == ("3h", "ClusterRolloutPolicy/c")
    assert found(*EVERY[:2])[BAKE] == ("2h", "ClusterRolloutPolicy/b")
    assert found() == {}


@given(of=st.permutations(EVERY), again=st.sampled_from(EVERY))
def test_neither_order_nor_number_matters(of: list[model.Policy], again: model.Policy) -> None:
    assert defaults.merged(of) == defaults.merged(EVERY)
    assert defaults.merged([*of, again]) == defaults.merged(EVERY)


def test_a_rollout_keeps_those_that_it_began_with() -> None:
    world = canary()
    assert defaults.known(world.status, EVERY) == defaults.merged(EVERY)
    world.deploy(V2)
    walk_to(world, "p25")
    status, rollout = world.status, world.status.active_rollout
    assert rollout is not None
    assert defaults.known(status, EVERY) == ()
    pinned = replace(status, rollout=replace(rollout, defaults=defaults.merged(EVERY[:1])))
    assert defaults.known(pinned, EVERY) == defaults.merged(EVERY[:1])
