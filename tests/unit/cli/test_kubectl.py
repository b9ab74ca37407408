from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable, Coroutine
from typing import Any

import cli_world as world
import pytest
from cli_world import LeapingClock, MemoryApi

from tidegate import model, ports
from tidegate.api import documents
from tidegate.cli import kubectl, outcome
from tidegate.cli.outcome import CliError

IRIS = kubectl.NamespacedName(namespace="ml", name="iris")
AWAY = ports.Retryable(message="connection refused")
FORBIDDEN = ports.Fatal(reason="Forbidden", message="user x cannot get resource modeldeployments")


@dataclasses.dataclass
class Terminal:
    """A command with all it works with, and what it printed."""

    api: MemoryApi
    clock: LeapingClock = dataclasses.field(default_factory=LeapingClock)
    lines: list[str] = dataclasses.field(default_factory=list)

    def run(self, command: Callable[..., Coroutine[Any, Any, int]], *args: Any, **kw: Any) -> int:
        api: Any = self.api
        console = kubectl.Console(api=api, clock=self.clock, say=self.lines.append)
        return asyncio.run(command(console, *args, **kw))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


# --- status --------------------------------------------------------------------------------------


def test_status_of_a_namespace_lists_it_in_order() -> None:
    terminal = Terminal(
        MemoryApi(
            world.document(world.PROGRESSING),
            world.document(world.HEALTHY, name="fraud"),
            world.document(world.HEALTHY, namespace="other"),
        )
    )
    assert terminal.run(kubectl.show_all, namespace="ml", output="table") == outcome.DONE
    assert [line.split()[0] for line in terminal.lines] == ["NAME", "fraud", "iris"]


def test_status_of_all_namespaces_lists_them_in_order() -> None:
    terminal = Terminal(
        MemoryApi(world.document(world.HEALTHY, namespace="z"), world.document(None, namespace="a"))
    )
    terminal.run(kubectl.show_all, namespace="", output="table")
    assert [line.split()[0] for line in terminal.lines] == ["NAMESPACE", "a", "z"]


@pytest.mark.parametrize(
    ("namespace", "said"),
    [
        ("ml", "no ModelDeployment in namespace ml"),
        ("", "no ModelDeployment in the cluster"),
    ],
)
def test_an_empty_place_is_named(namespace: str, said: str) -> None:
    terminal = Terminal(MemoryApi())
    assert terminal.run(kubectl.show_all, namespace=namespace, output="table") == outcome.DONE
    assert terminal.lines == [said]


@pytest.mark.parametrize(("output", "parse"), [("json", json.loads), ("yaml", documents.load)])
def test_machine_output_is_the_object_without_managed_fields(
    output: str, parse: Callable[[str], Any]
) -> None:
    body = world.document(world.PROGRESSING)
    terminal = Terminal(MemoryApi(body))
    terminal.run(kubectl.show_one, IRIS, output=output)
    body["metadata"].pop("managedFields")
    assert parse(terminal.text) == body
    terminal.lines.clear()
    terminal.run(kubectl.show_all, namespace="ml", output=output)
    assert parse(terminal.text) == {"apiVersion": "v1", "kind": "List", "items": [body]}


def test_status_of_one_shows_the_details() -> None:
    terminal = Terminal(MemoryApi(world.document(world.PROGRESSING)))
    assert terminal.run(kubectl.show_one, IRIS, output="table") == outcome.DONE
    assert terminal.lines[0] == "Name:       ml/iris"


@pytest.mark.parametrize(
    ("api", "said"),
    [
        (MemoryApi(), "there is no ModelDeployment iris in namespace ml"),
        (MemoryApi(served=False), "install the kinds of Tidegate first"),
    ],
)
def test_a_missing_object_and_a_missing_kind_are_told_apart(api: MemoryApi, said: str) -> None:
    with pytest.raises(CliError, match=said):
        Terminal(api).run(kubectl.show_one, IRIS, output="table")


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (AWAY, "check the address of the cluster"),
        (FORBIDDEN, "ask for the right named there"),
        (ports.Fatal(reason="Unauthorized", message="no"), "log in again"),
        (ports.Fatal(reason="NotServed", message="no"), "tidegate crd"),
        (ports.Fatal(reason="BadRequest", message="no"), "change what is named there"),
        (ports.Conflict(message="no"), "try again"),
    ],
)
def test_every_failure_says_what_to_do(failure: ports.Failure, said: str) -> None:
    for command, args in ((kubectl.show_one, (IRIS,)), (kubectl.show_all, ())):
        api = MemoryApi(world.document(world.HEALTHY))
        api.failures = [failure]
        options: dict[str, Any] = {"output": "table"} | ({} if args else {"namespace": "ml"})
        with pytest.raises(CliError, match=said):
            Terminal(api).run(command, *args, **options)


