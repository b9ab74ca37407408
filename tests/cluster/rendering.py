"""Manifests shared by the providers, with the images of the provider filled in."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

import yaml
from tests.cluster import paths, versions

_PLACEHOLDER = "IMAGE_"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Images of the parts that run inside of the cluster; coredns only where we bring our own."""

    envoy_gateway: str
    envoy: str
    prometheus: str
    coredns: str | None = None

    def placeholders(self) -> dict[str, str]:
        """What stands in a manifest, and what replaces it."""
        fields = dataclasses.asdict(self)
        return {f"{_PLACEHOLDER}{name.upper()}": image for name, image in fields.items() if image}


def render(name: str, images: Images) -> str:
    """The text of a manifest file.

    Errors: KeyError for a placeholder that no image belongs to.
    """
    text = (paths.MANIFESTS / name).read_text()
    documents = [_filled(document, images.placeholders()) for document in yaml.safe_load_all(text)]
    return yaml.safe_dump_all(documents, sort_keys=False)


def content_hash(images: Images) -> str:
    """Changes whenever an applied manifest, an image or a version does."""
    digest = hashlib.sha256(versions.versions_hash().encode())
    digest.update(repr(images).encode())
    for file in sorted(paths.MANIFESTS.glob("*.yaml")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _filled(node: Any, placeholders: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _filled(value, placeholders) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(value, placeholders) for value in node]
    if isinstance(node, str) and node.startswith(_PLACEHOLDER):
        return placeholders[node]
    return node
