"""What `approve` and `reject` show, write and say."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import cli_world as world
import pytest
from cli_world import CANDIDATE, PROGRESSING, ROLLOUT, LeapingClock, MemoryApi

from tidegate import model, ports
from tidegate.cli import approve, card, kubectl, main, outcome, views
from tidegate.cli.outcome import CliError

IRIS = kubectl.NamespacedName(namespace="ml", name="iris")
GATE = model.Gate(
    name="board",
    min_approvals=2,
    approver_groups=("ml-risk", "ml-board"),
    not_author=True,
    expires_seconds=3600.0,
)
GROUPS = ["developers", "ml-risk", "system:authenticated"]


class Api(MemoryApi):
    """Knows who asks, and keeps what is created; `verdict` is what the operator says of that."""

    def __init__(self, body: ports.Object, *, verdict: tuple[str, str] | None) -> None:
        super().__init__(body)
        self.verdict = verdict
        self.refusals: dict[ports.Kind, ports.Failure] = {}
        self.created: list[ports.Object] = []
        self.others[ports.ROLLOUT_APPROVAL] = self.created

    async def create(self, kind: ports.Kind, *, namespace: str, body: ports.Object) -> Any:
        if kind in self.refusals:
            return self.refusals[kind]
        if kind is ports.SELF_REVIEW:
            who = {"username": "alice@example.com", "groups": GROUPS}
            return ports.Ok({**body, "status": {"userInfo": who}})
        assert (kind, namespace) == (ports.ROLLOUT_APPROVAL, "ml")
        condition = {
            "type": "Counts",
            "message": "why",
            "lastTransitionTime": "2026-11-20T12:00:00Z",
        }
        if self.verdict:
            condition |= {"status": self.verdict[0], "reason": self.verdict[1]}
        said = {"status": {"conditions": [condition]}} if self.verdict else {}
        self.created.append({**body, **said})
        return ports.Ok(body)


def rolling(*gates: model.Gate, **changed: Any) -> model.Status:
    """The second step is asked before its weight."""
    first, second = ROLLOUT.plan
    assert ROLLOUT.step is not None
    rollout = dataclasses.replace(
        ROLLOUT,
        plan=(first, dataclasses.replace(second, gates=gates)),
        step=dataclasses.replace(ROLLOUT.step, confirmed_at=None),
    )
    return dataclasses.replace(PROGRESSING, rollout=dataclasses.replace(rollout, **changed))


def run(
    status: model.Status,
    *,
    decision: model.Decision = model.Decision.APPROVE,
    verdict: tuple[str, str] | None = ("True", "Counted"),
    wait: float = 10.0,
    refused: dict[ports.Kind, ports.Failure] | None = None,
    **word: Any,
) -> tuple[int, list[str], list[ports.Object]]:
    lines: list[str] = []
    api = Api(world.document(status), verdict=verdict)
    api.refusals = refused or {}
    console = kubectl.Console(api=api, clock=LeapingClock(), say=lines.append)  # type: ignore[arg-type]
    said = approve.Word(decision=decision, **word)
    code = asyncio.run(approve.decide(console, IRIS, said, wait_seconds=wait))
    return code, lines, api.created


def test_an_approval_is_written_in_the_name_of_who_asks() -> None:
    code, lines, (body,) = run(rolling(GATE), comment="drift reviewed")
    assert code == outcome.DONE
    assert body["spec"] == {
        "modelDeployment": "iris",
        "revision": CANDIDATE.hash,
        "attempt": 1,
        "gate": "board",
        "decision": "Approve",
        "approver": {"username": "alice@example.com", "groups": ["ml-risk"]},
        "comment": "drift reviewed",
    }
    assert body["metadata"]["name"].startswith("iris-8b1c22e9d4-1-board-alice-example-com-")
    assert "Approve: gate board of iris, as alice@example.com" in lines
    assert lines[-1] == "it counts: Counted: why"


def test_a_rejection_has_another_name_so_that_minds_can_change() -> None:
    code, _, (body,) = run(rolling(GATE), decision=model.Decision.REJECT)
    assert code == outcome.DONE
    assert (body["spec"]["decision"], "comment" in body["spec"]) == ("Reject", False)
    _, _, (other,) = run(rolling(GATE))
    assert body["metadata"]["name"] != other["metadata"]["name"]


def test_where_no_group_is_asked_for_all_are_named() -> None:
    _, _, (body,) = run(rolling(model.Gate(name="chat")))
    assert body["spec"]["approver"]["groups"] == GROUPS


def test_one_that_does_not_count_is_told_with_its_reason() -> None:
    code, lines, _ = run(rolling(GATE), verdict=("False", "IsAuthor"))
    assert (code, lines[-1]) == (outcome.NEGATIVE, "it does not count: IsAuthor: why")


def test_without_waiting_it_is_only_written() -> None:
    code, lines, created = run(rolling(GATE), verdict=None, wait=0.0)
    assert (code, len(created)) == (outcome.DONE, 1)
    assert lines[-1].startswith("Approve: ")


def test_no_answer_in_time_is_trouble() -> None:
    with pytest.raises(CliError, match="the operator has not looked at it yet"):
        run(rolling(GATE), verdict=None)


def test_to_show_decides_nothing() -> None:
    code, lines, created = run(rolling(GATE), only_show=True)
    assert (code, created) == (outcome.DONE, [])
    assert lines[0] == "# ml/iris: nothing -> 1.5.0"


OPEN = dataclasses.replace(GATE, opened_at=world.NOW)


@pytest.mark.parametrize(
    ("status", "gate", "says"),
    [
        (world.HEALTHY, "", "nothing is being rolled out of iris"),
        (rolling(GATE, rollback_by="User"), "", "nothing is being rolled out of iris"),
        (rolling(OPEN), "", "no gate of iris is closed"),
        (rolling(GATE), "council", r"no gate council of iris is closed \(closed: board\)"),
    ],
)
def test_what_cannot_be_decided(status: model.Status, gate: str, says: str) -> None:
    with pytest.raises(CliError, match=says):
        run(status, gate=gate)


@pytest.mark.parametrize(
    ("kind", "failure", "says"),
    [
        (ports.SELF_REVIEW, ports.Retryable(message="away"), "cannot ask the API server who you"),
        (ports.ROLLOUT_APPROVAL, ports.Conflict(), "is there already: delete it to decide again"),
        (ports.ROLLOUT_APPROVAL, ports.Fatal(reason="Forbidden", message="no"), "approve iris: no"),
    ],
)
def test_what_the_api_server_refuses(kind: ports.Kind, failure: ports.Failure, says: str) -> None:
    with pytest.raises(CliError, match=says):
        run(rolling(GATE), refused={kind: failure})


def test_a_comment_has_a_longest_length() -> None:
    with pytest.raises(CliError, match="--reason takes at most 512"):
        run(rolling(GATE), comment="x" * 513)


def test_of_several_gates_one_can_be_named() -> None:
    _, _, (body,) = run(rolling(GATE, model.Gate(name="chat")), gate="chat")
    assert body["spec"]["gate"] == "chat"


def shown(status: model.Status, *, gate: model.Gate = GATE) -> list[str]:
    return card.card(views.read(world.document(status)), gate=gate)


def test_the_card_says_what_is_known() -> None:
    drift = model.MetricResult(
        name="inputs",
        outcome=model.Outcome.PASS,
        threshold=model.Threshold(max=0.2),
        value=0.11,
        shifts=(
            model.Shift(feature="age|group", psi=0.11, bin="18", share=0.2, reference_share=0.1),
        ),
    )
    broken = model.PolicyViolation(
        rule="minBake",
        policy="RolloutPolicy/near",
        action=model.EnforcementAction.WARN,
        message="bake is 0s, not 1h",
    )
    status = dataclasses.replace(
        rolling(
            GATE,
            author="carol",
            from_model_version="1.4.0",
            model_uri="s3://m/1.5.0",
            recommendation=model.Recommendation(
                action=model.Advice.PROMOTE, reason="proven", at=world.NOW
            ),
        ),
        analysis=(drift,),
        policy=model.PolicyState(
            sources=("RolloutPolicy/near@2", "ClusterRolloutPolicy/far@1"), violations=(broken,)
        ),
    )
    lines = shown(status)
    assert lines[0] == "# ml/iris: 1.4.0 -> 1.5.0"
    for wanted in (
        "| Change made by | carol |",
        "| Gate | board, opened by 2 approval(s) from ml-risk or ml-board, not by whoever made the change |",
        "| Users | 50 % now, 49.25 % observed |",
        "| Advised | Promote: proven |",
        "| inputs | age&#124;group | 0.11 | 0.2 | 18 | 20.0% | 10.0% |",
        "| p10 | Passed | 25 |  |  |",
        "| RolloutPolicy/near | Warn, minBake: bake is 0s, not 1h |",
        "| ClusterRolloutPolicy/far@1 | kept |",
    ):
        assert wanted in lines, lines
    assert lines.count("## Evidence") == 1


def test_what_is_not_known_is_left_out() -> None:
    lines = shown(rolling(GATE, observed_candidate_percent=None), gate=model.Gate(name="chat"))
    assert "| Gate | chat, opened by one approval or the request promote |" in lines
    assert "| Users | 50 % now, not observed yet |" in lines
    assert not any(
        it in line for line in lines for it in ("## Evidence", "## Drift", "Change made")
    )


@pytest.mark.parametrize(("command", "decision"), [("approve", "Approve"), ("reject", "Reject")])
def test_the_commands_say_what_they_mean(
    monkeypatch: pytest.MonkeyPatch, command: str, decision: str
) -> None:
    found: list[approve.Word] = []

    async def decide(_console: Any, _named: Any, word: approve.Word, *, wait_seconds: float) -> int:
        assert wait_seconds == 5.0
        found.append(word)
        return outcome.DONE

    monkeypatch.setattr(approve, "decide", decide)
    argv = [command, "iris", "--gate", "board", "--reason", "seen", "--wait", "5s", "--show"]
    arguments = main.parser.build("tidegate").parse_args(argv)
    console: Any = None
    assert asyncio.run(main._command(arguments, console=console, namespace="ml")) == outcome.DONE
    assert found == [
        approve.Word(
            decision=model.Decision(decision), gate="board", comment="seen", only_show=True
        )
    ]


# --- a rollout that is let through its policies --------------------------------------------------

OVERRIDE = "policy-override"


def test_a_rollout_is_let_through_with_a_reason() -> None:
    code, lines, (body,) = run(
        rolling(), gate=OVERRIDE, comment="an outage", verdict=("True", "Used")
    )
    assert code == outcome.DONE
    assert (body["spec"]["gate"], body["spec"]["comment"]) == (OVERRIDE, "an outage")
    assert body["spec"]["approver"]["groups"] == GROUPS
    assert lines[-1] == "it counts: Used: why"


def test_what_the_operator_has_yet_to_hear_is_waited_for() -> None:
    code, lines, _ = run(
        rolling(), gate=OVERRIDE, comment="an outage", verdict=("False", "NotOverridden")
    )
    assert code == outcome.NEGATIVE
    assert lines[-1] == "it does not count: NotOverridden: why"


@pytest.mark.parametrize(
    ("decision", "comment", "said"),
    [
        (model.Decision.APPROVE, " ", "asks why"),
        (model.Decision.REJECT, "no", "to go back, abort the rollout"),
    ],
)
def test_it_asks_why_and_rejects_nothing(decision: model.Decision, comment: str, said: str) -> None:
    with pytest.raises(CliError, match=said):
        run(rolling(), gate=OVERRIDE, decision=decision, comment=comment)


def test_its_card_is_shown_without_a_reason() -> None:
    code, lines, created = run(rolling(), gate=OVERRIDE, only_show=True)
    assert (code, created) == (outcome.DONE, [])
    assert lines
