"""Rules of the house that neither types nor import contracts can see."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidegate import model

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "operator" / "tidegate"
CLOCK = PACKAGE / "adapters" / "clock.py"
MODEL = PACKAGE / "model" / "__init__.py"
# Where a provider may be named: what users write, and the table of planes.
NAMES_PROVIDERS = {PACKAGE / "api" / "types.py", PACKAGE / "traffic" / "plane.py"}
PROVIDERS = {f"Provider.{provider.name}" for provider in model.Provider}
# Dotted names that only adapters/clock.py may use: time and chance enter through ports.
BANNED = {
    "asyncio.sleep",
    "datetime.now",
    "datetime.today",
    "datetime.utcnow",
    "uuid.uuid4",
    "numpy.random",
}
BANNED_MODULES = {"time", "random", "secrets"}
KUBERNETES_DOORS = {"kubernetes.aio.client", "kubernetes.aio.config", "kubernetes.aio"}


def sources() -> Iterator[Path]:
    return iter(sorted(PACKAGE.rglob("*.py")))


def dotted(node: ast.AST) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        parts.append(node.id)
    return ".".join(reversed(parts))


def imported_modules(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_operator_folder_does_not_shadow_the_standard_library() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()
    script = "import operator; print(operator.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert str(ROOT) not in found


@pytest.mark.parametrize("path", list(sources()), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_time_and_chance_enter_through_ports(path: Path) -> None:
    if path == CLOCK:
        return
    tree = ast.parse(path.read_text())
    used = {dotted(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not {name for name in used for ban in BANNED if name.endswith(ban)}
    roots = {module.split(".")[0] for module in imported_modules(tree)}
    assert not roots & BANNED_MODULES


@pytest.mark.parametrize("path", list(sources()), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nobody_else_asks_which_provider_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text())
    used = {dotted(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    named = {name for name in used if any(name.endswith(one) for one in PROVIDERS)}
    assert (not named) != (path in NAMES_PROVIDERS)


@pytest.mark.parametrize("path", list(sources()), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_public_parts_of_kopf_and_the_async_client_are_used(path: Path) -> None:
    modules = set(imported_modules(ast.parse(path.read_text())))
    assert not {name for name in modules if name.startswith("kopf._")}
    kubernetes = {name for name in modules if name.split(".")[0] == "kubernetes"}
    allowed = {
        n for n in kubernetes if any(n == d or n.startswith(d + ".") for d in KUBERNETES_DOORS)
    }
    assert kubernetes == allowed


def test_package_files_are_empty_but_for_those_that_gather_what_is_public() -> None:
    filled = {path for path in PACKAGE.rglob("__init__.py") if path.read_text()}
    assert filled == {PACKAGE / "__init__.py", MODEL, PACKAGE / "evidence" / "__init__.py"}


def test_the_package_of_the_model_only_passes_on_what_its_modules_define() -> None:
    # actions.SetTraffic, config_maps.named, fields.About
    by_their_own_names = {"actions", "config_maps", "fields", "objects"}
    docstring, *imports, names = ast.parse(MODEL.read_text()).body
    assert isinstance(docstring, ast.Expr)
    assert all(isinstance(it, ast.ImportFrom) for it in imports)
    assert isinstance(names, ast.Assign)
    assert [dotted(it) for it in names.targets] == ["__all__"]
    assert {it.module for it in imports if isinstance(it, ast.ImportFrom)} == {
        f"tidegate.model.{path.stem}"
        for path in MODEL.parent.glob("[!_]*.py")
        if path.stem not in by_their_own_names
    }


def test_no_other_test_shares_a_process_with_a_play() -> None:
    """A play remembers by identity what was read, and its data classes are light."""
    folders = ("unit", "integration", "chart", "support", "e2e")
    files = (path for name in folders for path in (ROOT / "tests" / name).rglob("*.py"))
    playing = {"tests.sim.run", "tests.sim.memo", "tests.sim.replica", "tests.sim.hunt"}
    sharing = {
        path.name for path in files if playing & set(imported_modules(ast.parse(path.read_text())))
    }
    assert not sharing
