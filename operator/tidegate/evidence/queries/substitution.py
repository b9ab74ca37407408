"""Variables in selectors and free queries: where they may stand and how they are escaped.

A tenant chooses values, so a value that broke out of its string would read other tenants' series.
Source: api.md, 8.2, rules 1 and 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tidegate.evidence.terms import Identity, Variable

MAX_VALUE_LENGTH = 512
WINDOW = "window"
BUILT_IN = frozenset(
    {"namespace", "name", "revision", "stableRevision", "podRegex", "service", WINDOW}
)

_REGEX_META = re.compile(r"([\\.+*?()|\[\]{}^$])")
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]{0,62})(\|regex)?\}")
# One class of characters and how often: such a pattern cannot take exponential time.
# Doubled operators inside a class are reserved by Python for set arithmetic.
_PATTERN = re.compile(
    r"(?!.*(?:--|&&|~~|\|\|))\[(?:[^\[\]\\]|\\.)+\](?:\{\d{1,3}(?:,\d{0,3})?\}|\+|\*)?"
)
# What a query consists of, as far as placing variables goes; the last alternative eats the rest.
_TOKEN = re.compile(
    r"""(?P<double>"(?:[^"\\]|\\.)*")"""
    r"""|(?P<other>'(?:[^'\\]|\\.)*'|`[^`]*`|\#[^\n]*)"""
    r"""|(?P<range>\[\$\{window\}\])"""
    r"""|(?P<text>.)""",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Unsafe:
    """Why a text with variables is refused."""

    message: str


def built_ins(identity: Identity, *, revision: str, window_seconds: int) -> dict[str, str]:
    """Values of the operator's own variables for the revision that is read."""
    pods = f"{regex_quoted(f'{identity.name}-{revision}')}-[0-9a-z]+-[0-9a-z]{{5}}"
    return {
        "namespace": identity.namespace,
        "name": identity.name,
        "revision": revision,
        "stableRevision": identity.stable,
        "podRegex": pods,
        "service": f"{identity.name}-{revision}",
        WINDOW: f"{window_seconds}s",
    }


def in_value(text: str, *, values: Mapping[str, str]) -> str | Unsafe:
    """Replace the variables of a selector's value; the caller quotes the whole for PromQL."""
    parts: list[str] = []
    for literal, name, regex in _pieces(text):
        parts.append(literal)
        if name:
            value = _value(name, regex=regex, values=values)
            if isinstance(value, Unsafe):
                return value
            parts.append(value)
    return "".join(parts)


def in_query(text: str, *, values: Mapping[str, str]) -> str | Unsafe:
    """Replace the variables of a free query: in double-quoted strings, and `[${window}]`."""
    parts: list[str] = []
    for token in _TOKEN.finditer(text):
        part: str | Unsafe = token.group()
        match token.lastgroup:
            case "double":
                part = _in_string(token.group()[1:-1], values=values)
            case "range":
                part = f"[{values[WINDOW]}]"
            case "other":
                part = in_value(token.group(), values={})
            case _ if text.startswith("${", token.start()):
                part = Unsafe("${...} may stand only inside a double-quoted string or [${window}]")
        if isinstance(part, Unsafe):
            return part
        parts.append(part)
    return "".join(parts)


def used(text: str) -> frozenset[str]:
    """Names of the variables that a text refers to."""
    return frozenset(name for _, name, _ in _pieces(text) if name)


def quoted(text: str) -> str:
    """A PromQL string literal."""
    return f'"{_escaped(text)}"'


def regex_quoted(text: str) -> str:
    """Text that RE2 matches literally."""
    return _REGEX_META.sub(r"\\\1", text)


def bound(
    variables: tuple[Variable, ...], *, given: Mapping[str, str]
) -> dict[str, str] | tuple[Unsafe, ...]:
    """Values of the declared variables, checked against their patterns."""
    declared = {variable.name: variable for variable in variables}
    problems = [
        Unsafe(f"variable {name!r} is not declared")
        for name in sorted(given)
        if name not in declared
    ]
    values: dict[str, str] = {}
    for name, variable in declared.items():
        value = _accepted(variable, value=given.get(name, variable.default))
        if isinstance(value, Unsafe):
            problems.append(value)
        else:
            values[name] = value
    return tuple(problems) or values


def _accepted(variable: Variable, *, value: str | None) -> str | Unsafe:
    name = variable.name
    if name in BUILT_IN:
        return Unsafe(f"variable {name!r} is set by the operator")
    if value is None:
        return Unsafe(f"variable {name!r} has no value")
    if len(value) > MAX_VALUE_LENGTH:
        return Unsafe(f"variable {name!r} is longer than {MAX_VALUE_LENGTH} characters")
    if not _PATTERN.fullmatch(variable.pattern):
        return Unsafe(
            f"the pattern of variable {name!r} must be one character class with a count, "
            "such as [A-Za-z0-9_]{1,64}"
        )
    try:
        matches = re.fullmatch(variable.pattern, value)
    except re.error as error:
        return Unsafe(f"the pattern of variable {name!r} is no regular expression: {error}")
    return value if matches else Unsafe(f"variable {name!r} does not match {variable.pattern}")


def _in_string(content: str, *, values: Mapping[str, str]) -> str | Unsafe:
    parts = ['"']
    for literal, name, regex in _pieces(content):
        parts.append(literal)
        if name:
            value = _value(name, regex=regex, values=values)
            if isinstance(value, Unsafe):
                return value
            parts.append(_escaped(value))
    return "".join([*parts, '"'])


def _pieces(text: str) -> Iterator[tuple[str, str, bool]]:
    """Literal text, then the variable after it: (literal, name or "", wants a regex).

    A malformed reference comes out as a variable named like itself, which nobody declares.
    """
    literal, position = "", 0
    while (found := text.find("$", position)) >= 0:
        literal += text[position:found]
        position = found + 1
        if text.startswith("$${", found):
            literal, position = literal + "${", found + 3
        elif text.startswith("${", found):
            reference = _REFERENCE.match(text, found)
            if reference is None:
                yield literal, text[found : found + 32], False
                return
            yield literal, reference[1], bool(reference[2])
            literal, position = "", reference.end()
        else:
            literal += "$"
    yield literal + text[position:], "", False


def _value(name: str, *, regex: bool, values: Mapping[str, str]) -> str | Unsafe:
    if name == WINDOW:
        return Unsafe("${window} may stand only as a range: [${window}]")
    if name not in values:
        return Unsafe(f"unknown variable {name!r}")
    if not regex:
        return values[name]
    if name == "podRegex":
        return Unsafe("podRegex is a finished regular expression, write ${podRegex}")
    return "|".join(regex_quoted(part) for part in values[name].split(","))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
