"""Pods that are ready and show no counts: a table of who is seen and who is ready."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence.counts.completeness import ReadyPods, incomplete
from tidegate.evidence.terms import Identity, Problem, Reason, Series

IDENTITY = Identity(namespace="ml", name="iris", candidate="c0ffee0001", stable="5ab1e00001")
NOW = 1000.0


def series(*pods: str, revision: str, at: float = NOW, **labels: str) -> list[Series]:
    """One counter of each pod, with its newest sample at an instant."""
    return [
        Series(labels={"revision": revision, "pod": pod, **labels}, samples=((at, 7.0),))
        for pod in pods
    ]


def of_candidate(*pods: str, at: float = NOW, **labels: str) -> list[Series]:
    return series(*pods, revision=IDENTITY.candidate, at=at, **labels)


def of_stable(*pods: str, at: float = NOW, **labels: str) -> list[Series]:
    return series(*pods, revision=IDENTITY.stable, at=at, **labels)


def ready(candidate: str, stable: str) -> ReadyPods:
    """One letter per pod."""
    return ReadyPods(
        candidate=dict.fromkeys(candidate, ("10.0.0.1",)),
        stable=dict.fromkeys(stable, ("10.0.0.2",)),
    )


def found(shown: list[Series], pods: ReadyPods, *, identity: Identity = IDENTITY) -> Problem | None:
    return incomplete(shown, identity=identity, ready=pods, spacing_seconds=15.0, asked="for it")


@pytest.mark.parametrize(
    ("candidate", "stable", "holds"),
    [
        ("ab", "xyz", False),
        ("a", "xyz", True),
        ("a", "xy", False),
        ("", "xyz", True),
        ("a", "x", False),
    ],
    ids=["all", "one of two", "one of each", "none", "more of stable"],
)
def test_the_candidate_may_lack_no_more_than_stable(
    candidate: str,
    stable: str,
    holds: bool,  # noqa: FBT001
) -> None:
    problem = found([*of_candidate(*candidate), *of_stable(*stable)], ready("ab", "xyz"))
    assert (problem is not None) is holds


def test_the_pods_are_named() -> None:
    problem = found([*of_candidate("a"), *of_stable("x")], ready("abcdef", "xy"))
    assert problem is not None
    assert problem.reason is Reason.INCOMPLETE
    assert "5 (b, c, d and 2 more) of the candidate, 1 (y) of stable" in problem.message
    assert problem.message.endswith("asked for it")


def test_a_pod_that_is_three_scrapes_behind_shows_nothing_any_more() -> None:
    shown = [*of_candidate("a"), *of_stable("x"), *of_candidate("b", at=NOW - 46)]
    assert found(shown, ready("ab", "x")) is not None
    shown = [*of_candidate("a"), *of_stable("x"), *of_candidate("b", at=NOW - 45)]
    assert found(shown, ready("ab", "x")) is None


def test_a_source_that_is_late_is_late_for_all() -> None:
    """Samples are held against the newest of all, and not against the present."""
    shown = [*of_candidate("a", "b", at=NOW - 600), *of_stable("x", at=NOW - 600)]
    assert found(shown, ready("ab", "x")) is None


@pytest.mark.parametrize("instance", ["10.0.0.1:8082", "[10.0.0.1]:8082"])
def test_a_pod_is_known_by_its_address_where_series_lack_its_name(instance: str) -> None:
    pods = ReadyPods(candidate={"a": ("10.0.0.1",), "b": ("10.0.0.9",)}, stable={})
    shown = [
        Series(labels={"revision": IDENTITY.candidate, "instance": instance}, samples=((NOW, 1.0),))
    ]
    problem = found(shown, pods)
    assert problem is not None
    assert "1 (b) of the candidate" in problem.message


def test_series_of_a_proxy_tell_nothing_of_pods() -> None:
    shown = [*of_candidate("envoy-1", instance="10.9.9.9:19001"), *of_stable("envoy-1")]
    assert found(shown, ready("ab", "xyz")) is None


def test_other_revisions_and_empty_series_are_left_out() -> None:
    shown = [
        *of_candidate("a"),
        *of_stable("x"),
        *series("b", revision="0ther00001"),
        Series(labels={"revision": IDENTITY.candidate, "pod": "b"}, samples=()),
    ]
    assert found(shown, ready("ab", "x")) is not None


def test_without_a_control_every_ready_pod_must_show_counts() -> None:
    alone = Identity(namespace="ml", name="iris", candidate=IDENTITY.candidate)
    assert found(of_candidate("a"), ready("ab", ""), identity=alone) is not None
    assert found(of_candidate("a", "b"), ready("ab", ""), identity=alone) is None


@given(st.sets(st.sampled_from("abcd")), st.sets(st.sampled_from("wxyz")))
def test_it_is_the_difference_of_the_arms_that_counts(a: set[str], x: set[str]) -> None:
    problem = found([*of_candidate(*a), *of_stable(*x)], ready("abcd", "wxyz"))
    assert (problem is not None) is (bool(a | x) and 4 - len(a) > 4 - len(x))
