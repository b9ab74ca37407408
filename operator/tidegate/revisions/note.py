"""Notes by which what Tidegate wrote is told from what somebody else wrote.

Beside a Deployment's replicas stands the number that Tidegate wrote last: `4` is a number of ours,
and another one was written by somebody else; `4+` is one that our autoscaler moves on from. Both stand
in the Deployment itself, so they are never apart from it.

Which template a Deployment was made with is known once the API server has made it. The Service of
the revision is created right after it and says so, `<hash> <uid of the Deployment>`, which costs no
write. A Deployment that is made again has its note itself, and so has one whose template was changed:
there a Service that is made anew could not know any more how it was.
Source: docs/adr/0020-other-writers.md, 0042-autoscaling.md, 0067-writes-of-a-promotion.md.
"""

from __future__ import annotations

from typing import Final

from tidegate import model
from tidegate.model import objects

_AUTOSCALED: Final = "+"


def of_replicas(replicas: int, *, autoscaled: bool) -> str:
    """The note that goes with this number."""
    return f"{replicas}{_AUTOSCALED if autoscaled else ''}"


def read_replicas(deployment: model.Document) -> int | None:
    """The number that Tidegate wrote last; None where that is not known."""
    written = _written(deployment).removesuffix(_AUTOSCALED)
    return int(written) if written.isdecimal() else None


def may_be_autoscaled(deployment: model.Document) -> bool:
    """Our autoscaler may have moved the number since."""
    return _written(deployment).endswith(_AUTOSCALED)


def of_template(deployment: model.Document, *, template_hash: str) -> dict[str, str]:
    """The annotation of the Service that is created for this Deployment."""
    known = objects.annotation(deployment, objects.ANNOTATION_TEMPLATE_HASH) or template_hash
    return {objects.ANNOTATION_TEMPLATE_HASH: f"{known} {objects.uid(deployment)}"}


def read_template(deployment: model.Document, *, service: model.Document | None) -> str:
    """Hash of the template that the Deployment was made with; empty where nothing says so."""
    own = objects.annotation(deployment, objects.ANNOTATION_TEMPLATE_HASH)
    if own or service is None:
        return own
    noted = objects.annotation(service, objects.ANNOTATION_TEMPLATE_HASH)
    made_with, _, uid = noted.partition(" ")
    return made_with if uid and uid == objects.uid(deployment) else ""


def is_lasting(deployment: model.Document) -> bool:
    """The Deployment itself says what it was made with, whatever becomes of the Service."""
    return bool(objects.annotation(deployment, objects.ANNOTATION_TEMPLATE_HASH))


def _written(deployment: model.Document) -> str:
    return objects.annotation(deployment, objects.ANNOTATION_REPLICAS)