# --- history -------------------------------------------------------------------------------------


def records() -> MemoryApi:
    api = MemoryApi(world.document(world.HEALTHY))
    api.records = [
        world.recorded(attempt=1, result=model.RolloutResult.ROLLED_BACK, hours_ago=2),
        world.recorded(attempt=2, result=model.RolloutResult.PROMOTED, hours_ago=1),
        world.recorded(attempt=1, result=model.RolloutResult.PROMOTED, name="other"),
        {**world.recorded(attempt=3, result=model.RolloutResult.FAILED), "spec": {}},
    ]
    return api


def test_history_shows_records_the_newest_first_and_a_broken_one_by_its_name() -> None:
    terminal = Terminal(records())
    assert terminal.run(kubectl.show_history, IRIS, output="table") == outcome.DONE
    assert [line.split()[0] for line in terminal.lines] == [
        "RECORD",
        "iris-8b1c22e9d4-2",
        "iris-8b1c22e9d4-1",
        "iris-8b1c22e9d4-3",
    ]
    assert "RolledBack   Analysis   2026-11-20T11:30:00Z" in terminal.lines[2]


def test_history_can_be_read_by_programs() -> None:
    terminal = Terminal(records())
    assert terminal.run(kubectl.show_history, IRIS, output="json") == outcome.DONE
    items = json.loads(terminal.text)["items"]
    assert [it["metadata"]["name"][-1] for it in items] == ["2", "1", "3"]


def test_history_without_records_says_so() -> None:
    terminal = Terminal(MemoryApi(world.document(world.HEALTHY)))
    assert terminal.run(kubectl.show_history, IRIS, output="table") == outcome.DONE
    assert terminal.lines == ["no rollout of iris has ended yet, or no record of one is kept"]


def test_history_of_a_name_that_is_no_ones_is_trouble() -> None:
    with pytest.raises(CliError, match="there is no ModelDeployment"):
        Terminal(MemoryApi()).run(kubectl.show_history, IRIS, output="table")


def test_history_without_rights_says_what_to_ask_for() -> None:
    api = MemoryApi()
    api.failures = [FORBIDDEN]
    with pytest.raises(CliError, match="cannot list RolloutRecords"):
        Terminal(api).run(kubectl.show_history, IRIS, output="table")


# --- watch ---------------------------------------------------------------------------------------


def story(*statuses: model.Status | None, generation: int = 2) -> MemoryApi:
    """An object whose status goes on with each read, and stays as it is at the end."""
    bodies = [world.document(it, generation=generation) for it in statuses]
    api = MemoryApi(bodies[0])

    def go_on() -> None:
        if len(bodies) > 1:
            bodies.pop(0)
            api.bodies = [bodies[0]]

    api.after_read = go_on
    return api


def test_watch_prints_each_change_once_and_ends_with_the_promotion() -> None:
    promoted = dataclasses.replace(world.HEALTHY, message="serving 1.5.0")
    terminal = Terminal(story(None, world.PROGRESSING, world.PROGRESSING, promoted))
    assert terminal.run(kubectl.watch, IRIS, timeout_seconds=60.0) == outcome.DONE
    assert terminal.lines == [
        "2026-11-20T12:00:00Z  -             not seen by the operator yet",
        "2026-11-20T12:00:02Z  Progressing   serving 1.4.0; 1.5.0 at weight 50 (step p50)",
        "2026-11-20T12:00:06Z  Healthy       serving 1.5.0",
        "promoted: serving 1.5.0",
    ]


def with_phase(phase: model.Phase, *, stalled: str = "") -> model.Status:
    conditions = (
        model.Condition(
            type="Stalled",
            status="True",
            reason=stalled,
            message="",
            last_transition_at=world.NOW,
            observed_generation=2,
        ),
    )
    return dataclasses.replace(
        world.PROGRESSING, phase=phase, message="why", conditions=conditions if stalled else ()
    )


