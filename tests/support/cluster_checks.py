"""What must hold in every rollout, checked on what users and watchers saw."""

from __future__ import annotations

import time
from dataclasses import dataclass

from cluster_client import Object
from cluster_history import Look, instant
from cluster_scene import Model
from cluster_users import Load, allowed_deviation_percent, told
from tests.demo.users import Sums, Users, share_percent

from tidegate import ports

# After a weight is confirmed the gateway still hands it to its proxies.
SWITCH_SECONDS = 2.0
SWITCH_PERCENT = 2.0
# A measured share in status is refreshed when it is off by more than this (rollout/numbers.py).
STATUS_GRAIN_PERCENT = 5.0
# Enough to tell a share, and soon counted; a half varies most.
COUNTED_REQUESTS, MOST_VARIABLE_PERCENT = 1000, 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A weight, and the time in which it was in force. Units: percent, unix seconds.

    Both times are the operator's own: watches may tell of them seconds later.
    """

    step: str
    percent: float
    since: float
    until: float


def held_steps(look: Look) -> list[Held]:
    """The confirmed and ended holds of the rollout that this status tells of, in order."""
    return [
        Held(
            step=stage["name"],
            percent=float(stage["effectiveWeight"]),
            since=_time(stage, "confirmedAt"),
            until=_time(stage, "endedAt"),
        )
        for stage in look.rollout["plan"]
        if stage["kind"] == "Live" and "confirmedAt" in stage and "endedAt" in stage
    ]


def _time(stage: Object, key: str) -> float:
    found = instant(stage[key])
    assert found is not None
    return found


def assert_shares(look: Look, books: Users, *, version: str, steps: int) -> None:
    """Each of `steps` holds gave the version its share of the requests, within sampling error."""
    held = held_steps(look)
    assert len(held) == steps, held
    for hold in held:
        sums = books.between(hold.since + SWITCH_SECONDS, hold.until)
        requests = sum(book.answered for book in sums.values())
        seen = share_percent(sums, version)
        assert seen is not None, f"no request in {hold}"
        allowed = SWITCH_PERCENT + allowed_deviation_percent(
            share_percent=hold.percent, requests=requests
        )
        assert abs(seen - hold.percent) <= allowed, (
            f"step {hold.step}: {seen:.1f} % of {requests} requests instead of {hold.percent} %"
        )


def assert_nobody_failed(books: Users) -> None:
    """Every request was sent, and every one got its answer."""
    assert books.skipped == 0, told(books)
    assert books.failed == 0, told(books)


def assert_only_failed_by(books: Users, *, version: str) -> None:
    """Whatever failed, failed by the answers of this version."""
    assert books.skipped == 0, told(books)
    own = books.totals().get(version, Sums()).failed
    assert books.failed == own, told(books)


def assert_calm_after(load: Load, rolled_back_at: float) -> None:
    """Once the proxies have the confirmed rollback, version 1 answers everybody, and well."""
    calm_at = load.wait_until_only("1", since=rolled_back_at)
    after = load.wait_for_more(5.0, since=calm_at).between(calm_at, calm_at + 5.0)
    assert after.keys() == {"1"}, after
    assert after["1"].failed == 0
    assert after["1"].answered > 0


def wait_for_copies(model: Model, percent: float, *, since: float) -> Look:
    """The first status that tells of this share of copies.

    Status is refreshed where it is off by more than its grain, and its first number may hold
    requests from before the gateway knew. Units: percent of the users' requests, unix seconds.
    """
    allowed = STATUS_GRAIN_PERCENT + allowed_deviation_percent(
        share_percent=MOST_VARIABLE_PERCENT, requests=COUNTED_REQUESTS
    )

    def near(look: Look) -> bool:
        seen = look.rollout.get("traffic", {}).get("observedMirror")
        return seen is not None and abs(float(seen) - percent) <= allowed

    found = model.wait_for(
        near, seconds=240, since=since, what=f"{percent:g} % copies, give or take {allowed:.1f}"
    )
    print(f"copied, in percent: {found.rollout['traffic']['observedMirror']} of {percent:g}")
    return found


def wait_until_gone(model: Model) -> float:
    """Unix seconds at which a deleted object was last seen; no watch is in between."""
    scene, deadline = model.scene, time.monotonic() + 180
    there_at = 0.0
    while True:
        asked_at = time.time()
        if not scene.client.get(ports.MODEL_DEPLOYMENT, namespace=scene.namespace, name=model.name):
            return there_at
        there_at = asked_at
        assert time.monotonic() < deadline, f"the object stays\n{model.tell()}"
        time.sleep(0.1)


def wait_until_empty(model: Model) -> None:
    """Children go with their owner, by the garbage collector of Kubernetes."""
    deadline = time.monotonic() + 180
    kinds = (ports.DEPLOYMENT, ports.SERVICE, ports.HTTP_ROUTE)
    while True:
        left = [
            body["metadata"]["name"]
            for kind in kinds
            for body in model.scene.client.list(kind, namespace=model.scene.namespace)
            if body["metadata"]["name"].startswith(model.name)
        ]
        if not left:
            return
        assert time.monotonic() < deadline, f"left over: {left}"
        time.sleep(0.5)
