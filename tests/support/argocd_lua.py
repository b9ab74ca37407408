"""Argo CD's Lua, as far as scripts in argocd-cm may use it: LuaJIT with base functions and table.

Source: argo-cd, util/lua/lua.go: no string and no math, of os only time and date.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from lupa import luajit21

ROOT = Path(__file__).resolve().parents[2]
KIND = ROOT / "examples/argocd/resource_customizations/tidegate.dev/ModelDeployment"
_RESTRICT = """
getmetatable("").__index = nil
os = {time = os.time, date = os.date}
string, math, io, debug, coroutine, bit, jit, ffi, python = nil
"""


class PlainTimes(yaml.SafeLoader):
    """YAML as Argo CD reads it: a time is a text."""


PlainTimes.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def loaded(path: Path) -> dict[str, Any]:
    """A document whose times stay texts."""
    document: dict[str, Any] = yaml.load(path.read_text(), Loader=PlainTimes)
    return document


def health(obj: dict[str, Any], *, script: str | None = None) -> dict[str, Any]:
    """What the script says of the health of an object."""
    found: dict[str, Any] = run(script or (KIND / "health.lua").read_text(), obj)
    return found


def actions(obj: dict[str, Any], *, script: str | None = None) -> dict[str, dict[str, Any]]:
    """The actions that the script offers, by name."""
    found: dict[str, Any] = run(script or (KIND / "actions/discovery.lua").read_text(), obj)
    return found


def acted(name: str, obj: dict[str, Any], *, script: str | None = None) -> dict[str, Any]:
    """The object after an action."""
    found: dict[str, Any] = run(
        script or (KIND / "actions" / name / "action.lua").read_text(), copy.deepcopy(obj)
    )
    return found


def run(script: str, obj: dict[str, Any]) -> Any:
    """What a script returns for an object, in Python's types."""
    lua = luajit21.LuaRuntime(unpack_returned_tuples=True)
    lua.execute(_RESTRICT)
    lua.globals().obj = _to_lua(lua, obj)
    return _from_lua(lua.execute(script))


def _to_lua(lua: Any, value: Any) -> Any:
    match value:
        case dict():
            return lua.table_from({k: _to_lua(lua, v) for k, v in value.items() if v is not None})
        case list():
            return lua.table_from([_to_lua(lua, v) for v in value])
    return value


def _from_lua(value: Any) -> Any:
    if luajit21.lua_type(value) != "table":
        return value
    keys = list(value.keys())
    if keys and all(isinstance(key, int) for key in keys):
        return [_from_lua(value[key]) for key in sorted(keys)]
    return {key: _from_lua(value[key]) for key in keys}
