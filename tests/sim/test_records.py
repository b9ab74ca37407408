"""Records and rollouts: a rollout never hangs on its record, and a record waits for better days."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
from tests.sim.people import NAMESPACE
from tests.sim.run import Run, play
from tests.sim.scenarios import BY_NAME
from tests.sim.updates import RefusedError

from tidegate import ports
from tidegate.adapters import kube_http as http
from tidegate.evidence.journal import replay

Script = Callable[[Run], Coroutine[Any, Any, None]]
ROLLBACK = BY_NAME["rollback"]


def is_record(request: http.Request) -> bool:
    return request.writes and "/rolloutrecords" in request.path


def records(run: Run) -> list[str]:
    return sorted(str(body["spec"]["result"]) for body in run.cluster.all(ports.ROLLOUT_RECORD))


def played(script: Script) -> None:
    result = play(replace(ROLLBACK, name="records", script=script), seed=1)
    assert not result.failure


def test_a_rollback_is_recorded() -> None:
    async def script(run: Run) -> None:
        await ROLLBACK.script(run)
        assert await run.until(lambda: records(run) == ["Promoted", "RolledBack"]), records(run)
        [body] = [
            it
            for it in run.cluster.all(ports.ROLLOUT_RECORD)
            if it["spec"]["result"] == "RolledBack"
        ]
        assert body["metadata"]["namespace"] == NAMESPACE
        assert body["spec"]["steps"][0]["evidence"][0]["outcome"] == "Fail"
        assert len(body["spec"]["evidenceDigest"]) == 64
        assert run.recorder.counts["evidence-judged"]

    played(script)


@pytest.mark.parametrize("name", ["rollback", "rollback_by_pods", "superseded", "retried"])
def test_every_verdict_of_a_play_can_be_worked_out_again(name: str) -> None:
    logs: list[list[str]] = []

    async def script(run: Run) -> None:
        try:
            await BY_NAME[name].script(run)
        finally:
            logs.append([json.dumps(document) for document in run.recorder.evidence_documents])

    play(replace(BY_NAME[name], script=script), seed=1)
    assert any(logs)
    for lines in logs:
        report = replay.replay(lines)
        assert not report.difference
        assert not report.skipped
        judged = sum('"evidence-judged"' in line for line in lines)
        assert len(report.looks) == judged


def test_refused_records_hold_nothing_up_and_are_reported_once() -> None:
    asked: list[str] = []

    async def script(run: Run) -> None:
        def refuse(request: http.Request) -> RefusedError | None:
            if not is_record(request):
                return None
            asked.append(request.path)
            return RefusedError(403, "Forbidden", "no right to create rolloutrecords")

        run.cluster.refuse = refuse
        await ROLLBACK.script(run)
        await run.until(lambda: False, limit=3000.0)
        assert records(run) == []
        assert run.recorder.counts["problem record_refused"] == len(asked) == 2

    played(script)


def test_records_that_fail_are_tried_again_until_they_are_made() -> None:
    async def script(run: Run) -> None:
        def refuse(request: http.Request) -> RefusedError | None:
            failing = is_record(request) and run.phase() != "RolledBack"
            return RefusedError(503, "ServiceUnavailable", "later") if failing else None

        run.cluster.refuse = refuse
        await ROLLBACK.script(run)
        assert await run.until(lambda: "RolledBack" in records(run)), records(run)

    played(script)
