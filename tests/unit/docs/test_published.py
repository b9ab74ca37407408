"""What readers and package sites are told agrees with what is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

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
