"""Label selectors, as Kubernetes has them."""

from __future__ import annotations

import dataclasses

import pytest
from status_examples import FULL_STATUS

from tidegate import model
from tidegate.policy.selectors import Place, began_with, fits, id_of, placed, selected

_O = model.SelectorOperator


@pytest.mark.parametrize(
    ("operator", "values", "labels", "fit"),
    [
        (_O.IN, {"a", "b"}, {"k": "a"}, True),
        (_O.IN, {"a", "b"}, {"k": "c"}, False),
        (_O.IN, {"a"}, {}, False),
        (_O.NOT_IN, {"a"}, {"k": "b"}, True),
        (_O.NOT_IN, {"a"}, {}, True),
        (_O.NOT_IN, {"a"}, {"k": "a"}, False),
        (_O.EXISTS, set(), {"k": ""}, True),
        (_O.EXISTS, set(), {"other": ""}, False),
        (_O.DOES_NOT_EXIST, set(), {}, True),
        (_O.DOES_NOT_EXIST, set(), {"k": "a"}, False),
    ],
)
def test_one_condition(
    operator: model.SelectorOperator, values: set[str], labels: dict[str, str], *, fit: bool
) -> None:
    one = model.Requirement(key="k", operator=operator, values=frozenset(values))
    assert fits([one], labels) is fit


def test_all_conditions_must_fit_and_none_fit_everything() -> None:
    one = model.Requirement(key="a", operator=_O.EXISTS)
    other = model.Requirement(key="b", operator=_O.EXISTS)
    assert fits([], {})
    assert fits([one, other], {"a": "", "b": ""})
    assert not fits([one, other], {"a": ""})


_EXISTS = model.Requirement(key="a", operator=_O.EXISTS)
_SOME = model.Policy(kind="ClusterRolloutPolicy", name="some", namespace_selector=(_EXISTS,))
_ALL = model.Policy(kind="ClusterRolloutPolicy", name="all")


@pytest.mark.parametrize(("labels", "found"), [({"a": ""}, (_SOME, _ALL)), ({}, (_ALL,))])
def test_policies_of_a_namespace(labels: dict[str, str], found: tuple[model.Policy, ...]) -> None:
    assert placed([_SOME, _ALL], Place(labels=labels)) == found


def test_where_nobody_knows_the_labels_a_selecting_policy_counts_as_unreadable() -> None:
    """It keeps the problem that it has, and those that select no namespaces have none."""
    broken = dataclasses.replace(_SOME, name="broken", problem="no such zone")
    found = placed([_SOME, broken, _ALL], Place(labels={}, problem="labels: no answer"))
    problems = [it.problem for it in found]
    assert problems == ["its namespaceSelector: labels: no answer", "no such zone", ""]


_KEPT = frozenset({_SOME.id})
_BY_LABEL = dataclasses.replace(_ALL, selector=(_EXISTS,))


def test_what_is_kept_applies_whatever_the_labels_are_by_now() -> None:
    assert selected([_BY_LABEL, _SOME], {}) == (_SOME,)
    assert selected([_BY_LABEL, _SOME], {}, kept=frozenset({_BY_LABEL.id})) == (_BY_LABEL, _SOME)
    assert placed([_SOME, _ALL], Place(), kept=_KEPT) == (_SOME, _ALL)


def test_of_what_is_kept_nobody_has_to_know_the_labels() -> None:
    unknown = Place.unknown("ml", "no answer")
    assert placed([_SOME, _ALL], unknown, kept=_KEPT) == (_SOME, _ALL)


def test_what_a_rollout_began_with_counts_until_it_has_ended() -> None:
    assert FULL_STATUS.rollout is not None
    begun = dataclasses.replace(FULL_STATUS.rollout, policies=(_SOME.source, "RolloutPolicy/own@7"))
    kept = {_SOME.id, "RolloutPolicy/own"}
    assert began_with(model.Status(rollout=begun)) == kept == {id_of(it) for it in begun.policies}
    over = dataclasses.replace(begun, active=False)
    assert began_with(model.Status(rollout=over)) == began_with(model.Status()) == frozenset()
