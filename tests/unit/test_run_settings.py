"""Which settings `tidegate controller` takes from its file and its flags."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from tidegate.cli import parser, run


def arguments(*flags: str) -> argparse.Namespace:
    return parser.build("tidegate").parse_args(["controller", *flags])


def test_no_file_and_no_flags_give_the_defaults() -> None:
    settings = run.read_settings(arguments())
    assert settings.http_port == 8080
    assert settings.leader_election.namespace == "tidegate-system"


def test_flags_go_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("httpPort: 1\nworkers: 3\nleaderElection: {name: x}\n")
    settings = run.read_settings(
        arguments(
            "--settings",
            str(file),
            "--http-port=2",
            "--namespace=b",
            "--namespace=a",
            "--lease-namespace=l",
            "--log-level=debug",
        )
    )
    assert (settings.http_port, settings.workers, settings.log_level) == (2, 3, "debug")
    assert settings.namespaces == ("a", "b")
    assert (settings.leader_election.name, settings.leader_election.namespace) == ("x", "l")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "must be a mapping"),
        ("a: [", "line"),
        ("workers: many", "workers: must be a number"),
        ("workers: 1\nworkers: 2", "workers"),
    ],
)
def test_unusable_file_ends_the_command_with_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    assert run.main(arguments("--settings", str(file))) == 2
    error = capsys.readouterr().err
    assert error.startswith("tidegate: ")
    assert said in error
    assert len(error.splitlines()) == 1


def test_absent_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(arguments("--settings", str(tmp_path / "none.yaml"))) == 2
    assert "none.yaml" in capsys.readouterr().err
