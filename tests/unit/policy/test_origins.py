"""Where what runs comes from: every place of an image, what a digest is, and what lies below what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tidegate.policy import origins

DIGEST = "0123456789abcdef" * 4
CRD = Path(__file__).parents[3] / "crds" / "modeldeployments.yaml"


@pytest.mark.parametrize("part", origins.IMAGES_OF_PODS, ids=lambda it: it[0])
def test_every_place_of_an_image_is_seen(part: tuple[str, tuple[str, ...]]) -> None:
    name, path = part
    one: Any = "evil:latest"
    for key in reversed(path):
        one = {key: one}
    template = {"spec": {name: [{"name": "first", **one}, {"name": "second", **one}]}}
    found = list(origins.images(template, field="pods"))
    assert [it.value for it in found] == ["evil:latest"] * 2
    assert found[1].field == f"pods.spec.{name}[1].{'.'.join(path)}"


@pytest.mark.parametrize("template", [{}, {"spec": None}, {"spec": {"volumes": [None, "x", {}]}}])
def test_odd_templates_name_none(template: dict[str, Any]) -> None:
    assert list(origins.images(template, field="pods")) == []


@pytest.mark.parametrize(
    ("image", "pinned"),
    [
        (f"registry:5000/x@sha256:{DIGEST}", True),
        (f"x:1.0@sha256:{DIGEST}", True),
        ("x:latest@sha256:zz", False),
        (f"x@sha256:{DIGEST[1:]}", False),
        (f"x@sha256:{DIGEST}0", False),
        (f"x@sha256:{DIGEST}\n", False),
        (f"x@sha256:{DIGEST.upper()}", False),
        (f"@sha256:{DIGEST}", False),
        (f"x@sha256:{DIGEST}@sha256:{DIGEST}", False),
        ("x:1", False),
        ("", False),
    ],
)
def test_a_digest_is_a_whole_one(image: str, *, pinned: bool) -> None:
    assert origins.is_pinned(image) is pinned


@pytest.mark.parametrize(
    ("uri", "prefix", "below"),
    [
        ("s3://prod/x", "s3://prod/", True),
        ("s3://prod/x", "s3://prod", True),
        ("s3://prod", "s3://prod", True),
        ("https://hub.example/x?rev=1", "https://hub.example/x", True),
        ("https://hub.example/x#part", "https://hub.example/x", True),
        ("s3://prod-2/x", "s3://prod", False),
        ("https://hub.example@evil/x", "https://hub.example", False),
        ("https://hub.example.evil/x", "https://hub.example", False),
        ("https://hub.example:1@evil/x", "https://hub.example", False),
        ("s3://prod", "s3://prod/", False),
        ("S3://prod/x", "s3://prod/", False),
        ("", "s3://prod/", False),
    ],
)
def test_a_prefix_counts_by_whole_segments(uri: str, prefix: str, *, below: bool) -> None:
    assert origins.is_below(uri, prefix) is below


@pytest.mark.parametrize(
    ("uri", "climbs"),
    [
        ("s3://prod/x", False),
        ("s3://prod/x..y/v1.0/..z", False),
        ("s3://prod/a%20b", False),
        ("s3://prod/x?part=..", False),
        ("s3://prod/../else/x", True),
        ("s3://prod/..", True),
        ("s3://prod/./x", True),
        ("s3://prod/%2e%2e/else", True),
        ("s3://prod/.%2E/else", True),
        ("s3://prod/x%2f..%2felse", True),
        ("s3://prod/%252e%252e/else", True),
        ("s3://prod/%" + "25" * 9 + "2e./else", True),
        ("s3://prod/..;v=1/else", True),
        ("s3://prod/..\\else", True),
        ("s3://prod/.\t./else", True),
    ],
)
def test_a_uri_that_may_mean_another_place(uri: str, *, climbs: bool) -> None:
    assert origins.climbs(uri) is climbs


def _fields(schema: dict[str, Any], path: str = "") -> set[str]:
    found = {path}
    for name, one in schema.get("properties", {}).items():
        found |= _fields(one, f"{path}.{name}" if path else name)
    return found | (_fields(schema["items"], path) if "items" in schema else set())


def test_every_image_and_place_of_the_resource_is_one_that_is_asked() -> None:
    """A new template or URI in the spec has to be judged as well."""
    crd = yaml.safe_load(CRD.read_text())
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    named = {it for it in _fields(spec) if it.rpartition(".")[2] in {"image", "uri", "template"}}
    templates = {origins.POD_TEMPLATE, origins.JOB_TEMPLATE}
    images = {f"{it}.spec.containers.image" for it in templates}
    assert named == templates | images | {"model.uri", "model.artifacts.uri"}
