"""A process whose cluster has other CRDs than it needs."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest
from port_fakes import ManualClock, MemoryRecorder

from tidegate import ports
from tidegate.api import crdgen
from tidegate.controller.kinds_check import KindsCheck, OutdatedKindsError

Answer = ports.Result[dict[str, ports.Object]]
SUITS = {it.kind: crdgen.object_schema(it) for it in crdgen.DEFINITIONS}


def lacking(*fields: str) -> Answer:
    """Schemas without some fields of the status."""
    schemas = copy.deepcopy(SUITS)
    for field in fields:
        del schemas["ModelDeployment"]["properties"]["status"]["properties"][field]
    return ports.Ok(schemas)


class Server:
    """An API server that gives these answers, and the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)

    async def served_schemas(self, *, group: str, version: str) -> Answer:
        assert (group, version) == ("tidegate.dev", "v1alpha1")
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class Start:
    """A check under way."""

    def __init__(self, *answers: Answer) -> None:
        self.clock = ManualClock()
        self.recorder = MemoryRecorder()
        api: Any = Server(*answers)
        self.check = KindsCheck(api=api, clock=self.clock, recorder=self.recorder)
        self.task = asyncio.ensure_future(self.check.run())

    @property
    def told(self) -> list[str]:
        return [fields["error"] for _, fields in self.recorder.problems]


def test_nothing_is_said_where_they_suit() -> None:
    async def play() -> None:
        start = Start(ports.Ok(SUITS))
        assert start.check.problem, "nobody may take it for ready before it has looked"
        await start.clock.advance(0)
        assert start.task.done()
        assert (start.check.problem, start.told) == ("", [])

    asyncio.run(play())


@pytest.mark.parametrize("kind", ["RolloutPolicy", "RolloutRecord"])
def test_kinds_that_a_cluster_may_do_without_keep_nobody_waiting(kind: str) -> None:
    async def play() -> None:
        start = Start(ports.Ok({name: it for name, it in SUITS.items() if name != kind}))
        await start.clock.advance(0)
        assert start.task.done()

    asyncio.run(play())


def test_older_ones_get_a_minute_and_are_named_once() -> None:
    async def play() -> None:
        start = Start(lacking("evidence", "identity"))
        await start.clock.advance(59)
        assert not start.task.done()
        (said,) = start.told
        assert "modeldeployments.tidegate.dev" in said
        assert "status.identity, status.evidence" in said
        assert "tidegate crd | kubectl apply" in said
        assert start.check.problem == said
        await start.clock.advance(3)
        with pytest.raises(OutdatedKindsError, match=r"status\.evidence"):
            await start.task

    asyncio.run(play())


def test_it_goes_on_once_they_are_replaced() -> None:
    async def play() -> None:
        start = Start(lacking("evidence"), lacking("evidence"), ports.Ok(SUITS))
        await start.clock.advance(3)
        assert not start.task.done()
        await start.clock.advance(1)
        assert start.task.done()
        assert start.check.problem == ""

    asyncio.run(play())


@pytest.mark.parametrize(
    "answer",
    [ports.Retryable(message="timed out"), ports.Ok({}), ports.Ok({"ModelDeployment": {}})],
    ids=["no answer", "none published", "one published and empty"],
)
def test_what_cannot_be_read_now_is_read_later(answer: Answer) -> None:
    async def play() -> None:
        start = Start(answer, ports.Ok(SUITS))
        await start.clock.advance(1)
        assert not start.task.done()
        await start.clock.advance(1)
        assert start.task.done()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (ports.Fatal(reason="Forbidden", message="no /openapi for you"), 0),
        (ports.Retryable(message="timed out"), 62),
        (ports.Ok({}), 62),
    ],
    ids=["forbidden", "no answer", "none published"],
)
def test_schemas_that_nobody_can_read_are_told_and_stop_nobody(
    answer: Answer, seconds: float
) -> None:
    async def play() -> None:
        start = Start(answer)
        await start.clock.advance(seconds)
        assert start.task.done()
        await start.task
        (said,) = start.told
        assert "could not be read" in said

    asyncio.run(play())
