from __future__ import annotations

import re

import pytest
from evidence_build import IDENTITY
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence.queries import substitution
from tidegate.evidence.queries.substitution import Unsafe
from tidegate.evidence.terms import Variable

VALUES = {
    **substitution.built_ins(IDENTITY, revision=IDENTITY.candidate, window_seconds=60),
    "plain": "a",
    "nasty": 'x"} or up{y="\\\n',
    "list": "a.b,c|d",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("up", "up"),
        ('up{a="${plain}"}', 'up{a="a"}'),
        ('up{a="${namespace}/${name}@${revision}"}', 'up{a="ml/iris@c0ffee0001"}'),
        ('up{a="${stableRevision}"}', 'up{a="5ab1e00001"}'),
        ('up{a="${service}"}', 'up{a="iris-c0ffee0001"}'),
        ('up{a="${nasty}"}', 'up{a="x\\"} or up{y=\\"\\\\\\n"}'),
        ('up{a=~"${list|regex}"}', 'up{a=~"a\\\\.b|c\\\\|d"}'),
        ('up{a=~"${podRegex}"}', 'up{a=~"iris-c0ffee0001-[0-9a-z]+-[0-9a-z]{5}"}'),
        ("rate(up[${window}])", "rate(up[60s])"),
        ('up{a="$${plain}"}', 'up{a="${plain}"}'),
        ("up{a='$${plain}'}", "up{a='${plain}'}"),
        ('up{a=~"x$"}', 'up{a=~"x$"}'),
        ('up{a="\\"${plain}"}', 'up{a="\\"a"}'),
        ('up{a="cost $5 ${plain}"}', 'up{a="cost $5 a"}'),
        ('up # "quoted\n + up{a="${plain}"}', 'up # "quoted\n + up{a="a"}'),
    ],
)
def test_variables_of_a_free_query(text: str, expected: str) -> None:
    assert substitution.in_query(text, values=VALUES) == expected


@pytest.mark.parametrize(
    "text",
    [
        "up{${plain}}",
        "${plain}",
        "$${plain}",
        "up{a='${plain}'}",
        "up{a=`${plain}`}",
        "up # ${plain}",
        'up{a="${window}"}',
        "up[${step}]",
        "up[${window}:10s]",
        'up{a="${unknown}"}',
        'up{a="${}"}',
        'up{a="${plain"}',
        'up{a="${plain|upper}"}',
        'up{a="${podRegex|regex}"}',
        'up{a="${plain}',
        "up # it's \"\n{a=${plain}}",
    ],
)
def test_variables_anywhere_else_are_refused(text: str) -> None:
    assert isinstance(substitution.in_query(text, values=VALUES), Unsafe)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5..", "5.."), ("${plain}-${list}", "a-a.b,c|d"), ("${list|regex}", "a\\.b|c\\|d")],
)
def test_variables_of_a_selector_value(text: str, expected: str) -> None:
    assert substitution.in_value(text, values=VALUES) == expected


def test_an_unknown_variable_of_a_selector_value_is_refused() -> None:
    assert substitution.in_value("${other}", values=VALUES) == Unsafe("unknown variable 'other'")


def test_used_names_the_variables() -> None:
    assert substitution.used('a{b="${x|regex}"}[${window}] $${y} ${z}') == {"x", "window", "z"}
    assert substitution.used("${} ${x}") == {"${} ${x}"}


@given(value=st.text(max_size=60))
def test_no_value_breaks_out_of_its_string(value: str) -> None:
    found = substitution.in_query('up{a="${value}"}', values={**VALUES, "value": value})

    assert isinstance(found, str)
    inside = found.removeprefix('up{a="').removesuffix('"}')
    assert not re.search(r'(?<!\\)(?:\\\\)*"', inside)
    assert "\n" not in inside
    unescaped = re.sub(
        r"\\(.)", lambda it: "\n" if it[1] == "n" else it[1], inside, flags=re.DOTALL
    )
    assert unescaped == value


@given(text=st.text(alphabet="ab$\\{}\"'`#[]|\nwindow", max_size=40))
def test_substitution_is_total(text: str) -> None:
    assert isinstance(substitution.in_query(text, values=VALUES), str | Unsafe)
    assert isinstance(substitution.in_value(text, values=VALUES), str | Unsafe)


@given(parts=st.lists(st.text(alphabet="a.+*?()|[]{}^$\\-_ é", min_size=1), min_size=1))
def test_a_quoted_regex_matches_exactly_its_text(parts: list[str]) -> None:
    pattern = "|".join(substitution.regex_quoted(part) for part in parts)

    assert all(re.fullmatch(pattern, part) for part in parts)


def test_given_values_and_defaults_are_bound() -> None:
    variables = (Variable(name="a"), Variable(name="b", default="x"), Variable(name="c"))

    assert substitution.bound(variables, given={"a": "1", "c": "2"}) == {
        "a": "1",
        "b": "x",
        "c": "2",
    }


@pytest.mark.parametrize(
    ("case", "variable", "given_values", "message"),
    [
        ("not declared", Variable(name="a", default="1"), {"b": "1"}, "'b' is not declared"),
        ("built in", Variable(name="revision"), {"revision": "1"}, "is set by the operator"),
        ("no value", Variable(name="a"), {}, "has no value"),
        ("too long", Variable(name="a"), {"a": "x" * 513}, "longer than 512"),
        ("not matching", Variable(name="a"), {"a": "sp ace"}, "does not match"),
        ("slow pattern", Variable(name="a", pattern="(a+)+"), {"a": "a"}, "one character class"),
        ("reserved set", Variable(name="a", pattern="[a||b]"), {"a": "a"}, "one character class"),
        (
            "broken pattern",
            Variable(name="a", pattern="[z-a]"),
            {"a": "a"},
            "no regular expression",
        ),
    ],
)
def test_a_value_that_cannot_be_used_says_why(
    case: str, variable: Variable, given_values: dict[str, str], message: str
) -> None:
    found = substitution.bound((variable,), given=given_values)

    assert isinstance(found, tuple), case
    assert message in found[0].message
