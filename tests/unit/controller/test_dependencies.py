"""The table of kinds: what is watched, what is found by what, and whom it concerns."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tidegate import ports
from tidegate.controller import dependencies
from tidegate.controller.dependencies import SAID_ON, By, Ref, Served
from tidegate.controller.workqueue import Key
from tidegate.model import objects

KEY = Key("ns", "iris")
META_OWNER = {
    "apiVersion": objects.API_VERSION,
    "kind": objects.KIND,
    "name": "iris",
    "uid": "u",
    "controller": True,
}
OWNED = [
    ports.DEPLOYMENT,
    *(kind for kind, row in dependencies.TABLE.items() if row.selector),
]


class Nothing:
    """A store in which nothing else is known."""

    def model_deployments(self) -> Iterable[Key]:
        return ()

    def users_of(self, template: Ref) -> Iterable[Key]:  # noqa: ARG002
        return ()


def body(kind: ports.Kind, **metadata: object) -> ports.Object:
    return {"kind": kind.kind, "metadata": {"name": "x", "namespace": "ns", **metadata}}


@pytest.mark.parametrize("kind", OWNED, ids=lambda kind: kind.kind)
@pytest.mark.parametrize("by", [By.OWNER, By.LABEL])
def test_what_is_found_for_an_object_has_it_looked_at(kind: ports.Kind, by: By) -> None:
    metadata: dict[str, object] = (
        {"ownerReferences": [META_OWNER]}
        if by is By.OWNER
        else {"labels": {objects.LABEL_MODEL_DEPLOYMENT: "iris"}}
    )
    found = body(kind, **metadata)
    value = "u" if by is By.OWNER else "iris"
    keys = dependencies.index_keys(dependencies.ref_of(kind, found), found)
    assert keys == ((by, kind, "ns", value),)
    assert dependencies.keys_of(kind, found, known=Nothing()) == {KEY}


def test_children_are_watched_by_label_and_users_objects_whole() -> None:
    watched = {it.kind: it.label_selector for it in dependencies.watched()}
    own = dependencies.served(Served.BY_OUR_CRDS)
    whole = {kind for kind, selector in watched.items() if not selector}
    assert whole == {*own, *SAID_ON, ports.AUTOSCALER, ports.DEPLOYMENT}, (
        "one of somebody else has no label of ours"
    )
    label, _, value = watched[ports.SERVICE].partition("=")
    assert objects.common_labels("iris", component="server")[label] == value
    assert ports.NAMESPACE not in watched


def test_what_a_cluster_lacks_is_not_watched_and_namespaces_are_where_some_are_selected() -> None:
    watched = dependencies.watched(absent=[ports.HTTP_ROUTE], namespace_selector="team=a")
    kinds = {it.kind: it.label_selector for it in watched}
    assert ports.HTTP_ROUTE not in kinds
    assert ports.ROLLOUT_RECORD in kinds
    assert kinds[ports.NAMESPACE] == "team=a"


def test_only_kinds_that_may_be_missing_are_asked_for() -> None:
    asked = dependencies.asked_for()
    assert asked[: len(dependencies.served(Served.BY_OUR_CRDS))] == dependencies.served(
        Served.BY_OUR_CRDS
    )
    assert set(asked).isdisjoint(dependencies.served(Served.ALWAYS))
