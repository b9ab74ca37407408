"""Label selectors of policies, over labels of objects and of their namespaces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from tidegate import model


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A namespace: its labels, or the `problem` for which nobody knows them."""

    labels: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    @staticmethod
    def unknown(name: str, why: str) -> Place:
        """A namespace of which nobody can say what its labels are."""
        return Place(problem=f"labels of namespace {name}: {why}")


def began_with(status: model.Status) -> frozenset[str]:
    """The policies, by id, that applied when the rollout under way began.

    They go on applying until it has ended: labels are in the hand of whoever is to be bound.
    """
    rollout = status.active_rollout
    return frozenset(id_of(it) for it in rollout.policies) if rollout is not None else frozenset()


def id_of(source: str) -> str:
    """Kind and name of a policy that status names with its version."""
    return source.partition("@")[0]


def selected(
    policies: Iterable[model.Policy],
    labels: Mapping[str, str],
    *,
    kept: frozenset[str] = frozenset(),
) -> tuple[model.Policy, ...]:
    """Those that apply to an object with these labels; the `kept` ones do whatever it has."""
    return tuple(it for it in policies if it.id in kept or fits(it.selector, labels))


def placed(
    policies: Iterable[model.Policy], place: Place, *, kept: frozenset[str] = frozenset()
) -> tuple[model.Policy, ...]:
    """Those that apply in a namespace, by their selectors of namespaces; the `kept` ones do anywhere.

    One of which nobody knows whether it applies is among them with its problem: whoever judges by
    it holds rather than guesses.
    """
    return tuple(
        it if it.id in kept or not place.problem else _doubted(it, place)
        for it in policies
        if place.problem or it.id in kept or fits(it.namespace_selector, place.labels)
    )


def _doubted(policy: model.Policy, place: Place) -> model.Policy:
    if not policy.namespace_selector:
        return policy
    return replace(policy, problem=policy.problem or f"its namespaceSelector: {place.problem}")


def fits(selector: Iterable[model.Requirement], labels: Mapping[str, str]) -> bool:
    """The labels keep every condition, as in Kubernetes; a selector without conditions fits all."""
    return all(_holds(it, labels) for it in selector)


def _holds(requirement: model.Requirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case model.SelectorOperator.IN:
            return value in requirement.values
        case model.SelectorOperator.NOT_IN:
            return value not in requirement.values
        case model.SelectorOperator.EXISTS:
            return value is not None
        case model.SelectorOperator.DOES_NOT_EXIST:
            return value is None
        case _ as never:
            assert_never(never)
