"""News in the words of each kind of receiver.

Sources: CloudEvents 1.0.2 (structured mode of the HTTP binding); Slack, incoming webhooks and
"Formatting text for app surfaces"; Microsoft, Adaptive Cards 1.4 in a Teams webhook of Workflows;
Alertmanager, API v2.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from tidegate import model, ports
from tidegate.controller.notify.news import News, Side
from tidegate.controller.notify.template import text_of

JSON = "application/json"
CLOUD_EVENT = "application/cloudevents+json"
Payload = Mapping[str, Any] | list[Mapping[str, Any]]
Encode = Callable[[News, str], Payload]


def render(provider: model.NotificationProvider, news: News) -> tuple[str, bytes]:
    """Media type and body of the message for this provider."""
    encode, escaped = _KINDS[provider.type]
    text = text_of(provider.template, news, escaped=escaped)
    media = CLOUD_EVENT if provider.type is model.NotificationType.CLOUD_EVENTS else JSON
    return media, json.dumps(encode(news, text)).encode()


def facts(news: News, text: str) -> Mapping[str, Any]:
    """The body of a webhook, and the data of a CloudEvent."""
    return {
        "id": news.id,
        "time": _time(news),
        "event": news.event,
        "severity": str(news.severity),
        "namespace": news.namespace,
        "name": news.name,
        "uid": news.uid,
        "rolloutId": news.rollout,
        "phase": news.phase,
        "step": news.step,
        "weight": news.weight,
        "stable": _side(news.stable),
        "candidate": _side(news.candidate),
        "message": news.message,
        "text": text,
        "recordRef": news.record,
    }


def _cloud_event(news: News, text: str) -> Payload:
    kind = ports.MODEL_DEPLOYMENT
    place = f"namespaces/{news.namespace}/{kind.plural}/{news.name}"
    return {
        "specversion": "1.0",
        "id": news.id,
        "source": f"/apis/{kind.api_version}/{place}",
        "type": f"dev.tidegate.modeldeployment.{news.event.lower()}.v1",
        "subject": news.rollout or news.name,
        "time": _time(news),
        "datacontenttype": JSON,
        "data": facts(news, text),
    }


def _slack(news: News, text: str) -> Payload:
    """`text` is what stands in the alert on a telephone, the block what stands in the channel."""
    return {
        "text": text,
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": text}},
            {
                "type": "context",
                "elements": [
                    {"type": "plain_text", "text": f"{label}: {value}", "emoji": False}
                    for label, value in _shown(news)
                ],
            },
        ],
    }


def _teams(news: News, text: str) -> Payload:
    """Runs of text are shown as they are, so no value can make a link or a mention."""
    color = {"Info": "Default", "Warn": "Warning", "Error": "Attention"}[news.severity]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            _run(f"{news.event} ({news.severity})", weight="Bolder", color=color),
            _run(text),
            *(_run(f"{label}: {value}", isSubtle=True) for label, value in _shown(news)),
        ],
    }
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def _run(text: str, **style: object) -> Mapping[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}


def _alertmanager(news: News, text: str) -> Payload:
    """One alert per ModelDeployment and event; without an end Alertmanager resolves it by itself."""
    labels = {
        "alertname": "TidegateEvent",
        "event": news.event,
        "severity": {"Info": "info", "Warn": "warning", "Error": "critical"}[news.severity],
        "namespace": news.namespace,
        "model_deployment": news.name,
    }
    annotations = {"summary": text, "description": news.message, "id": news.id}
    return [{"labels": labels, "annotations": annotations, "startsAt": _time(news)}]


def _shown(news: News) -> list[tuple[str, str]]:
    """What is shown beside the text, where there is something to show."""
    rows = {
        "Model": f"{news.namespace}/{news.name}",
        "Stable": news.stable.version or news.stable.revision,
        "Candidate": news.candidate.version or news.candidate.revision,
        "Step": f"{news.step} at {news.weight:g} %" if news.step else "",
    }
    return [(label, value) for label, value in rows.items() if value]


def _side(side: Side) -> Mapping[str, str]:
    return {"revision": side.revision, "modelVersion": side.version}


def _time(news: News) -> str:
    return f"{news.at:%Y-%m-%dT%H:%M:%SZ}"


def _as_it_is(value: str) -> str:
    return value


def _escaped_for_slack(value: str) -> str:
    """Slack reads only `<...>` as links and mentions."""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_KINDS: Mapping[model.NotificationType, tuple[Encode, Callable[[str], str]]] = {
    model.NotificationType.WEBHOOK: (facts, _as_it_is),
    model.NotificationType.CLOUD_EVENTS: (_cloud_event, _as_it_is),
    model.NotificationType.SLACK: (_slack, _escaped_for_slack),
    model.NotificationType.MS_TEAMS: (_teams, _as_it_is),
    model.NotificationType.ALERTMANAGER: (_alertmanager, _as_it_is),
}