def completed(*, of: str = "") -> model.Status:
    """Healthy, since its strategy has ended without a promotion."""
    status = with_phase(model.Phase.HEALTHY)
    assert status.desired is not None
    last = model.LastRollout(
        id="r",
        result=model.RolloutResult.COMPLETED,
        finished_at=world.NOW,
        revision=of or status.desired.hash,
    )
    return dataclasses.replace(status, last_rollout=last)


@pytest.mark.parametrize(
    ("status", "code", "last"),
    [
        (world.ROLLED_BACK, outcome.NEGATIVE, f"rolled back: {world.ROLLED_BACK.message}"),
        (with_phase(model.Phase.FAILED), outcome.NEGATIVE, "failed: why"),
        (
            with_phase(model.Phase.INVALID, stalled="InvalidSpec"),
            outcome.NEGATIVE,
            "invalid: why",
        ),
        (with_phase(model.Phase.INVALID), outcome.NEGATIVE, "invalid: why"),
        (with_phase(model.Phase.HEALTHY), outcome.DONE, "promoted: why"),
        (completed(), outcome.DONE, "completed: why"),
        (completed(of="other"), outcome.DONE, "promoted: why"),
    ],
)
def test_watch_ends_with_the_exit_code_of_the_ending(
    status: model.Status, code: int, last: str
) -> None:
    terminal = Terminal(story(world.PROGRESSING, status))
    assert terminal.run(kubectl.watch, IRIS, timeout_seconds=60.0) == code
    assert terminal.lines[-1] == last


@pytest.mark.parametrize(
    "status",
    [
        with_phase(model.Phase.PENDING),
        with_phase(model.Phase.PAUSED),
        with_phase(model.Phase.ROLLING_BACK),
        with_phase(model.Phase.INVALID, stalled="ReferenceNotFound"),
        None,
    ],
)
def test_watch_goes_on_to_its_timeout_while_the_end_is_open(status: model.Status | None) -> None:
    terminal = Terminal(story(status))
    assert terminal.run(kubectl.watch, IRIS, timeout_seconds=30.0) == outcome.TROUBLE
    assert terminal.lines[-1] == "timeout: not ended within 30s; the rollout itself goes on"
    assert terminal.clock.slept_seconds == 30.0


def test_watch_does_not_take_the_end_of_the_rollout_before_for_that_of_the_newest_edit() -> None:
    terminal = Terminal(story(world.HEALTHY, generation=3))
    assert terminal.run(kubectl.watch, IRIS, timeout_seconds=10.0) == outcome.TROUBLE


def test_watch_outlives_an_api_server_that_is_away() -> None:
    api = story(world.PROGRESSING, world.HEALTHY)
    terminal = Terminal(api)
    finish = api.after_read

    def go_away() -> None:
        finish()
        api.failures = [AWAY, AWAY]
        api.after_read = finish

    api.after_read = go_away
    assert terminal.run(kubectl.watch, IRIS, timeout_seconds=60.0) == outcome.DONE


def test_watch_ends_when_the_object_is_deleted_or_gone() -> None:
    body = world.document(world.PROGRESSING)
    body["metadata"]["deletionTimestamp"] = "2026-11-20T12:00:00Z"
    terminal = Terminal(MemoryApi(body))
    assert terminal.run(kubectl.watch, IRIS, timeout_seconds=60.0) == outcome.NEGATIVE
    assert terminal.lines[-1] == "deleted"

    api = MemoryApi(world.document(world.PROGRESSING))
    api.after_read = api.bodies.clear
    with pytest.raises(CliError, match="was deleted"):
        Terminal(api).run(kubectl.watch, IRIS, timeout_seconds=60.0)


def test_watch_ends_when_reading_is_forbidden() -> None:
    api = MemoryApi(world.document(world.PROGRESSING))
    api.after_read = lambda: api.failures.append(FORBIDDEN)
    with pytest.raises(CliError, match="cannot read iris"):
        Terminal(api).run(kubectl.watch, IRIS, timeout_seconds=60.0)


# --- requests ------------------------------------------------------------------------------------


