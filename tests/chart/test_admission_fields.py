"""The chart's admission policy for authors guards fields that exist, and every field that makes pods."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
# Variables of the policy that stand for a part of the spec.
PARTS = {"after": (), "before": (), "gateway": ("traffic", "gatewayAPI")}
CHAIN = re.compile(r"variables\.(after|before|gateway)((?:\.\?\w+)+)")
LISTED = re.compile(r"\[([\w', ]+)\]\.exists\(part,\s*variables\.after((?:\.\?\w+)*)\[\?part\]")
# What changes no pod: their number, autoscalers (asked about by a right of their own), what is asked of them.
FREE = {
    ("workload", "replicas"),
    ("workload", "autoscaling"),
    ("server", "readyPath"),
    ("server", "probe"),
}


def schema() -> dict[str, Any]:
    crd = yaml.safe_load((ROOT / "crds" / "modeldeployments.yaml").read_text())
    found: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found["properties"]["spec"]


def expressions() -> list[str]:
    documents = yaml.safe_load_all((ROOT / "deploy" / "tidegate.yaml").read_text())
    policy = next(
        it
        for it in documents
        if it["kind"] == "ValidatingAdmissionPolicy" and it["metadata"]["name"].endswith("-author")
    )["spec"]
    return [it["expression"] for it in (*policy["variables"], *policy["validations"])]


def asked() -> set[tuple[str, ...]]:
    """Every field of the spec that an expression reads."""
    found: set[tuple[str, ...]] = set()
    for text in expressions():
        found |= {(*PARTS[root], *_names(chain)) for root, chain in CHAIN.findall(text)}
        found |= compared(text)
    return found


def compared(text: str) -> set[tuple[str, ...]]:
    """The members that are compared one by one in a list."""
    return {
        (*_names(chain), member)
        for members, chain in LISTED.findall(text)
        for member in re.findall(r"\w+", members)
    }


def _names(chain: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", chain))


def is_field(path: tuple[str, ...]) -> bool:
    place = schema()
    for name in path:
        place = place.get("properties", {}).get(name)
        if place is None:
            return False
    return True


def test_every_field_that_is_guarded_exists() -> None:
    found = asked()
    assert ("strategy", "blueGreen", "preview", "serviceName") in found
    assert ("traffic", "gatewayAPI", "mode") in found
    assert [it for it in sorted(found) if not is_field(it)] == []
    assert not is_field(("strategy", "blueGreen", "previewService"))


def test_every_field_that_makes_pods_is_guarded() -> None:
    """A new member of these is either compared, or said here to change no pod."""
    listed = set().union(*(compared(text) for text in expressions()))
    members = {
        (part, name)
        for part in ("workload", "server")
        for name in schema()["properties"][part]["properties"]
    }
    assert listed | FREE == members
    assert not listed & FREE
    assert ("model",) in asked()
