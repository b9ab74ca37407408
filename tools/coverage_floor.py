"""Fails when the pure packages are covered less than the house asks for.

Reads the JSON report of coverage.py; branches count like lines.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

FLOOR_PERCENT = 95.0
PURE = ("model", "revisions", "rollout", "evidence", "policy", "traffic")


def covered_percent(report: dict[str, dict[str, dict[str, dict[str, int]]]], package: str) -> float:
    """Share of branches of a package that tests took, in percent; 100 where there are none."""
    summaries = [
        entry["summary"]
        for path, entry in report["files"].items()
        if f"/tidegate/{package}/" in path
    ]
    branches = sum(summary["num_branches"] for summary in summaries)
    taken = sum(summary["covered_branches"] for summary in summaries)
    return 100.0 * taken / branches if branches else 100.0


def main() -> int:
    """Print the share of each pure package; exit code 1 when one is below the floor."""
    report = json.loads(Path(sys.argv[1]).read_text())
    shares = {package: covered_percent(report, package) for package in PURE}
    for package, percent in shares.items():
        print(f"branches of tidegate.{package}: {percent:.1f} % covered")
    low = [package for package, percent in shares.items() if percent < FLOOR_PERCENT]
    if low:
        print(f"below {FLOOR_PERCENT:g} %: {', '.join(low)}", file=sys.stderr)
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
