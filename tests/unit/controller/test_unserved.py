"""Kinds that a cluster does not serve: noticed by an answer, named with the way out, found again."""

from __future__ import annotations

import asyncio

import pytest
from port_fakes import ManualClock

from tidegate import ports
from tidegate.controller import unserved
from tidegate.controller.store import Store

REFUSED: ports.Result[None] = ports.Fatal(reason=ports.NOT_SERVED, message="/apis/x is not served")


class Discovery:
    """The one verb that is asked."""

    def __init__(self) -> None:
        self.served: set[ports.Kind] = set()
        self.asked: list[ports.Kind] = []
        self.fails = False

    async def serves(self, kind: ports.Kind) -> ports.Result[bool]:
        self.asked.append(kind)
        return ports.Retryable(message="down") if self.fails else ports.Ok(kind in self.served)


@pytest.mark.parametrize("kind", [ports.HTTP_ROUTE, ports.ROLLOUT_RECORD], ids=lambda it: it.kind)
def test_answer_that_the_kind_is_not_served_is_remembered_and_names_it(kind: ports.Kind) -> None:
    store = Store()
    told = unserved.noted(store, kind, REFUSED)
    assert isinstance(told, ports.Fatal)
    assert told.reason == "KindNotServed"
    assert f"{kind.plural}.{kind.group}/{kind.version}" in told.message
    assert "install" in told.message
    assert unserved.first(store, [ports.SERVICE, kind]) is kind


@pytest.mark.parametrize(("kind", "since"), [(ports.HTTP_ROUTE, "1.0"), (ports.GRPC_ROUTE, "1.1")])
def test_kinds_of_the_gateway_api_come_with_the_command_that_installs_them(
    kind: ports.Kind, since: str
) -> None:
    message = unserved.way_out(kind)
    assert f"Gateway API {since} or newer" in message
    assert "kubectl apply --server-side -f https://" in message


@pytest.mark.parametrize(
    "answer",
    [
        ports.Ok(None),
        ports.Conflict(message="gone"),
        ports.Retryable(message="later"),
        ports.Fatal(reason="Invalid", message="bad"),
    ],
    ids=lambda it: type(it).__name__,
)
def test_any_other_answer_says_nothing_of_the_kind(answer: ports.Result[None]) -> None:
    store = Store()
    assert unserved.noted(store, ports.HTTP_ROUTE, answer) is answer
    assert unserved.first(store, [ports.HTTP_ROUTE]) is None


def test_kind_that_appears_calls_for_a_restart() -> None:
    async def scenario() -> None:
        api, store, clock = Discovery(), Store(), ManualClock()
        lookout = unserved.Lookout(api=api, store=store, clock=clock)  # type: ignore[arg-type]
        looking = asyncio.create_task(lookout.run())
        await clock.advance(unserved.LOOK_SECONDS)
        assert api.asked == [], "nothing is asked while nothing is missing"
        store.absent.add(ports.HTTP_ROUTE)
        api.fails = True
        await clock.advance(unserved.LOOK_SECONDS)
        api.fails = False
        await clock.advance(unserved.LOOK_SECONDS)
        assert api.asked == [ports.HTTP_ROUTE] * 2
        assert not looking.done()
        api.served = {ports.HTTP_ROUTE}
        await clock.advance(unserved.LOOK_SECONDS)
        with pytest.raises(unserved.KindAppearedError, match="httproutes"):
            await looking

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("kind", "answer", "gone"),
    [
        (ports.HTTP_ROUTE, REFUSED, True),
        (ports.MODEL_DEPLOYMENT, REFUSED, False),
        (ports.DEPLOYMENT, REFUSED, False),
        (ports.HTTP_ROUTE, ports.Retryable(message="later"), False),
        (ports.HTTP_ROUTE, ports.Ok(None), False),
    ],
)
def test_only_kinds_of_others_may_be_gone(
    kind: ports.Kind,
    answer: ports.Result[None],
    gone: bool,  # noqa: FBT001
) -> None:
    assert unserved.is_gone(kind, answer) is gone
