"""Writes the test data of Argo CD's scripts: one object per phase, as the real controller left it.

PYTHONPATH=operator:probe:. python -m tests.sim.argocd_data
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from tests.sim.test_argocd import with_every_status
from tests.support import argocd_lua as lua

from tidegate import ports

STORIES = (
    "retried",
    "invalid_for_a_while",
    "gate_opened_gatewayapi",
    "shadow_waits_for_a_person_promote",
    "baked_gatewayapi",
    "policy_frozen_in_a_step_gatewayapi",
    "policy_unreadable_gatewayapi",
)
TITLES = {
    name: action["displayName"]
    for name, action in lua.actions({"metadata": {"generation": 1}}).items()
}


def by_phase() -> dict[str, ports.Object]:
    """The last object of each phase; of later stories only what the earlier ones lack."""
    found: dict[str, ports.Object] = {}
    for story in STORIES:
        mine = {
            body["status"]["phase"]: body
            for body in with_every_status(story)
            if (body.get("status") or {}).get("observedGeneration")
            == body["metadata"]["generation"]
        }
        found = mine | found
    return found


def write(folder: Path) -> None:
    """Objects, and what the scripts have to say of them: to be read before it is committed."""
    health, discovery = [], []
    for phase, body in sorted(by_phase().items()):
        name = f"testdata/{phase.lower()}.yaml"
        (folder / "testdata").mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(yaml.safe_dump(body, sort_keys=False))
        wanted = {key: body["status"]["health"].get(key, "") for key in ("status", "message")}
        health.append({"inputPath": name, "healthStatus": wanted})
        discovery.append({"inputPath": f"../{name}", "result": _rows(body)})
    _dump(folder / "health_test.yaml", {"tests": health})
    _dump(
        folder / "actions/action_test.yaml",
        {"discoveryTests": discovery, "actionTests": [_acted(folder, name) for name in TITLES]},
    )


def _rows(body: ports.Object) -> list[dict[str, Any]]:
    offered = lua.actions(body)
    return [
        {"name": name, "disabled": offered[name]["disabled"], "displayName": TITLES[name]}
        for name in sorted(TITLES)
    ]


def _acted(folder: Path, name: str) -> dict[str, str]:
    before = "rolledback" if name == "retry" else "progressing"
    after = lua.loaded(folder / f"testdata/{before}.yaml")
    after["metadata"]["annotations"] = lua.acted(name, after)["metadata"]["annotations"]
    path = folder / "actions/testdata" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(after, sort_keys=False))
    return {
        "action": name,
        "inputPath": f"../testdata/{before}.yaml",
        "expectedOutputPath": f"testdata/{name}.yaml",
    }


def _dump(path: Path, document: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(document, sort_keys=False, width=160))


if __name__ == "__main__":
    write(lua.KIND)
