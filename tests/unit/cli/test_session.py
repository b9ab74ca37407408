from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tidegate.api import documents
from tidegate.cli import session
from tidegate.cli.outcome import CliError


def config(current: str = "", **namespaces: str) -> dict[str, Any]:
    """A kubeconfig with these contexts and their namespaces."""
    return {
        "current-context": current,
        "contexts": [
            {"name": name, "context": {"cluster": "c", "user": "u", "namespace": namespace}}
            for name, namespace in namespaces.items()
        ],
    }


def save(folder: Path, name: str, document: object) -> str:
    path = folder / name
    path.write_text(documents.dump(document))
    return str(path)


def locate(environ: dict[str, str], **flags: str) -> session.Place:
    return session.locate(environ, **({"kubeconfig": "", "context": "", "namespace": ""} | flags))


def test_the_current_context_of_the_kubeconfig_counts(tmp_path: Path) -> None:
    file = save(tmp_path, "a", config("dev", dev="ml", prod="live"))
    assert locate({"KUBECONFIG": file}) == session.Place(
        kubeconfig=file, context="dev", namespace="ml"
    )


def test_flags_go_before_everything(tmp_path: Path) -> None:
    file = save(tmp_path, "a", config("dev", dev="ml", prod="live"))
    wanted = {"kubeconfig": file, "context": "prod", "namespace": "mine"}
    assert locate({"KUBECONFIG": "/absent"}, **wanted) == session.Place(**wanted)


def test_a_named_context_brings_its_own_namespace(tmp_path: Path) -> None:
    file = save(tmp_path, "a", config("dev", dev="ml", prod="live"))
    assert locate({"KUBECONFIG": file}, context="prod").namespace == "live"


@pytest.mark.parametrize("entry", [{"name": "dev", "context": {}}, {"name": "dev"}])
def test_without_a_namespace_it_is_default(entry: dict[str, Any], tmp_path: Path) -> None:
    file = save(tmp_path, "a", {"current-context": "dev", "contexts": [entry]})
    assert locate({"KUBECONFIG": file}).namespace == "default"


def test_of_several_files_the_first_that_says_something_counts(tmp_path: Path) -> None:
    silent = save(tmp_path, "a", config("", dev="first"))
    first = save(tmp_path, "b", config("dev", dev="second"))
    second = save(tmp_path, "c", config("prod", prod="third"))
    files = f"{silent}::/absent:{first}:{second}"
    place = locate({"KUBECONFIG": files})
    assert place == session.Place(kubeconfig=files, context="dev", namespace="first")
    assert locate({"KUBECONFIG": files}, context="prod").namespace == "third"


def test_without_any_hint_the_file_in_the_home_folder_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    (tmp_path / ".kube").mkdir()
    file = save(tmp_path / ".kube", "config", config("dev", dev="ml"))
    assert locate({}) == session.Place(kubeconfig=file, context="dev", namespace="ml")


@pytest.mark.parametrize(
    ("document", "flags", "said"),
    [
        (config("dev", dev="ml"), {"context": "x"}, "no context x: .*known: dev"),
        (config("x", dev="ml"), {}, "no context x"),
        (config("", dev="ml"), {}, "no context is current: name one by --context"),
        (config(""), {}, "known: none"),
        ({"contexts": "none"}, {}, "no context is current"),
        ({"current-context": "dev", "contexts": [7]}, {}, "no context dev"),
        ([1], {}, "is no kubeconfig"),
    ],
)
def test_an_unusable_kubeconfig_gets_one_sentence(
    document: object, flags: dict[str, str], said: str, tmp_path: Path
) -> None:
    file = save(tmp_path, "a", document)
    with pytest.raises(CliError, match=said):
        locate({"KUBECONFIG": file}, **flags)


def test_a_kubeconfig_that_is_no_yaml_or_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("a: [")
    for file in (tmp_path / "broken", tmp_path):
        with pytest.raises(CliError, match=f"cannot read kubeconfig {file}"):
            locate({"KUBECONFIG": str(file)})


def test_no_kubeconfig_at_all_says_how_to_name_one() -> None:
    with pytest.raises(CliError, match="there is no kubeconfig at /absent: name one"):
        locate({"KUBECONFIG": "/absent"})
