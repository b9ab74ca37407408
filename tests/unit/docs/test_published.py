"""What readers and package sites are told agrees with what is there."""

from __future__ import annotations

import enum
import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from tidegate import model
from tidegate.api import types

ROOT = Path(__file__).parents[3]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / ".github").rglob("*.md"),
]
CHART: dict[str, Any] = yaml.safe_load((ROOT / "charts/tidegate/Chart.yaml").read_text())


def headings(page: Path) -> set[str]:
    """Anchors of a page, as they are made of its headings."""
    found = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in found)
    return {one.replace(" ", "-") for one in words}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        if anchor:
            assert anchor in headings(target), link


def test_the_readme_shows_the_smallest_example_as_it_is() -> None:
    example = (ROOT / "examples/smallest.yaml").read_text()
    body = example[example.index("apiVersion") :].rstrip()
    assert f"```yaml\n{body}\n```" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("phase", model.Phase)
def test_the_picture_shows_every_phase(phase: model.Phase) -> None:
    drawn = re.findall(r"<text[^>]*>([^<]*)", (ROOT / "docs/images/phases.svg").read_text())
    assert re.search(rf"\b{phase}\b", "\n".join(drawn))


@pytest.mark.parametrize("words", [model.Phase, model.Waiting, model.RolloutResult])
def test_the_reference_names_the_words_of_a_status(words: type[enum.StrEnum]) -> None:
    text = (ROOT / "docs/reference/modeldeployment.md").read_text()
    assert f"One of {', '.join(words)}." in text


def test_every_strategy_has_an_example_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    linked = [ROOT / it for it in re.findall(r"\]\((examples/[^)]+\.yaml)\)", text)]
    bodies = [body for path in linked for body in yaml.safe_load_all(path.read_text())]
    ours = [body["spec"] for body in bodies if body["kind"] == "ModelDeployment"]
    found = {spec.get("strategy", {}).get("type", "Canary") for spec in ours}
    assert found == set(get_args(types.Strategy.model_fields["type"].annotation))


@pytest.mark.parametrize("path", sorted((ROOT / "changelog.d").iterdir()), ids=lambda it: it.name)
def test_a_fragment_fits_into_the_changelog(path: Path) -> None:
    """Put together, fragments are one list beside this repository's other pages."""
    assert re.search(r"\.(added|changed|fixed|removed)\.md$", path.name)
    assert all(line.startswith(("- ", "  ")) for line in path.read_text().splitlines())
    for link in re.findall(r"\]\(([^)#\s]+)", path.read_text()):
        assert (ROOT / link).exists(), link


def test_one_kubernetes_minimum_everywhere() -> None:
    minimum = re.fullmatch(r">=(\d+\.\d+)\.0-0", CHART["kubeVersion"])
    assert minimum is not None
    for page in ("README.md", "docs/support.md"):
        text = (ROOT / page).read_text()
        assert f"{minimum[1]} " in text, page
        assert not re.findall(r"Kubernetes 1\.(?!31|34)\d+", text), page


def test_artifact_hub_is_told_every_kind() -> None:
    listed = yaml.safe_load(CHART["annotations"]["artifacthub.io/crds"])
    crds = [yaml.safe_load(path.read_text()) for path in (ROOT / "crds").glob("*.yaml")]
    assert {(one["kind"], one["name"]) for one in listed} == {
        (crd["spec"]["names"]["kind"], crd["metadata"]["name"]) for crd in crds
    }


def test_the_image_says_what_it_is() -> None:
    text = (ROOT / "Dockerfile").read_text()
    for name in ("source", "version", "revision", "licenses", "title", "base.name"):
        assert f"org.opencontainers.image.{name}=" in text
