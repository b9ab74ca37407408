"""What a histogram lacks is named: the label, the bucket, and of which pods."""

from __future__ import annotations

import pytest
from evidence_build import CANDIDATE, STABLE

from tidegate import model
from tidegate.evidence.counts import binned, buckets, readings
from tidegate.evidence.counts.binned import Binning
from tidegate.evidence.terms import Identity, Latency, Problem, Reason, Selector, Series

IDENTITY = Identity(namespace="ml", name="iris", candidate=CANDIDATE, stable=STABLE)
MEASURE = Latency(histogram=Selector(metric="x_ms"), quantile=0.95, unit_seconds=0.001)
ALL = ("100", "250", "500", "+Inf")


def pod(
    name: str, edges: tuple[str, ...], *, revision: str = CANDIDATE, **more: str
) -> list[Series]:
    place = {"revision": revision, "pod": name, "instance": f"{name}:80", **more}
    found = [{**place, "le": edge} if edge else place for edge in edges]
    return [Series(labels=it, samples=((1.0, 1.0),)) for it in found]


def lacking(*pods: list[Series], edges: tuple[float, ...] = ()) -> Problem | None:
    series = [one for found in pods for one in found]
    return buckets.lacking(series, identity=IDENTITY, measure=MEASURE, edges=edges)


@pytest.mark.parametrize("everything", ["+Inf", "inf", "Inf"])
def test_a_whole_histogram_lacks_nothing(everything: str) -> None:
    edges = ("100", "250.0", everything)
    assert lacking(pod("c", edges), pod("s", ALL, revision=STABLE), edges=(0.1, 0.25)) is None
    assert lacking() is None


@pytest.mark.parametrize(
    ("pods", "named"),
    [
        pytest.param([pod("c", ALL[:3])], 'pod c lacks le="+Inf" (edges seen: 100, 250', id="none"),
        pytest.param(
            [pod("c", ALL, code="200"), pod("c", ALL[:3], code="500")],
            "some label sets cannot be counted",
            id="some label sets",
        ),
        pytest.param([pod("c", ("", ""))], "pod c has no label le", id="no label"),
        pytest.param([pod("c", ("x",))], "pod c has no label le", id="no edge"),
        pytest.param(
            [pod("a", ALL), pod("c", ALL[:3]), pod("d", ALL[:3])],
            "pod c (and 1 more pods) lacks",
            id="some pods of the candidate",
        ),
        pytest.param(
            [pod("c", ALL), pod("s", ALL[:3], revision=STABLE)], "pod s lacks", id="all of stable"
        ),
        pytest.param([pod("", ALL[:3])], "pod :80 lacks", id="by its address"),
    ],
)
def test_what_is_missing_is_named(pods: list[list[Series]], named: str) -> None:
    found = lacking(*pods)
    assert found is not None
    assert found.reason is Reason.INCOMPATIBLE_BUCKETS
    assert f"x_ms_bucket of {named}" in found.message or named in found.message
    assert "relabeling" in found.message


def test_stable_is_counted_by_the_pods_that_can_be() -> None:
    stable = [pod("s", ALL[:3], revision=STABLE), pod("t", ALL, revision=STABLE)]
    assert lacking(pod("c", ALL), *stable) is None


def test_edges_that_were_fixed_are_needed() -> None:
    found = lacking(pod("c", ("100", "+Inf")), edges=(0.1, 0.25, 0.5))
    assert found is not None
    assert "lacks the edges 0.25, 0.5 s" in found.message
    assert "edges seen: 100, +Inf" in found.message


def test_many_edges_are_cut_short() -> None:
    found = lacking(pod("c", tuple(str(it) for it in range(1, 20))))
    assert found is not None
    assert "7, 8, ...)" in found.message


@pytest.mark.parametrize(
    ("candidate", "stable", "named"),
    [
        (ALL, ("1", "2", "3", "+Inf"), "0 common bucket edges"),
        (ALL, ("100", "250", "+Inf"), "2 common bucket edges"),
        (ALL[:2], ALL, 'lacks le="+Inf"'),
        (("", ""), ("", ""), "has no label le"),
    ],
)
def test_why_there_are_too_few_edges_in_common(
    candidate: tuple[str, ...], stable: tuple[str, ...], named: str
) -> None:
    found = readings.latency_shape(
        MEASURE,
        threshold=model.NO_THRESHOLD,
        buckets=[*pod("c", candidate), *pod("s", stable, revision=STABLE)],
        identity=IDENTITY,
        history=None,
    )
    assert isinstance(found, Problem)
    assert found.reason is Reason.INCOMPATIBLE_BUCKETS
    assert named in found.message
    if "common" in named:
        assert "the candidate has 100, 250, 500, +Inf; stable has " in found.message


def test_edges_of_others_are_not_told() -> None:
    text = buckets.too_few((), [], identity=IDENTITY, measure=MEASURE, least=3)
    assert text.endswith("in all pods of both versions")


def test_a_histogram_of_features_needs_the_last_bucket_too() -> None:
    binning = Binning(bin="le", dimension="feature", cumulative=True)
    whole = pod("c", ALL, feature="age")
    assert binned.unreadable(whole, binning=binning, metric="x") is None
    found = binned.unreadable(whole[:3], binning=binning, metric="x")
    assert found is not None
    assert found.reason is Reason.INCOMPATIBLE_BINS
    assert 'age of x lacks le="+Inf"' in found.message
