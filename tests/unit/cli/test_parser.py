from __future__ import annotations

from pathlib import Path

import pytest

from tidegate import model
from tidegate.cli import outcome, parser

ROOT = Path(__file__).resolve().parents[3]
NO_PLACE = {"namespace": "", "context": "", "kubeconfig": ""}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("validate -f a.yaml -f -", {"command": "validate", "filename": ["a.yaml", "-"]}),
        ("crd", {"command": "crd", "output": ""}),
        ("crd --output crds", {"command": "crd", "output": "crds"}),
        (
            "status",
            {
                "command": "status",
                "name": "",
                "output": "table",
                "all_namespaces": False,
                **NO_PLACE,
            },
        ),
        (
            "status iris -o json -n ml --context prod --kubeconfig k",
            {
                "command": "status",
                "name": "iris",
                "output": "json",
                "all_namespaces": False,
                "namespace": "ml",
                "context": "prod",
                "kubeconfig": "k",
            },
        ),
        ("watch iris", {"command": "watch", "name": "iris", "timeout": 3600.0, **NO_PLACE}),
        (
            "watch iris --timeout 90s",
            {"command": "watch", "name": "iris", "timeout": 90.0, **NO_PLACE},
        ),
        (
            "controller --settings s.yaml --namespace a --namespace b --http-port 0",
            {
                "command": "controller",
                "settings": Path("s.yaml"),
                "namespace": ["a", "b"],
                "lease_namespace": None,
                "http_port": 0,
                "log_level": None,
                "kubeconfig": "",
            },
        ),
    ],
)
def test_a_command_line_means_this(line: str, expected: dict[str, object]) -> None:
    assert vars(parser.build("tidegate").parse_args(line.split())) == expected


@pytest.mark.parametrize("kind", model.RequestKind)
def test_every_request_is_a_command(kind: model.RequestKind) -> None:
    given = [str(kind), "iris", "--reason", "because I say so", "--wait", "1m30s"]
    assert vars(parser.build("tidegate").parse_args(given)) == {
        "command": kind,
        "name": "iris",
        "reason": "because I say so",
        "wait": 90.0,
        **NO_PLACE,
    }
    assert parser.build("tidegate").parse_args([str(kind), "iris"]).wait == 10.0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "error: the following arguments are required: COMMAND; see `tidegate --help`"),
        ("frobnicate", "invalid choice: 'frobnicate'"),
        ("promote", "required: NAME; see `tidegate promote --help`"),
        ("watch iris --timeout 2d", "--timeout: '2d' is no duration such as 90s or 1h30m"),
        ("status -o xml", "invalid choice: 'xml'"),
        ("validate", "required: -f/--filename; see `tidegate validate --help`"),
        ("status --names x", "unrecognized arguments: --names"),
    ],
)
def test_wrong_use_gets_one_line(line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser.build("tidegate").parse_args(line.split())
    assert ended.value.code == outcome.TROUBLE
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser.build("kubectl tidegate").parse_args(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: kubectl tidegate ")
    for command in parser.build("tidegate").commands():
        assert f"    {command.prog.removeprefix('tidegate ')}" in text


def test_reference_page_has_a_chapter_for_each_command_and_a_line_for_each_argument() -> None:
    page = parser.reference_page()
    for command in parser.build("tidegate").commands():
        assert f"\n## {command.prog}\n" in page
        for argument in command.arguments():
            assert argument.help
            assert argument.help in page


def test_reference_page_is_up_to_date() -> None:
    stored = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert stored == parser.reference_page(), "run `make generate`"
