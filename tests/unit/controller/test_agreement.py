"""Whose answers a rollout is held against: fixed with its plan, in the shadow alone."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import timedelta

import pytest
from api_examples import SMALLEST
from rollout_world import V2, World, make_spec, serving
from status_examples import NOON, A

from tidegate import model, ports
from tidegate.api import convert
from tidegate.controller import subjects
from tidegate.controller.analysis.subject import Subject
from tidegate.controller.dependencies import Ref, index_keys, ref_of
from tidegate.controller.reading import Asked, SpecReader
from tidegate.controller.store import Store
from tidegate.controller.workqueue import Key
from tidegate.evidence.terms import Ratio, Selector, Template
from tidegate.evidence.verdict import agreement
from tidegate.settings import MetricSourceSettings, Settings

MD, TEMPLATE = ports.MODEL_DEPLOYMENT, ports.METRIC_TEMPLATE
SETTINGS = Settings(metric_sources=(MetricSourceSettings(name="default", url="http://127.0.0.1"),))
COUNTER = Selector(metric="requests_total")
FOUND = {
    "error-ratio": Template(
        name="error-ratio", measure=Ratio(bad=COUNTER, total=COUNTER), source="default"
    )
}
REFERENCE = model.TemplateRef(kind="MetricTemplate", name="pairs")
AGREEMENT = model.Agreement(threshold=model.Threshold(min=0.98), min_pairs=5000)


def subject(then: model.Then, *, confirmed: int, kept: bool = True) -> Subject:
    """The subject of a shadow of which so many stages are confirmed; perhaps the spec moved on."""
    world: World = serving()
    shadow = model.Shadow(
        mirror=model.Mirror(percent=20.0, seconds=60.0),
        deadline_seconds=600.0,
        min_requests=100,
        then=then,
        agreement=AGREEMENT,
    )
    world.spec = replace(make_spec(), shadow=shadow)
    world.deploy(V2)
    world.tick()
    rollout = world.status.active_rollout
    assert rollout is not None
    plan = tuple(
        replace(stage, confirmed_at=world.now + timedelta(seconds=index))
        if index < confirmed
        else stage
        for index, stage in enumerate(rollout.plan)
    )
    spec = world.spec if kept else replace(world.spec, shadow=None)
    return subjects.subject_of(
        Key(namespace="ml", name="iris"),
        world.observe(),
        rollout=replace(rollout, plan=plan),
        spec=spec,
        found=FOUND,
    )


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize(("confirmed", "judged"), [(0, True), (1, True), (2, False)])
def test_answers_are_held_against_others_in_the_shadow_alone(
    *, confirmed: int, judged: bool, kept: bool
) -> None:
    found = subject(model.Then.CANARY, confirmed=confirmed, kept=kept)
    names = [one.name for one in found.analysis.metrics]
    assert names == ["error-ratio", *([agreement.NAME] if judged else [])]
    assert (agreement.NAME in found.templates) is judged


def body(*, template: str = "", status: dict[str, object] | None = None) -> ports.Object:
    found = copy.deepcopy(SMALLEST)
    found["metadata"] |= {"namespace": "ns", "uid": "md", "resourceVersion": "1"}
    if template:
        reference = {"kind": "MetricTemplate", "name": template}
        compare = {"templateRef": reference, "threshold": {"min": 0.98}}
        shadow = {"mirrorPercent": 20, "duration": "1h", "compare": compare}
        found["spec"]["strategy"] = {"type": "Shadow", "shadow": shadow}
    if status is not None:
        found["status"] = status
    return found


def walking(asked: model.Agreement | None) -> dict[str, object]:
    """The status of a rollout in a stage with this agreement."""
    revision = model.Revision(hash=A, digest=A, model_version="2")
    stage = model.Stage(
        name="shadow",
        kind=model.StageKind.SHADOW,
        weight_percent=0.0,
        effective_weight_percent=0.0,
        agreement=asked,
    )
    rollout = model.Rollout(
        id="x-1",
        revision=revision,
        attempt=1,
        active=True,
        started_at=NOON,
        progress_at=NOON,
        plan=(stage,),
        step=model.ActiveStep(index=0, name="shadow", started_at=NOON),
    )
    return dict(convert.write_status(model.Status(rollout=rollout)))


def pairs_template(name: str, kind: str = "Ratio") -> ports.Object:
    ratio = {"bad": {"metric": f"{name}_bad"}, "total": {"metric": f"{name}_all"}}
    block = {"ratio": ratio} if kind == "Ratio" else {"value": {"series": {"metric": name}}}
    return {
        "apiVersion": TEMPLATE.api_version,
        "kind": TEMPLATE.kind,
        "metadata": {"name": name, "namespace": "ns", "uid": name, "resourceVersion": "1"},
        "spec": {"type": kind, "provider": {}, **block},
    }


def asked(given: ports.Object, *templates: ports.Object) -> Asked:
    store = Store()
    for one in templates:
        store.put(TEMPLATE, one)
    store.put(MD, given)
    entry = store.entry(ref_of(MD, given))
    assert entry is not None
    return SpecReader(store=store, settings=SETTINGS).asked(entry, frozen=None)


def read_by(found: Asked) -> str:
    """The counter of all pairs; empty where none is known."""
    template = found.templates.get(agreement.NAME)
    return template.measure.total.metric if template and isinstance(template.measure, Ratio) else ""


def of_stage(name: str) -> dict[str, object]:
    return walking(replace(AGREEMENT, template=replace(REFERENCE, name=name)))


@pytest.mark.parametrize(
    ("given", "metric"),
    [
        (body(), ""),
        (body(template="new"), "new_all"),
        (body(template="new", status=walking(None)), "new_all"),
        (body(template="new", status=of_stage("old")), "old_all"),
        (body(status=of_stage("old")), "old_all"),
        (body(template="new", status=of_stage("gone")), ""),
        (body(template="gone", status=of_stage("old")), "old_all"),
        (body(template="new", status=walking(AGREEMENT)), "tidegate_comparer_pairs_total"),
    ],
)
def test_the_stage_under_way_keeps_what_reads_its_pairs(given: ports.Object, metric: str) -> None:
    assert read_by(asked(given, pairs_template("old"), pairs_template("new"))) == metric


@pytest.mark.parametrize(
    ("templates", "says"),
    [((), "does not exist"), ((pairs_template("new", kind="Value"),), "must be of type Ratio")],
)
def test_what_cannot_be_read_is_told_and_other_metrics_stay(
    templates: tuple[ports.Object, ...], says: str
) -> None:
    found = asked(body(template="new"), *templates)
    told = [one for one in found.violations if one.path.startswith(agreement.PATH)]
    assert [says in one.message for one in told] == [True]
    assert read_by(found) == ""
    assert found.templates.keys() == {"error-ratio", "latency-p95"}


def test_a_template_of_pairs_concerns_its_users() -> None:
    given = body(template="new")
    keys = {key[3] for key in index_keys(ref_of(MD, given), given)}
    assert keys == {"new"}
    assert Ref(TEMPLATE, "ns", "new") == ref_of(TEMPLATE, pairs_template("new"))
