"""A decoded JSON document: what Kubernetes objects are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias, Union

Json: TypeAlias = Union[bool, int, float, str, Sequence["Json"], Mapping[str, "Json"], None]  # noqa: UP007
Document: TypeAlias = Mapping[str, Json]
