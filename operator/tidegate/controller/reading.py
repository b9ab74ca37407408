"""What a ModelDeployment says and asks for, as far as it can be carried out.

Everything that follows from the object alone is read once per version of it. What follows from other
objects too, templates, the source of its pods and what a rollout froze, is read again only when one of
them has changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tidegate import model, ports
from tidegate.api import convert, effective, revision, status, templates, workload_ref
from tidegate.controller.dependencies import Ref, source_of, template_ref
from tidegate.controller.store import Entry, Store
from tidegate.evidence.terms import Template
from tidegate.evidence.verdict.templates import Find, alone, resolve_templates
from tidegate.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The spec in effect, the templates of its metrics, and everything wrong with the newest one.

    `desired` is the revision of the newest spec; where its source cannot be read, one that never is.
    """

    spec: model.Spec | None
    violations: tuple[model.Violation, ...]
    desired: model.Revision
    templates: Mapping[str, Template] = field(default_factory=dict)

    @property
    def blocked(self) -> bool:
        """The newest spec cannot be carried out."""
        return any(one.blocks for one in self.violations)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Followed:
    """What followed from an object and from others, and those others as they were then."""

    asked: Asked
    frozen: model.FrozenRollout | None
    others: tuple[tuple[Ref, Entry | None], ...]


@dataclass(slots=True, kw_only=True)
class Said:
    """What one version of a ModelDeployment says; with a `source` its pod template stands there."""

    meta: model.ObjectMeta
    status: model.Status
    status_losses: tuple[str, ...]
    request: model.Request | None
    desired: model.Revision
    spec: model.Spec | None
    violations: tuple[model.Violation, ...]
    source: Ref | None
    followed: _Followed | None = field(default=None, repr=False)


class SpecReader:
    """Reads ModelDeployments; the templates that they refer to come from the store."""

    def __init__(self, *, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def said(self, body: ports.Object) -> Said:
        """What follows from the object alone."""
        spec, violations = self._spec(body)
        status_, losses = status.read_with_losses(body.get("status"))
        return Said(
            meta=convert.read_meta(body),
            status=status_,
            status_losses=losses,
            request=convert.read_request(body["metadata"].get("annotations")),
            desired=revision.revision_of(body),
            spec=spec,
            violations=violations,
            source=source_of(str(body["metadata"].get("namespace", "")), body),
        )

    def asked(self, entry: Entry, *, frozen: model.FrozenRollout | None) -> Asked:
        """What is asked for. `frozen` is the rollout whose spec stands in for what cannot be."""
        said = entry.read(self.said)
        known = said.followed
        if known is None or known.frozen is not frozen or self._changed(known.others):
            known = self._follow(entry.snapshot, said, frozen=frozen)
            said.followed = known
        return known.asked

    def _changed(self, seen: Sequence[tuple[Ref, Entry | None]]) -> bool:
        return any(self._store.entry(ref) is not entry for ref, entry in seen)

    def _follow(
        self, body: ports.Object, said: Said, *, frozen: model.FrozenRollout | None
    ) -> _Followed:
        found: dict[Ref, Entry | None] = {}
        asked = self._in_effect(body, said, frozen=frozen, found=found)
        return _Followed(asked=asked, frozen=frozen, others=tuple(found.items()))

    def _in_effect(
        self,
        body: ports.Object,
        said: Said,
        *,
        frozen: model.FrozenRollout | None,
        found: dict[Ref, Entry | None],
    ) -> Asked:
        body, newest = self._newest(body, said, found)
        if frozen is None or not newest.blocked:
            return newest
        others = [it for it in newest.violations if not it.path.startswith(workload_ref.PATH)]
        parts = effective.parts_of(others)
        if newest.spec is not None and not parts:
            return newest  # it lacks no more than its pods
        for stand_in in (
            effective.mended(body, frozen=frozen, parts=parts),
            effective.as_frozen(body, frozen=frozen),
        ):
            other = self._resolved(*self._spec(stand_in), said, found)
            if other.spec is not None:
                return replace(other, violations=newest.violations, desired=newest.desired)
        return newest

    def _newest(
        self, body: ports.Object, said: Said, found: dict[Ref, Entry | None]
    ) -> tuple[ports.Object, Asked]:
        """The object with its pods' template where its source has one, and what it asks for.

        Without one everything else of it counts, and no pods are made meanwhile.
        """
        if said.source is None:
            return body, self._resolved(said.spec, said.violations, said, found)
        entry = found[said.source] = self._store.entry(said.source)
        source = entry.snapshot if entry is not None else None
        made = workload_ref.with_template(body, source)
        if isinstance(made, model.Violation):
            return body, self._resolved(said.spec, (made, *said.violations), said, found)
        spec, violations = self._spec(made)
        if blamed := workload_ref.blamed(violations, name=said.source.name):
            return body, self._resolved(said.spec, (*blamed, *said.violations), said, found)
        asked = self._resolved(spec, violations, said, found)
        return made, replace(asked, desired=revision.revision_of(made))

    def _spec(self, body: ports.Object) -> tuple[model.Spec | None, tuple[model.Violation, ...]]:
        namespace = str(body["metadata"].get("namespace", ""))
        return convert.read_spec(body, sources=self._settings.sources_of(namespace))

    def _resolved(
        self,
        spec: model.Spec | None,
        violations: tuple[model.Violation, ...],
        said: Said,
        found: dict[Ref, Entry | None],
    ) -> Asked:
        """With the templates of the metrics; what was looked up for them is noted in `found`."""
        if spec is None:
            return Asked(spec=None, violations=violations, desired=said.desired)
        resolved, unresolved = self._resolve(spec, said.meta.namespace, found)
        return Asked(
            spec=spec,
            violations=violations + unresolved,
            desired=said.desired,
            templates=resolved,
        )

    def _resolve(
        self, spec: model.Spec, namespace: str, noted: dict[Ref, Entry | None]
    ) -> tuple[dict[str, Template], tuple[model.Violation, ...]]:
        """Each metric by itself: one that cannot be read must not silence the others."""
        found: dict[str, Template] = {}
        find, sources = self._finder(namespace, noted), self._enforcing(namespace)
        resolved = resolve_templates(spec, find=find, sources=sources)
        if not isinstance(resolved, tuple):
            return dict(resolved), ()
        for metric in spec.analysis.metrics:
            one = resolve_templates(alone(spec, metric), find=find, sources=sources)
            found |= {} if isinstance(one, tuple) else one
        return found, resolved

    def _enforcing(self, namespace: str) -> dict[str, bool]:
        """Which of the metric sources that are open to a namespace put one on every query."""
        opened = self._settings.sources_of(namespace)
        return {name: it.enforces_namespace for name, it in opened.items()}

    def _finder(self, namespace: str, noted: dict[Ref, Entry | None]) -> Find:
        """Looks up the template behind a reference; a missing or unusable one is None."""

        def find(reference: model.TemplateRef) -> Template | None:
            ref = template_ref(namespace, {"kind": reference.kind, "name": reference.name})
            if ref is None:
                return None
            entry = noted[ref] = self._store.entry(ref)
            return entry.read(_template) if entry is not None else None

        return find


def _template(body: ports.Object) -> Template | None:
    return templates.read_template(body)[0]
