"""What a ModelDeployment says and asks for, as far as it can be carried out.

Everything that follows from the object alone is read once per version of it. What follows from other
objects too, templates, the source of its pods and what a rollout froze, is read again only when one of
them has changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tidegate import model, ports
from tidegate.api import (
    config_maps,
    convert,
    defaults,
    effective,
    revision,
    status,
    templates,
    workload_ref,
)
from tidegate.controller.dependencies import Ref, source_of, template_ref
from tidegate.controller.store import Entry, Store
from tidegate.evidence.terms import Template
from tidegate.evidence.verdict import agreement
from tidegate.evidence.verdict.templates import Find, alone, resolve_pairs, resolve_templates
from tidegate.model import objects
from tidegate.settings import Settings

Held = Mapping[str, config_maps.Held]
_Terms = tuple[Held, tuple[model.DefaultValue, ...]]
NOTHING_HELD: Held = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The spec in effect, the templates of its metrics, and everything wrong with the newest one.

    `desired` is the revision of the newest spec; where its source cannot be read, one that never is.
    `began` is the spec with the strategy that the rollout froze, where that is of another type.
    """

    spec: model.Spec | None
    violations: tuple[model.Violation, ...]
    desired: model.Revision
    templates: Mapping[str, Template] = field(default_factory=dict)
    began: model.Spec | None = None

    @property
    def blocked(self) -> bool:
        """The newest spec cannot be carried out."""
        return any(one.blocks for one in self.violations)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Followed:
    """What followed from an object and from others, and those others as they were then."""

    asked: Asked
    frozen: model.FrozenRollout | None
    terms: _Terms
    others: tuple[tuple[Ref, Entry | None], ...]


@dataclass(slots=True, kw_only=True)
class Said:
    """What one version of a ModelDeployment says; with a `source` its pod template stands there.

    `strategy` is its type as it was written; empty where the spec names none.
    """

    strategy: str
    meta: model.ObjectMeta
    status: model.Status
    status_losses: tuple[str, ...]
    request: model.Request | None
    desired: model.Revision
    spec: model.Spec | None
    violations: tuple[model.Violation, ...]
    source: Ref | None
    tracks: bool
    followed: _Followed | None = field(default=None, repr=False)


# What is wrong with these leaves the rest of a spec as it is: it only lacks pods.
_OF_PODS = (workload_ref.PATH, config_maps.PATH)
_STRATEGY = frozenset({"strategy"})
_UNKNOWN = "unknown"  # no digest


