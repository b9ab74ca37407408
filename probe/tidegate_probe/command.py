"""`tidegate-profile`: a profile of files, its picture and its ConfigMap."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from tidegate_probe import manifest
from tidegate_probe.building import Choice, build
from tidegate_probe.delimited import UTF_8, Delimited
from tidegate_probe.fields import Positive, ProfileError
from tidegate_probe.parquet import Parquet
from tidegate_probe.profile import Profile
from tidegate_probe.progress import Bar
from tidegate_probe.sources import Source

DONE, TROUBLE, INTERRUPTED = 0, 2, 130
PROG = "tidegate-profile"
_PARQUET = (".parquet", ".pq")
_EPILOG = """\
examples:
  %(prog)s train.csv --model fraud --model-version v7 --label is_fraud --output score \\
      --threshold 0.5 --picture profile.html
  %(prog)s profile.json --configmap fraud-v7 --namespace models
"""


class _Parser(argparse.ArgumentParser):
    """Answers a wrong use in one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with what is wrong and where to look it up."""
        self.exit(TROUBLE, f"error: {message}; see `{self.prog} --help`\n")


def main(argv: Sequence[str] | None = None, *, prog: str = PROG) -> int:
    """Run the command; the result is the exit code.

    Errors: people's mistakes become a line each on standard error and exit code 2.
    """
    arguments = _parser(prog).parse_args(argv)
    try:
        profile = _profile(arguments)
        for line in _written(profile, arguments):
            sys.stdout.write(f"{_printable(line)}\n")
    except ProfileError as error:
        return _trouble(str(error))
    except OSError as error:
        return _trouble(f"{error.filename}: {error.strerror}; check the name and the rights")
    except KeyboardInterrupt:
        return INTERRUPTED
    return DONE


def _trouble(message: str) -> int:
    for line in message.split("\n"):
        sys.stderr.write(f"error: {_printable(line)}\n")
    return TROUBLE


def _profile(arguments: argparse.Namespace) -> Profile:
    paths = [Path(name) for name in arguments.file]
    for path in paths:
        if not path.exists():
            raise ProfileError(f"{path}: there is no such file; check its name")
        if not path.is_file():
            raise ProfileError(f"{path}: is no regular file, and it is read twice; name a file")
    if len(paths) == 1 and paths[0].suffix == ".json":
        return _read(paths[0])
    for option, value in (
        ("--model", arguments.model),
        ("--model-version", arguments.model_version),
    ):
        if not value:
            raise ProfileError(f"{option}: is needed for a profile of data; say what was trained")
    with Bar() as bar:
        return build(
            _source(paths, arguments),
            Choice(
                outputs=arguments.output,
                label=arguments.label,
                drop=arguments.drop,
                categorical=arguments.categorical,
                numeric=arguments.numeric,
                like=_read(Path(arguments.like)) if arguments.like else None,
            ),
            model=arguments.model,
            model_version=arguments.model_version,
            positive=_positive(arguments),
            progress=bar,
        )


def _source(paths: Sequence[Path], arguments: argparse.Namespace) -> Source:
    in_parquet = {path.suffix in _PARQUET for path in paths}
    if in_parquet == {True}:
        return Parquet(paths)
    if in_parquet != {False}:
        raise ProfileError("FILE: either all files are Parquet or none is; convert the others")
    return Delimited(
        paths,
        encoding=arguments.encoding,
        delimiter=arguments.delimiter,
        missing=arguments.missing,
    )


def _positive(arguments: argparse.Namespace) -> Positive | None:
    if arguments.threshold is None and arguments.positive is None:
        return None
    if len(arguments.output) != 1:
        raise ProfileError("--threshold and --positive: speak of one --output; name exactly one")
    return Positive(
        output=arguments.output[0], threshold=arguments.threshold, category=arguments.positive
    )


def _read(path: Path) -> Profile:
    try:
        return Profile.read(path)
    except ProfileError as error:
        raise ProfileError(f"{path}: {error}") from error


def _written(profile: Profile, arguments: argparse.Namespace) -> list[str]:
    """Write what was asked for; a line about each file."""
    text = profile.to_json()
    told = []
    if not (len(arguments.file) == 1 and Path(arguments.file[0]).suffix == ".json"):
        profile.write(arguments.profile)
        told.append(f"{arguments.profile}: {_facts(profile)}, {len(text.encode()):,} bytes")
    if arguments.picture:
        Path(arguments.picture).write_text(profile.to_html(), encoding="utf-8")
        told.append(f"{arguments.picture}: open it in a browser and look at the bins")
    if arguments.configmap:
        made = manifest.config_map(text, name=arguments.configmap, namespace=arguments.namespace)
        file = f"{arguments.configmap}.yaml"
        Path(file).write_text(made, encoding="utf-8")
        # A client-side apply would keep a copy in an annotation, which holds 256 KiB.
        told.append(f"{file}: kubectl apply --server-side -f {file}")
    return told or [_facts(profile)]


def _facts(profile: Profile) -> str:
    return (
        f"{profile.model} {profile.model_version}, {profile.rows:,} rows, "
        f"{len(profile.features)} features, {len(profile.outputs)} outputs"
    )


def _printable(line: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)


def _parser(prog: str) -> _Parser:
    parser = _Parser(
        prog=prog,
        description="Count training data in fixed bins: the profile that a probe counts by.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="+",
        help="CSV (also .gz) or Parquet, several with the same columns; or a profile.json to draw",
    )
    parser.add_argument("--model", metavar="NAME", default="", help="the model that was trained")
    parser.add_argument("--model-version", metavar="VERSION", default="", help="its version")
    _add_columns(parser)
    _add_reading(parser)
    _add_writing(parser)
    return parser


def _add_columns(parser: _Parser) -> None:
    for option, text in (
        ("--output", "what the model says: a score or a class; not a feature"),
        ("--label", "the truth, which the model does not see; left out"),
        ("--drop", "leave it out"),
        ("--categorical", "its numbers are names, such as codes"),
        ("--numeric", "it holds numbers, and its texts are counted as other"),
    ):
        parser.add_argument(
            option, metavar="COLUMN", action="append", default=[], help=f"{text}; may be repeated"
        )
    parser.add_argument(
        "--threshold", metavar="NUMBER", type=float, help="positive is a score from this on"
    )
    parser.add_argument("--positive", metavar="CLASS", help="positive is this class")
    parser.add_argument(
        "--like",
        metavar="FILE",
        help="profile of the version before: keep its bins, so that both can be compared",
    )


def _add_reading(parser: _Parser) -> None:
    parser.add_argument("--encoding", metavar="NAME", default=UTF_8, help="of CSV (default: UTF-8)")
    parser.add_argument(
        "--delimiter", metavar="CHARACTER", help="of CSV (default: as in the first line)"
    )
    parser.add_argument(
        "--missing",
        metavar="TEXT",
        action="append",
        default=[],
        help="stands for nothing in CSV, besides nothing, nan, null and <NA>; may be repeated",
    )


def _add_writing(parser: _Parser) -> None:
    parser.add_argument(
        "--profile",
        metavar="FILE",
        default="profile.json",
        help="where the profile goes (default: profile.json)",
    )
    parser.add_argument("--picture", metavar="FILE", help="draw it, too, as a page: .html")
    parser.add_argument(
        "--configmap", metavar="NAME", help="write it as a ConfigMap, too, into NAME.yaml"
    )
    parser.add_argument(
        "--namespace", metavar="NAMESPACE", default="", help="of the ConfigMap (default: none)"
    )
