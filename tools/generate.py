"""Writes every file that is made from code, or says which ones are stale.

One table maps paths to texts; a file in a generated folder that is not in the table is stale too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from tools import admission, argocd, dashboards, includes, metrics_reference

from tidegate.api import crdgen, preset_reference, reference
from tidegate.cli import main as cli

ROOT = Path(__file__).resolve().parent.parent
# Pages and manifests that show a file of ours between marks.
INCLUDING = (Path("docs/how-to/prometheus.md"), Path("tests/cluster/manifests/prometheus.yaml"))
GENERATED_FOLDERS = (
    Path("crds"),
    Path("charts/tidegate/files/crds"),
    admission.FOLDER,
    dashboards.FOLDER,
    Path("docs/reference"),
)


def wanted() -> Mapping[Path, str]:
    """The text of every generated file by its path from the repository's root."""
    crds = crdgen.manifests()
    texts = {Path("crds") / name: text for name, text in crds.items()}
    # Helm reads no file outside of its chart, so the chart carries a copy of the same text.
    texts |= {Path("charts/tidegate/files/crds") / name: text for name, text in crds.items()}
    texts |= {
        Path("docs/reference") / name: text + _full_example(name)
        for name, text in reference.reference_pages().items()
    }
    texts[Path("docs/reference/cli.md")] = cli.reference_page()
    texts[Path("docs/reference/presets.md")] = preset_reference.page()
    texts[Path("docs/reference/metrics.md")] = metrics_reference.page()
    texts |= admission.texts()
    texts |= argocd.texts(ROOT)
    texts |= dashboards.texts()
    texts |= {path: includes.filled((ROOT / path).read_text(), root=ROOT) for path in INCLUDING}
    return texts


def _full_example(page: str) -> str:
    """The object of the tests in which every field is set, as it stands in examples/full."""
    path = Path("examples/full") / Path(page).with_suffix(".yaml").name
    return f"\n## Every field\n\nFrom [{path}](../../{path}).\n\n```yaml\n{(ROOT / path).read_text()}```\n"


def stale(texts: Mapping[Path, str]) -> list[Path]:
    """Paths whose file is missing, differs, or should not be there."""
    differing = [path for path, text in texts.items() if _read(ROOT / path) != text]
    present = {
        file.relative_to(ROOT)
        for folder in GENERATED_FOLDERS
        for file in (ROOT / folder).glob("*.*")
    }
    return sorted({*differing, *(present - texts.keys())})


def write(texts: Mapping[Path, str]) -> None:
    """Bring the generated folders in line with the table."""
    for path in stale(texts):
        if path in texts:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(texts[path])
        else:
            (ROOT / path).unlink()
        print(path)


def _read(path: Path) -> str | None:
    return path.read_text() if path.is_file() else None


def main() -> int:
    """Write, or with `--check` only compare; exit code 1 when a file is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    if not parser.parse_args().check:
        write(wanted())
        return 0
    found = stale(wanted())
    for path in found:
        print(f"{path} is stale: run make generate", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
