"""The copies of ConfigMaps that belong to a revision: their names, and how one is written and told.

Source: api.md, 2.6; docs/adr/0088.
"""

from __future__ import annotations

import hashlib
from typing import Final

from tidegate import model
from tidegate.model import objects

COMPONENT: Final = "config"
ANNOTATION_DIGEST: Final = "tidegate.dev/config-digest"
_LONGEST_NAME: Final = 253  # of a ConfigMap
_CONTENT: Final = ("data", "binaryData")


def copy_name(name: str, *, owner: str, revision: str) -> str:
    """Name of the copy that the pods of a revision of ModelDeployment `owner` are given.

    Two of one namespace may have equal revisions, and copies of their own. A name that would be too
    long for the API server is cut and keeps a digest of the whole.
    """
    begin = f"{owner}-{revision}-"
    if len(begin) + len(name) <= _LONGEST_NAME:
        return f"{begin}{name}"
    end = hashlib.sha256(name.encode()).hexdigest()[:10]
    room = _LONGEST_NAME - len(begin) - len(end) - 1
    return f"{begin}{name[:room].rstrip('-.')}-{end}"


def content(source: model.Document) -> model.Document:
    """What of a ConfigMap reaches pods."""
    return {part: source[part] for part in _CONTENT if source.get(part)}


def render(
    meta: model.ObjectMeta, source: model.Document, *, revision: model.Revision, digest: str
) -> model.Document:
    """The copy of a ConfigMap: nobody can change it, and it goes with the revision."""
    name = objects.object_name(source)
    labels = objects.common_labels(meta.name, component=COMPONENT)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": copy_name(name, owner=meta.name, revision=revision.hash),
            "namespace": meta.namespace,
            "labels": {**labels, objects.LABEL_REVISION: revision.hash},
            "annotations": {**objects.revision_annotations(revision), ANNOTATION_DIGEST: digest},
            "ownerReferences": [objects.owner_reference(meta)],
        },
        **content(source),
        "immutable": True,
    }


def is_copy(body: model.Document, meta: model.ObjectMeta, *, digest: str) -> bool:
    """Whether a live ConfigMap is ours, and of this content."""
    ours = objects.is_controlled_by(body, uid=meta.uid)
    return ours and objects.annotation(body, ANNOTATION_DIGEST) == digest
