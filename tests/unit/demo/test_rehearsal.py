"""The rehearsal tells the story of the demo; what it prints is read here as people read it."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from tests.cluster.api import ClusterUnavailable
from tests.demo import __main__ as demo
from tests.demo import manifests
from tests.rehearsal import show, users
from tests.sim.truth import Truth

# The same lines thousands of times: the tables cover them, and a tracer doubles the time.
pytestmark = pytest.mark.no_cover

LINE = re.compile(r"^(?P<clock>\d\d:\d\d)  (?P<act>\S+) +v\d (?P<step>\S+) +(?P<wanted>\d+) %")
APPLY = re.compile(r"^\d\d:\d\d  (?P<act>\S+) +> apply (?P<version>v\d): ")
NOBODY = 65534


def played(*, width: int = 160) -> tuple[bool, str]:
    console = Console(file=io.StringIO(), width=width)
    kept = show.play(console)
    assert isinstance(console.file, io.StringIO)
    return kept, console.file.getvalue()


def applied(text: str, *, act: str) -> list[tuple[str, list[tuple[int, str, int]]]]:
    """What an act applied: the version, and each line's seconds, step and wanted weight."""
    found: list[tuple[str, list[tuple[int, str, int]]]] = []
    for row in text.splitlines():
        apply, line = APPLY.match(row.strip()), LINE.match(row.strip())
        if apply and apply["act"] == act:
            found.append((apply["version"], []))
        elif line and line["act"] == act:
            minutes, seconds = map(int, line["clock"].split(":"))
            found[-1][1].append((60 * minutes + seconds, line["step"], int(line["wanted"])))
    return found


def weights(lines: list[tuple[int, str, int]]) -> list[int]:
    """The weights in their order, each once."""
    return list(dict.fromkeys(weight for _, _, weight in lines))


@pytest.fixture(scope="module")
def told() -> tuple[bool, str]:
    return played()


def test_a_good_version_is_promoted_step_by_step(told: tuple[bool, str]) -> None:
    (first, _), (version, lines), *_ = applied(told[1], act="canary")
    assert (first, version) == ("v1", "v2")
    assert weights(lines) == [0, 20, 50, 100]
    assert lines[-1][1:] == ("Healthy", 100)


def test_a_bad_version_is_rolled_back_in_its_first_step(told: tuple[bool, str]) -> None:
    version, lines = applied(told[1], act="canary")[2]
    exposed = [at for at, _, weight in lines if weight]
    assert version == "v3"
    assert weights(lines) == [0, 20]
    assert lines[-1][1:] == ("RolledBack", 0)
    assert exposed[-1] - exposed[0] < 60


def test_a_rejected_version_is_left_alone_when_it_is_asked_for_again(
    told: tuple[bool, str],
) -> None:
    (back, served), (version, lines) = applied(told[1], act="canary")[3:]
    assert (back, served[-1][1:]) == ("v2", ("Healthy", 100))
    assert (version, weights(lines)) == ("v3", [0])
    assert lines[-1][1] == "RolledBack"


def test_a_wrong_version_gets_copies_and_is_rejected_for_its_answers(
    told: tuple[bool, str],
) -> None:
    (_, served), (version, lines) = applied(told[1], act="shadow")
    assert served[-1][1:] == ("Healthy", 100)
    assert version == "v4"
    assert weights(lines) == [0]
    assert [step for _, step, _ in lines] == [*["shadow"] * (len(lines) - 1), "RolledBack"]
    assert re.search(r"rejected: response-agreement 0\.4\d+ .* below its limit of 0\.9", told[1])


def test_a_switch_moves_everybody_and_an_abort_in_the_bake_moves_them_back(
    told: tuple[bool, str],
) -> None:
    (_, served), (version, lines) = applied(told[1], act="blue-green")
    assert served[-1][1:] == ("Healthy", 100)
    assert version == "v5"
    assert weights(lines) == [0, 100]
    steps = list(dict.fromkeys(step for _, step, _ in lines))
    assert steps == ["preview", "promotion", "bake", "RolledBack"]
    assert lines[-1][2] == 0


