"""The rights that `tidegate doctor` asks for, against those that the chart gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from doctor_world import (
    GATEWAY,
    Cluster,
    examined,
    iris,
)

from tidegate.cli import doctor, outcome

ROOT = Path(__file__).resolve().parents[3]


def granted(*, cluster_wide: bool) -> set[tuple[str, str, str]]:
    """Group, resource and verb of every rule of the chart's roles, those of the Lease apart."""
    text = (ROOT / "charts/tidegate/templates/rbac.yaml").read_text(encoding="utf-8")
    roles = text[: text.index("name: {{ $name }}-leader")].split("---\n")
    named = "name: {{ $name }}-cluster-reader"
    served = "".join(it for it in roles if (named in it) is cluster_wide)
    rule = re.compile(r"- apiGroups: \[(.*)\]\n  resources: \[(.*)\]\n  verbs: \[([\w, ]*)")
    assert len(rule.findall(served)) == served.count("- apiGroups:")
    return {
        (group.strip('"'), kind, verb)
        for group, kinds, verbs in rule.findall(served)
        for kind in kinds.split(", ")
        for verb in verbs.split(", ")
    }


def verbs_of(*rights: doctor.Right) -> set[tuple[str, str, str]]:
    return {(group, kind, verb) for group, kind, verbs in rights for verb in verbs}


def test_the_rights_that_are_asked_for_are_those_of_the_chart() -> None:
    """Quotas and nodes stop nothing, and the check of room asks for them by reading.

    Nor does anything depend on what it says on cluster-wide policies. Namespaces are listed and watched
    only where an installation selects them. The Lease has its own check: whether somebody leads.
    """
    of_strategies = (
        doctor.JOB_RIGHTS,
        doctor.POLICY_RIGHTS,
        doctor.PROFILE_RIGHTS,
        doctor.CONFIG_MAP_RIGHTS,
    )
    asked = verbs_of(*doctor.RIGHTS, *doctor.PLANE_RIGHTS.values(), *of_strategies)
    told = ("tidegate.dev", "clusterrolloutpolicies/status", "patch")
    assert asked == granted(cluster_wide=False) - {("", "resourcequotas", "list"), told}
    wide = verbs_of(*doctor.CLUSTER_RIGHTS, *doctor.GATEWAY_RIGHTS)
    assert wide == granted(cluster_wide=True) - {("", "nodes", "list")}


@pytest.mark.parametrize("right", [("list", "clusterrolloutpolicies"), ("get", "leases")])
def test_a_right_on_the_cluster_is_asked_for_and_missed(right: tuple[str, str]) -> None:
    """Without that of policies all rollouts wait."""
    api = Cluster(iris())
    api.denied.add(right)
    code, text = examined(api)
    assert code == outcome.NEGATIVE
    assert f"may not {' '.join(right)}" in text


@pytest.mark.parametrize(("traffic", "asked"), [(GATEWAY, True), (None, False)])
def test_rights_on_gateways_are_asked_for_where_there_is_one(
    traffic: object, *, asked: bool
) -> None:
    api = Cluster(iris(traffic=traffic))
    examined(api)
    assert ({"get gateways", "get gatewayclasses"} <= set(api.asked)) is asked
