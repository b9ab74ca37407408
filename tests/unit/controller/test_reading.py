"""What an object says is read once per version, and what follows from others when they change."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from api_examples import SMALLEST

from tidegate import model, ports
from tidegate.api import convert, status, templates
from tidegate.api.config_maps import Held
from tidegate.api.revision import revision_of
from tidegate.controller.dependencies import Ref, ref_of, template_ref
from tidegate.controller.reading import Asked, SpecReader
from tidegate.controller.snapshot import slim
from tidegate.controller.store import Entry, Store
from tidegate.settings import MetricSourceSettings, Settings

MD, TEMPLATE = ports.MODEL_DEPLOYMENT, ports.METRIC_TEMPLATE
SETTINGS = Settings(metric_sources=(MetricSourceSettings(name="default", url="http://127.0.0.1"),))
PROMQL = "avg(own{namespace=~'{{ namespace }}', candidate=~'{{ candidate }}'})"


def deployment(*, version: int = 1, **spec: Any) -> ports.Object:
    body = copy.deepcopy(SMALLEST)
    body["metadata"] |= {"namespace": "ns", "uid": "md", "resourceVersion": str(version)}
    metric = {
        "name": "own",
        "templateRef": {"kind": "MetricTemplate", "name": "own"},
        "threshold": {"max": 1},
    }
    body["spec"] |= {"analysis": {"source": "default", "metrics": [metric]}} | spec
    return body


def template(metric: str, *, version: int = 1) -> ports.Object:
    return {
        "apiVersion": TEMPLATE.api_version,
        "kind": TEMPLATE.kind,
        "metadata": {
            "name": "own",
            "namespace": "ns",
            "uid": "template",
            "resourceVersion": str(version),
        },
        "spec": {"type": "Value", "provider": {}, "value": {"series": {"metric": metric}}},
    }


def frozen(port: int) -> model.FrozenRollout:
    spec = {"model": SMALLEST["spec"]["model"], "server": {"preset": "MLServer", "port": port}}
    return model.FrozenRollout(
        name="r", revision="aaaaaaaaaa", attempt=1, from_revision="", spec=spec
    )


class World:
    """A store with one ModelDeployment, and how often its parts were parsed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = Store()
        self.reader = SpecReader(store=self.store, settings=SETTINGS)
        self.parsed: list[str] = []
        self._count(monkeypatch, convert, "read_spec")
        self._count(monkeypatch, status, "read_with_losses")
        self._count(monkeypatch, templates, "read_template")

    def _count(self, monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
        plain = getattr(module, name)

        def counted(*args: Any, **options: Any) -> Any:
            self.parsed.append(name)
            return plain(*args, **options)

        monkeypatch.setattr(module, name, counted)

    def asked(self, *, frozen: model.FrozenRollout | None = None) -> Asked:
        return self.reader.asked(self.entry(), frozen=frozen)

    def entry(self) -> Entry:
        entry = self.store.entry(ref_of(MD, deployment()))
        assert entry is not None
        return entry


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(monkeypatch)
    made.store.put(TEMPLATE, template("first"))
    made.store.put(MD, deployment())
    return made


def series(asked: Asked) -> str:
    return asked.templates["own"].measure.series.metric  # type: ignore[union-attr]


def test_every_version_is_parsed_once(world: World) -> None:
    first = world.asked()
    assert series(first) == "first"
    assert sorted(world.parsed) == ["read_spec", "read_template", "read_with_losses"]
    world.parsed.clear()
    assert world.asked() is first
    world.store.put(MD, deployment())
    assert world.asked() is first
    assert not world.parsed


def test_a_newer_version_is_parsed_and_says_what_is_new(world: World) -> None:
    world.asked()
    world.parsed.clear()
    world.store.put(MD, deployment(version=2, paused=True))
    asked = world.asked()
    assert asked.spec is not None
    assert asked.spec.paused
    assert sorted(world.parsed) == ["read_spec", "read_with_losses"]


def of_generation(generation: int, **more: Any) -> ports.Object:
    body = deployment(**more)
    body["metadata"]["generation"] = generation
    return body


def test_a_new_status_leaves_the_spec_as_it_was_read(world: World) -> None:
    world.store.put(MD, of_generation(2, version=2))
    first = world.asked()
    world.parsed.clear()
    for version in (3, 4):  # of which a follower, who asks nothing, reads none
        world.store.put(MD, {**of_generation(2, version=version), "status": {"phase": "Paused"}})
    assert world.asked() is first
    assert world.parsed == ["read_with_losses"]
    said = world.entry().read_on(world.reader.said)
    assert (said.status.phase, said.meta.resource_version) == (model.Phase.PAUSED, "4")


@pytest.mark.parametrize("change", ["generation", "uid"])
def test_another_spec_or_another_object_is_read_anew(world: World, change: str) -> None:
    world.store.put(MD, of_generation(2, version=2))
    world.asked()
    world.parsed.clear()
    newer = of_generation(3 if change == "generation" else 2, version=3, paused=True)
    if change == "uid":
        newer["metadata"]["uid"] = "another"
    world.store.put(MD, newer)
    asked = world.asked()
    assert asked.spec is not None
    assert asked.spec.paused
    assert "read_spec" in world.parsed


def test_a_template_that_changes_comes_or_goes_counts_without_an_edit(world: World) -> None:
    assert series(world.asked()) == "first"
    world.store.put(TEMPLATE, template("second", version=2))
    assert series(world.asked()) == "second"
    world.store.remove(TEMPLATE, template("second", version=3))
    assert [one.reason for one in world.asked().violations] == ["ReferenceNotFound"]
    world.store.put(TEMPLATE, template("third", version=4) | {"metadata": _again(5)})
    assert series(world.asked()) == "third"
    assert world.parsed.count("read_spec") == 1


def _again(version: int) -> ports.Object:
    metadata: ports.Object = template("", version=version)["metadata"]
    return metadata | {"uid": "another"}


def test_what_stands_in_follows_what_was_frozen(world: World) -> None:
    world.store.put(MD, deployment(version=2, server={"preset": "MLServer", "port": "many"}))
    assert world.asked().spec is None
    for port in (8081, 8082):
        rollout = frozen(port)
        asked = world.asked(frozen=rollout)
        assert asked.spec is not None
        assert asked.spec.server.port == port
        assert asked.blocked
        assert world.asked(frozen=rollout) is asked


@pytest.mark.parametrize(
    ("broken", "serves", "readable"),
    [
        ({"analysis": {"metrics": "text"}}, True, True),
        ({"rolloutHistoryLimit": "many"}, True, True),
        ({"analysis": {"metrics": "text"}}, False, False),
        ({"server": {"preset": "MLServer", "port": "many"}}, True, False),
        ({"analysis": "text", "traffic": "text"}, True, False),
    ],
)
def test_what_brings_users_back_is_read_where_nothing_was_frozen(
    world: World, *, broken: ports.Object, serves: bool, readable: bool
) -> None:
    body = deployment(version=2, **broken)
    if serves:
        body["status"] = {"stable": {"revision": "aaaaaaaaaa", "modelVersion": "1"}}
    world.store.put(MD, body)
    asked = world.asked()
    assert asked.blocked
    assert (asked.spec is not None) is readable
    if asked.spec is not None and "analysis" in broken:
        assert not [it for it in asked.spec.analysis.metrics if it.acts], "limits nobody chose"


def referring(*, version: int = 1, **spec: Any) -> ports.Object:
    workload = {"replicas": 3, "workloadRef": {"name": "old"}}
    return deployment(version=version, **({"workload": workload} | spec))


def source(image: str, *, version: int = 1, **labels: str) -> ports.Object:
    pods = {"containers": [{"name": "server", "image": image}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "old",
            "namespace": "ns",
            "uid": "old",
            "resourceVersion": str(version),
        },
        "spec": {
            "replicas": version,
            "selector": {"matchLabels": {}},
            "template": {"metadata": {"labels": labels}, "spec": pods},
        },
        "status": {"readyReplicas": version},
    }


def image(asked: Asked) -> str:
    assert asked.spec is not None
    pods: Any = asked.spec.template["spec"]
    return str(pods["containers"][0]["image"])


def kept(**workload: Any) -> model.FrozenRollout:
    spec = referring(workload={"replicas": 1, **workload})["spec"]
    return model.FrozenRollout(
        name="r", revision="aaaaaaaaaa", attempt=1, from_revision="", spec=spec
    )


def test_a_source_that_changes_comes_or_goes_counts_without_an_edit(world: World) -> None:
    world.store.put(MD, referring(version=2))
    seen = set()
    for version, name in ((3, "a"), (4, "b")):
        assert world.store.put(ports.DEPLOYMENT, source(name, version=version))
        asked = world.asked()
        assert image(asked) == name
        assert not asked.blocked
        seen.add(asked.desired.hash)
    world.store.remove(ports.DEPLOYMENT, source("b", version=5))
    asked = world.asked()
    assert [one.reason for one in asked.violations] == ["SourceNotFound"]
    assert asked.desired.hash not in seen, "nothing is made meanwhile"
    world.store.put(ports.DEPLOYMENT, source("a", version=6) | {"metadata": _new_source(6)})
    assert world.asked().desired.hash in seen


def _new_source(version: int) -> ports.Object:
    metadata: ports.Object = source("", version=version)["metadata"]
    return metadata | {"uid": "anew"}


@pytest.mark.parametrize("labels", [None, {"tidegate.dev/role": "x"}])
def test_all_but_the_pods_of_the_newest_spec_counts_without_a_usable_source(
    world: World, labels: dict[str, str] | None
) -> None:
    world.store.put(MD, referring(version=2, paused=True))
    if labels:
        world.store.put(ports.DEPLOYMENT, source("a", **labels))
    for frozen_ in (None, kept(workloadRef={"name": "old"}), kept()):
        asked = world.asked(frozen=frozen_)
        assert asked.spec is not None
        assert asked.blocked
        assert asked.spec.paused
        assert asked.spec.replicas == 3


def test_what_else_is_wrong_is_mended_by_what_was_frozen(world: World) -> None:
    world.store.put(MD, referring(version=2, server={"preset": "MLServer", "port": "many"}))
    for there in (False, True):
        if there:
            world.store.put(ports.DEPLOYMENT, source("a"))
        asked = world.asked(frozen=kept(workloadRef={"name": "old"}))
        assert asked.spec is not None
        assert asked.blocked
        assert asked.spec.replicas == 3
    assert image(asked) == "a"


def test_of_somebody_elses_deployment_only_the_template_and_its_selector_count(
    world: World,
) -> None:
    world.store.put(MD, referring(version=2))
    assert world.store.put(ports.DEPLOYMENT, source("a"))
    known = world.store.get(ports.DEPLOYMENT, namespace="ns", name="old")
    assert known is not None
    assert set(known["spec"]) == {"selector", "template"}
    assert "status" not in known
    assert not world.store.put(ports.DEPLOYMENT, source("a", version=2)), "other size and status"
    assert world.store.put(ports.DEPLOYMENT, source("b", version=3))


def test_whom_a_source_concerns(world: World) -> None:
    assert not world.store.dependents(ports.DEPLOYMENT, source("a"))
    world.store.put(MD, referring(version=2))
    keys = world.store.dependents(ports.DEPLOYMENT, source("a"))
    assert [key.name for key in keys] == [SMALLEST["metadata"]["name"]]
    elsewhere = source("a")
    elsewhere["metadata"]["namespace"] = "other"
    assert not world.store.dependents(ports.DEPLOYMENT, elsewhere)


def test_an_entry_that_is_asked_by_another_reader_answers_that_one(world: World) -> None:
    entry = world.entry()
    assert entry.read(len) == len(entry.snapshot)
    assert entry.read(list) == list(entry.snapshot)
    assert entry.read(len) == len(entry.snapshot)


def test_snapshots_share_their_texts_but_no_containers() -> None:
    text = json.dumps(deployment())
    one, other = (slim(MD, json.loads(text)) for _ in range(2))
    assert one == other
    assert one["metadata"] is not other["metadata"]
    for first, second in zip(one["spec"], other["spec"], strict=True):
        assert first is second
    assert one["spec"]["model"]["version"] is other["spec"]["model"]["version"]


def test_a_snapshot_of_any_depth_is_taken() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    assert slim(MD, deployment(deep=deep))["spec"]["deep"] is not None


def test_a_reference_means_the_template_of_the_objects_own_namespace() -> None:
    own = template_ref("ns", {"kind": "MetricTemplate", "name": "t"})
    assert own == Ref(TEMPLATE, "ns", "t")
    cluster = template_ref("ns", {"kind": "ClusterMetricTemplate", "name": "t"})
    assert cluster == Ref(ports.CLUSTER_METRIC_TEMPLATE, "", "t")
    assert template_ref("ns", {"kind": "ConfigMap", "name": "t"}) is None
    assert template_ref("ns", "t") is None


def test_the_limit_of_a_step_silences_no_other_metric_where_a_template_is_missing(
    world: World,
) -> None:
    """Harm in what can be read still rolls back: a step's limit is the trouble of its metric alone."""
    own = {"templateRef": {"kind": "MetricTemplate", "name": "own"}, "threshold": {"max": 1}}
    known = [own | {"name": name} for name in ("one", "two")]
    gone = {"name": "gone", "templateRef": {"kind": "MetricTemplate", "name": "gone"}}
    metrics = [*known, gone | {"threshold": {"max": 1}}]
    limit = {"name": "one", "threshold": {"max": 5}}
    step = {"name": "s0", "weight": 50, "metrics": [limit]}
    strategy = {"canary": {"steps": [step]}}
    analysis = {"source": "default", "metrics": metrics}
    world.store.put(MD, deployment(version=2, analysis=analysis, strategy=strategy))
    asked = world.asked()
    assert [one.reason for one in asked.violations] == ["ReferenceNotFound"], asked.violations
    assert set(asked.templates) == {"one", "two"}


# --- tracked ConfigMaps --------------------------------------------------------------------------


def tracking(*, version: int = 1) -> ports.Object:
    body = deployment(version=version)
    pod = body["spec"]["workload"]["template"]["spec"]
    pod["volumes"] = [{"name": "v", "configMap": {"name": "settings"}}]
    body["spec"]["workload"]["trackConfigMaps"] = "Snapshot"
    return body


def test_what_a_tracked_config_map_holds_is_read_again_when_it_changes(world: World) -> None:
    world.store.put(MD, tracking(version=2))
    entry = world.entry()
    assert world.reader.tracked(entry) == {"settings": True}
    held = {"settings": Held(digest="one")}
    first = world.reader.asked(entry, frozen=None, held=held)
    assert first.spec is not None
    assert first.spec.config_maps == {"settings": "one"}
    assert world.reader.asked(entry, frozen=None, held=dict(held)) is first
    other = world.reader.asked(entry, frozen=None, held={"settings": Held(digest="two")})
    assert other.desired.hash not in {first.desired.hash, revision_of(tracking()).hash}
    assert not other.violations


def test_without_what_it_tracks_all_but_the_pods_of_a_spec_counts(world: World) -> None:
    world.store.put(MD, tracking(version=2))
    entry = world.entry()
    asked = world.reader.asked(entry, frozen=frozen(9000), held={"settings": Held()})
    assert [(it.path, it.reason) for it in asked.violations] == [
        ("spec.workload.trackConfigMaps", "SourceNotFound")
    ]
    assert asked.spec is not None
    assert asked.spec.server.port != 9000, "nothing of it is as it was frozen"
    known = world.reader.asked(entry, frozen=None, held={"settings": Held(digest="one")})
    assert asked.desired.hash not in {known.desired.hash, revision_of(tracking()).hash}


def test_what_else_is_wrong_leaves_what_is_tracked(world: World) -> None:
    body = tracking(version=2)
    body["spec"]["analysis"]["source"] = "unknown"
    world.store.put(MD, body)
    held = {"settings": Held(digest="one")}
    asked = world.reader.asked(world.entry(), frozen=frozen(9000), held=held)
    assert asked.spec is not None
    assert asked.spec.config_maps == {"settings": "one"}


def test_the_template_of_a_source_is_looked_through(world: World) -> None:
    body = tracking(version=2)
    template_ = body["spec"]["workload"].pop("template")
    body["spec"]["workload"]["workloadRef"] = {"name": "source"}
    world.store.put(MD, body)
    assert world.reader.tracked(world.entry()) == {}
    metadata = {"name": "source", "namespace": "ns", "uid": "s", "resourceVersion": "1"}
    source = {"metadata": metadata, "spec": {"template": template_}}
    world.store.put(ports.DEPLOYMENT, source)
    assert world.reader.tracked(world.entry()) == {"settings": True}


def test_whoever_tracks_nothing_asks_for_nothing(world: World) -> None:
    assert world.reader.tracked(world.entry()) == {}


BAKE = model.DefaultValue(
    field="strategy.postPromotion.bake", value="1h", policy="ClusterRolloutPolicy/p"
)


def test_values_of_policies_count_where_the_spec_says_nothing(world: World) -> None:
    def bake(values: tuple[model.DefaultValue, ...], **more: Any) -> float:
        spec = world.reader.asked(world.entry(), frozen=None, values=values, **more).spec
        assert spec is not None
        return spec.bake.seconds

    before = copy.deepcopy(world.entry().snapshot)
    assert bake(()) == 0
    assert bake((BAKE,)) == 3600
    known = world.reader.asked(world.entry(), frozen=None, values=(BAKE,))
    assert world.reader.asked(world.entry(), frozen=None, values=(BAKE,)) is known
    assert bake(()) == 0
    assert world.entry().snapshot == before


def test_values_count_in_what_stands_in_as_well(world: World) -> None:
    world.store.put(MD, deployment(version=2, strategy={"postPromotion": {"bake": "soon"}}))
    asked = world.reader.asked(world.entry(), frozen=frozen(8080), values=(BAKE,))
    assert asked.blocked
    assert asked.spec is not None
    assert asked.spec.bake.seconds == 3600
