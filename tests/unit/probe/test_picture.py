"""A profile drawn as one page."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from probe_examples import NAMED, fraud

from tidegate_probe import Profile
from tidegate_probe.bins import CategoryBins, NumericBins
from tidegate_probe.fields import Field

VOID = {"meta", "i", "rect"}


class Page(HTMLParser):
    """Elements that are open, and what is told."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.titles: list[str] = []
        self.widths: dict[str, float] = {}
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        self.tags.add(tag)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []
        if "title" in found:
            self.titles.append(found["title"])
        if tag == "i" and "style" in found:
            self.widths[self.titles[-1]] = float(found["style"].removeprefix("width:")[:-1])
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.tags.add(tag)


def with_features(**features: Field) -> Profile:
    rows = sum(next(iter(features.values())).counts)
    return Profile(model="m", model_version="1", rows=rows, features=features, outputs={})


def test_every_bin_is_told_with_its_rows() -> None:
    page = Page(fraud().to_html())
    assert not page.open
    assert {
        "to 0.5: 30 rows, 30.0 %",
        "0.5 to 2: 30 rows, 30.0 %",
        "above 2: 37 rows, 37.0 %",
        "missing: 3 rows, 3.0 %",
        "other: 0 rows, 0 %",
        "DE: 40 rows, 40.0 %",
        "above 0.9: 10 rows, 10.0 %",
    } <= set(page.titles)
    assert len(page.titles) == sum(
        len(field.counts) for field in (*fraud().features.values(), *fraud().outputs.values())
    )


def test_bars_are_as_long_as_their_shares() -> None:
    widths = Page(
        with_features(a=Field(CategoryBins(("x", "y")), (80, 20, 0, 100))).to_html()
    ).widths
    assert widths == {
        "x: 80 rows, 40.0 %": 80.0,
        "y: 20 rows, 10.0 %": 20.0,
        "missing: 0 rows, 0 %": 0.0,
        "other: 100 rows, 50.0 %": 100.0,
    }


def test_the_head_says_what_it_is() -> None:
    text = re.sub(r"<[^>]+>", " ", fraud().to_html())
    assert "fraud v7" in text
    assert "100 rows · 2 features · 2 outputs" in text
    assert fraud().digest[:12] in text
    assert "positive where score from 0.5 on" in text
    assert "positive where class is fraud" in fraud(positive=NAMED).to_html()


def test_it_needs_nothing_from_elsewhere() -> None:
    page = fraud().to_html()
    assert not re.search(r"https?:|//|url\(|@import|<script|<link", page)


def test_names_are_text() -> None:
    name = "<script>alert('1')</script> & \"x\""
    page = with_features(**{name: Field(CategoryBins((name,)), (100, 0, 0))}).to_html()
    parsed = Page(page)
    assert "script" not in parsed.tags
    assert f"{name}: 100 rows, 100.0 %" in parsed.titles


@pytest.mark.parametrize(
    ("field", "told"),
    [
        (Field(NumericBins((1.0,)), (50, 25, 25, 0)), "missing in 25.0 % of the rows"),
        (Field(CategoryBins(("x",)), (90, 0, 10)), "10.0 % of the rows are in no bin of their own"),
        (Field(NumericBins((1.0, 2.0)), (1, 97, 2, 0, 0)), "97.0 % of the rows are in one bin"),
        (Field(NumericBins(()), (100, 0, 0)), "one bin: it cannot tell a change"),
        (Field(NumericBins(()), (0, 100, 0)), "missing in 100.0 % of the rows"),
        (Field(NumericBins((1.0, 2.0)), (10, 50, 40, 0, 0)), ""),
    ],
)
def test_what_is_worth_a_look(field: Field, told: str) -> None:
    page = Page(text := with_features(a=field).to_html())
    assert ("Worth a look" in text) == bool(told)
    assert told in text
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert bool(page.links) == bool(told)


def test_many_categories_fold_away() -> None:
    names = tuple(f"c{at:02}" for at in range(50))
    counts = tuple(range(1, 51))
    page = with_features(a=Field(CategoryBins(names), (*counts, 0, 0))).to_html()
    head, _, folded = page.partition("<details>")
    assert "c49:" in head
    assert "c38:" in head
    assert "c37:" not in head
    assert "c37:" in folded
    assert f"38 more, {100 * sum(counts[:38]) / sum(counts):.1f} % of the rows" in folded


def test_the_shape_shows_rows_per_unit() -> None:
    """Two bins of equal counts, one ten times as wide: a tenth as high."""
    bins = NumericBins((0.0, 1.0, 11.0))
    page = with_features(a=Field(bins, (0, 50, 50, 0, 0, 0))).to_html()
    heights = [float(it) for it in re.findall(r'<rect[^>]* height="([\d.]+)"', page)]
    widths = [float(it) for it in re.findall(r'<rect[^>]* width="([\d.]+)"', page)]
    assert heights == pytest.approx([30, 3])
    assert widths == pytest.approx([100 / 11, 1000 / 11], abs=0.01)


@pytest.mark.parametrize("edges", [(), (1.0,), (-1.7e308, 0.0, 1.7e308)])
def test_numbers_without_a_shape(edges: tuple[float, ...]) -> None:
    field = Field(NumericBins(edges), (100, *[0] * (len(edges) + 2)))
    assert "<svg" not in with_features(a=field).to_html()