class SpecReader:
    """Reads ModelDeployments; the templates that they refer to come from the store."""

    def __init__(self, *, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def said(self, body: ports.Object, before: object = None) -> Said:
        """What follows from the object alone; from the version before where the spec is the same."""
        status_, losses = status.read_with_losses(body.get("status"))
        meta = convert.read_meta(body)
        request = convert.read_request(body["metadata"].get("annotations"))
        if isinstance(before, Said) and _of_one_spec(before.meta, meta):
            return replace(before, meta=meta, status=status_, status_losses=losses, request=request)
        spec, violations = self._spec(body)
        return Said(
            strategy=_strategy(body),
            meta=meta,
            status=status_,
            status_losses=losses,
            request=request,
            desired=revision.revision_of(body),
            spec=spec,
            violations=violations,
            source=source_of(str(body["metadata"].get("namespace", "")), body),
            tracks=config_maps.is_asked(body),
        )

    def tracked(self, entry: Entry) -> Mapping[str, bool]:
        """The ConfigMaps that `asked` wants to know of, and which of them pods need to start."""
        said = entry.read_on(self.said)
        if not said.tracks:
            return {}
        made = self._with_template(entry.snapshot, said, {})
        return {} if isinstance(made, model.Violation) else config_maps.tracked(made)

    def asked(
        self,
        entry: Entry,
        *,
        frozen: model.FrozenRollout | None,
        held: Held = NOTHING_HELD,
        values: tuple[model.DefaultValue, ...] = (),
    ) -> Asked:
        """What is asked for. `frozen` is the rollout whose spec stands in for what cannot be.

        Shapes: `held` has what each of the ConfigMaps that are `tracked` holds, `values` what policies
        give where the spec says nothing.
        """
        said = entry.read_on(self.said)
        known = said.followed
        terms = (held, values)
        same = known is not None and known.frozen is frozen and known.terms == terms
        if known is None or not same or self._changed(known.others):
            found: dict[Ref, Entry | None] = {}
            asked = self._by_terms(entry, said, frozen=frozen, terms=terms, found=found)
            others = tuple(found.items())
            known = _Followed(asked=asked, frozen=frozen, terms=terms, others=others)
            said.followed = known
        return known.asked

    def _by_terms(
        self,
        entry: Entry,
        said: Said,
        *,
        frozen: model.FrozenRollout | None,
        terms: _Terms,
        found: dict[Ref, Entry | None],
    ) -> Asked:
        """With the values of policies laid under the spec, and under that which stands in for it."""
        held, values = terms
        body = entry.snapshot
        if values:
            body = defaults.applied(values, body)
            spec, violations = self._spec(body)
            said = replace(said, spec=spec, violations=defaults.blamed(violations, values))
            frozen = _with_defaults(frozen, values)
        asked = self._in_effect(body, said, frozen=frozen, held=held, found=found)
        return replace(asked, began=self._began(body, said, frozen))

    def _changed(self, seen: Sequence[tuple[Ref, Entry | None]]) -> bool:
        return any(self._store.entry(ref) is not entry for ref, entry in seen)

    def _in_effect(
        self,
        body: ports.Object,
        said: Said,
        *,
        frozen: model.FrozenRollout | None,
        held: Held,
        found: dict[Ref, Entry | None],
    ) -> Asked:
        body, newest = self._newest(body, said, found)
        newest = _with_config_maps(newest, body, held=held)
        if frozen is None or not newest.blocked:
            return self._reduced(body, newest, said, found)
        others = [it for it in newest.violations if not it.path.startswith(_OF_PODS)]
        parts = effective.parts_of(others)
        if newest.spec is not None and not parts:
            return newest  # it lacks no more than its pods
        for stand_in in (
            effective.mended(body, frozen=frozen, parts=parts),
            effective.as_frozen(body, frozen=frozen),
        ):
            other = self._resolved(*self._spec(stand_in), said, found)
            if other.spec is not None:
                known = newest.spec.config_maps if newest.spec is not None else {}
                spec = replace(other.spec, config_maps=known)
                return replace(
                    other, spec=spec, violations=newest.violations, desired=newest.desired
                )
        return newest

    def _reduced(
        self,
        body: ports.Object,
        newest: Asked,
        said: Said,
        found: dict[Ref, Entry | None],
    ) -> Asked:
        """What is left of a spec whose rollout nobody remembers: enough to bring users back by.

        A spec that was never carried out has nothing to bring back.
        """
        known = said.status.stable is not None or said.status.active_rollout is not None
        if newest.spec is not None or not known:
            return newest
        stand_in = effective.reduced(body, parts=effective.parts_of(newest.violations))
        if stand_in is None:
            return newest
        other = self._resolved(*self._spec(stand_in), said, found)
        if other.spec is None:
            return newest
        return replace(other, violations=newest.violations, desired=newest.desired)

    def _began(
        self, body: ports.Object, said: Said, frozen: model.FrozenRollout | None
    ) -> model.Spec | None:
        if frozen is None or _strategy({"spec": frozen.spec}) == said.strategy:
            return None
        return self._spec(effective.mended(body, frozen=frozen, parts=_STRATEGY))[0]

    def _newest(
        self, body: ports.Object, said: Said, found: dict[Ref, Entry | None]
    ) -> tuple[ports.Object, Asked]:
        """The object with its pods' template where its source has one, and what it asks for.

        Without one everything else of it counts, and no pods are made meanwhile.
        """
        if said.source is None:
            return body, self._resolved(said.spec, said.violations, said, found)
        made = self._with_template(body, said, found)
        if isinstance(made, model.Violation):
            return body, self._resolved(said.spec, (made, *said.violations), said, found)
        spec, violations = self._spec(made)
        if blamed := workload_ref.blamed(violations, name=said.source.name):
            return body, self._resolved(said.spec, (*blamed, *said.violations), said, found)
        asked = self._resolved(spec, violations, said, found)
        return made, replace(asked, desired=revision.revision_of(made))

    def _with_template(
        self, body: ports.Object, said: Said, found: dict[Ref, Entry | None]
    ) -> ports.Object | model.Violation:
        """The object with its source's pod template, if it has a source; or why there is none."""
        if said.source is None:
            return body
        entry = found[said.source] = self._store.entry(said.source)
        return workload_ref.with_template(body, entry.snapshot if entry is not None else None)

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
        self._resolve_stage(spec, said, resolved, found)
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

    def _resolve_stage(
        self,
        spec: model.Spec,
        said: Said,
        resolved: dict[str, Template],
        noted: dict[Ref, Entry | None],
    ) -> None:
        """What reads the pairs of the stage that is judged: it was fixed with the plan.

        The spec may name another template since, or does not even when it lacks only a metric's.
        """
        rollout = said.status.active_rollout
        stage = rollout.judged_stage if rollout is not None else None
        if stage is None or stage.agreement is None:
            return
        namespace = said.meta.namespace
        paired = resolve_pairs(
            stage.agreement,
            spec=spec,
            find=self._finder(namespace, noted),
            sources=self._enforcing(namespace),
        )
        resolved.pop(agreement.NAME, None)
        if isinstance(paired, Template):
            resolved[agreement.NAME] = paired

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


def _with_config_maps(asked: Asked, body: ports.Object, *, held: Held) -> Asked:
    """With what the tracked ConfigMaps hold as a part of the revision.

    Where that cannot be known the desired revision is one that nobody ever has.
    """
    wanted = config_maps.tracked(body)
    if asked.spec is None or not wanted:
        return asked
    found = config_maps.violation(wanted, held)
    digests = {name: _UNKNOWN if found is not None else held[name].digest for name in wanted}
    desired = revision.revision_of(body, config_maps=digests)
    if found is not None:
        return replace(asked, violations=(found, *asked.violations), desired=desired)
    return replace(asked, spec=replace(asked.spec, config_maps=digests), desired=desired)


def _with_defaults(
    frozen: model.FrozenRollout | None, values: tuple[model.DefaultValue, ...]
) -> model.FrozenRollout | None:
    """What a rollout froze is what its author wrote, without the values of policies."""
    if frozen is None:
        return None
    return replace(frozen, spec=defaults.applied(values, {"spec": frozen.spec})["spec"])


def _strategy(body: ports.Object) -> str:
    document = body.get("spec")
    kind = objects.at(document, "strategy", "type") if isinstance(document, dict) else None
    return objects.text(kind)


def _of_one_spec(one: model.ObjectMeta, other: model.ObjectMeta) -> bool:
    """Two versions of an object with an unchanged spec: the API server counts those of the spec."""
    return bool(one.uid and one.generation) and (one.uid, one.generation) == (
        other.uid,
        other.generation,
    )


def _template(body: ports.Object) -> Template | None:
    return templates.read_template(body)[0]
