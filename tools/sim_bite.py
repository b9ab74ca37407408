"""Does the simulator bite? Plants every deliberate bug in a copy of the package and hunts for it.

`python -m tools.sim_bite` prints the table and writes it into docs/reliability.md; `--only WORD`
runs the bugs whose name has the word and writes nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.sim.bug import Bug
from tests.sim.bugs import BUGS
from tests.sim.finds import PLAYS
from tests.sim.run import play

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "operator" / "tidegate"
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- bite: begin -->", "<!-- bite: end -->"
HUNT_SECONDS = 600


def main() -> int:
    """Run the hunts; 1 when a bug escaped."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    bugs = [bug for bug in BUGS if given.only in bug.name]
    _check_plays(bugs)
    with ThreadPoolExecutor(given.jobs) as pool:
        rows = list(pool.map(_row, bugs))
    escaped = [bug.name for bug, row in zip(bugs, rows, strict=True) if "not caught" in row]
    if not given.only:
        _write([*_HEAD, *rows])
    print(f"{len(bugs) - len(escaped)} of {len(bugs)} bugs caught; escaped: {escaped or 'none'}")
    return 1 if escaped else 0


def _check_plays(bugs: Sequence[Bug]) -> None:
    """A play that fails without a bug would catch them all."""
    for name in sorted({name for bug in bugs for name in bug.plays}):
        failure = play(PLAYS[name], seed=1).failure
        if failure:
            raise SystemExit(f"{name} fails without a bug: {failure}")


_HEAD = ("| Bug | Caught by | Runs | What the judge said |", "|---|---|---|---|")


def _row(bug: Bug) -> str:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "tidegate"
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        _plant(bug, copy)
        found = _hunt(bug, folder)
    row = f"| {bug.name} | {found or 'not caught | |'} |"
    print(f"{row} {time.monotonic() - started:.0f} s", flush=True)
    return row


def _plant(bug: Bug, package: Path) -> None:
    for name, old, new, times in bug.patches:
        text = (package / name).read_text()
        if text.count(old) != times:
            raise SystemExit(f"{bug.name}: the code to patch stands {text.count(old)} times")
        (package / name).write_text(text.replace(old, new))


def _hunt(bug: Bug, folder: str) -> str:
    """The hunter's line; a copy that cannot even be imported is no catch."""
    environment = {**os.environ, "PYTHONPATH": f"{folder}:{ROOT}:{ROOT / 'probe'}"}
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "tests.sim.hunt", bug.name],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HUNT_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{bug.name}: the hunt broke\n{done.stderr[-2000:]}")
    return done.stdout.strip()


def _write(rows: list[str]) -> None:
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n" + "\n".join(rows) + f"\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
