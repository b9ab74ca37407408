"""The commands that need no cluster: `validate` and `crd`."""

from __future__ import annotations

import difflib
import functools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate import model, ports
from tidegate.api import approvals, convert, crdgen, documents, notifications, policies
from tidegate.api.revision import mapping
from tidegate.cli import outcome
from tidegate.cli.outcome import CliError
from tidegate.cli.render import escaped
from tidegate.controller.notify import spelling, template
from tidegate.evidence.verdict.templates import preset_violations, unknown_limits

STDIN = "-"
_POLICIES = frozenset({ports.ROLLOUT_POLICY.kind, ports.CLUSTER_ROLLOUT_POLICY.kind})
_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
_API_VERSION = f"{crdgen.GROUP}/{crdgen.VERSION}"
_KINDS = {it.kind: it for it in crdgen.DEFINITIONS}
_UNKNOWN = "is not known: remove it, or check its spelling and its indentation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong in a file; `subject` is kind and name, empty where there is no object."""

    file: str
    message: str
    subject: str = ""
    path: str = ""

    @property
    def line(self) -> str:
        """`file: kind/name: field path: message`."""
        parts = (self.file, self.subject, self.path, self.message)
        return escaped(": ".join(part for part in parts if part))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was looked at and what is wrong with it."""

    checked: int = 0
    left_out: int = 0
    findings: tuple[Finding, ...] = ()


# --- validate ------------------------------------------------------------------------------------


def validate(names: Sequence[str], *, say: Callable[[str], None]) -> int:
    """Check files, folders or standard input as the operator would, without a cluster.

    Result: DONE when all is well, NEGATIVE with a line for each violation.
    Errors: CliError for what cannot be read, and when there is nothing to check.
    """
    reports = [check_text(file, text) for file, text in texts(names)]
    findings = [it for report in reports for it in report.findings]
    checked = sum(report.checked for report in reports)
    if not checked and not findings:
        raise CliError(f"no object of {crdgen.GROUP} in {', '.join(names)}: nothing was checked")
    for finding in findings:
        say(finding.line)
    left_out = sum(report.left_out for report in reports)
    others = f", {left_out} of other kinds left out" if left_out else ""
    say(f"checked {checked} object(s){others}: {len(findings) or 'no'} violation(s)")
    return outcome.NEGATIVE if findings else outcome.DONE


def texts(names: Sequence[str]) -> Iterable[tuple[str, bytes]]:
    """Name and content of each file that is named or lies in a folder that is.

    Errors: CliError for what cannot be read.
    """
    for name in names:
        if name == STDIN:
            yield "stdin", sys.stdin.buffer.read()
            continue
        path = Path(name)
        for file in _files(path) if path.is_dir() else [path]:
            try:
                yield str(file), file.read_bytes()
            except OSError as error:
                reason = error.strerror or str(error)
                raise CliError(f"cannot read {file}: {reason}; check the path") from error


def _files(folder: Path) -> list[Path]:
    return sorted(it for it in folder.rglob("*") if it.suffix in _SUFFIXES and it.is_file())


def check_text(file: str, text: bytes) -> Report:
    """All objects of one file, those in a List included."""
    objects = objects_of(text)
    if isinstance(objects, str):
        return Report(findings=(Finding(file=file, message=objects),))
    ours = [it for it in objects if _is_ours(it)]
    return Report(
        checked=len(ours),
        left_out=len(objects) - len(ours),
        findings=tuple(
            Finding(file=file, subject=_subject(it), path=found.path, message=found.message)
            for it in ours
            for found in violations_of(it)
        ),
    )


def objects_of(text: bytes) -> list[Any] | str:
    """What stands in a file, Lists unpacked; in words why it cannot be read."""
    try:
        given = documents.load_all(text.decode("utf-8"))
    except UnicodeDecodeError:
        return "is no UTF-8 text: save it as such"
    except documents.DocumentError as error:
        return f"is no valid YAML: {error}"
    return [item for document in given for item in _unpacked(document)]


def _unpacked(document: Any) -> list[Any]:
    items = mapping(document).get("items")
    is_list = mapping(document).get("kind") == "List" and isinstance(items, list)
    return list(items) if is_list and isinstance(items, list) else [document]


def _is_ours(document: Any) -> bool:
    group, _, _ = str(mapping(document).get("apiVersion")).partition("/")
    kind = mapping(document).get("kind")
    return group == crdgen.GROUP or (isinstance(kind, str) and kind in _KINDS)


def _subject(body: Mapping[str, Any]) -> str:
    name = mapping(body.get("metadata")).get("name")
    return f"{body.get('kind') or '(no kind)'}/{name or '(no name)'}"


def violations_of(body: Mapping[str, Any]) -> list[model.Violation]:
    """Everything the operator or the API server would refuse in an object of our group."""
    kind = body.get("kind")
    definition = _KINDS.get(kind) if isinstance(kind, str) else None
    if definition is None:
        known = ", ".join(_KINDS)
        message = f"is not a kind of Tidegate{_hint(str(kind), _KINDS)}; known are {known}"
        return [model.Violation(path="kind", message=message)]
    unknown = unknown_fields(body, schema=_schema(definition.kind))
    found = [_with_hint(it, unknown) for it in _operators_view(body, kind=definition.kind)]
    told = {it.path for it in found}
    found += [
        _with_hint(model.Violation(path=path, message=_UNKNOWN), unknown)
        for path in sorted(unknown.keys() - told)
    ]
    return found


@functools.cache
def _schema(kind: str) -> crdgen.Schema:
    return crdgen.object_schema(_KINDS[kind])


def _operators_view(body: Mapping[str, Any], *, kind: str) -> list[model.Violation]:
    found: list[model.Violation] = []
    if body.get("apiVersion") != _API_VERSION:
        found.append(model.Violation(path="apiVersion", message=f"must be {_API_VERSION}"))
    if kind == "ModelDeployment":
        spec, refused = convert.read_spec(body)
        more = (*preset_violations(spec), *unknown_limits(spec)) if spec else ()
        return [*found, *refused, *more]
    if not mapping(body.get("metadata")).get("name"):
        found.append(model.Violation(path="metadata.name", message="is required: add it"))
    if kind == ports.ROLLOUT_RECORD.kind:
        message = "records are written by the operator alone: take it out of your manifests"
        return [*found, model.Violation(path="kind", message=message)]
    if kind in _POLICIES:
        return [*found, *policies.read_policy(body)[1]]
    if kind == ports.ROLLOUT_APPROVAL.kind:
        return [*found, *approvals.read_approval(body)[1]]
    if kind == ports.NOTIFICATION_PROVIDER.kind:
        return [*found, *_of_provider(body)]
    _, refused = convert.read_template(body)
    return found + list(refused)


def _of_provider(body: Mapping[str, Any]) -> list[model.Violation]:
    """Also what the API server takes: a template that gives no text, events that never come."""
    provider, refused = notifications.read_provider(body)
    more = {
        "spec.template": template.problem(provider.template),
        "spec.events": spelling.misspelt(provider.events),
    }
    said = [model.Violation(path=path, message=text) for path, text in more.items() if text]
    return [*refused, *said]


def unknown_fields(body: Mapping[str, Any], *, schema: crdgen.Schema) -> dict[str, str]:
    """Paths of fields that the schema does not know, each with a hint at the nearest known name.

    `metadata` belongs to the API server and is not looked at.
    """
    found: dict[str, str] = {}
    todo: list[tuple[str, Any, crdgen.Schema]] = [
        ("", {key: value for key, value in body.items() if key != "metadata"}, schema)
    ]
    while todo:
        path, value, node = todo.pop()
        known: Mapping[str, Any] = node.get("properties", {})
        if isinstance(value, list):
            todo += [(f"{path}[{at}]", it, node.get("items", {})) for at, it in enumerate(value)]
        for key, member in mapping(value).items():
            below = f"{path}.{key}".removeprefix(".")
            if key in known or "additionalProperties" in node:
                todo.append((below, member, known.get(key) or node["additionalProperties"]))
            elif known and not node.get(crdgen.PRESERVE):
                found[below] = _hint(key, known)
    return found


def _hint(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _with_hint(found: model.Violation, unknown: Mapping[str, str]) -> model.Violation:
    message = found.message + unknown.get(found.path, "")
    return model.Violation(path=found.path, message=message, reason=found.reason)


# --- crd -----------------------------------------------------------------------------------------


def crd(folder: str, *, say: Callable[[str], None]) -> int:
    """Print the CRDs as one YAML text, or write them into a folder, one file each.

    Errors: CliError when the folder cannot be written.
    """
    manifests = crdgen.manifests()
    if not folder:
        say("---\n".join(manifests.values()).rstrip("\n"))
        return outcome.DONE
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        crdgen.write(Path(folder))
    except OSError as error:
        reason = error.strerror or str(error)
        raise CliError(f"cannot write to {folder}: {reason}; name another folder") from error
    for name in manifests:
        say(str(Path(folder) / name))
    return outcome.DONE
