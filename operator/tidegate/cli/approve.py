"""The commands `approve` and `reject`: show what is decided, and write a RolloutApproval.

Who decides is asked of the API server, which admits it in no other name. Source: api.md, 10.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from tidegate import model, ports
from tidegate.api import approvals
from tidegate.api.revision import mapping
from tidegate.cli import card, outcome, render, requests, views
from tidegate.cli.kubectl import ANSWER_SECONDS, Console, NamespacedName, read
from tidegate.cli.outcome import CliError
from tidegate.policy.approvals import OVERRIDE, UNHEARD
from tidegate.rollout.approvals import asked

MOST_GROUPS = 32
_KIND = ports.ROLLOUT_APPROVAL
_NO_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What somebody says to a gate; without a name of one it is the next that is closed."""

    decision: model.Decision
    gate: str = ""
    comment: str = ""
    only_show: bool = False


async def decide(
    console: Console, named: NamespacedName, word: Word, *, wait_seconds: float
) -> int:
    """Print the evidence card, write the decision, and wait for what the operator says of it.

    Result: DONE when it counts, or was only to be shown; NEGATIVE when it does not.
    Errors: CliError where there is nothing to decide, or it cannot be written.
    """
    if len(word.comment) > requests.REASON_LIMIT:
        raise CliError(f"--reason takes at most {requests.REASON_LIMIT} characters: shorten it")
    _check_override(word)
    seen = views.read(await read(console, named))
    gate = _gate(seen, wanted=word.gate)
    for line in card.card(seen, gate=gate):
        console.say(line)
    if word.only_show:
        return outcome.DONE
    body = _body(seen, gate, word, who=await _whoami(console))
    answer = await console.api.create(_KIND, namespace=named.namespace, body=body)
    name = body["metadata"]["name"]
    if isinstance(answer, ports.Conflict):
        raise CliError(
            f"RolloutApproval {name} is there already: delete it to decide again: kubectl -n "
            f"{named.namespace} delete rolloutapproval {name}"
        )
    if not isinstance(answer, ports.Ok):
        raise outcome.trouble(answer, doing=f"{word.decision.lower()} {named.name}")
    who = body["spec"]["approver"]["username"]
    console.say(render.escaped(f"{word.decision}: gate {gate.name} of {named.name}, as {who}"))
    if wait_seconds <= 0:
        return outcome.DONE
    return await _answer(console, named, name, ends_at=console.clock.monotonic() + wait_seconds)


def _check_override(word: Word) -> None:
    if word.gate != OVERRIDE or word.only_show:
        return
    if word.decision is model.Decision.REJECT:
        raise CliError(f"--gate: nobody is asked at {OVERRIDE}: to go back, abort the rollout")
    if not word.comment.strip():
        raise CliError(f"--reason: gate {OVERRIDE} asks why: say so")


def _gate(seen: views.Seen, *, wanted: str) -> model.Gate:
    """The gate of this name that is closed, or else the next one."""
    rollout, name = seen.active_rollout, seen.meta.name
    if rollout is None or rollout.ending:
        raise CliError(f"nothing is being rolled out of {name}: see `tidegate status {name}`")
    if wanted == OVERRIDE:
        return model.Gate(name=OVERRIDE, min_approvals=1)
    closed = asked(rollout, author=seen.meta.author, problem="").closed
    if not closed:
        raise CliError(f"no gate of {name} is closed: see `tidegate status {name}`")
    found = next((it for it in closed if not wanted or it.name == wanted), None)
    if found is None:
        names = ", ".join(dict.fromkeys(it.name for it in closed))
        raise CliError(f"--gate: no gate {wanted} of {name} is closed (closed: {names})")
    return found


async def _whoami(console: Console) -> ports.Object:
    """User and groups as the API server knows the asker."""
    kind = ports.SELF_REVIEW
    body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {}}
    answer = await console.api.create(kind, namespace="", body=body)
    if not isinstance(answer, ports.Ok):
        raise outcome.trouble(answer, doing="ask the API server who you are")
    return dict(mapping(mapping(answer.value.get("status")).get("userInfo")))


def _body(seen: views.Seen, gate: model.Gate, word: Word, *, who: ports.Object) -> ports.Object:
    rollout = seen.active_rollout
    assert rollout is not None
    username, groups = str(who.get("username", "")), [str(it) for it in who.get("groups") or ()]
    of_gate = [it for it in groups if it in gate.approver_groups]
    spec = {
        "modelDeployment": seen.meta.name,
        "revision": rollout.revision.hash,
        "attempt": rollout.attempt,
        "gate": gate.name,
        "decision": str(word.decision),
        "approver": {"username": username, "groups": of_gate or groups[:MOST_GROUPS]},
    }
    return {
        "apiVersion": _KIND.api_version,
        "kind": _KIND.kind,
        "metadata": {
            "name": f"{rollout.id}-{gate.name}-{_slug(username, word.decision)}",
            "namespace": seen.meta.namespace,
        },
        "spec": spec | ({"comment": word.comment} if word.comment else {}),
    }


def _slug(username: str, decision: model.Decision) -> str:
    """A part of a name that no other user and no other decision has."""
    readable = _NO_NAME.sub("-", username.lower()).strip("-")[:40].strip("-") or "user"
    digest = hashlib.sha256(f"{decision} {username}".encode()).hexdigest()[:6]
    return f"{readable}-{digest}"


async def _answer(console: Console, named: NamespacedName, name: str, *, ends_at: float) -> int:
    """What the operator says of the decision, once it has looked at it."""
    said: tuple[model.Condition, ...] = ()
    while console.clock.monotonic() < ends_at:
        await console.clock.sleep(ANSWER_SECONDS)
        found = await console.api.get(_KIND, namespace=named.namespace, name=name)
        body = found.value if isinstance(found, ports.Ok) else None
        said = approvals.read_status((body or {}).get("status")).conditions
        if said and said[0].reason != UNHEARD:
            return _told(console, said[0])
    if said:
        return _told(console, said[0])
    raise CliError(
        f"the operator has not looked at it yet: see `kubectl -n {named.namespace} get "
        f"rolloutapproval {name}`, and whether the operator runs"
    )


def _told(console: Console, said: model.Condition) -> int:
    counts = said.status == "True"
    word = "it counts" if counts else "it does not count"
    text = ": ".join(part for part in (word, said.reason, said.message) if part)
    console.say(render.escaped(text))
    return outcome.DONE if counts else outcome.NEGATIVE
