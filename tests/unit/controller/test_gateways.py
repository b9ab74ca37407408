"""Classes of Gateways: asked for before a mirror is started, and for nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest
from port_fakes import ManualClock
from traffic_examples import CANDIDATE, GATEWAY_SPEC, META, SPEC, STABLE

from tidegate import model, ports
from tidegate.controller.gateways import KEPT_SECONDS, Gateways

SHADOW = model.Shadow(
    mirror=model.Mirror(percent=20.0, seconds=60.0),
    deadline_seconds=600.0,
    min_requests=10,
    then=model.Then.STOP,
)
MIRRORS = replace(GATEWAY_SPEC, shadow=SHADOW)
WANTED = model.Revision(hash=CANDIDATE, digest="d", model_version="2")


class Api:
    """`get` of two kinds; what is absent is None, and what may not be read a refusal."""

    def __init__(self, *, features: list[str] | None, gateway: bool = True) -> None:
        self.features = features
        self.gateway = gateway
        self.refuses = False
        self.asked: list[tuple[str, str, str]] = []

    async def get(self, kind: ports.Kind, *, namespace: str, name: str) -> Any:
        self.asked.append((kind.kind, namespace, name))
        if self.refuses:
            return ports.Fatal(reason="Forbidden", message="no")
        if kind is ports.GATEWAY:
            return ports.Ok({"spec": {"gatewayClassName": "eg"}} if self.gateway else None)
        listed = None if self.features is None else [{"name": it} for it in self.features]
        return ports.Ok({"status": {"supportedFeatures": listed}})


def seen(spec: model.Spec | None = MIRRORS, **changes: Any) -> model.Observation:
    stable = model.RevisionStatus(revision=STABLE, model_version="1")
    found = model.Observation(
        now=None,  # type: ignore[arg-type]
        epoch=1,
        meta=META,
        status=model.Status(stable=stable),
        spec=spec,
        desired=WANTED,
    )
    return replace(found, **changes)


def gateways(api: Api) -> tuple[Gateways, ManualClock]:
    clock = ManualClock()
    return Gateways(api=api, clock=clock), clock  # type: ignore[arg-type]


def asked(question: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(question)


def test_a_class_without_the_mirror_is_refused_by_the_field() -> None:
    api = Api(features=["HTTPRoute"])
    (found,) = asked(gateways(api)[0].unsupported(seen()))
    assert found.path == "spec.strategy.shadow.mirrorPercent"
    assert found.reason == "UnsupportedByProvider"
    assert "GatewayClass eg of Gateway inference" in found.message
    assert api.asked == [("Gateway", "gateways", "inference"), ("GatewayClass", "", "eg")]


@pytest.mark.parametrize(
    "api",
    [
        Api(features=["HTTPRouteRequestPercentageMirror"]),
        Api(features=[]),
        Api(features=None),
        Api(features=["HTTPRoute"], gateway=False),
    ],
)
def test_what_is_listed_or_not_known_is_not_refused(api: Api) -> None:
    assert asked(gateways(api)[0].unsupported(seen())) == ()


def test_what_may_not_be_read_says_nothing() -> None:
    api = Api(features=["HTTPRoute"])
    api.refuses = True
    assert asked(gateways(api)[0].unsupported(seen())) == ()


def test_an_answer_is_kept_for_a_while_and_heals() -> None:
    async def look() -> list[int]:
        api = Api(features=["HTTPRoute"])
        found, clock = gateways(api)
        told = [len(await found.unsupported(seen()))]
        api.features = ["HTTPRouteRequestPercentageMirror"]
        for seconds in (KEPT_SECONDS - 1, 2):
            await clock.advance(seconds)
            told.append(len(await found.unsupported(seen())))
        return told

    assert asyncio.run(look()) == [1, 1, 0]


BEGUN = model.Rollout(
    id="r",
    revision=WANTED,
    attempt=1,
    active=True,
    started_at=None,  # type: ignore[arg-type]
    progress_at=None,  # type: ignore[arg-type]
    plan=(),
    exposure=model.Exposure(live_percent=0.0, mirror_percent=20.0),
)


@pytest.mark.parametrize(
    "observation",
    [
        seen(None),
        seen(GATEWAY_SPEC),
        seen(replace(SPEC, shadow=SHADOW)),
        seen(desired=None),
        seen(desired=model.Revision(hash=STABLE, digest="d", model_version="1")),
        seen(meta=replace(META, deleting=True)),
        seen(status=model.Status(rollout=BEGUN)),
    ],
    ids=["no spec", "no mirror", "no gateway", "no wish", "served", "deleted", "begun"],
)
def test_nobody_is_asked_without_need(observation: model.Observation) -> None:
    api = Api(features=["HTTPRoute"])
    assert asked(gateways(api)[0].unsupported(observation)) == ()
    assert api.asked == []


def test_the_first_revision_is_asked_about_too() -> None:
    found = asked(gateways(Api(features=["HTTPRoute"]))[0].unsupported(seen(status=model.Status())))
    assert len(found) == 1
