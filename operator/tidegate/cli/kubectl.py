"""The commands that talk to a cluster: status, watch and people's requests.

They know the cluster as `ports.KubeApi` and time as `ports.Clock`; no loop outlives its deadline.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tidegate import model, ports
from tidegate.api import documents, durations
from tidegate.api.revision import mapping
from tidegate.cli import outcome, render, requests, views
from tidegate.cli.outcome import CliError
from tidegate.model import objects

WATCH_SECONDS = 2.0
ANSWER_SECONDS = 0.5
_ATTEMPTS = 5
_KIND = ports.MODEL_DEPLOYMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """What a command works with; `say` prints one line."""

    api: ports.KubeApi
    clock: ports.Clock
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespacedName:
    """A ModelDeployment by name."""

    namespace: str
    name: str


# --- status --------------------------------------------------------------------------------------


async def show_all(console: Console, *, namespace: str, output: str) -> int:
    """Print all ModelDeployments of a namespace; an empty namespace means of the cluster."""
    listed = await console.api.list_objects(_KIND, namespace=namespace, label_selector="")
    if not isinstance(listed, ports.Ok):
        raise outcome.trouble(listed, doing="list ModelDeployments")
    bodies = sorted(listed.value, key=_place)
    if output != "table":
        items = {"apiVersion": "v1", "kind": "List", "items": [_shown(it) for it in bodies]}
        _dump(console, items, output=output)
    elif not bodies:
        console.say(
            f"no ModelDeployment in {f'namespace {namespace}' if namespace else 'the cluster'}"
        )
    else:
        seen = [views.read(it) for it in bodies]
        for line in views.overview(seen, now=console.clock.now(), with_namespace=not namespace):
            console.say(line)
    return outcome.DONE


async def show_one(console: Console, named: NamespacedName, *, output: str) -> int:
    """Print everything about one ModelDeployment."""
    body = await read(console, named)
    if output != "table":
        _dump(console, _shown(body), output=output)
        return outcome.DONE
    for line in views.detail(views.read(body)):
        console.say(line)
    return outcome.DONE


def _place(body: ports.Object) -> tuple[str, str]:
    return body["metadata"].get("namespace", ""), body["metadata"]["name"]


def _shown(body: ports.Object) -> ports.Object:
    """The object without managedFields, which only machines read."""
    metadata = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
    return body | {"metadata": metadata}


def _dump(console: Console, document: Any, *, output: str) -> None:
    text = documents.dump(document) if output == "yaml" else json.dumps(document, indent=2)
    console.say(text.rstrip("\n"))


# --- history -------------------------------------------------------------------------------------


async def show_history(console: Console, named: NamespacedName, *, output: str) -> int:
    """Print the records of ended rollouts of one ModelDeployment, the newest first."""
    listed = await console.api.list_objects(
        ports.ROLLOUT_RECORD,
        namespace=named.namespace,
        label_selector=f"{objects.LABEL_MODEL_DEPLOYMENT}={named.name}",
    )
    if not isinstance(listed, ports.Ok):
        raise outcome.trouble(listed, doing="list RolloutRecords")
    bodies = sorted(listed.value, key=_finished, reverse=True)
    if not bodies:
        await read(console, named)  # a name that is no one's is a mistake, and no empty history
    if output != "table":
        items = {"apiVersion": "v1", "kind": "List", "items": [_shown(it) for it in bodies]}
        _dump(console, items, output=output)
    elif not bodies:
        console.say(f"no rollout of {named.name} has ended yet, or no record of one is kept")
    else:
        for line in views.history(bodies):
            console.say(line)
    return outcome.DONE


def _finished(body: ports.Object) -> tuple[str, str]:
    return str(mapping(body.get("spec")).get("finishedAt", "")), body["metadata"]["name"]


# --- watch ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a rollout ended, for the exit code and in words."""

    exit_code: int
    text: str


def ending(seen: views.Seen) -> Ending | None:
    """How the work on the newest spec ended, `None` while it goes on.

    An invalid spec ends it, unless only a reference is missing: that heals without an edit.
    """
    if seen.meta.deleting:
        return Ending(exit_code=outcome.NEGATIVE, text="deleted")
    if not seen.up_to_date:
        return None
    said = seen.status.message
    match seen.status.phase:
        case model.Phase.HEALTHY:
            word = "completed" if _is_completed(seen) else "promoted"
            return Ending(exit_code=outcome.DONE, text=f"{word}: {said}")
        case model.Phase.ROLLED_BACK:
            return Ending(exit_code=outcome.NEGATIVE, text=f"rolled back: {said}")
        case model.Phase.FAILED:
            return Ending(exit_code=outcome.NEGATIVE, text=f"failed: {said}")
        case model.Phase.INVALID if not _may_heal(seen):
            return Ending(exit_code=outcome.NEGATIVE, text=f"invalid: {said}")
        case _:
            return None


