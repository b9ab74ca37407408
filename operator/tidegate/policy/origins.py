"""Where what runs comes from: every image and every model file that a spec names, with its field.

What a container loads by its arguments or environment stands in no field and is not seen.
Source: core/v1 PodSpec; docs/adr/0065.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from tidegate import model
from tidegate.model import objects

POD_TEMPLATE: Final = "workload.template"
JOB_TEMPLATE: Final = "strategy.blueGreen.prePromotion.job.template"
# Where a pod spec names an image, by the list: the test walks the schema of an API server.
IMAGES_OF_PODS: Final = (
    ("containers", ("image",)),
    ("initContainers", ("image",)),
    ("ephemeralContainers", ("image",)),
    ("volumes", ("image", "reference")),
)
_PINNED: Final = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")
_SEPARATORS: Final = re.compile(r"[/\\?#;]")
_DECODINGS: Final = 4  # `%25252e` and the like; nobody needs as many as that


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A value of a field of the spec."""

    field: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """The model itself, or one of its artefacts; empty where the spec does not say."""

    field: str
    uri: str
    digest: str


def images(template: model.Document, *, field: str) -> Iterator[Named]:
    """Every image of a pod template, those of volumes among them."""
    pods = objects.at(template, "spec")
    for part, path in IMAGES_OF_PODS:
        for index, one in enumerate(objects.items(objects.at(pods, part))):
            if part == "volumes" and objects.at(one, "image") is None:
                continue
            place = ".".join((f"{field}.spec.{part}[{index}]", *path))
            yield Named(field=place, value=objects.text(objects.at(one, *path)))


def files(spec: model.Spec) -> Iterator[File]:
    """The model, and each of its artefacts."""
    yield File(field="model", uri=spec.model.uri, digest=spec.model.digest)
    for one in spec.artifacts:
        yield File(field=f"model.artifacts[{one.name}]", uri=one.uri, digest=one.digest)


def is_pinned(image: str) -> bool:
    """The image is named with a whole digest, so nobody can put another one in its place."""
    return _PINNED.fullmatch(image) is not None


def is_below(uri: str, prefix: str) -> bool:
    """The URI begins with the prefix by whole segments: `s3://prod` is no prefix of `s3://prod-2/x`."""
    if not uri.startswith(prefix):
        return False
    return prefix.endswith("/") or uri[len(prefix) : len(prefix) + 1] in {"", "/", "?", "#"}


def climbs(uri: str) -> bool:
    """A segment of it is `.` or `..`, also as `%2e`: it may mean another place than it begins with."""
    for _ in range(_DECODINGS):
        if any(it in {".", ".."} for it in _SEPARATORS.split("".join(uri.split()))):
            return True
        uri = unquote(uri)
    return "%" in uri and unquote(uri) != uri
