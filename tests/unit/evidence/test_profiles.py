"""Profiles of training data on the operator's side: what the probe writes is read, anything else is not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import profiles_build
import pytest

from tidegate.evidence.drift import profiles
from tidegate.evidence.terms import Problem, Reason, TrainingData

Object = dict[str, Any]


def sealed(document: Object) -> str:
    """With the digest of its content, whatever that is."""
    content = {"outputs": {}, **{key: it for key, it in document.items() if key != "digest"}}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return json.dumps({**document, "digest": f"sha256:{digest}"}, ensure_ascii=False)


def edited(edit: Callable[[Object], object]) -> str:
    document = json.loads(profiles_build.written())
    edit(document)
    return sealed(document)


def bins(document: Object) -> Object:
    found: Object = document["features"]["amount"]["bins"]
    return found


def test_what_the_probe_writes_is_read() -> None:
    found = profiles.parsed(profiles_build.written())

    assert found == profiles.Profile(
        version="v2",
        features={
            "amount": {"10": 300, "20": 400, "+Inf": 250, "missing": 40, "other": 10},
            "country": {"DE": 600, "FR": 300, "missing": 0, "other": 100},
        },
        outputs={"score": {"0.5": 700, "+Inf": 300, "missing": 0, "other": 0}},
    )


def test_outputs_may_be_left_out() -> None:
    found = profiles.parsed(edited(lambda it: it.pop("outputs")))

    assert found.outputs == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is no JSON"),
        ("[" * 100_000, "it is no JSON"),
        ("[]", "it is no JSON object but list"),
        ('{"a": 1, "a": 2}', "a stands twice"),
        ('{"rows": NaN}', "NaN is no number of JSON"),
        (" " * (profiles.MAX_BYTES + 1), "leave features out"),
        (edited(lambda it: it.update(comment="x")), "comment is unknown"),
        (edited(lambda it: it.pop("rows")), "rows is missing"),
        (edited(lambda it: it.update(format="tidegate-profile/2")), "tidegate-profile/1 is read"),
        (edited(lambda it: it.update(modelVersion=2)), "modelVersion is no text"),
        (edited(lambda it: it.update(modelVersion="")), "modelVersion is no text"),
        (edited(lambda it: it.update(rows=True)), "rows is True"),
        (edited(lambda it: it.update(rows=0)), "rows is 0"),
        (edited(lambda it: it.update(rows=2**53 + 1)), "at least one row"),
        (edited(lambda it: it.update(features=[])), "features is no JSON object"),
        (edited(lambda it: it["features"].update(amount=1)), "features.amount is no JSON object"),
        (edited(lambda it: it["features"]["amount"].pop("kind")), "features.amount needs kind"),
        (edited(lambda it: it["features"]["amount"].update(kind="text")), "numeric or categorical"),
        (edited(lambda it: it["features"]["amount"].update(bins=[])), "features.amount.bins is no"),
        (edited(lambda it: bins(it).pop("other")), "the last two of them are missing and other"),
        (
            edited(lambda it: it["outputs"]["score"].update(bins={"missing": 0, "other": 1000})),
            "outputs.score.bins: the last two",
        ),
        (edited(lambda it: bins(it).update({"10": -1})), "features.amount.bins.10 is -1"),
        (edited(lambda it: bins(it).update({"10": 300.0})), "features.amount.bins.10 is 300.0"),
        (edited(lambda it: bins(it).update({"10": 301})), "add up to 1001, and rows is 1000"),
        (profiles_build.written().replace('"10": 300', '"10": 299'), "digest does not fit"),
        (profiles_build.written().replace("iris", "\\ud800"), "it is no text"),
    ],
)
def test_anything_else_is_not_read_and_the_field_is_named(text: str, says: str) -> None:
    with pytest.raises(profiles.ProfileError, match=r".") as error:
        profiles.parsed(text)

    assert says in str(error.value)


def test_features_and_outputs_are_held_against_their_own() -> None:
    found = profiles.parsed(profiles_build.written())

    assert profiles.reference_of(found, version="v2", outputs=False) == TrainingData(
        counts=found.features
    )
    assert profiles.reference_of(found, version="v2", outputs=True) == TrainingData(
        counts=found.outputs
    )


@pytest.mark.parametrize(
    ("given", "outputs", "reason", "says"),
    [
        (
            profiles_build.written("v1"),
            False,
            Reason.PROFILE_MISMATCH,
            "v1, and the candidate is v2",
        ),
        (profiles_build.written("v1"), True, Reason.PROFILE_MISMATCH, "set spec.model.version"),
        (
            profiles_build.written(outputs={}),
            True,
            Reason.NO_BASELINE,
            "the profile has no outputs",
        ),
    ],
)
def test_what_cannot_be_held_against_says_why(
    given: str, reason: Reason, says: str, *, outputs: bool
) -> None:
    found = profiles.reference_of(profiles.parsed(given), version="v2", outputs=outputs)

    assert found.problem is not None
    assert found.counts == {}
    assert found.problem.reason is reason
    assert says in found.problem.message


def test_what_could_not_be_read_stays_so() -> None:
    problem = Problem(reason=Reason.NO_BASELINE, message="it does not exist")

    assert profiles.reference_of(problem, version="v2", outputs=False).problem is problem
