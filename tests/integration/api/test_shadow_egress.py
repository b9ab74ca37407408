"""The NetworkPolicy of a shadow on a real API server: the schema, and the policy as it is made."""

from __future__ import annotations

import json
from typing import Any

import pytest
from api_client import ApiClient
from api_examples import place
from api_rules_shadow import SHADOW_BODY
from tests.cluster.api import ControlPlane
from traffic_examples import CANDIDATE, META

from tidegate import model
from tidegate.api import egress_types
from tidegate.controller.documents import plain
from tidegate.revisions import isolation

pytestmark = pytest.mark.apiserver

ALLOW: list[dict[str, Any]] = [
    {
        "to": [
            {
                "podSelector": {"matchLabels": {"app": "features"}},
                "namespaceSelector": {"matchLabels": {"team": "ml"}},
            },
            {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
        ],
        "ports": [{"port": 6379}, {"protocol": "UDP", "port": 1000, "endPort": 1010}],
    },
    {"ports": [{"port": 443}]},
]


@pytest.mark.parametrize("allow", [[], ALLOW])
def test_the_policy_is_accepted_and_kept_as_it_is_made(
    kube_client: ApiClient, tidegate_plane: ControlPlane, allow: list[dict[str, Any]]
) -> None:
    stored = kube_client.create(place(SHADOW_BODY, egress_types.PATH, {"allow": allow}))
    assert stored.code == 201, stored.body
    rules = egress_types.read(stored.body["spec"])
    assert rules is not None
    revision = model.Revision(hash=CANDIDATE, digest="d", model_version="2")
    body = plain(isolation.render(META, revision=revision, allow=rules))
    body["metadata"]["namespace"] = "default"
    strict = ("--dry-run=server", "--validate=strict", "-o", "json")
    made = json.loads(tidegate_plane.kubectl("create", *strict, "-f", "-", input=json.dumps(body)))
    assert made["spec"] == body["spec"]
    assert isolation.revision_of(made, META) == CANDIDATE


@pytest.mark.parametrize(
    "selector", [{}, {"matchExpressions": [{"key": "app", "operator": "Exists"}]}]
)
def test_a_selector_that_would_mean_everybody_is_refused(
    kube_client: ApiClient, selector: dict[str, Any]
) -> None:
    peer = {"podSelector": selector}
    answer = kube_client.create(place(SHADOW_BODY, egress_types.PATH, {"allow": [{"to": [peer]}]}))
    assert answer.code in {400, 422}, answer.body