def _is_completed(seen: views.Seen) -> bool:
    """The strategy has ended without giving what spec asks for any users."""
    desired, last = seen.status.desired, seen.status.last_rollout
    if desired is None or last is None or last.revision != desired.hash:
        return False
    return last.result is model.RolloutResult.COMPLETED


def _may_heal(seen: views.Seen) -> bool:
    stalled = [it.reason for it in seen.status.conditions if it.type == "Stalled"]
    return stalled == ["ReferenceNotFound"]


async def watch(console: Console, named: NamespacedName, *, timeout_seconds: float) -> int:
    """Print a line for each change until the work on the newest spec ended.

    Result: DONE when what spec asks for serves, or its strategy ended without a promotion, NEGATIVE when it was rolled back, failed, is
            invalid or was deleted, TROUBLE at the timeout.
    """
    ends_at = console.clock.monotonic() + timeout_seconds
    seen = views.read(await read(console, named))
    said = ""
    while True:
        line = views.progress(seen)
        if line != said:
            console.say(f"{render.instant(console.clock.now())}  {line}")
            said = line
        ended = ending(seen)
        if ended is not None:
            console.say(render.escaped(ended.text))
            return ended.exit_code
        if console.clock.monotonic() >= ends_at:
            waited = durations.text_of(timeout_seconds)
            console.say(f"timeout: not ended within {waited}; the rollout itself goes on")
            return outcome.TROUBLE
        await console.clock.sleep(WATCH_SECONDS)
        again = await _read_if_answered(console, named)
        if again is not None:
            seen = views.read(again)


async def _read_if_answered(console: Console, named: NamespacedName) -> ports.Object | None:
    """The object, or `None` while the API server is away: its restart must not end a watch."""
    result = await console.api.get(_KIND, namespace=named.namespace, name=named.name)
    match result:
        case ports.Ok(value=None):
            raise CliError(f"{named.namespace}/{named.name} was deleted: nothing left to watch")
        case ports.Ok(value=body):
            return body
        case ports.Retryable():
            return None
        case failure:
            raise outcome.trouble(failure, doing=f"read {named.name}")


# --- requests ------------------------------------------------------------------------------------


async def ask(
    console: Console,
    named: NamespacedName,
    *,
    kind: model.RequestKind,
    reason: str,
    wait_seconds: float,
) -> int:
    """Write a request and wait for the operator's answer; without waiting only write it.

    Result: DONE when accepted or nothing was to be done, NEGATIVE when refused, TROUBLE without
            an answer in time.
    """
    request = await _write(console, named, kind=kind, reason=reason)
    if wait_seconds <= 0:
        console.say(f"asked: {kind} of {named.name} (revision {request.revision})")
        return outcome.DONE
    ends_at = console.clock.monotonic() + wait_seconds
    while True:
        body = await read(console, named)
        seen = views.read(body)
        if requests.is_answered(seen, request):
            answer = requests.answer(seen, kind=kind)
            console.say(render.escaped(answer.text))
            return answer.exit_code
        if requests.replaced(body, request):
            raise CliError(f"somebody else asked something of {named.name} meanwhile: ask again")
        if console.clock.monotonic() >= ends_at:
            waited = durations.text_of(wait_seconds)
            raise CliError(requests.no_answer(seen, request, waited=waited))
        await console.clock.sleep(ANSWER_SECONDS)


async def _write(
    console: Console, named: NamespacedName, *, kind: model.RequestKind, reason: str
) -> model.Request:
    """Write the annotations; whoever else changes the object meanwhile makes us read it again."""
    failure: ports.Failure = ports.Conflict()
    for _ in range(_ATTEMPTS):
        body = await read(console, named)
        request = requests.new_request(
            views.read(body), kind=kind, reason=reason, at=console.clock.now()
        )
        result = await console.api.json_patch(
            _KIND,
            namespace=named.namespace,
            name=named.name,
            operations=requests.operations(body, request),
        )
        if isinstance(result, ports.Ok):
            return request
        failure = result
        if not isinstance(failure, ports.Conflict):
            break
    raise outcome.trouble(failure, doing=f"ask for {kind} of {named.name}")


async def read(console: Console, named: NamespacedName) -> ports.Object:
    """The ModelDeployment as the API server has it. Errors: CliError where there is none."""
    result = await console.api.get(_KIND, namespace=named.namespace, name=named.name)
    if not isinstance(result, ports.Ok):
        raise outcome.trouble(result, doing=f"read {named.name}")
    if result.value is None:
        raise await _absent(console, named)
    return result.value


async def _absent(console: Console, named: NamespacedName) -> CliError:
    """Whether the object is missing or its whole kind."""
    served = await console.api.serves(_KIND)
    if isinstance(served, ports.Ok) and not served.value:
        missing = ports.Fatal(
            reason="NotServed", message="this cluster does not know the kind ModelDeployment"
        )
        return outcome.trouble(missing, doing=f"read {named.name}")
    return CliError(
        f"there is no ModelDeployment {named.name} in namespace {named.namespace}: "
        "check the name and -n; `tidegate status -A` shows all"
    )
