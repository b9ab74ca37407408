"""What an API server makes of an update: what it refuses, and what it adds or keeps by itself."""

from __future__ import annotations

from collections.abc import Sequence

from tests.sim.fields import Object

from tidegate import ports
from tidegate.adapters import kube_http as http


class RefusedError(Exception):
    """A request that is answered with an error."""

    def __init__(
        self, status: int, reason: str, message: str, causes: Sequence[Object] = ()
    ) -> None:
        super().__init__(message)
        document = {
            "kind": "Status",
            "status": "Failure",
            "reason": reason,
            "message": message,
            "code": status,
            "details": {"causes": list(causes)} if causes else {},
        }
        self.reply = http.Reply(status=status, document=document)


def refuse_new_finalizers(old: Object, new: Object) -> None:
    if "deletionTimestamp" not in old["metadata"]:
        return
    added = set(new["metadata"].get("finalizers") or ()) - set(
        old["metadata"].get("finalizers") or ()
    )
    if added:
        cause = {"reason": "FieldValueForbidden", "field": "metadata.finalizers"}
        raise RefusedError(422, "Invalid", "no new finalizers can be added", [cause])


def refuse_new_data(kind: ports.Kind, old: Object, new: Object) -> None:
    if kind is ports.CONTROLLER_REVISION and old["data"] != new["data"]:
        cause = {"reason": "FieldValueInvalid", "field": "data"}
        raise RefusedError(422, "Invalid", "data: field is immutable", [cause])


def with_status_of(new: Object, old: Object) -> Object:
    rest = {key: value for key, value in new.items() if key != "status"}
    return {**rest, "status": old["status"]} if "status" in old else rest


def with_generation(old: Object, new: Object) -> Object:
    """A changed spec raises the generation."""
    if old.get("spec") == new.get("spec"):
        return new
    generation = old["metadata"]["generation"] + 1
    return {**new, "metadata": {**new["metadata"], "generation": generation}}


def same(old: Object, new: Object) -> bool:
    if old is new:
        return True
    ignored = {"resourceVersion", "managedFields"}
    before = {k: v for k, v in old["metadata"].items() if k not in ignored}
    after = {k: v for k, v in new["metadata"].items() if k not in ignored}
    return before == after and {k: v for k, v in old.items() if k != "metadata"} == {
        k: v for k, v in new.items() if k != "metadata"
    }
