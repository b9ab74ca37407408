"""The arguments of `tidegate`, and their reference page made from the same definitions."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import tidegate
from tidegate import model
from tidegate.api import durations
from tidegate.cli import outcome, requests

WAIT = "10s"
WATCH_TIMEOUT = "1h"
OPERATOR_NAMESPACE = "tidegate-system"
PROFILE = "profile"  # has a parser of its own, in the package tidegate-probe
EXIT_CODES = (
    (
        outcome.DONE,
        "done, and the answer is yes: valid, allowed, accepted, promoted, equal, advance",
    ),
    (
        outcome.NEGATIVE,
        "done, and the answer is no: invalid, forbidden, refused, rolled back, different, no promotion expected",
    ),
    (outcome.TROUBLE, "not known: wrong use, no cluster, no answer in time"),
    (outcome.HOLD, "of evaluate: hold, as neither harm nor its absence is proven"),
    (outcome.ROLL_BACK, "of evaluate: roll back, as harm is proven"),
)


class Parser(argparse.ArgumentParser):
    """Answers a wrong use in one line, and can list what it takes."""

    def error(self, message: str) -> NoReturn:
        """Exit with what is wrong and where to look it up."""
        self.exit(outcome.TROUBLE, f"error: {message}; see `{self.prog} --help`\n")

    def arguments(self) -> Iterator[argparse.Action]:
        """The arguments apart from --help and the command."""
        return (it for it in self._actions if it.dest not in {"help", "command"})

    def commands(self) -> Iterator[Parser]:
        """The parser of each command."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - no public name
                yield from action.choices.values()


def build(prog: str) -> Parser:
    """The parser; `command` of its result is the name of the chosen command."""
    parser = Parser(
        prog=prog,
        description="Progressive rollout of machine-learning models on Kubernetes.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"tidegate {tidegate.__version__}",
        help="print the version and exit",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_controller(_command(commands, "controller", "run the operator"))
    _add_validate(_command(commands, "validate", "check manifests without a cluster"))
    _add_check(_command(commands, "check", "hold manifests against policies without a cluster"))
    _add_crd(_command(commands, "crd", "print the kinds of Tidegate for kubectl apply"))
    _add_plan(_command(commands, "plan", "say what a rollout would find in what time"))
    _add_profile(_command(commands, PROFILE, "count training data in fixed bins"))
    _add_evaluate(_command(commands, "evaluate", "judge counts from anywhere by evidence"))
    _add_replay(_command(commands, "replay", "work out the verdicts in an operator's log again"))
    _add_status(_command(commands, "status", "show ModelDeployments and their rollouts"))
    _add_watch(_command(commands, "watch", "follow a rollout to its end"))
    _add_history(_command(commands, "history", "show the records of ended rollouts"))
    _add_policy(_command(commands, "policy", "say which policy asks for what of a ModelDeployment"))
    _add_doctor(_command(commands, "doctor", "find what would stop a rollout"))
    _add_decision(_command(commands, "approve", "approve a gate of a rollout, after its evidence"))
    _add_decision(_command(commands, "reject", "reject a rollout at a gate: it is rolled back"))
    for kind in model.RequestKind:
        _add_request(_command(commands, str(kind), requests.SUMMARIES[kind]))
    return parser


def _command(commands: argparse._SubParsersAction[Parser], name: str, summary: str) -> Parser:
    return commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", allow_abbrev=False
    )


def _add_controller(parser: Parser) -> None:
    # Read by cli.run; it is not imported here, since its libraries take a second.
    parser.add_argument(
        "--settings", metavar="FILE", type=Path, help="the operator's settings, a YAML file"
    )
    parser.add_argument(
        "--namespace",
        metavar="NAMESPACE",
        action="append",
        help="serve only this namespace; may be repeated (default: namespaces of the settings)",
    )
    parser.add_argument(
        "--lease-namespace",
        metavar="NAMESPACE",
        help="namespace of the election record (default: leaderElection.namespace of the settings)",
    )
    parser.add_argument(
        "--http-port",
        metavar="PORT",
        type=int,
        help="port of /livez, /readyz and /metrics (default: httpPort of the settings)",
    )
    parser.add_argument(
        "--log-level",
        metavar="LEVEL",
        help="debug, info, warning or error (default: logLevel of the settings)",
    )
    parser.add_argument(
        "--kubeconfig",
        metavar="FILE",
        default="",
        help="the kubeconfig (default: the pod's own account, else as kubectl)",
    )


