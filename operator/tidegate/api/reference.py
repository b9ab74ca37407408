"""The reference pages of our kinds, from the same types as the CRDs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tidegate.api import crdgen, durations, schema

_HEAD = "| Field | Type | Default | Limits | Meaning |\n|---|---|---|---|---|\n"
_LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "maxLength": "at most {} characters",
    "minItems": "at least {} item(s)",
    "maxItems": "at most {} items",
    "maxProperties": "at most {} entries",
}


def reference_pages() -> dict[str, str]:
    """File name to Markdown text, one page per kind; equal input gives equal bytes."""
    return {f"{it.kind.lower()}.md": _page(it) for it in crdgen.DEFINITIONS}


def write(folder: Path) -> None:
    """Write the pages into a folder that exists."""
    for name, text in reference_pages().items():
        (folder / name).write_text(text, encoding="utf-8")


def _page(definition: crdgen.Definition) -> str:
    scope = "namespace" if definition.resource.namespaced else "cluster"
    intro = (
        f"{definition.purpose} API version `{crdgen.GROUP}/{crdgen.VERSION}`, scope {scope}, "
        f"short name `{definition.short_name}`.\n\n"
        "Generated from the types of the operator: change those and run `make generate`.\n"
    )
    parts = [
        f"# {definition.kind}\n",
        intro,
        f"## spec\n\n{_HEAD}{_table(definition.spec, 'spec')}",
        f"## Rules\n\n{_rules(definition)}",
    ]
    if definition.status:
        parts.append(f"## status\n\n{_HEAD}{_table(definition.status, 'status')}")
    return "\n".join(parts)


def _table(document: dict[str, Any], path: str) -> str:
    return "".join(
        f"| `{where}` | {_type(node)}{', required' if required else ''} "
        f"| {_escaped(crdgen.default_text(node))} | {_escaped(_limits(node))} "
        f"| {_escaped(node.get('description', ''))} |\n"
        for where, node, required in _fields(document, path)
    )


def _rules(definition: crdgen.Definition) -> str:
    found = [
        (where, str(rule["message"]))
        for where, node, _ in _fields(definition.spec, "spec")
        for rule in node.get(schema.VALIDATIONS, [])
        if node.get("type") == "object"
    ]
    found += [("on update", str(rule["message"])) for rule in definition.validations]
    return "".join(f"- `{where}`: {message}\n" for where, message in found)


def _fields(document: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any], bool]]:
    definitions = document.get("$defs", {})
    waiting = [(path, document, True)]
    while waiting:
        where, raw, required = waiting.pop()
        node = crdgen.resolved(raw, definitions=definitions)
        yield where, node, required
        waiting.extend(reversed(list(_members(where, node, definitions=definitions))))


def _members(
    where: str, node: dict[str, Any], *, definitions: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any], bool]]:
    items = crdgen.resolved(node.get("items", {}), definitions=definitions)
    if items.get("type") == "object":
        yield f"{where}[]", items, False
    for name, member in node.get("properties", {}).items():
        yield f"{where}.{name}", member, name in node.get("required", [])


def _type(node: dict[str, Any]) -> str:
    if "enum" in node or "const" in node:
        return "enum"
    if node.get("pattern") == durations.PATTERN:
        return "duration"
    if node.get("format") == "date-time":
        return "time"
    names = {"array": "list", "boolean": "bool", "object": "object"}
    return names.get(node["type"], str(node["type"]))


def _limits(node: dict[str, Any]) -> str:
    values = node.get("enum", [node["const"]] if "const" in node else [])
    limits = ["one of " + ", ".join(f"`{it}`" for it in values)] if values else []
    limits += [text.format(node[key]) for key, text in _LIMITS.items() if key in node]
    if node.get("pattern") == durations.PATTERN:
        rules = node.get(schema.VALIDATIONS, [])
        return "; ".join(_range(str(rule["message"])) for rule in rules)
    if "pattern" in node:
        limits.append(f"matches `{node['pattern']}`")
    return ", ".join(limits)


def _range(message: str) -> str:
    return message.removeprefix("must be a duration ").partition(",")[0]


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
