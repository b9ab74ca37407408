"""What a ModelDeployment asks for, as far as it can be carried out, and how its metrics are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tidegate import model, ports
from tidegate.api import convert, effective, templates
from tidegate.controller.store import Store
from tidegate.evidence.terms import Template
from tidegate.evidence.verdict.templates import Find, resolve_templates
from tidegate.settings import Settings

TEMPLATE_KINDS = {
    kind.kind: kind for kind in (ports.METRIC_TEMPLATE, ports.CLUSTER_METRIC_TEMPLATE)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The spec in effect, the templates of its metrics, and everything wrong with the newest one."""

    spec: model.Spec | None
    violations: tuple[model.Violation, ...]
    templates: Mapping[str, Template] = field(default_factory=dict)

    @property
    def blocked(self) -> bool:
        """The newest spec cannot be carried out."""
        return any(one.blocks for one in self.violations)


class SpecReader:
    """Reads specs; the templates that they refer to come from the store."""

    def __init__(self, *, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def read(self, body: ports.Object, *, frozen: model.FrozenRollout | None) -> Asked:
        """What is asked for. `frozen` is the rollout whose spec stands in for what cannot be."""
        newest = self._read(body)
        if frozen is None or not newest.blocked:
            return newest
        parts = effective.parts_of(newest.violations)
        for stand_in in (
            effective.mended(body, frozen=frozen, parts=parts),
            effective.as_frozen(body, frozen=frozen),
        ):
            found = self._read(stand_in)
            if found.spec is not None:
                return replace(found, violations=newest.violations)
        return newest

    def _read(self, body: ports.Object) -> Asked:
        namespace = str(body["metadata"].get("namespace", ""))
        opened = self._settings.sources_of(namespace)
        spec, violations = convert.read_spec(body, sources=opened)
        if spec is None:
            return Asked(spec=None, violations=violations)
        found, unresolved = self._resolve(spec, namespace)
        return Asked(spec=spec, violations=violations + unresolved, templates=found)

    def _resolve(
        self, spec: model.Spec, namespace: str
    ) -> tuple[dict[str, Template], tuple[model.Violation, ...]]:
        """Each metric by itself: one that cannot be read must not silence the others."""
        found: dict[str, Template] = {}
        find, sources = self._finder(namespace), self._enforcing(namespace)
        resolved = resolve_templates(spec, find=find, sources=sources)
        if not isinstance(resolved, tuple):
            return dict(resolved), ()
        for metric in spec.analysis.metrics:
            alone = replace(spec, analysis=replace(spec.analysis, metrics=(metric,)))
            one = resolve_templates(alone, find=find, sources=sources)
            found |= {} if isinstance(one, tuple) else one
        return found, resolved

    def _enforcing(self, namespace: str) -> dict[str, bool]:
        """Which of the metric sources that are open to a namespace put one on every query."""
        opened = self._settings.sources_of(namespace)
        return {name: it.enforces_namespace for name, it in opened.items()}

    def _finder(self, namespace: str) -> Find:
        """Looks up the template behind a reference; a missing or unusable one is None."""

        def find(reference: model.TemplateRef) -> Template | None:
            kind = TEMPLATE_KINDS.get(reference.kind)
            if kind is None:
                return None
            where = namespace if kind.namespaced else ""
            body = self._store.get(kind, namespace=where, name=reference.name)
            return templates.read_template(body)[0] if body is not None else None

        return find