def ask(terminal: Terminal, **changes: Any) -> int:
    options = {"kind": model.RequestKind.PROMOTE, "reason": "", "wait_seconds": 10.0} | changes
    return terminal.run(kubectl.ask, IRIS, **options)


def operator(
    api: MemoryApi, *, said: str, reason: str = "", after_reads: int = 3
) -> Callable[[], None]:
    """Answers the request in the annotations once the object was read so many times."""
    reads = 0

    def work() -> None:
        nonlocal reads
        reads += 1
        if reads == after_reads:
            api.bodies = [world.answered(api.bodies[0], outcome=said, reason=reason)]

    return work


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Accepted", outcome.DONE),
        ("NoOp", outcome.DONE),
        ("Refused", outcome.NEGATIVE),
    ],
)
def test_a_request_waits_for_its_answer(said: str, code: int) -> None:
    terminal = Terminal(MemoryApi(world.document(world.PROGRESSING)))
    terminal.api.after_read = operator(terminal.api, said=said)
    assert ask(terminal) == code
    assert terminal.lines[0].startswith(f"{said}: promote of iris (revision 8b1c22e9d4): ")
    assert 0 < terminal.clock.slept_seconds < 10


def test_the_answer_to_an_earlier_request_is_not_taken_for_ours() -> None:
    body = world.document(world.PROGRESSING, annotations={"tidegate.dev/request": "pause"})
    old = world.answered(body, outcome="Accepted", requested_at="2026-11-19T12:00:00Z")
    with pytest.raises(CliError, match="no answer within 10s to promote of iris"):
        ask(Terminal(MemoryApi(old)))


def test_without_waiting_a_request_is_only_written() -> None:
    terminal = Terminal(MemoryApi(world.document(world.PROGRESSING)))
    assert ask(terminal, wait_seconds=0.0, reason="good") == outcome.DONE
    assert terminal.lines == ["asked: promote of iris (revision 8b1c22e9d4)"]
    assert terminal.api.bodies[0]["metadata"]["annotations"] == {
        "tidegate.dev/request": "promote",
        "tidegate.dev/request-revision": "8b1c22e9d4",
        "tidegate.dev/requested-at": "2026-11-20T12:00:00.000000Z",
        "tidegate.dev/request-reason": "good",
        "tidegate.dev/request-step": "p50",
    }


def test_a_request_is_made_anew_for_what_changed_meanwhile() -> None:
    """Whoever else writes the object between our read and our write decides what we ask about."""
    terminal = Terminal(MemoryApi(world.document(world.PROGRESSING)))
    newer = dataclasses.replace(
        world.ROLLOUT, revision=dataclasses.replace(world.CANDIDATE, hash="aaaaaaaaaa")
    )

    def supersede() -> None:
        body = world.document(dataclasses.replace(world.PROGRESSING, rollout=newer))
        body["metadata"]["resourceVersion"] = "7"
        terminal.api.bodies = [body]
        terminal.api.after_read = lambda: None

    terminal.api.after_read = supersede
    assert ask(terminal, wait_seconds=0.0) == outcome.DONE
    assert terminal.lines == ["asked: promote of iris (revision aaaaaaaaaa)"]


def test_endless_conflicts_end_in_a_sentence() -> None:
    terminal = Terminal(MemoryApi(world.document(world.PROGRESSING)))
    terminal.api.patch_failures = [ports.Conflict(message="changed")] * 50
    with pytest.raises(CliError, match="somebody else changes the object"):
        ask(terminal)


def test_a_forbidden_request_is_not_repeated() -> None:
    terminal = Terminal(MemoryApi(world.document(world.PROGRESSING)))
    terminal.api.patch_failures = [FORBIDDEN, AWAY]
    with pytest.raises(CliError, match="cannot ask for promote of iris"):
        ask(terminal)
    assert terminal.api.patch_failures == [AWAY]


def test_a_request_that_somebody_replaced_has_no_answer() -> None:
    terminal = Terminal(MemoryApi(world.document(world.PROGRESSING)))

    def overwrite() -> None:
        annotations = terminal.api.bodies[0]["metadata"].get("annotations")
        if annotations:
            annotations["tidegate.dev/requested-at"] = "later"

    terminal.api.after_read = overwrite
    with pytest.raises(CliError, match="somebody else asked something of iris"):
        ask(terminal)
