"""Which decisions concern an object, and what is said on decisions themselves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from approval_examples import approval
from cli_world import CANDIDATE, NOW, PROGRESSING, ROLLOUT, document
from port_fakes import ManualClock, MemoryRecorder

from tidegate import model, ports
from tidegate.api import approvals as reading
from tidegate.controller.approval_status import ApprovalStatuses, status_of
from tidegate.controller.approvals import UNVERIFIED, Approvals
from tidegate.controller.dependencies import TABLE, keys_of
from tidegate.controller.said_beside import LOOK_SECONDS, SaidBeside
from tidegate.controller.store import Store
from tidegate.controller.workqueue import Key
from tidegate.settings import Settings, load

KIND = ports.ROLLOUT_APPROVAL
IRIS = Key("ml", "iris")
GATE = model.Gate(name="board", min_approvals=1, approver_groups=("ml-risk",))


class Api:
    """Status writes are kept."""

    def __init__(self) -> None:
        self.written: list[ports.Object] = []

    async def apply_status(self, kind: ports.Kind, *, namespace: str, body: ports.Object) -> Any:
        assert (kind, namespace) == (KIND, "ml")
        self.written.append(body)
        return ports.Conflict()


def put(store: Store, name: str = "a", *, namespace: str = "ml", **spec: Any) -> ports.Object:
    usual = {"modelDeployment": "iris", "gate": "board", "revision": CANDIDATE.hash}
    created = NOW.isoformat()
    body = approval(
        usual | spec,
        name=name,
        namespace=namespace,
        uid=f"uid-{name}",
        resourceVersion="1",
        creationTimestamp=created,
    )
    store.put(KIND, body)
    return body


def found(store: Store, key: Key = IRIS, *, verified: bool = True) -> model.Approvals:
    return Approvals(store=store, settings=Settings(approvers_verified=verified)).of(key)


def test_those_that_name_it_are_found_by_name() -> None:
    store = Store()
    put(store, "b")
    body = put(store, "a")
    put(store, "other", modelDeployment="fraud")
    put(store, "elsewhere", namespace="lab")
    assert [it.name for it in found(store).given] == ["a", "b"]
    assert found(store).problem == ""
    store.remove(KIND, body)
    assert [it.name for it in found(store).given] == ["b"]


def test_one_concerns_what_it_names_and_one_that_names_nothing_nobody() -> None:
    store = Store()
    body = put(store)
    assert keys_of(KIND, body, known=store) == {IRIS}
    nothing = {**body, "spec": {"modelDeployment": 7}}
    assert keys_of(KIND, nothing, known=store) == set()
    assert TABLE[KIND].selector == ""


def test_a_status_of_ours_asks_for_no_pass() -> None:
    store = Store()
    body = put(store)
    metadata = {**body["metadata"], "resourceVersion": "2"}
    assert not store.put(KIND, body | {"metadata": metadata, "status": {"a": 1}})


@pytest.mark.parametrize(
    ("prepare", "verified", "says"),
    [
        (lambda _: None, False, UNVERIFIED),
        (lambda store: store.absent.add(KIND), True, "does not know the kind RolloutApproval"),
        (
            lambda store: store.denied.update({KIND: "no"}),
            True,
            "may not list rolloutapprovals.tidegate.dev (no): allow its role",
        ),
    ],
)
def test_why_none_of_them_counts(prepare: Any, *, verified: bool, says: str) -> None:
    store = Store()
    put(store)
    prepare(store)
    assert says in found(store, verified=verified).problem


def test_nobody_is_verified_unless_the_settings_say_so() -> None:
    assert not load({}).approvers_verified
    assert load({"approversVerified": True}).approvers_verified


def statuses(store: Store, api: Api, *, leads: bool = True) -> Any:
    clock = ManualClock()
    return ApprovalStatuses(
        said=SaidBeside(
            api=api,  # type: ignore[arg-type]
            store=store,
            clock=clock,
            recorder=MemoryRecorder(),
            leading=lambda: leads,
        ),
        store=store,
        clock=clock,
        approvals=Approvals(store=store, settings=Settings(approvers_verified=True)),
    )


def rolling(*gates: model.Gate) -> ports.Object:
    first, second = ROLLOUT.plan
    step = replace(ROLLOUT.step, confirmed_at=None) if ROLLOUT.step else None
    rollout = replace(ROLLOUT, plan=(first, replace(second, gates=gates)), step=step)
    return document(replace(PROGRESSING, rollout=rollout))


def said(api: Api) -> dict[str, str]:
    return {
        it["metadata"]["name"]: reading.read_status(it["status"]).conditions[0].reason
        for it in api.written
    }


def test_each_is_told_whether_it_counts() -> None:
    store, api = Store(), Api()
    store.put(ports.MODEL_DEPLOYMENT, rolling(GATE))
    put(store, "a")
    put(store, "b", revision="0" * 10)
    put(store, "c", modelDeployment="unknown")
    put(store, "d", modelDeployment="unknown", attempt=0)
    asyncio.run(statuses(store, api).look())
    assert said(api) == {
        "a": "Counted",
        "b": "OtherRevision",
        "c": "NoModelDeployment",
        "d": "Invalid",
    }
    document_ = next(it for it in api.written if it["metadata"]["name"] == "c")
    assert "no ModelDeployment unknown in namespace ml" in str(document_["status"])


def test_what_has_not_changed_is_not_written_again() -> None:
    store, api = Store(), Api()
    store.put(ports.MODEL_DEPLOYMENT, rolling(GATE))
    body = put(store)
    keeper = statuses(store, api)
    asyncio.run(keeper.look())
    metadata = {**body["metadata"], "resourceVersion": "2"}
    store.put(KIND, body | {"metadata": metadata, "status": api.written[0]["status"]})
    asyncio.run(keeper.look())
    assert len(api.written) == 1


def test_the_time_of_a_change_is_kept_until_the_next() -> None:
    one = model.Approval(name="a", generation=1)
    yes, no = (model.Ruling(counts=it, reason="R") for it in (True, False))
    first = status_of(one, no, model.ApprovalStatus(), at=NOW)
    later = NOW.replace(hour=13)
    assert status_of(one, no, first, at=later) == first
    assert status_of(one, yes, first, at=later).conditions[0].last_transition_at == later


@pytest.mark.parametrize("leads", [True, False])
def test_only_the_leader_says_something(*, leads: bool) -> None:
    async def play() -> int:
        store, api = Store(), Api()
        put(store)
        keeper = statuses(store, api, leads=leads)
        task = asyncio.ensure_future(keeper.run())
        await keeper._clock.advance(LOOK_SECONDS)
        task.cancel()
        return len(api.written)

    assert asyncio.run(play()) == int(leads)