def _add_validate(parser: Parser) -> None:
    _add_files(parser)


def _add_check(parser: Parser) -> None:
    _add_files(parser)
    parser.add_argument(
        "-n",
        "--namespace",
        metavar="NAMESPACE",
        default="default",
        help="where objects go that name no namespace (default: default)",
    )
    _add_output(parser, "table", "json")


def _add_files(parser: Parser) -> None:
    parser.add_argument(
        "-f",
        "--filename",
        metavar="FILE",
        action="append",
        required=True,
        help="a file, a folder with everything below it, or - for standard input; may be repeated",
    )


def _add_profile(parser: Parser) -> None:
    parser.add_argument(
        "arguments",
        metavar="ARGUMENT",
        nargs="*",
        help="those of `tidegate-profile`, which comes with tidegate-probe: see "
        "`tidegate profile --help`",
    )


def _add_crd(parser: Parser) -> None:
    parser.add_argument(
        "--output", metavar="FOLDER", default="", help="write one file for each kind instead"
    )


def _add_output(parser: Parser, *forms: str) -> None:
    """The forms of an answer, the default first."""
    *others, last = forms
    parser.add_argument(
        "-o",
        "--output",
        metavar="FORM",
        choices=forms,
        default=forms[0],
        help=f"{', '.join(others)} or {last} (default: {forms[0]})",
    )


def _add_status(parser: Parser) -> None:
    parser.add_argument(
        "name", metavar="NAME", nargs="?", default="", help="show everything about this one"
    )
    _add_output(parser, "table", "json", "yaml")
    parser.add_argument(
        "-A", "--all-namespaces", action="store_true", help="those of all namespaces"
    )
    _add_place(parser)


def _add_evaluate(parser: Parser) -> None:
    parser.add_argument(
        "-f",
        "--filename",
        metavar="FILE",
        required=True,
        help="counts as JSON, or - for standard input; see docs/how-to/replay.md",
    )
    _add_output(parser, "table", "json")


def _add_replay(parser: Parser) -> None:
    parser.add_argument(
        "-f",
        "--filename",
        metavar="FILE",
        required=True,
        help="the operator's log, or - for standard input",
    )
    parser.add_argument(
        "--rollout",
        metavar="ID",
        default="",
        help="only this rollout, with or without its namespace (default: all)",
    )