def test_acts_that_do_not_wait_for_each_other_are_played_side_by_side(
    told: tuple[bool, str],
) -> None:
    spans = {}
    for act in ("canary", "shadow", "blue-green"):
        at = [at for _, lines in applied(told[1], act=act) for at, _, _ in lines]
        spans[act] = at[0], at[-1]
    assert spans["canary"][0] < spans["shadow"][0] < spans["blue-green"][0]
    assert max(end for _, end in spans.values()) == spans["canary"][1]
    assert told[1].count("the act is over: ") == len(spans)


def test_it_keeps_its_promises_and_says_what_it_is(told: tuple[bool, str]) -> None:
    kept, text = told
    assert kept
    assert text.count("│ kept │") == 14
    [ready] = re.findall(r"canary +EvidenceReady  SeriesFound", text)
    assert text.index(ready) < text.index("> apply v2: a better model")
    assert text.startswith("rehearsal")
    assert "played, in virtual time: API server, pods, Gateway, Prometheus" in text
    assert "25 % of its answers are errors, 50 % take 0.8 s longer" in text


@pytest.mark.parametrize("width", [80, 120])
def test_a_narrow_terminal_still_says_why_a_version_was_rolled_back(width: int) -> None:
    rows = played(width=width)[1].splitlines()
    assert max(map(len, rows)) <= width
    assert "v3, rejected: latency-p95 above" in " ".join(row.strip() for row in rows)


def test_the_same_is_told_every_time(told: tuple[bool, str]) -> None:
    text, again = (it.rsplit("This was a rehearsal", 1)[0] for it in (told[1], played()[1]))
    assert text == again


def test_a_bad_version_that_is_not_bad_breaks_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(users.TRUTHS, "v3", Truth())
    kept, text = played()
    assert not kept
    assert weights(applied(text, act="canary")[2][1]) == [0, 20, 50, 100]
    assert re.search(r"BROKEN │ v3 is rolled back by itself", text)
    assert "shadow      the act is over: 2 of 2 promises kept" in text


def test_a_wrong_version_that_agrees_breaks_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(users.TRUTHS, "v4", Truth())
    kept, text = played()
    assert not kept
    assert applied(text, act="shadow")[1][1][-1][1:] == ("Healthy", 100)
    assert re.search(r"BROKEN │ v4 is quick and without errors", text)


def test_a_good_version_that_is_slow_breaks_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(users.TRUTHS, "v2", Truth(slow_ratio=0.5))
    kept, text = played()
    assert not kept
    assert applied(text, act="canary")[1][1][-1][1:] == ("RolledBack", 0)
    assert re.search(r"BROKEN │ v2 is promoted", text)


def test_it_needs_neither_root_nor_home_nor_tools(tmp_path: Path) -> None:
    """The controller is as it is: the shortcuts of the simulation are not loaded."""
    program = (
        "import sys; from tests.rehearsal import __main__ as it; code = it.main(); "
        "assert 'tests.sim.memo' not in sys.modules; sys.exit(code)"
    )
    alone = (shutil.which("setpriv"), f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    done = subprocess.run(
        [*(alone if os.geteuid() == 0 else ()), sys.executable, "-c", program],
        cwd=manifests.ROOT,
        env={"PATH": str(tmp_path), "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "v3 is rolled back by itself" in done.stdout


@pytest.mark.parametrize("long", [True, False])
def test_the_demo_rehearses_only_when_there_is_something_long_to_build(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, long: bool
) -> None:
    def unavailable(**_: object) -> None:
        raise ClusterUnavailable("No cluster can run here.")

    monkeypatch.setattr(demo, "must_build", lambda: long)
    monkeypatch.setattr(demo, "ensure_cluster", unavailable)
    assert demo.main([]) == 1
    said = capsys.readouterr()
    assert ("This was a rehearsal" in said.out) is long
    assert said.err.splitlines()[0] == "No cluster can run here."
    assert "make rehearsal" in said.err
