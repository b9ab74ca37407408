from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence.queries import identity
from tidegate.evidence.queries.identity import Owner
from tidegate.model import IdentityMode, Json

STABLE = Owner(namespace="ml", name="iris", revision="5ab1e00001")
POD = "iris-5ab1e00001-5d4b9c6f5d-abc12"
BY_LABEL = {"namespace": "ml", "model_deployment": "iris", "revision": "5ab1e00001"}
BY_POD_LABEL = {
    "namespace": "ml",
    "tidegate_dev_model_deployment": "iris",
    "tidegate_dev_revision": "5ab1e00001",
}
BY_POD = {"namespace": "ml", "pod": POD}
NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,31}[a-z0-9])?", fullmatch=True)
REVISIONS = st.from_regex(r"[0-9a-f]{10}", fullmatch=True)


def _row(value: str = "1", /, **labels: str) -> Json:
    return {"metric": {"__name__": "up", "job": "j", **labels}, "value": [1.5, value]}


def _probed(*rows: Json, kept: IdentityMode | None = None) -> identity.Probed:
    return identity.read_probe(rows, owner=STABLE, kept=kept)


@pytest.mark.parametrize(
    ("case", "labels", "mode"),
    [
        ("our scrape job", {**BY_LABEL, "pod": POD}, IdentityMode.LABEL),
        ("without the pod's name", BY_LABEL, IdentityMode.LABEL),
        ("podTargetLabels", {**BY_POD_LABEL, "pod": POD}, IdentityMode.POD_LABEL),
        ("only the pod's name", BY_POD, IdentityMode.POD),
        ("both kinds of labels", {**BY_POD_LABEL, **BY_LABEL}, IdentityMode.LABEL),
        ("labels of another revision", {**BY_POD, "revision": "c0ffee0001"}, IdentityMode.POD),
        (
            "a label that a user wrote on the pod",
            {**BY_LABEL, "pod": "iris-c0ffee0001-5d4b9c6f5d-abc12"},
            None,
        ),
        ("a pod of a StatefulSet", {"namespace": "ml", "pod": "iris-5ab1e00001-0"}, None),
        ("another namespace", {**BY_POD, "namespace": "other"}, None),
        ("an address", {"instance": "10.0.0.1:8080"}, None),
        ("nothing", {}, None),
    ],
)
def test_the_most_trusted_labels_of_stable_s_targets_name_revisions(
    case: str, labels: dict[str, str], mode: IdentityMode | None
) -> None:
    assert _probed(_row(**labels)).mode is mode, case


def test_what_was_found_before_stays_while_it_gives_targets() -> None:
    rows = (_row(**BY_POD), _row(**BY_LABEL))

    assert _probed(*rows).mode is IdentityMode.LABEL
    assert _probed(*rows, kept=IdentityMode.POD).mode is IdentityMode.POD
    assert _probed(*rows, kept=IdentityMode.POD_LABEL).mode is IdentityMode.LABEL


def test_targets_that_are_down_have_labels_all_the_same() -> None:
    found = _probed(_row("0", **BY_POD), _row("1", **BY_POD))

    assert [it.up for it in found.targets] == [False, True]
    assert not found.problem


def test_it_says_which_labels_the_targets_have() -> None:
    assert _probed().problem == "none of its pods is a target of the source"

    found = _probed(_row(instance="10.0.0.1:8080", kubernetes_pod_name=POD))

    assert found.labels_seen == ("instance", "job", "kubernetes_pod_name")
    assert "instance, job, kubernetes_pod_name" in found.problem
    assert "tidegate_dev_revision" in found.problem


@pytest.mark.parametrize(
    "row", [1, {}, {"metric": 1}, {"metric": BY_POD}, {"metric": BY_POD, "value": [1]}]
)
def test_a_malformed_row_says_nothing(row: Json) -> None:
    assert _probed(row) == identity.Probed(mode=None, targets=())


def test_the_probe_asks_for_target_labels_only() -> None:
    assert identity.probe_query(STABLE, addresses=["10.0.0.1"]) == (
        'up{namespace=~"ml",model_deployment=~"iris",revision=~"5ab1e00001"} or '
        'up{namespace=~"ml",tidegate_dev_model_deployment=~"iris",'
        'tidegate_dev_revision=~"5ab1e00001"} or '
        'up{namespace=~"ml",pod=~"(iris-5ab1e00001)-[0-9a-z]+-[0-9a-z]{5}"} or '
        r'up{instance=~"\\[?(10\\.0\\.0\\.1)\\]?(:[0-9]+)?"}'
    )
    assert "instance" not in identity.probe_query(STABLE)


def _labels_of(mode: IdentityMode, owner: Owner) -> Mapping[str, Json]:
    match mode:
        case IdentityMode.LABEL | IdentityMode.GATEWAY:
            own = {"model_deployment": owner.name, "revision": owner.revision}
        case IdentityMode.POD_LABEL:
            own = {
                "tidegate_dev_model_deployment": owner.name,
                "tidegate_dev_revision": owner.revision,
            }
        case IdentityMode.POD:
            own = {"pod": f"{owner.object_name}-5d4b9c6f5d-abc12"}
    return {"namespace": owner.namespace, **own}


@given(
    mode=st.sampled_from(IdentityMode),
    owner=st.builds(Owner, namespace=NAMES, name=NAMES, revision=REVISIONS),
    theirs=st.dictionaries(
        st.sampled_from(["revision", "exported_revision", "pod_name", "model_deployment", "le"]),
        st.text(max_size=8),
        max_size=5,
    ),
)
def test_labels_lead_to_the_revision_and_nothing_of_the_server_is_lost(
    mode: IdentityMode, owner: Owner, theirs: dict[str, str]
) -> None:
    ours = _labels_of(mode, owner)
    labels = {**theirs, **ours}

    assert identity.owner_of(labels, mode=mode) == owner
    named = identity.named(labels, owner=owner)
    assert identity.owner_of(named, mode=IdentityMode.GATEWAY) == owner
    added = [
        one
        for label, one in _labels_of(IdentityMode.GATEWAY, owner).items()
        if labels.get(label) != one
    ]
    assert Counter(named.values()) == Counter([*labels.values(), *added])
