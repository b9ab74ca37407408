"""What Argo CD is told of a ModelDeployment: in the layout of its own tests, and by the operator's own status."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support import argocd_lua as lua

from tidegate import model

HEALTH_CASES = lua.loaded(lua.KIND / "health_test.yaml")["tests"]
ACTION_TESTS = lua.loaded(lua.KIND / "actions/action_test.yaml")


def of(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "fraud", "generation": 3}, "spec": {}, "status": status}


@pytest.mark.parametrize("case", HEALTH_CASES, ids=lambda case: Path(case["inputPath"]).stem)
def test_health_of_the_objects_beside_the_script(case: dict[str, Any]) -> None:
    assert lua.health(lua.loaded(lua.KIND / case["inputPath"])) == case["healthStatus"]


@pytest.mark.parametrize(
    "case", ACTION_TESTS["discoveryTests"], ids=lambda case: Path(case["inputPath"]).stem
)
def test_actions_of_the_objects_beside_the_script(case: dict[str, Any]) -> None:
    offered = lua.actions(lua.loaded(lua.KIND / "actions" / case["inputPath"]))
    assert offered.keys() == {str(request) for request in model.RequestKind}
    enabled = {name for name, action in offered.items() if not action["disabled"]}
    assert enabled == {row["name"] for row in case["result"] if not row["disabled"]}


@pytest.mark.parametrize("case", ACTION_TESTS["actionTests"], ids=lambda case: case["action"])
def test_an_action_writes_annotations_alone(case: dict[str, Any]) -> None:
    folder = lua.KIND / "actions"
    before = lua.loaded(folder / case["inputPath"])
    after = lua.acted(case["action"], before)
    written = after["metadata"].pop("annotations")
    wanted = lua.loaded(folder / case["expectedOutputPath"])["metadata"]["annotations"]
    at = written.pop("tidegate.dev/requested-at")
    assert dt.datetime.fromisoformat(at).tzinfo is not None
    assert written == {k: v for k, v in wanted.items() if k != "tidegate.dev/requested-at"}
    before["metadata"].pop("annotations", None)
    # Through Lua and back: it has one empty table for empty lists and empty maps.
    assert after == lua.run("return obj", before)


def test_an_object_that_nobody_has_looked_at_is_progressing() -> None:
    assert lua.health({"metadata": {"generation": 1}})["status"] == "Progressing"
    assert lua.health({"metadata": {"generation": 1}, "status": {}})["status"] == "Progressing"


def test_a_stale_status_says_nothing_of_the_new_generation() -> None:
    """Degraded before the new generation was seen would block the commit that mends it."""
    stale = of(observedGeneration=2, health={"status": "Degraded", "message": "x"})
    assert lua.health(stale)["status"] == "Progressing"
    enabled = {name for name, one in lua.actions(stale).items() if not one["disabled"]}
    assert enabled == set()


@pytest.mark.parametrize("generation", [3, 3.0, "3"])
def test_a_generation_is_compared_as_a_number(generation: float | str) -> None:
    seen = of(observedGeneration=generation, health={"status": "Healthy"})
    assert lua.health(seen) == {"status": "Healthy", "message": ""}


@pytest.mark.parametrize(
    ("conditions", "health"),
    [
        (None, "Progressing"),
        ([], "Progressing"),
        ([{"type": "Ready", "status": "False"}], "Progressing"),
        ([{"type": "Ready", "status": "True"}], "Healthy"),
        ([{"type": "Ready", "status": "True"}, {"type": "Paused", "status": "True"}], "Suspended"),
        ([{"type": "Paused", "status": "True"}, {"type": "Stalled", "status": "True"}], "Degraded"),
        ([{"type": "Stalled", "status": "Unknown"}], "Progressing"),
    ],
)
def test_a_status_without_health_is_read_by_its_conditions(
    conditions: list[dict[str, Any]] | None, health: str
) -> None:
    assert lua.health(of(observedGeneration=3, conditions=conditions))["status"] == health


def test_two_requests_of_one_second_are_told_apart() -> None:
    once = lua.acted("pause", of(desired={"revision": "a"}))
    twice = lua.acted("resume", once)
    assert (
        once["metadata"]["annotations"]["tidegate.dev/requested-at"]
        < twice["metadata"]["annotations"]["tidegate.dev/requested-at"]
    )


def test_the_config_map_has_the_scripts_that_were_tried() -> None:
    data = yaml.safe_load((lua.ROOT / "examples/argocd/argocd-cm.yaml").read_text())["data"]
    stuck = of(observedGeneration=3, health={"status": "Suspended", "message": "gate"})
    script = data["resource.customizations.health.tidegate.dev_ModelDeployment"]
    assert lua.health(stuck, script=script) == {"status": "Suspended", "message": "gate"}
    actions = yaml.safe_load(data["resource.customizations.actions.tidegate.dev_ModelDeployment"])
    assert lua.actions(stuck, script=actions["discovery.lua"]) == lua.actions(stuck)
    for one in actions["definitions"]:
        written = lua.acted(one["name"], of(desired={"revision": "a"}), script=one["action.lua"])
        assert written["metadata"]["annotations"]["tidegate.dev/request"] == one["name"]


@pytest.mark.parametrize("part", ["string", "math", "io", "debug", "('x').len"])
def test_the_scripts_run_without_what_argo_cd_leaves_out(part: str) -> None:
    """The restriction itself works: else a script that breaks in Argo CD would pass here."""
    with pytest.raises(Exception, match=r"nil value|string value"):
        lua.health({}, script=f"return {part}.x" if "'" not in part else f"return {part}('x')")
