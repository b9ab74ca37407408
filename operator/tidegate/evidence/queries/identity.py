"""Whose a series is: the labels that name a revision, and the question which of them a source has.

A metric source is asked with `up`, which Prometheus makes itself for each target: it carries target
labels only, so nothing that a model server exports can pass for one. The most trusted labels that
`up` shows for stable name both revisions. A `pod` label, where there is one, must agree with them:
with `honor_labels`, or with labels of pods that users write, `revision` alone may be a claim.
Source: api.md, 8.2; ADR 0010.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tidegate.evidence.queries.substitution import quoted, regex_quoted
from tidegate.evidence.terms import Identity
from tidegate.model import IdentityMode, Json, objects

NAMESPACE, MODEL_DEPLOYMENT, REVISION, POD = "namespace", "model_deployment", "revision", "pod"
# Names of the pods of a Deployment: a ReplicaSet's hash and five more characters.
POD_SUFFIX = "-[0-9a-z]+-[0-9a-z]{5}"
MODES = (IdentityMode.LABEL, IdentityMode.POD_LABEL, IdentityMode.POD)  # most trusted first
# What relabelings of pod labels call `tidegate.dev/model-deployment` and `tidegate.dev/revision`.
_POD_LABELS = ("tidegate_dev_model_deployment", "tidegate_dev_revision")
_LABELS: Mapping[IdentityMode, tuple[str, str]] = {
    IdentityMode.LABEL: (MODEL_DEPLOYMENT, REVISION),
    IdentityMode.POD_LABEL: _POD_LABELS,
    IdentityMode.GATEWAY: (MODEL_DEPLOYMENT, REVISION),
}
RESERVED_LABELS = frozenset({NAMESPACE, MODEL_DEPLOYMENT, REVISION, POD, *_POD_LABELS})

_POD_NAME = re.compile(rf"(?P<object>.+){POD_SUFFIX}", re.ASCII)
_POD_PARTS = f"(.+)-([^-]+){POD_SUFFIX}"  # name and revision; a revision has no hyphen


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The revision that a series belongs to."""

    namespace: str
    name: str
    revision: str

    @property
    def object_name(self) -> str:
        """The name of its Deployment, with which the names of its pods begin."""
        return objects.revision_object_name(self.name, revision=self.revision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A series that says it is of `owner`, from a pod that is not one of its pods."""

    owner: Owner
    pod: str


def owners(identity: Identity) -> tuple[Owner, ...]:
    """Both revisions of a rollout, the candidate first."""
    return tuple(
        Owner(namespace=identity.namespace, name=identity.name, revision=revision)
        for revision in (identity.candidate, identity.stable)
        if revision
    )


# --- asking --------------------------------------------------------------------------------------


def matchers(mode: IdentityMode, asked: Iterable[Owner]) -> tuple[str, ...]:
    """Label matchers for the series of all these revisions, and perhaps of some more.

    Every combination of their names is matched; a name is text, never a pattern.
    """
    every = tuple(asked)
    namespaces = _one_of(NAMESPACE, (one.namespace for one in every))
    if mode is IdentityMode.POD:
        names = _alternatives(one.object_name for one in every)
        return namespaces, f"{POD}=~{quoted(f'({names}){POD_SUFFIX}')}"
    name_label, revision_label = _LABELS[mode]
    return (
        namespaces,
        _one_of(name_label, (one.name for one in every)),
        _one_of(revision_label, (one.revision for one in every)),
    )


def aggregated(mode: IdentityMode, *, function: str, numbers: str, by: Sequence[str] = ()) -> str:
    """One number per revision, and value of these labels, under the labels that mode Gateway reads.

    A pod that is named like those of a revision counts for that one, whatever other labels say.
    """
    kept = ", ".join((NAMESPACE, MODEL_DEPLOYMENT, REVISION, *by))
    if mode is IdentityMode.GATEWAY:
        return f"{function} by ({kept}) ({numbers})"
    text = numbers
    if mode is IdentityMode.POD_LABEL:
        for source, target in zip(_POD_LABELS, (MODEL_DEPLOYMENT, REVISION), strict=True):
            text = _label_replace(text, target=target, group=1, source=source, pattern="(.+)")
    for target, group in ((MODEL_DEPLOYMENT, 1), (REVISION, 2)):
        text = _label_replace(text, target=target, group=group, source=POD, pattern=_POD_PARTS)
    return f"{function} by ({kept}) ({text})"


def own_pods(mode: IdentityMode) -> tuple[str, ...]:
    """A matcher that leaves out pods of other workloads; series without a pod stay."""
    if mode in {IdentityMode.POD, IdentityMode.GATEWAY}:
        return ()
    return (f"{POD}=~{quoted(f'|{_POD_PARTS}')}",)


def _label_replace(text: str, *, target: str, group: int, source: str, pattern: str) -> str:
    return f'label_replace({text}, "{target}", "${group}", "{source}", {quoted(pattern)})'


def _one_of(label: str, names: Iterable[str]) -> str:
    return f"{label}=~{quoted(_alternatives(names))}"


def _alternatives(names: Iterable[str]) -> str:
    return "|".join(map(regex_quoted, sorted(set(names))))


# --- reading -------------------------------------------------------------------------------------


def owner_of(labels: Mapping[str, Json], *, mode: IdentityMode) -> Owner | Claim | None:
    """Whose a series is by its labels; None when they name no revision."""
    namespace, pod = _text(labels, NAMESPACE), _text(labels, POD)
    if mode is IdentityMode.POD:
        return _owner_of_pod(namespace, pod=pod)
    name, revision = (_text(labels, label) for label in _LABELS[mode])
    if not (namespace and name and revision):
        return None
    owner = Owner(namespace=namespace, name=name, revision=revision)
    if mode is IdentityMode.GATEWAY or not pod or is_pod_of(owner, pod=pod):
        return owner
    return Claim(owner=owner, pod=pod)


def is_pod_of(owner: Owner, *, pod: str) -> bool:
    """True for the name of a pod of the revision's Deployment."""
    found = _POD_NAME.fullmatch(pod)
    return found is not None and found["object"] == owner.object_name


def named(labels: Mapping[str, Json], *, owner: Owner) -> dict[str, Json]:
    """Labels under which the rest of the operator knows a series.

    As Prometheus does, a label of the same name that the server exports is renamed, not lost: two
    series that differ only in it stay two.
    """
    ours = {NAMESPACE: owner.namespace, MODEL_DEPLOYMENT: owner.name, REVISION: owner.revision}
    found = dict(labels)
    for label, value in ours.items():
        before = found.get(label, value)
        found[label] = value
        if before != value:
            found[_free(f"exported_{label}", found)] = before
    return found


def _free(label: str, taken: Mapping[str, Json]) -> str:
    while label in taken:
        label = f"exported_{label}"
    return label


def _owner_of_pod(namespace: str, *, pod: str) -> Owner | None:
    found = _POD_NAME.fullmatch(pod)
    name, _, revision = found["object"].rpartition("-") if found is not None else ("", "", "")
    if not (namespace and name and revision):
        return None
    return Owner(namespace=namespace, name=name, revision=revision)


def _text(labels: Mapping[str, Json], label: str) -> str:
    value = labels.get(label, "")
    return value if isinstance(value, str) else ""


# --- which labels a source has -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One scrape target of a pod: its target labels, and whether its last scrape worked."""

    labels: Mapping[str, str]
    up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What a metric source knows of one revision.

    `mode` is None when no labels tell the revision. `targets` are those that the mode names; with
    no mode, those at the addresses of its pods, which says what labels there are instead.
    """

    mode: IdentityMode | None
    targets: tuple[Target, ...]

    @property
    def labels_seen(self) -> tuple[str, ...]:
        """Names of the labels of the targets, sorted."""
        return tuple(sorted({label for one in self.targets for label in one.labels}))

    @property
    def problem(self) -> str:
        """Why no series can be told to be of the revision; empty if they can."""
        if self.mode is not None:
            return ""
        if not self.targets:
            return "none of its pods is a target of the source"
        wanted = "; ".join(", ".join(labels) for labels in _WANTED)
        return f"its targets have the labels {', '.join(self.labels_seen)}, needed are {wanted}"


_WANTED = (
    (NAMESPACE, MODEL_DEPLOYMENT, REVISION),
    (NAMESPACE, *_POD_LABELS),
    (NAMESPACE, POD),
)


def unknown_identity(source: str) -> str:
    """Why nothing is asked of a source that does not tell revisions apart."""
    wanted = "; ".join(", ".join(labels) for labels in _WANTED)
    return (
        f"metric source {source} has no target of the stable revision with labels that tell "
        f"revisions apart: {wanted}"
    )


def probe_query(owner: Owner, *, addresses: Iterable[str] = ()) -> str:
    """An instant query for all targets of a revision, by any labels that could name it.

    With the IP addresses of its pods, targets without useful labels are found as well.
    """
    selectors = [f"up{{{','.join(matchers(mode, [owner]))}}}" for mode in MODES]
    known = _alternatives(addresses)
    if known:
        at = quoted(rf"\[?({known})\]?(:[0-9]+)?")
        selectors.append(f"up{{instance=~{at}}}")
    return " or ".join(selectors)


def read_probe(rows: Sequence[Json], *, owner: Owner, kept: IdentityMode | None) -> Probed:
    """The mode that the rows of `probe_query` show: the kept one if it still gives targets.

    Errors: none; a malformed row says nothing. A target by its labels alone, whose `pod` is none of
    the revision's, does not count.
    """
    targets = [target for row in rows if (target := _target(row)) is not None]
    for mode in MODES if kept is None else (kept, *MODES):
        found = tuple(it for it in targets if owner_of(it.labels, mode=mode) == owner)
        if found:
            return Probed(mode=mode, targets=found)
    return Probed(mode=None, targets=tuple(targets))


def _target(row: Json) -> Target | None:
    if not isinstance(row, Mapping):
        return None
    labels, sample = row.get("metric"), row.get("value")
    if not isinstance(labels, Mapping) or not isinstance(sample, Sequence) or len(sample) != 2:
        return None
    names = {str(key): str(value) for key, value in labels.items() if key != "__name__"}
    return Target(labels=names, up=sample[1] in {"1", 1})
