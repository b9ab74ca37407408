"""`tidegate profile` hands over to the probe, which is a package of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from probe_examples import fraud

from tidegate.cli import main as program
from tidegate.cli import outcome


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fraud().write("made.json")


def test_its_options_and_its_exit_code_are_those_of_the_probe(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert program.main(["profile", "made.json", "--picture", "p.html"]) == outcome.DONE
    assert "p.html: open it" in capsys.readouterr().out
    assert Path("p.html").read_text(encoding="utf-8") == fraud().to_html()
    assert program.main(["profile", "absent.csv"]) == outcome.TROUBLE
    assert "absent.csv: there is no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("called", "prog"),
    [("/usr/bin/tidegate", "tidegate"), ("/usr/bin/kubectl-tidegate", "kubectl tidegate")],
)
def test_its_help_is_that_of_the_probe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, called: str, prog: str
) -> None:
    monkeypatch.setattr(sys, "argv", [called])
    with pytest.raises(SystemExit) as ended:
        program.main(["profile", "--help"])
    assert ended.value.code == outcome.DONE
    told = capsys.readouterr().out
    assert told.startswith(f"usage: {prog} profile ")
    assert "--categorical COLUMN" in told


def test_without_the_probe_its_package_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [one for one in sys.modules if one.partition(".")[0] == "tidegate_probe"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if not p.endswith("/probe")])
    assert program.main(["profile", "made.json"]) == outcome.TROUBLE
    told = capsys.readouterr().err
    assert (
        told == "error: profiles are made by a package of their own: pip install tidegate-probe\n"
    )


def test_a_probe_that_lacks_its_own_library_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in sys.modules if one.partition(".")[0] == "tidegate_probe"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ModuleNotFoundError, match="prometheus_client"):
        program.main(["profile", "made.json"])
