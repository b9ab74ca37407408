"""`strategy.shadow.egress`: what is read of it, and the NetworkPolicy that is made of it."""

from __future__ import annotations

from typing import Any

import pytest
from api_examples import place
from api_rules_shadow import SHADOW_BODY
from traffic_examples import CANDIDATE, META

from tidegate import model
from tidegate.api import convert, egress_types
from tidegate.model import objects
from tidegate.revisions import isolation

REVISION = model.Revision(hash=CANDIDATE, digest="d", model_version="2")
PODS = {"podSelector": {"matchLabels": {"app": "features"}}}


def body(egress: object) -> dict[str, Any]:
    return place(SHADOW_BODY, egress_types.PATH, egress)


def spec_of(egress: object) -> dict[str, Any]:
    return {"strategy": {"shadow": {"egress": egress}}}


@pytest.mark.parametrize(
    ("given", "isolated"), [(SHADOW_BODY, False), (body({}), True), (body({"allow": []}), True)]
)
def test_a_shadow_is_isolated_where_it_is_asked_for(
    given: dict[str, Any],
    isolated: bool,  # noqa: FBT001
) -> None:
    spec, violations = convert.read_spec(given)
    assert not violations
    assert spec is not None
    assert spec.shadow is not None
    assert spec.shadow.isolated is isolated


@pytest.mark.parametrize("spec", [{}, {"strategy": 1}, spec_of(None), spec_of({"allow": [{}]})])
def test_what_asks_for_none_or_is_none_makes_no_policy(spec: dict[str, Any]) -> None:
    assert egress_types.read(spec) is None


def test_ports_say_their_protocol_as_the_api_server_would() -> None:
    allow = [{"to": [PODS], "ports": [{"port": 443}, {"port": 53, "protocol": "UDP"}]}]
    ports = [{"protocol": "TCP", "port": 443}, {"protocol": "UDP", "port": 53}]
    assert egress_types.read(spec_of({"allow": allow})) == ({"to": [PODS], "ports": ports},)


@pytest.mark.parametrize("cidr", ["10.0.0.0/33", "10.0.0.1", "somewhere/8", "2001:db8::/129"])
@pytest.mark.parametrize("member", ["cidr", "except"])
def test_addresses_that_are_none_are_named(cidr: str, member: str) -> None:
    block = {"cidr": "10.0.0.0/8", "except": []}
    block[member] = [cidr] if member == "except" else cidr
    spec, violations = convert.read_spec(body({"allow": [{"to": [{"ipBlock": block}]}]}))
    assert spec is None
    [found] = [one for one in violations if one.blocks]
    assert found.path.startswith(f"{egress_types.PATH}.allow[0].to[0].ipBlock.{member}")
    assert "such as 10.0.0.0/8" in found.message


def test_the_policy_selects_the_pods_of_one_revision_and_leaves_them_dns() -> None:
    made = isolation.render(META, revision=REVISION, allow=({"to": [PODS]},))
    assert made["metadata"]["name"] == f"{META.name}-{CANDIDATE}-egress"
    assert made["spec"] == {
        "podSelector": {
            "matchLabels": objects.revision_selector(META.name, revision=CANDIDATE),
        },
        "policyTypes": ["Egress"],
        "egress": [
            {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]},
            {"to": [PODS]},
        ],
    }


def test_only_ours_by_owner_and_name_is_ours() -> None:
    made = isolation.render(META, revision=REVISION, allow=())
    assert isolation.revision_of(made, META) == CANDIDATE
    metadata = made["metadata"]
    for foreign in (
        {**metadata, "ownerReferences": []},
        {**metadata, "name": "all"},
        {**metadata, "labels": {}},
    ):
        assert not isolation.revision_of({**made, "metadata": foreign}, META)
