"""Reading and writing YAML: the only user of pyyaml.

Kubernetes reads YAML as JSON. The loader follows it where PyYAML does not: `1e-3` is a number, a
date is a text, `1:30` is a text, and a key may stand only once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import yaml

Resolvers = dict[str, list[tuple[str, re.Pattern[str]]]]

_MAX_NODES = 200_000  # aliases of aliases grow without bound; no manifest comes near this

_TAG = "tag:yaml.org,2002:"
_JSON_TAGS = {
    f"{_TAG}{it}" for it in ("map", "seq", "str", "int", "float", "bool", "null", "merge")
}
_REPLACED = {f"{_TAG}{it}" for it in ("float", "int", "timestamp", "value")}
_FLOAT = re.compile(r"^[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?$")
_INT = re.compile(r"^[-+]?(0|[1-9][0-9_]*|0o?[0-7]+|0b[01]+|0x[0-9a-fA-F]+)$")
_SHORT_BOOL = re.compile(r"^[yYnN]$")


class DocumentError(ValueError):
    """A text that is no YAML, or YAML that is no JSON; the message names the line."""


def _resolvers() -> Resolvers:
    inherited = yaml.SafeLoader.yaml_implicit_resolvers
    kept = {
        first: [(tag, regexp) for tag, regexp in entries if tag not in _REPLACED]
        for first, entries in inherited.items()
    }
    for first in "-+.0123456789":
        kept.setdefault(first, []).append((f"{_TAG}int", _INT))
        kept[first].append((f"{_TAG}float", _FLOAT))
    return kept


def _all_resolvers() -> Resolvers:
    """What any YAML reader of the Kubernetes world may take for something other than a text."""
    result = _resolvers()
    for first, entries in yaml.SafeDumper.yaml_implicit_resolvers.items():
        result.setdefault(first, []).extend(entries)
    for first in "yYnN":
        result[first].append((f"{_TAG}bool", _SHORT_BOOL))
    return result


class _Loader(yaml.SafeLoader):
    """Safe types only, spelled as Kubernetes spells them."""

    yaml_implicit_resolvers = _resolvers()

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        """A mapping whose keys are texts that stand once."""
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise DocumentError(f"line {key.start_mark.line + 1}: a key must be a text")
            if key.value in seen:
                raise DocumentError(f"line {key.start_mark.line + 1}: {key.value} is given twice")
            seen.add(key.value)
        return {str(key): value for key, value in super().construct_mapping(node, deep).items()}


class _Dumper(yaml.SafeDumper):
    """Quotes whatever the loader would not read as a text."""

    yaml_implicit_resolvers = _all_resolvers()

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        """Write repetitions in full."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """Indent the items of lists below their key."""
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar(f"{_TAG}str", value, style=style)


_Dumper.add_representer(str, _text)


def load_all(text: str) -> list[Any]:
    """All documents of a text as decoded JSON; empty ones are left out.

    Errors: DocumentError for anything that is not JSON spelled as YAML.
    """
    try:
        return [document for document in _documents(_Loader(text)) if document is not None]
    except DocumentError:
        raise
    except RecursionError as error:
        raise DocumentError("nested too deeply") from error
    except (yaml.YAMLError, ValueError) as error:
        raise DocumentError(_sentence(error)) from error


def load(text: str) -> Any:
    """The one document of a text, `None` where it is empty.

    Errors: DocumentError also for several documents.
    """
    documents = load_all(text)
    if len(documents) > 1:
        raise DocumentError(f"one document expected, {len(documents)} given")
    return documents[0] if documents else None


def dump(document: Any) -> str:
    """A document as YAML, keys in their given order; `load` reads it back unchanged."""
    return yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True, indent=2
    )


def _documents(loader: _Loader) -> Iterable[Any]:
    while loader.check_node():
        node = loader.get_node()
        assert node is not None  # check_node has just said so
        _measure(node, sizes={}, open_nodes=set())
        yield loader.construct_document(node)


def _measure(node: yaml.Node, *, sizes: dict[int, int], open_nodes: set[int]) -> int:
    """Number of nodes once all aliases are written out; an alias into itself is an error."""
    if id(node) in sizes:
        return sizes[id(node)]
    if node.tag not in _JSON_TAGS:
        raise DocumentError(f"line {node.start_mark.line + 1}: {node.tag} is no JSON type")
    if id(node) in open_nodes:
        raise DocumentError(f"line {node.start_mark.line + 1}: an alias contains itself")
    open_nodes.add(id(node))
    size = 1
    for child in _children(node):
        size += _measure(child, sizes=sizes, open_nodes=open_nodes)
        if size > _MAX_NODES:
            raise DocumentError(f"line {node.start_mark.line + 1}: too many aliases")
    open_nodes.discard(id(node))
    sizes[id(node)] = size
    return size


def _children(node: yaml.Node) -> list[yaml.Node]:
    match node:
        case yaml.SequenceNode():
            return list(node.value)
        case yaml.MappingNode():
            return [child for pair in node.value for child in pair]
        case _:
            return []


def _sentence(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return str(error)