def _add_history(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME", help="the ModelDeployment")
    _add_output(parser, "table", "json", "yaml")
    _add_place(parser)


def _add_policy(parser: Parser) -> None:
    parser.add_argument(
        "verb", metavar="explain", choices=["explain"], help="what to do; there is one thing yet"
    )
    parser.add_argument("name", metavar="NAME", help="the ModelDeployment")
    _add_output(parser, "table", "json")
    _add_place(parser)


def _add_doctor(parser: Parser) -> None:
    parser.add_argument(
        "name", metavar="NAME", nargs="?", default="", help="only this one (default: all)"
    )
    _add_output(parser, "table", "json")
    parser.add_argument(
        "--prometheus",
        metavar="URL",
        default="",
        help="ask this Prometheus for each metric, too (default: only what the operator found)",
    )
    parser.add_argument(
        "--operator-namespace",
        metavar="NAMESPACE",
        default=OPERATOR_NAMESPACE,
        help=f"where the operator runs (default: {OPERATOR_NAMESPACE})",
    )
    _add_place(parser)


def _add_plan(parser: Parser) -> None:
    _add_files(parser)
    parser.add_argument(
        "--rate",
        metavar="NUMBER",
        type=float,
        required=True,
        help="requests per second of all pods",
    )
    parser.add_argument(
        "--errors",
        metavar="SHARE",
        type=float,
        default=0.0,
        help="share of requests that fail today, such as 0.004 (default: 0)",
    )
    parser.add_argument(
        "--slow",
        metavar="SHARE",
        type=float,
        default=0.05,
        help="share of requests above the bucket edge that decides a latency (default: 0.05)",
    )
    parser.add_argument(
        "--scrape",
        metavar="DURATION",
        type=_seconds,
        default="15s",
        help="time between scrapes (default: 15s)",
    )
    parser.add_argument(
        "--dispersion",
        metavar="NUMBER",
        type=float,
        help="how much bad requests clump (default: what the pods could show)",
    )
    _add_output(parser, "table", "json")
    parser.add_argument(
        "--picture", metavar="FILE", default="", help="draw it, too: a name in .svg or .html"
    )


def _add_watch(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME", help="the ModelDeployment")
    parser.add_argument(
        "--timeout",
        metavar="DURATION",
        type=_seconds,
        default=WATCH_TIMEOUT,
        help=f"stop watching after this time (default: {WATCH_TIMEOUT})",
    )
    _add_place(parser)


def _add_decision(parser: Parser) -> None:
    parser.add_argument(
        "--gate", metavar="NAME", default="", help="which gate (default: the next closed one)"
    )
    parser.add_argument(
        "--show", action="store_true", help="only show the evidence card, and decide nothing"
    )
    _add_request(parser)


def _add_request(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME", help="the ModelDeployment")
    parser.add_argument(
        "--reason",
        metavar="TEXT",
        default="",
        help=f"why, for everybody to read; up to {requests.REASON_LIMIT} characters",
    )
    parser.add_argument(
        "--wait",
        metavar="DURATION",
        type=_seconds,
        default=WAIT,
        help=f"wait this long for the operator's answer; 0s: do not wait (default: {WAIT})",
    )
    _add_place(parser)


def _add_place(parser: Parser) -> None:
    parser.add_argument(
        "-n",
        "--namespace",
        metavar="NAMESPACE",
        default="",
        help="the namespace (default: that of the context)",
    )
    parser.add_argument(
        "--context", metavar="NAME", default="", help="the context (default: the current one)"
    )
    parser.add_argument(
        "--kubeconfig",
        metavar="FILE",
        default="",
        help="the kubeconfig (default: KUBECONFIG, the pod's own account, ~/.kube/config)",
    )


def _seconds(text: str) -> float:
    seconds = durations.parse(text)
    if seconds is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration such as 90s or 1h30m")
    return seconds


# --- reference page ------------------------------------------------------------------------------


def reference_page() -> str:
    """The Markdown of docs/reference/cli.md; equal definitions give equal bytes."""
    parser = build("tidegate")
    lines = [
        "# Command line",
        "",
        "`kubectl tidegate ...` is the same as `tidegate ...`.",
        "",
        "Generated from the arguments of the program: change those and run `make generate`.",
        "",
        *_table(("Exit code", "Meaning"), [(str(code), text) for code, text in EXIT_CODES]),
    ]
    for command in parser.commands():
        lines += ["", f"## {command.prog}", "", command.description or "", ""]
        lines += ["```text", _usage(command), "```", ""]
        rows = [
            (f"`{_spelling(it, names=it.option_strings)}`", it.help or "")
            for it in command.arguments()
        ]
        lines += _table(("Argument", "Meaning"), rows)
    return "\n".join(lines) + "\n"


def _usage(command: Parser) -> str:
    parts = [command.prog]
    for it in command.arguments():
        spelling = _spelling(it, names=it.option_strings[:1])
        needed = it.required and it.nargs != "?"
        parts.append(spelling if needed else f"[{spelling}]")
    return " ".join(parts)


def _spelling(action: argparse.Action, *, names: Sequence[str]) -> str:
    value = [] if action.nargs == 0 else [str(action.metavar)]
    return " ".join([", ".join(names), *value]).strip()


def _table(heads: tuple[str, str], rows: list[tuple[str, str]]) -> list[str]:
    cells = [heads, *rows]
    head, *lines = [f"| {left} | {right} |" for left, right in cells]
    return [head, "|---|---|", *lines]
