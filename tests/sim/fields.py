"""Who owns which field: server-side apply and JSON Patch on immutable documents.

Documents are never changed in place, so every reply, event and snapshot may share them. Lists are
atomic but for finalizers and owner references, as in the kinds that Tidegate writes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Object = dict[str, Any]
Path = tuple[str, ...]
Owner = tuple[str, str, str]  # manager, operation, subresource
Managed = dict[Owner, frozenset[Path]]

_REMEMBERED = 256
_SERVER_FIELDS = frozenset(
    {
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "managedFields",
    }
)
_KEYED_LISTS = frozenset({("metadata", "finalizers"), ("metadata", "ownerReferences")})


class PatchFailedError(Exception):
    """A `test` failed or a path does not exist."""


class FieldConflictError(Exception):
    """Somebody else owns these fields."""


def leaves(body: Mapping[str, Any], *, within: Iterable[str]) -> dict[Path, Any]:
    """Every owned field with its value; empty objects count as fields of their own."""
    found: dict[Path, Any] = {}
    for member in within:
        if member in body:
            found.update(_leaves_of(member, body[member]))
    return found


_known: OrderedDict[tuple[str, int], tuple[Any, dict[Path, Any]]] = OrderedDict()


def _leaves_of(member: str, value: Any) -> dict[Path, Any]:
    """Documents are shared and never change, so the fields of the newest ones are remembered."""
    key = (member, id(value))
    known = _known.get(key)
    if known is None:
        found: dict[Path, Any] = {}
        _walk(value, (member,), found)
        known = _known[key] = (value, found)  # the value stays, so that nothing else gets its id
        if len(_known) > _REMEMBERED:
            _known.popitem(last=False)
    return known[1]


def _walk(value: Any, path: Path, found: dict[Path, Any]) -> None:
    if isinstance(value, dict) and value:
        skipped = _SERVER_FIELDS if path == ("metadata",) else ()
        for key, item in value.items():
            if key in skipped:
                continue
            if isinstance(item, dict | list):
                _walk(item, (*path, key), found)
            else:
                found[*path, key] = item
    elif path in _KEYED_LISTS:
        for item in value:
            found[*path, _item_key(item)] = item
    else:
        found[path] = value


def _item_key(item: Any) -> str:
    return str(item["uid"]) if isinstance(item, dict) else str(item)


def applied(
    live: Object,
    config: Mapping[str, Any],
    *,
    managed: Managed,
    owner: Owner,
    members: Iterable[str],
    force: bool,
) -> tuple[Object, Managed]:
    """The object after a server-side apply, and who owns what then.

    Errors: FieldConflictError when another owner holds a field with another value, without force.
    """
    wanted = leaves(config, within=members)
    have = leaves(live, within=members)
    disputed = {
        path
        for other, paths in managed.items()
        if other != owner
        for path in _touched(paths, wanted)
        if have.get(path) != wanted.get(path)
    }
    if disputed and not force:
        raise FieldConflictError(", ".join(sorted(".".join(path) for path in disputed)))
    rest = {
        other: frozenset(p for p in paths if p not in disputed)
        for other, paths in managed.items()
        if other != owner
    }
    held = frozenset().union(*rest.values()) if rest else frozenset()
    body = live
    for path in managed.get(owner, frozenset()):
        if path not in wanted and path not in held:
            body = without(body, path)
    for path, value in wanted.items():
        if have.get(path, _ABSENT) != value:
            body = with_value(body, path, value)
    rest[owner] = frozenset(wanted)
    return body, {other: paths for other, paths in rest.items() if paths}


_ABSENT = object()


def _touched(paths: frozenset[Path], wanted: Mapping[Path, Any]) -> list[Path]:
    return [path for path in paths if path in wanted]


def after_update(old: Object, new: Object, *, managed: Managed, owner: Owner) -> Managed:
    """Who owns what after a plain write: its author owns every field that it changed."""
    members = [m for m in dict.fromkeys((*new, *old)) if old.get(m) is not new.get(m)]
    before, after = leaves(old, within=members), leaves(new, within=members)
    changed = {path for path, value in after.items() if before.get(path, _ABSENT) != value}
    gone = before.keys() - after.keys()
    result = {other: paths - changed - gone for other, paths in managed.items()}
    result[owner] = result.get(owner, frozenset()) | changed
    return {other: paths for other, paths in result.items() if paths}


def with_value(body: Any, path: Path, value: Any) -> Any:
    """A copy with one field set."""
    return _with_value(body, path, 0, value)


def _with_value(body: Any, path: Path, depth: int, value: Any) -> Any:
    key = path[depth]
    if path[:depth] in _KEYED_LISTS:
        others = [item for item in body or [] if _item_key(item) != key]
        return [*others, value]
    copy = dict(body) if isinstance(body, dict) else {}
    last = depth == len(path) - 1
    copy[key] = value if last else _with_value(copy.get(key), path, depth + 1, value)
    return copy


def without(body: Any, path: Path) -> Any:
    """A copy with one field removed."""
    return _without(body, path, 0)


def _without(body: Any, path: Path, depth: int) -> Any:
    key = path[depth]
    if path[:depth] in _KEYED_LISTS:
        return [item for item in body or [] if _item_key(item) != key]
    if not isinstance(body, dict) or key not in body:
        return body
    copy = dict(body)
    if depth == len(path) - 1:
        del copy[key]
        return copy
    copy[key] = _without(copy[key], path, depth + 1)
    if copy[key] in ({}, []):
        del copy[key]
    return copy


def patched(body: Object, operations: Sequence[Mapping[str, Any]]) -> Object:
    """The object after a JSON Patch. Errors: PatchFailedError; nothing is changed then."""
    for operation in operations:
        tokens = [
            token.replace("~1", "/").replace("~0", "~")
            for token in operation["path"].split("/")[1:]
        ]
        if operation["op"] == "test":
            if _at(body, tokens) != operation["value"]:
                raise PatchFailedError(f"testing value {operation['path']} failed")
        else:
            body = _changed(body, tokens, operation)
    return body


def _at(node: Any, tokens: list[str]) -> Any:
    for token in tokens:
        if isinstance(node, dict) and token in node:
            node = node[token]
        elif isinstance(node, list) and token.isdecimal() and int(token) < len(node):
            node = node[int(token)]
        else:
            raise PatchFailedError(f"no value at {token}")
    return node


def _changed(node: Any, tokens: list[str], operation: Mapping[str, Any]) -> Any:
    head, rest = tokens[0], tokens[1:]
    if isinstance(node, list):
        return _changed_list(node, head, rest, operation)
    if not isinstance(node, dict) or (head not in node and (rest or operation["op"] != "add")):
        raise PatchFailedError(f"no value at {head}")
    copy = dict(node)
    if rest:
        copy[head] = _changed(copy[head], rest, operation)
    elif operation["op"] == "remove":
        del copy[head]
    else:
        copy[head] = operation["value"]
    return copy


def _changed_list(
    node: list[Any], head: str, rest: list[str], operation: Mapping[str, Any]
) -> list[Any]:
    index = len(node) if head == "-" else int(head)
    if index > len(node) or (index == len(node) and (rest or operation["op"] != "add")):
        raise PatchFailedError(f"no item {head}")
    if rest:
        return [*node[:index], _changed(node[index], rest, operation), *node[index + 1 :]]
    if operation["op"] == "add":
        return [*node[:index], operation["value"], *node[index:]]
    tail = node[index + 1 :]
    return (
        [*node[:index], *tail]
        if operation["op"] == "remove"
        else [*node[:index], operation["value"], *tail]
    )
