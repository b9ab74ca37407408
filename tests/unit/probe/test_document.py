"""The document of a profile: the same bytes for the same profile, and strict to read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from probe_examples import fraud

from tidegate_probe import Profile, ProfileError
from tidegate_probe import document as documents
from tidegate_probe.bins import CategoryBins, NumericBins
from tidegate_probe.fields import Field, Positive

Document = dict[str, Any]


def changed(change: Callable[[Document], object], *, signed: bool = True) -> str:
    document: Document = json.loads(fraud().to_json())
    change(document)
    if signed:
        document.pop("digest", None)
        canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
        document["digest"] = "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
    return json.dumps(document)


def setting(*path: str, to: object) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = to

    return change


def dropping(*path: str) -> Callable[[Document], None]:
    def change(document: Document) -> None:
        for key in path[:-1]:
            document = document[key]
        del document[path[-1]]

    return change


def amount_bins(**bins: object) -> Callable[[Document], None]:
    return setting("features", "amount", "bins", to=bins)


def test_it_reads_back(tmp_path: Path) -> None:
    fraud().write(tmp_path / "profile.json")
    assert Profile.read(tmp_path / "profile.json") == fraud()


def test_its_bins_are_named_as_the_series_are() -> None:
    document = json.loads(fraud().to_json())
    assert document["features"]["amount"] == {
        "kind": "numeric",
        "bins": {"0.5": 30, "2": 30, "+Inf": 37, "missing": 3, "other": 0},
    }


def test_the_digest_is_that_of_the_canonical_document() -> None:
    assert json.loads(fraud().to_json()) == json.loads(changed(lambda _: None))
    assert fraud().digest != fraud(positive=None).digest


def test_order_of_fields_makes_no_other_profile() -> None:
    assert (
        Profile.from_json(
            changed(lambda document: document.update(sorted(document.items())), signed=False)
        )
        == fraud()
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the document is no JSON"),
        ("[" * 100_000, "the document is no JSON"),
        (b"\xff\xfe", "the document is no JSON"),
        ("[]", "the document: is no JSON object but list"),
        ('{"a": 1, "a": 2}', "'a': stands twice"),
        ('{"rows": NaN}', "NaN: is no number of JSON"),
        (" " * (1 << 20) + "{}", "1048578 bytes; 1048576 are the limit"),
        (changed(setting("format", to="tidegate-profile/2")), "reads tidegate-profile/1"),
        (changed(dropping("modelVersion")), "'modelVersion' is missing"),
        (changed(setting("colour", to=1)), "'colour' is unknown; known are format, model"),
        (changed(setting("rows", to=50)), "features.amount.bins: add up to 100, but rows is 50"),
        (changed(setting("rows", to=True)), "rows: True is no whole number"),
        (changed(setting("model", to="")), "model: '' is no printable text"),
        (changed(setting("model", to=["m"])), "model: .* is no printable text"),
        (changed(setting("features", to={})), "features: is empty"),
        (changed(setting("features", "amount", to=[])), "features.amount: is no JSON object"),
        (changed(setting("features", "amount", "kind", to="date")), "features.amount.kind: 'date'"),
        (changed(setting("features", "amount", "kind", to={})), "features.amount.kind: {}"),
        (changed(setting("features", "amount", "x", to=1)), "features.amount: 'x' is unknown"),
        (changed(amount_bins()), 'the last two bins are "missing" and "other"'),
        (changed(amount_bins(other=1, missing=99)), "the last two bins"),
        (changed(amount_bins(missing=0, other=100)), 'the last bin of numbers is "\\+Inf"'),
        (
            changed(amount_bins(**{"2": 1, "1": 1, "+Inf": 98, "missing": 0, "other": 0})),
            'the edges ascend, but "1" follows "2"',
        ),
        (
            changed(amount_bins(**{"0.50": 1, "+Inf": 99, "missing": 0, "other": 0})),
            'write the edge "0.50" as "0.5"',
        ),
        (
            changed(amount_bins(**{"nan": 1, "+Inf": 99, "missing": 0, "other": 0})),
            '"nan" is no upper edge',
        ),
        (
            changed(amount_bins(**{"low": 1, "+Inf": 99, "missing": 0, "other": 0})),
            '"low" is no upper edge',
        ),
        (
            changed(amount_bins(**{"+Inf": -1, "missing": 1, "other": 100})),
            "features.amount.bins.\\+Inf: -1 is no whole number",
        ),
        (
            changed(amount_bins(**{"+Inf": 0.5, "missing": 1, "other": 100})),
            "0.5 is no whole number",
        ),
        (
            changed(setting("features", "country", "bins", to={"": 1, "missing": 0, "other": 99})),
            "features.country.bins: a category: '' is no printable text",
        ),
        (changed(setting("model", to="ü" * 65)), "has more than 128 bytes"),
        (changed(setting("positive", "output", to=[])), "positive.output: is no text"),
        (changed(setting("positive", "output", to="x")), "positive.output: 'x' is none of outputs"),
        (changed(setting("positive", "category", to="good")), "exactly one of threshold and"),
        (changed(dropping("positive", "threshold")), "exactly one of threshold and"),
        (changed(setting("positive", "threshold", to="0.5")), "positive.threshold: needs a finite"),
        (
            changed(setting("positive", to={"output": "class", "threshold": 0.5})),
            "positive.threshold: needs a finite number and an output of kind numeric",
        ),
        (
            changed(setting("positive", to={"output": "class", "category": "bad"})),
            "'bad' is no category of outputs.class",
        ),
        (
            changed(setting("features", "amount", "bins", "0.5", to=29), signed=False),
            "add up to 99",
        ),
        (changed(setting("model", to="other"), signed=False), "digest: does not fit"),
    ],
)
def test_what_is_wrong_is_named(text: str | bytes, told: str) -> None:
    with pytest.raises(ProfileError, match=told):
        Profile.from_json(text)


def test_bins_are_limited() -> None:
    fields = {
        f"f{at}": Field(CategoryBins(tuple(f"c{n}" for n in range(98))), (1,) * 100)
        for at in range(121)
    }
    with pytest.raises(ProfileError, match="have 12100 bins with outputs; 12000 are the limit"):
        Profile(model="m", model_version="1", rows=100, features=fields, outputs={})


def test_a_profile_made_by_hand_is_checked_as_one_that_is_read() -> None:
    with pytest.raises(ProfileError, match="add up to 3"):
        Profile("m", "1", 4, {"a": Field(NumericBins(()), (1, 1, 1))}, {})
    for categories in (("a", "a"), ("missing",), ("other", "x")):
        bins = CategoryBins(categories)
        with pytest.raises(ProfileError, match='none is "missing" or "other"'):
            Profile("m", "1", len(bins.labels), {"a": Field(bins, (1,) * len(bins.labels))}, {})
    with pytest.raises(ProfileError, match="2 counts for 3 bins"):
        Profile("m", "1", 2, {"a": Field(NumericBins(()), (1, 1))}, {})
    with pytest.raises(ProfileError, match=r"positive\.output"):
        fraud(positive=Positive(output="none", threshold=0.5))


def test_the_schema_knows_what_the_reader_knows() -> None:
    schema = json.loads(
        resources.files("tidegate_probe").joinpath("profile.schema.json").read_text()
    )
    assert tuple(schema["properties"]) == documents._KEYS
    assert set(schema["properties"]) - set(schema["required"]) == set(documents._LEFT_OUT)
    assert schema["properties"]["format"]["const"] == documents.FORMAT
    assert schema["$defs"]["name"]["maxLength"] == documents.MAX_NAME
    assert schema["$defs"]["count"]["maximum"] == documents.MAX_ROWS
