"""Which policies apply to an object, and what is said on policies themselves."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from api_examples import SMALLEST
from policy_examples import policy
from port_fakes import ManualClock, MemoryRecorder

from tidegate import ports
from tidegate.api import policies as reading
from tidegate.controller.policies import KEPT_SECONDS, Policies
from tidegate.controller.policy_status import PolicyStatuses
from tidegate.controller.reading import SpecReader
from tidegate.controller.rollbacks import Rollbacks
from tidegate.controller.said_beside import LOOK_SECONDS, SaidBeside
from tidegate.controller.store import Store
from tidegate.controller.workqueue import Key
from tidegate.settings import Settings

OWN, CLUSTER = ports.ROLLOUT_POLICY, ports.CLUSTER_ROLLOUT_POLICY
PRODUCTION = {"namespaceSelector": {"matchLabels": {"environment": "production"}}}
BAD_WINDOW = {"name": "w", "schedule": "0 0 31 2 *", "duration": "1h"}


class Api:
    """Namespaces by name with their labels; status writes are kept, and refused where asked to."""

    def __init__(self, **namespaces: dict[str, str]) -> None:
        self.namespaces = namespaces
        self.refusal: ports.Failure | None = None
        self.asked: list[str] = []
        self.written: list[ports.Object] = []

    async def get(self, kind: ports.Kind, *, namespace: str, name: str) -> Any:
        assert (kind, namespace) == (ports.NAMESPACE, "")
        self.asked.append(name)
        if self.refusal is not None:
            return self.refusal
        labels = self.namespaces.get(name)
        return ports.Ok(None if labels is None else {"metadata": {"labels": labels}})

    async def apply_status(self, kind: ports.Kind, *, namespace: str, body: ports.Object) -> Any:
        assert (kind.kind, namespace) == (body["kind"], body["metadata"].get("namespace", ""))
        if self.refusal is not None:
            return self.refusal
        self.written.append(body)
        version = str(int(body["metadata"]["resourceVersion"]) + 1)
        metadata = {**body["metadata"], "resourceVersion": version}
        stored = next(it for it in BODIES if it["metadata"]["name"] == metadata["name"])
        return ports.Ok({**stored, "metadata": {**stored["metadata"], **metadata}, **_of(body)})


def _of(body: ports.Object) -> ports.Object:
    return {"status": body["status"]}


BODIES: list[ports.Object] = []


def put(
    store: Store, spec: Any, *, name: str, cluster: bool = False, namespace: str = "ml"
) -> None:
    place = {} if cluster else {"namespace": namespace}
    version = str(len(BODIES) + 1)
    body = policy(
        spec, name=name, cluster=cluster, uid=f"uid-{name}", resourceVersion=version, **place
    )
    BODIES.append(body)
    assert store.put(CLUSTER if cluster else OWN, body)


def model_deployment(name: str = "iris", *, namespace: str = "ml", **more: Any) -> ports.Object:
    metadata = {"name": name, "namespace": namespace, "uid": name, "resourceVersion": "1"}
    labels = more.pop("labels", None)
    return {"metadata": metadata | ({"labels": labels} if labels else {}), "spec": {}, **more}


def found(
    store: Store,
    api: Api,
    body: ports.Object,
    clock: ManualClock | None = None,
    *,
    kept: frozenset[str] = frozenset(),
) -> list[str]:
    finder: Any = Policies(api=api, store=store, clock=clock or ManualClock())  # type: ignore[arg-type]
    return [it.id for it in asyncio.run(finder.of(body, kept=kept))]


def test_without_policies_nothing_is_asked() -> None:
    api = Api()
    assert found(Store(), api, model_deployment()) == []
    assert api.asked == []


def test_those_of_its_namespace_and_of_the_cluster_by_label() -> None:
    store, api = Store(), Api(ml={"environment": "production"}, lab={})
    put(store, {}, name="own")
    put(store, {}, name="elsewhere", namespace="lab")
    put(store, {"selector": {"matchLabels": {"team": "risk"}}}, name="team")
    put(store, {}, name="all", cluster=True)
    put(store, PRODUCTION, name="production", cluster=True)
    assert found(store, api, model_deployment()) == [
        "ClusterRolloutPolicy/all",
        "ClusterRolloutPolicy/production",
        "RolloutPolicy/own",
    ]
    labelled = model_deployment(labels={"team": "risk"}, namespace="lab")
    assert found(store, api, labelled) == ["ClusterRolloutPolicy/all", "RolloutPolicy/elsewhere"]
    assert "RolloutPolicy/team" in found(store, api, model_deployment(labels={"team": "risk"}))


def test_what_a_rollout_began_with_goes_on_applying_while_it_is_there() -> None:
    """Whoever edits a ModelDeployment can take away its labels; nobody asks for those of its namespace."""
    store, api = Store(), Api(ml={})
    put(store, {"selector": {"matchLabels": {"tier": "gold"}}}, name="gold", cluster=True)
    put(store, PRODUCTION, name="production", cluster=True)
    put(store, {"selector": {"matchLabels": {"tier": "gold"}}}, name="gold")
    put(store, {"selector": {"matchLabels": {"tier": "gold"}}}, name="elsewhere", namespace="lab")
    assert found(store, api, model_deployment()) == []
    ids = ["ClusterRolloutPolicy/gold", "ClusterRolloutPolicy/production", "RolloutPolicy/gold"]
    asked = len(api.asked)
    gone = {"RolloutPolicy/elsewhere", "RolloutPolicy/deleted"}
    assert found(store, api, model_deployment(), kept=gone.union(ids)) == ids
    assert len(api.asked) == asked


@pytest.mark.parametrize("kind", [OWN, CLUSTER], ids=lambda it: it.kind)
def test_a_kind_that_may_not_be_listed_stands_for_policies_that_nobody_knows(
    kind: ports.Kind,
) -> None:
    store = Store()
    store.denied[kind] = "rolloutpolicies is forbidden"
    finder: Any = Policies(api=Api(), store=store, clock=ManualClock())  # type: ignore[arg-type]
    (one,) = asyncio.run(finder.of(model_deployment()))
    assert one.id == f"{kind.kind}/*"
    for part in (f"may not list {kind.plural}.tidegate.dev", "is forbidden", "get, list and watch"):
        assert part in one.problem


def test_labels_of_a_namespace_are_asked_for_seldom_and_only_by_those_who_need_them() -> None:
    async def play() -> None:
        store, clock, api = Store(), ManualClock(), Api(ml={})
        finder: Any = Policies(api=api, store=store, clock=clock)  # type: ignore[arg-type]
        put(store, {}, name="all", cluster=True)
        assert len(await finder.of(model_deployment())) == 1
        assert api.asked == []
        put(store, PRODUCTION, name="production", cluster=True)
        for _ in range(3):
            assert len(await finder.of(model_deployment())) == 1
        assert api.asked == ["ml"]
        api.namespaces["ml"] = {"environment": "production"}
        await clock.advance(KEPT_SECONDS)
        assert len(await finder.of(model_deployment())) == 2
        api.refusal = ports.Retryable(message="busy")
        await clock.advance(KEPT_SECONDS)
        assert not any(it.problem for it in await finder.of(model_deployment())), (
            "known from before"
        )

    asyncio.run(play())


def test_where_nobody_knows_whether_it_applies_it_holds() -> None:
    store, api = Store(), Api()
    api.refusal = ports.Fatal(reason="Forbidden", message="namespaces may not be read")
    put(store, {}, name="all", cluster=True)
    put(store, PRODUCTION, name="production", cluster=True)
    finder: Any = Policies(api=api, store=store, clock=ManualClock())  # type: ignore[arg-type]
    sure, doubted = asyncio.run(finder.of(model_deployment()))
    assert sure.problem == ""
    assert "labels of namespace ml: namespaces may not be read" in doubted.problem


@pytest.mark.parametrize(
    ("selector", "applies"),
    [
        ({"matchLabels": {"team": "risk"}}, False),
        ({"matchLabels": {"a": "b"}}, True),
        ({"matchLabels": {"-": "-"}}, True),
    ],
)
def test_one_that_cannot_be_read_applies_as_far_as_its_selectors_can(
    selector: Any, *, applies: bool
) -> None:
    store = Store()
    put(store, {"selector": selector, "freezeWindows": [BAD_WINDOW]}, name="broken")
    names = found(store, Api(), model_deployment(labels={"a": "b"}))
    assert names == (["RolloutPolicy/broken"] if applies else [])


# --- what is said on policies --------------------------------------------------------------------


def statuses(store: Store, api: Api, *, leads: bool = True, whole_cluster: bool = True) -> Any:
    clock = ManualClock()
    return PolicyStatuses(
        said=SaidBeside(
            api=api,  # type: ignore[arg-type]
            store=store,
            clock=clock,
            recorder=MemoryRecorder(),
            leading=lambda: leads,
        ),
        store=store,
        clock=clock,
        whole_cluster=whole_cluster,
        rollbacks=Rollbacks(store=store),
    )


def user(name: str, *policies: str, broken: str = "", namespace: str = "ml") -> ports.Object:
    state: dict[str, Any] = {"sources": [f"{it}@1" for it in policies]}
    if broken:
        state["violations"] = [{"rule": "minBake", "policy": broken, "action": "Enforce"}]
    return model_deployment(name, namespace=namespace, status={"policy": state})


def test_whom_it_applies_to_and_who_breaks_it() -> None:
    store, api = Store(), Api()
    put(store, {}, name="own")
    put(store, {"stopPolicy": "Hold"}, name="all", cluster=True)
    own, every = "RolloutPolicy/own", "ClusterRolloutPolicy/all"
    for body in (
        user("a", own, every),
        user("b", own, every, broken=own),
        user("c", own, every, namespace="lab"),  # another policy of that name
        model_deployment("d", status={"policy": {"sources": "x", "violations": [1]}}),
    ):
        store.put(ports.MODEL_DEPLOYMENT, body)
    asyncio.run(statuses(store, api).look())
    said = {it["kind"]: it["status"] for it in api.written}
    assert said["RolloutPolicy"]["matchedModelDeployments"] == 2
    assert said["RolloutPolicy"]["violatingModelDeployments"] == 1
    assert said["RolloutPolicy"]["usedBy"] == ["ml/b", "ml/a"]
    assert said["ClusterRolloutPolicy"]["usedBy"] == ["lab/c", "ml/a", "ml/b"]
    assert said["RolloutPolicy"]["conditions"][0]["status"] == "True"


def test_who_is_at_rest_stays_packed() -> None:
    store, api = Store(), Api()
    put(store, {}, name="own")
    store.put(ports.MODEL_DEPLOYMENT, SMALLEST | user("a", "RolloutPolicy/own"))
    (entry,) = store.entries(ports.MODEL_DEPLOYMENT).values()
    entry.read_on(SpecReader(store=store, settings=Settings()).said)
    store.rest(Key(namespace="ml", name="a"))
    asyncio.run(statuses(store, api).look())
    assert api.written[0]["status"]["usedBy"] == ["ml/a"]
    assert entry.at_hand is None


def test_nothing_is_written_twice() -> None:
    store, api = Store(), Api()
    put(store, {}, name="own")
    keeper = statuses(store, api)
    asyncio.run(keeper.look())
    asyncio.run(keeper.look())
    assert len(api.written) == 1


def test_one_that_cannot_be_read_says_why_and_since_when() -> None:
    store, api = Store(), Api()
    put(store, {"freezeWindows": [BAD_WINDOW]}, name="own")
    asyncio.run(statuses(store, api).look())
    (written,) = api.written
    (accepted,) = reading.read_status(written["status"]).conditions
    assert (accepted.status, accepted.reason) == ("False", "Invalid")
    assert "spec.freezeWindows[0].schedule: names a day that never comes" in accepted.message


BEYOND_UTC = pytest.mark.parametrize(
    "window",
    [
        {"from": "2026-01-01T00:00:00Z", "to": "9999-12-31T23:59:59-05:00"},
        {"from": "0001-01-01T00:00:00+01:00", "to": "2026-01-01T00:00:00Z"},
        {"from": "2026-01-01T00:00:00Z", "to": "9999-12-31T10:00:00-14:00"},
    ],
    ids=["its end", "its begin", "by half a day"],
)


@BEYOND_UTC
@pytest.mark.parametrize("cluster", [True, False])
def test_a_time_that_utc_cannot_say_is_told_and_others_go_on(
    window: dict[str, str], *, cluster: bool
) -> None:
    store, api = Store(), Api()
    selector = {"matchLabels": {"a": "b"}}
    windows = [{"name": "far", **window}]
    put(store, {"freezeWindows": windows, "selector": selector}, name="far", cluster=cluster)
    put(store, {}, name="own")
    asyncio.run(statuses(store, api).look())
    said = {it["metadata"]["name"]: reading.read_status(it["status"]) for it in api.written}
    (accepted,) = said["far"].conditions
    field = "to" if window["to"].startswith("9999") else "from"
    assert accepted.status == "False"
    assert f"spec.freezeWindows[0].{field}: lies beyond the years 1 to 9999" in accepted.message
    assert said["own"].conditions[0].status == "True"
    assert found(store, Api(), model_deployment()) == ["RolloutPolicy/own"]
    assert len(found(store, Api(), model_deployment(labels={"a": "b"}))) == 2


def test_the_last_second_of_utc_is_a_time() -> None:
    window = {"name": "far", "from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59Z"}
    assert reading.read_policy(policy({"freezeWindows": [window]}))[1] == ()


def test_a_policy_that_breaks_the_reading_has_a_problem_and_stops_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, api = Store(), Api()
    whole = reading.read_policy

    def read(body: ports.Object) -> Any:
        if body["metadata"]["name"] == "odd":
            raise ArithmeticError("nobody thought of it")
        return whole(body)

    monkeypatch.setattr(reading, "read_policy", read)
    put(store, {"selector": {"matchLabels": {"a": "b"}}}, name="odd")
    put(store, {}, name="own")
    asyncio.run(statuses(store, api).look())
    said = {it["metadata"]["name"]: reading.read_status(it["status"]) for it in api.written}
    assert "nobody thought of it" in said["odd"].conditions[0].message
    assert said["own"].conditions[0].status == "True"
    assert found(store, Api(), model_deployment()) == ["RolloutPolicy/own"]


@pytest.mark.parametrize("whole", [True, False], ids=["all of them", "one of them"])
def test_what_breaks_a_look_does_not_end_the_process(*, whole: bool) -> None:
    store, api = Store(), Api()
    put(store, {}, name="odd")
    put(store, {}, name="own")
    keeper = statuses(store, api)
    said = keeper._news

    def news(users: Any, ref: Any, entry: Any) -> Any:
        if ref.name == "odd":
            raise ArithmeticError("nobody thought of it")
        return said(users, ref, entry)

    def users() -> Any:
        raise ArithmeticError("nobody thought of it")

    if whole:
        keeper._users = users
    else:
        keeper._news = news

    async def play() -> None:
        running = asyncio.create_task(keeper.run())
        for _ in range(3):
            await keeper._clock.advance(LOOK_SECONDS)
        assert not running.done()
        running.cancel()

    asyncio.run(play())
    assert "nobody thought of it" in str(keeper._said._recorder.problems)
    assert [it["metadata"]["name"] for it in api.written] == ([] if whole else ["own"])


def test_windows_are_told() -> None:
    store, api = Store(), Api()
    always = {"name": "always", "from": "1970-01-01T00:00:00Z", "to": "2970-01-01T00:00:00Z"}
    put(store, {"freezeWindows": [always]}, name="own")
    asyncio.run(statuses(store, api).look())
    (written,) = api.written
    assert written["status"]["freeze"] == {
        "closed": True,
        "reason": "RolloutPolicy/own (always)",
        "changesAt": "2970-01-01T00:00:00Z",
    }


def instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def test_a_circuit_breaker_that_holds_is_told() -> None:
    store, api = Store(), Api()
    put(store, {"circuitBreaker": {"rollbacks": 2, "within": "10m"}}, name="all", cluster=True)
    at = ManualClock().now()
    for name in "ab":
        last = {"id": name, "result": "RolledBack", "finishedAt": instant(at)}
        status = {"policy": {"sources": ["ClusterRolloutPolicy/all@1"]}, "lastRollout": last}
        store.put(ports.MODEL_DEPLOYMENT, model_deployment(name, status=status))
    asyncio.run(statuses(store, api).look())
    (written,) = api.written
    assert written["status"]["freeze"] == {
        "closed": True,
        "reason": "ClusterRolloutPolicy/all (circuitBreaker: 2 ModelDeployments were rolled back)",
        "changesAt": instant(at + timedelta(minutes=10)),
    }


def test_what_is_refused_is_told_once_and_tried_again() -> None:
    store, api = Store(), Api()
    put(store, {}, name="own")
    keeper = statuses(store, api)
    api.refusal = ports.Fatal(reason="Forbidden", message="no")
    asyncio.run(keeper.look())
    asyncio.run(keeper.look())
    assert [name for name, _ in keeper._said._recorder.problems] == ["policy_status_unwritten"]
    api.refusal = ports.Conflict()
    asyncio.run(keeper.look())
    api.refusal = None
    asyncio.run(keeper.look())
    assert len(api.written) == 1


def test_only_the_leader_writes_and_only_who_serves_all_on_cluster_wide_ones() -> None:
    async def play(*, leads: bool, whole_cluster: bool) -> list[str]:
        store, api = Store(), Api()
        put(store, {}, name="own")
        put(store, {}, name="all", cluster=True)
        keeper = statuses(store, api, leads=leads, whole_cluster=whole_cluster)
        task = asyncio.ensure_future(keeper.run())
        await keeper._clock.advance(LOOK_SECONDS)
        task.cancel()
        return [it["kind"] for it in api.written]

    assert asyncio.run(play(leads=False, whole_cluster=True)) == []
    assert asyncio.run(play(leads=True, whole_cluster=False)) == ["RolloutPolicy"]
    both = ["RolloutPolicy", "ClusterRolloutPolicy"]
    assert asyncio.run(play(leads=True, whole_cluster=True)) == both


def test_a_status_of_ours_asks_for_no_pass() -> None:
    store = Store()
    put(store, {}, name="own")
    body = BODIES[-1]
    again = {**body, "metadata": {**body["metadata"], "resourceVersion": "99"}, "status": {"a": 1}}
    assert not store.put(OWN, again)
    changed = {
        **again,
        "metadata": {**again["metadata"], "resourceVersion": "100", "generation": 2},
    }
    assert store.put(OWN, changed | {"spec": {"stopPolicy": "Hold"}})


@pytest.mark.parametrize(
    ("until", "current"), [("2001-01-01T00:00:00Z", "False"), ("2901-01-01T00:00:00Z", "True")]
)
def test_an_exemption_that_has_ended_is_told_on_its_policy(until: str, current: str) -> None:
    store, api = Store(), Api()
    one = {"name": "legacy", "namespace": "ml", "rules": ["minHold"], "reason": "is moved"}
    put(store, {"exemptions": [one | {"until": until}]}, name="all", cluster=True)
    asyncio.run(statuses(store, api).look())
    (written,) = api.written
    (accepted, found) = written["status"]["conditions"]
    assert (accepted["type"], accepted["status"]) == ("Accepted", "True")
    assert (found["type"], found["status"]) == ("ExemptionsCurrent", current)
    assert ("legacy (2001-01-01 00:00 UTC)" in found["message"]) is (current == "False")
