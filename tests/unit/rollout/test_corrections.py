"""How the server of a revision is read can be corrected, as long as spec asks for that revision."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_world import BREACH, V1, V2, World, serving

from tidegate import model

P = model.Phase


def edit_server(world: World, **changed: object) -> None:
    assert world.spec is not None
    server = replace(world.spec.server, **changed)  # type: ignore[arg-type]
    world.spec = replace(world.spec, server=server)
    world.generation += 1


@pytest.mark.parametrize("changed", [{"preset": "MLServer"}, {"ready_path": "/ready"}])
def test_the_newest_word_counts_for_the_revision_that_spec_asks_for(
    changed: dict[str, object],
) -> None:
    world = serving()
    edit_server(world, **changed)
    world.settle()
    assert world.spec is not None
    assert world.frozen[V1.hash].server == world.spec.server
    assert world.writes == ["CorrectRevision"]


def test_what_stands_in_the_pods_is_not_corrected() -> None:
    world = serving()
    before = world.frozen[V1.hash]
    edit_server(world, port=9000, metrics_port=9001, metrics_path="/m")
    world.settle()
    assert world.frozen[V1.hash] == before
    assert world.writes == []


def test_a_rejected_version_says_nothing_of_what_serves() -> None:
    world = serving()
    world.analysis = BREACH
    world.deploy(V2)
    world.run_until(P.ROLLED_BACK)
    before = world.frozen[V1.hash]
    edit_server(world, preset="VLLM")
    world.settle()
    assert world.frozen[V1.hash] == before


def test_a_spec_that_cannot_be_carried_out_corrects_nothing() -> None:
    world = serving()
    before = world.frozen[V1.hash]
    world.violations = (model.Violation(path="spec.server.preset", message="is none"),)
    edit_server(world, preset="VLLM")
    world.settle()
    assert world.frozen[V1.hash] == before
