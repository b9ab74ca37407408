"""Several policies as one: the strictest wins, in whatever order, and however often."""

from __future__ import annotations

from dataclasses import fields, replace

from hypothesis import given
from hypothesis import strategies as st
from rollout_world import make_spec

from tidegate import model
from tidegate.policy.case import Case
from tidegate.policy.merge import conflicts, merged
from tidegate.policy.rules import RULES
from tidegate.rollout.strategy.compile import plan_of

WORDS = st.sampled_from(["Canary", "Shadow", "BlueGreen", "GatewayAPI", "default", "other"])
SETS = st.none() | st.frozensets(WORDS, max_size=4)
LIMITS = st.none() | st.floats(1, 100)
TIMES = st.sampled_from([0.0, 30.0, 60.0, 3600.0])
METRICS = st.sampled_from(["error-ratio", "latency-p95", "drift"])
CHECKS = st.lists(
    st.builds(
        model.MandatoryCheck,
        metric=METRICS,
        max_threshold=st.none() | st.floats(0, 1),
        require_baseline=st.booleans(),
    ),
    unique_by=lambda it: it.metric,
).map(frozenset)
GROUPS = st.frozensets(
    st.builds(
        model.MetricGroup,
        any_of=st.frozensets(METRICS, min_size=1),
        at_least=st.integers(1, 2),
    ),
    max_size=2,
)
CONSTRAINTS = st.builds(
    model.Constraints,
    allowed_strategies=SETS,
    allowed_automation_levels=st.none() | st.just(frozenset({"Full"})) | SETS,
    allowed_decision_modes=SETS,
    allowed_traffic_providers=SETS,
    allowed_sources=SETS,
    uri_prefixes=st.frozensets(st.frozensets(st.sampled_from(["s3://a/", "s3://b/"]), min_size=1)),
    max_initial_weight=LIMITS,
    max_step_increase=LIMITS,
    max_surge_percent=LIMITS,
    max_rollouts_per_namespace=st.none() | st.integers(1, 9),
    max_rollouts_per_cluster=st.none() | st.integers(1, 9),
    min_steps=st.integers(0, 5),
    min_replicas=st.integers(0, 9),
    min_hold_seconds=TIMES,
    min_bake_seconds=TIMES,
    min_total_seconds=TIMES,
    rehearsed_within_seconds=st.none() | st.sampled_from([3600.0, 86400.0]),
    require_shadow=st.booleans(),
    require_representable_weights=st.booleans(),
    require_image_digest=st.booleans(),
    require_model_digest=st.booleans(),
    forbid_free_queries=st.booleans(),
    mandatory_checks=CHECKS,
    metric_groups=GROUPS,
)


@given(one=CONSTRAINTS, other=CONSTRAINTS, third=CONSTRAINTS)
def test_neither_order_nor_number_matters(
    one: model.Constraints, other: model.Constraints, third: model.Constraints
) -> None:
    assert merged([one, other]) == merged([other, one])
    assert merged([merged([one, other]), third]) == merged([one, merged([other, third])])
    assert merged([one, one]) == one
    assert merged([one, other, one]) == merged([one, other])


@given(one=CONSTRAINTS)
def test_a_policy_without_constraints_changes_nothing(one: model.Constraints) -> None:
    """Each field by itself: one that the merge forgot would be gone."""
    assert merged([one, model.NO_CONSTRAINTS]) == one
    for field in fields(one):
        alone = replace(model.NO_CONSTRAINTS, **{field.name: getattr(one, field.name)})
        assert merged([alone]) == alone


SPECS = st.builds(
    make_spec,
    weights=st.sampled_from([(10.0, 50.0), (1.0, 25.0, 75.0), (100.0,)]),
    replicas=st.sampled_from([1, 4, 100]),
    provider=st.sampled_from(list(model.Provider)),
)


def broken(constraints: model.Constraints, case: Case) -> set[str]:
    return {name for name, check in RULES.items() if check(constraints, case)}


@given(one=CONSTRAINTS, other=CONSTRAINTS, spec=SPECS)
def test_together_they_forbid_what_each_of_them_forbids(
    one: model.Constraints, other: model.Constraints, spec: model.Spec
) -> None:
    """So what is shown as effective is what holds rollouts."""
    case = Case(spec=spec, plan=plan_of(spec))
    assert broken(merged([one, other]), case) == broken(one, case) | broken(other, case)


def test_what_leaves_no_choice_is_a_conflict() -> None:
    one = model.Constraints(allowed_strategies=frozenset({"Canary"}))
    other = model.Constraints(allowed_strategies=frozenset({"Shadow"}))
    assert conflicts(merged([one, other])) == ("allowedStrategies",)
    assert conflicts(merged([one])) == conflicts(model.NO_CONSTRAINTS) == ()
