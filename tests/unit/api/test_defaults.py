"""Values of policies under a spec: read as if it said so, and never more than that."""

from __future__ import annotations

import copy

import pytest
from api_examples import SMALLEST, place
from policy_examples import CLUSTER_POLICY

from tidegate import model
from tidegate.api import convert, crdgen, defaults, policies
from tidegate.policy.defaults import merged

OF = "ClusterRolloutPolicy/production"
POLICY = policies.read_policy(CLUSTER_POLICY)[0]
VALUES = merged([POLICY])
BY_FIELD = {it.field: it for it in VALUES}


def test_they_are_read_by_their_paths() -> None:
    assert dict(POLICY.defaults) == {
        "automation.level": "Gated",
        "analysis.profile": "Careful",
        "analysis.warmup": "2m",
        "analysis.minRequests": "200",
        "analysis.noDataTimeout": "20m",
        "analysis.onInconclusive": "Pause",
        "strategy.postPromotion.bake": "1h",
        "strategy.postPromotion.keepPreviousPercent": "50",
        "strategy.scaleDownDelay": "2m",
        "rollback.keepCandidateFor": "1h",
        "progressDeadline": "20m",
    }


def test_what_is_not_said_is_taken_and_the_object_stays_as_it_is() -> None:
    before = copy.deepcopy(SMALLEST)
    spec, found = convert.read_spec(defaults.applied(VALUES, SMALLEST))
    assert before == SMALLEST
    assert found == ()
    assert spec is not None
    assert spec.automation.level is model.AutomationLevel.GATED
    assert (spec.bake.seconds, spec.bake.kept_percent) == (3600, 50)
    assert (spec.scale_down_delay_seconds, spec.progress_deadline_seconds) == (120, 1200)
    assert spec.rollback.keep_candidate_seconds == 3600
    assert spec.analysis.min_requests == 200


def test_what_is_said_counts_more() -> None:
    body = place(SMALLEST, "spec.strategy.postPromotion", {"bake": "5m"})
    assert "strategy.postPromotion.bake" not in {it.field for it in defaults.unsaid(VALUES, body)}
    spec, _ = convert.read_spec(defaults.applied(VALUES, body))
    assert spec is not None
    assert (spec.bake.seconds, spec.bake.kept_percent) == (300, 50)


@pytest.mark.parametrize(
    ("automation", "left"), [(None, True), ({}, True), ({"level": None}, True), ("junk", False)]
)
def test_nothing_is_laid_under_what_is_no_object(automation: object, *, left: bool) -> None:
    body = {"spec": {"automation": automation}}
    found = {it.field for it in defaults.unsaid(VALUES, body)}
    assert ("automation.level" in found) is left
    made = defaults.applied(VALUES, body)["spec"]["automation"]
    assert made == ({"level": "Gated"} if left else "junk")


def test_what_it_breaks_names_the_policy() -> None:
    found = [
        model.Violation(path="spec.strategy.postPromotion.bake", message="is too long"),
        model.Violation(path="spec.model", message="is missing"),
    ]
    assert [it.message for it in defaults.blamed(found, VALUES)] == [
        f"is too long (a default of {OF})",
        "is missing",
    ]


def test_every_default_is_a_member_of_a_spec() -> None:
    (definition,) = (it for it in crdgen.DEFINITIONS if it.kind == "ModelDeployment")
    schema = crdgen.structural(definition.spec)
    for field in BY_FIELD:
        node = schema
        for name in field.split("."):
            node = node["properties"][name]
        assert node["type"] in {"string", "integer", "number"}
