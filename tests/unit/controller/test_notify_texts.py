"""What is told, to whom, and in the words of each kind of receiver."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cli_world import PROGRESSING
from hypothesis import given
from hypothesis import strategies as st

from tidegate import model, rollout
from tidegate.controller.notify import spelling, template
from tidegate.controller.notify.news import LONGEST_MESSAGE, News, Side, news_of, wants
from tidegate.controller.notify.payloads import render
from tidegate.model import Requirement, SelectorOperator, actions

NOON = datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC)
META = model.ObjectMeta(namespace="ml", name="iris", uid="u1", generation=1, resource_version="1")
NEWS = News(
    id="abc",
    at=NOON,
    event="RolledBack",
    severity=model.Severity.ERROR,
    message="error-ratio 0.08 > 0.01",
    namespace="ml",
    name="iris",
    uid="u1",
    phase="RolledBack",
    rollout="iris-8b1c22e9d4-1",
    step="p10",
    weight=10.0,
    stable=Side(revision="6d9f7c01ab", version="v1"),
    candidate=Side(revision="8b1c22e9d4", version="v2"),
    record="iris-8b1c22e9d4-1",
)
TEXT = "Error: RolledBack of ml/iris: error-ratio 0.08 > 0.01"
FACTS = {
    "id": "abc",
    "time": "2026-11-20T12:00:00Z",
    "event": "RolledBack",
    "severity": "Error",
    "namespace": "ml",
    "name": "iris",
    "uid": "u1",
    "rolloutId": "iris-8b1c22e9d4-1",
    "phase": "RolledBack",
    "step": "p10",
    "weight": 10.0,
    "stable": {"revision": "6d9f7c01ab", "modelVersion": "v1"},
    "candidate": {"revision": "8b1c22e9d4", "modelVersion": "v2"},
    "message": "error-ratio 0.08 > 0.01",
    "text": TEXT,
    "recordRef": "iris-8b1c22e9d4-1",
}


def event(reason: str = "StepStarted", *, warns: bool = False, message: str = "m") -> actions.Event:
    kind = actions.EventType.WARNING if warns else actions.EventType.NORMAL
    return actions.Event(type=kind, reason=reason, message=message)


def told(of: model.NotificationType, news: News = NEWS, **fields: Any) -> tuple[str, Any]:
    media, body = render(model.NotificationProvider(name="a", type=of, **fields), news)
    return media, json.loads(body)


# --- payloads ------------------------------------------------------------------------------------


def test_a_webhook_gets_the_facts() -> None:
    assert told(model.NotificationType.WEBHOOK) == ("application/json", FACTS)


def test_a_cloud_event_is_structured_and_holds_the_facts() -> None:
    assert told(model.NotificationType.CLOUD_EVENTS) == (
        "application/cloudevents+json",
        {
            "specversion": "1.0",
            "id": "abc",
            "source": "/apis/tidegate.dev/v1alpha1/namespaces/ml/modeldeployments/iris",
            "type": "dev.tidegate.modeldeployment.rolledback.v1",
            "subject": "iris-8b1c22e9d4-1",
            "time": "2026-11-20T12:00:00Z",
            "datacontenttype": "application/json",
            "data": FACTS,
        },
    )


def test_slack_gets_a_text_and_blocks_in_which_no_value_is_a_mention() -> None:
    news = replace(NEWS, message="<!channel> & <https://evil|here>")
    media, body = told(model.NotificationType.SLACK, news)
    safe = "&lt;!channel&gt; &amp; &lt;https://evil|here&gt;"
    text = f"Error: RolledBack of ml/iris: {safe}"
    assert media == "application/json"
    assert body["text"] == text
    section, context = body["blocks"]
    assert section == {"type": "section", "text": {"type": "mrkdwn", "text": text}}
    assert {it["type"] for it in context["elements"]} == {"plain_text"}
    assert [it["text"] for it in context["elements"]] == [
        "Model: ml/iris",
        "Stable: v1",
        "Candidate: v2",
        "Step: p10 at 10 %",
    ]


def test_teams_gets_an_adaptive_card_of_plain_runs() -> None:
    media, body = told(model.NotificationType.MS_TEAMS)
    assert media == "application/json"
    [attachment] = body["attachments"]
    assert body["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    runs = [it for block in card["body"] for it in block["inlines"]]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert {it["type"] for it in runs} == {"TextRun"}, "a TextBlock would read Markdown"
    assert [it["text"] for it in runs][:2] == ["RolledBack (Error)", TEXT]
    assert runs[0]["color"] == "Attention"


@pytest.mark.parametrize(
    ("severity", "label"),
    [
        (model.Severity.INFO, "info"),
        (model.Severity.WARN, "warning"),
        (model.Severity.ERROR, "critical"),
    ],
)
def test_alertmanager_gets_one_alert(severity: model.Severity, label: str) -> None:
    media, body = told(model.NotificationType.ALERTMANAGER, replace(NEWS, severity=severity))
    assert media == "application/json"
    [alert] = body
    assert alert["labels"] == {
        "alertname": "TidegateEvent",
        "event": "RolledBack",
        "severity": label,
        "namespace": "ml",
        "model_deployment": "iris",
    }
    assert alert["startsAt"] == "2026-11-20T12:00:00Z"
    assert alert["annotations"]["description"] == NEWS.message


def test_what_there_is_not_is_not_shown() -> None:
    bare = News(
        id="a", at=NOON, event="E", severity=model.Severity.INFO, message="", namespace="ml",
        name="iris", uid="u",
    )  # fmt: skip
    for kind in model.NotificationType:
        _, body = told(kind, bare)
        assert body, kind
    _, body = told(model.NotificationType.SLACK, bare)
    assert [it["text"] for it in body["blocks"][1]["elements"]] == ["Model: ml/iris"]
    assert told(model.NotificationType.CLOUD_EVENTS, bare)[1]["subject"] == "iris"


# --- templates -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("${name} is at ${weight} %", ""),
        ("$name costs $$5", ""),
        ("", ""),
        ("${nname}", "nname is no variable: known are namespace, name"),
        ("$ alone", "a $ stands alone"),
        ("${", "a $ stands alone"),
        ("${name.__class__}", "a $ stands alone"),
        ("{{ name }} {name!r} %(name)s", ""),
    ],
)
def test_a_broken_template_is_told_with_the_fix(text: str, says: str) -> None:
    found = template.problem(text)
    assert (says in found) if says else not found


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("*${name}*: ${message}", "*iris*: error-ratio 0.08 > 0.01"),
        ("$stableVersion -> $candidateVersion at ${weight}%, $$", "v1 -> v2 at 10%, $"),
        ("{{ name }} {name!r}", "{{ name }} {name!r}"),
        ("${nname}", TEXT),
        ("$", TEXT),
        ("", TEXT),
    ],
)
def test_a_template_gives_the_text_and_a_broken_one_the_usual_text(text: str, shown: str) -> None:
    assert told(model.NotificationType.WEBHOOK, template=text)[1]["text"] == shown


def test_values_are_not_read_as_templates() -> None:
    news = replace(NEWS, message="${namespace} $$ $x")
    text = template.text_of("${message}", news, escaped=lambda it: it)
    assert text == "${namespace} $$ $x"


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_template_and_no_message_breaks_a_text(wanted: str, message: str) -> None:
    news = replace(NEWS, message=message)
    for kind in model.NotificationType:
        provider = model.NotificationProvider(name="a", type=kind, template=wanted)
        json.loads(render(provider, news)[1])
    text = template.text_of(wanted, news, escaped=lambda it: it * 50)
    assert len(text) <= template.LONGEST_TEXT


def test_every_variable_has_a_value() -> None:
    wanted = "|".join(f"{name}=${{{name}}}" for name in template.VARIABLES)
    assert template.problem(wanted) == ""
    assert template.text_of(wanted, NEWS, escaped=lambda it: it) == (
        "namespace=ml|name=iris|event=RolledBack|severity=Error|message=error-ratio 0.08 > 0.01"
        "|phase=RolledBack|rollout=iris-8b1c22e9d4-1|step=p10|weight=10|stableRevision=6d9f7c01ab"
        "|stableVersion=v1|candidateRevision=8b1c22e9d4|candidateVersion=v2|time=2026-11-20T12:00:00Z"
    )


# --- news ----------------------------------------------------------------------------------------


def test_news_says_how_the_rollout_stands() -> None:
    found = news_of(event(), meta=META, status=PROGRESSING, at=NOON)
    rollout, stable = PROGRESSING.rollout, PROGRESSING.stable
    assert rollout is not None
    assert rollout.step is not None
    assert stable is not None
    assert (found.event, found.severity) == ("StepStarted", model.Severity.INFO)
    assert (found.rollout, found.step) == (rollout.id, rollout.step.name)
    assert found.weight == rollout.exposure.live_percent
    assert found.stable == Side(revision=stable.revision, version=stable.model_version)
    assert found.candidate.revision == rollout.revision.hash
    empty = news_of(event(), meta=META, status=model.Status(), at=NOON)
    assert (empty.rollout, empty.stable, empty.candidate) == ("", Side(), Side())


def test_the_same_told_at_the_same_time_has_the_same_id_and_nothing_else_has() -> None:
    def id_of(reason: str = "A", message: str = "m", uid: str = "u1", at: datetime = NOON) -> str:
        meta = replace(META, uid=uid)
        said = event(reason, message=message)
        return news_of(said, meta=meta, status=model.Status(), at=at).id

    assert id_of() == id_of()
    others = [id_of("B"), id_of(message="n"), id_of(uid="u2"), id_of(at=NOON.replace(second=1))]
    assert len({id_of(), *others}) == 5


def test_a_message_is_short_and_forges_no_line() -> None:
    said = event(message="a\nb\x1b[31m\u202e" + "x" * 2000)
    found = news_of(said, meta=META, status=model.Status(), at=NOON)
    assert found.message.startswith("a b [31m x")
    assert len(found.message) == LONGEST_MESSAGE


@pytest.mark.parametrize(
    ("said", "severity"),
    [
        (event("StepStarted"), model.Severity.INFO),
        (event("AnalysisFailed", warns=True), model.Severity.WARN),
        (event("RolledBack", warns=True), model.Severity.ERROR),
        (event("StableLost", warns=True), model.Severity.ERROR),
    ],
)
def test_how_much_an_event_matters(said: actions.Event, severity: model.Severity) -> None:
    assert news_of(said, meta=META, status=model.Status(), at=NOON).severity is severity


TEAM = Requirement(key="team", operator=SelectorOperator.IN, values=frozenset({"risk"}))


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({}, True),
        ({"events": frozenset({"RolledBack"})}, True),
        ({"events": frozenset({"Promoted"})}, False),
        ({"min_severity": model.Severity.ERROR}, True),
        ({"names": frozenset({"iris", "fraud"})}, True),
        ({"names": frozenset({"fraud"})}, False),
        ({"selector": (TEAM,)}, True),
        ({"selector": (replace(TEAM, values=frozenset({"ads"})),)}, False),
        ({"problem": "spec.type: is required"}, False),
    ],
)
def test_who_wants_it(filters: dict[str, Any], *, wanted: bool) -> None:
    provider = model.NotificationProvider(name="a", **filters)
    assert wants(provider, NEWS, labels={"team": "risk"}) is wanted


def test_what_matters_less_than_asked_for_is_not_wanted() -> None:
    provider = model.NotificationProvider(name="a", min_severity=model.Severity.WARN)
    kept = {it for it in model.Severity if wants(provider, replace(NEWS, severity=it), labels={})}
    assert kept == {model.Severity.WARN, model.Severity.ERROR}


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ([], ""),
        (["RolledBack", "HookDelivered", "OfAnotherRelease"], ""),
        (["Promotd"], "Promotd is no event: did you mean Promoted?"),
    ],
)
def test_an_event_that_is_almost_one_is_told(events: list[str], says: str) -> None:
    assert spelling.misspelt(frozenset(events)) == says


def test_what_is_known_as_an_event_is_one() -> None:
    folder = Path(rollout.__file__).parent
    text = "".join(path.read_text() for path in sorted(folder.rglob("*.py")))
    assert {name for name in spelling.KNOWN if f'"{name}"' not in text} == set()
