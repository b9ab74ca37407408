from __future__ import annotations

from typing import Any

import pytest

from tidegate.settings import (
    HookReceiverSettings,
    MetricSourceSettings,
    NotificationReceiverSettings,
    Settings,
    load,
)
from tidegate.settings_reader import SettingsError

SOURCE = {"name": "default", "url": "http://prometheus:9090/"}

RECEIVER = {"host": "train.example.com", "signingKeyFile": "/key"}


CHAT = {"name": "risk-chat", "urlFile": "/u"}


def test_receivers_of_news_are_read() -> None:
    more = {"signingKeyFile": "/k", "bearerTokenFile": "/t", "caFile": "/c", "plainHTTP": True}
    other = {"name": "pager", "urlFile": "/v", "namespaces": ["ml"], **more}
    assert load({"notificationReceivers": [CHAT, other]}).notification_receivers == (
        NotificationReceiverSettings(name="risk-chat", url_file="/u"),
        NotificationReceiverSettings(
            name="pager",
            url_file="/v",
            signing_key_file="/k",
            bearer_token_file="/t",
            ca_file="/c",
            namespaces=("ml",),
            plain_http=True,
        ),
    )


def test_receivers_of_hooks_are_read() -> None:
    more = {"caFile": "/ca", "namespaces": ["b", "a"], "plainHTTP": True}
    settings = load({"hookReceivers": [RECEIVER, {**RECEIVER, "host": "*.Example.com", **more}]})
    assert settings.hook_receivers == (
        HookReceiverSettings(host="train.example.com", signing_key_file="/key"),
        HookReceiverSettings(
            host="*.example.com",
            signing_key_file="/key",
            ca_file="/ca",
            namespaces=("a", "b"),
            plain_http=True,
        ),
    )


def test_empty_document_gives_the_defaults() -> None:
    assert load({}) == Settings()


def test_whole_document_is_read() -> None:
    settings = load(
        {
            "namespaces": ["b", "a", "b"],
            "workers": 4,
            "sweepIntervalSeconds": 60,
            "httpPort": 9000,
            "logLevel": "debug",
            "leaderElection": {
                "name": "l",
                "namespace": "n",
                "leaseDurationSeconds": 30,
                "renewDeadlineSeconds": 20.5,
                "retrySeconds": 5,
            },
            "metricSources": [
                SOURCE
                | {
                    "url": "https://prometheus:9090/",
                    "scrapeIntervalSeconds": 5,
                    "timeoutSeconds": 2.5,
                    "bearerTokenFile": "/token",
                    "caFile": "/ca",
                    "headers": {"X-Scope-OrgID": "ml"},
                    "headerFiles": {"X-Api-Key": "/key"},
                    "clientCertificateFile": "/tls.crt",
                    "clientKeyFile": "/tls.key",
                    "proxyURL": "http://proxy:3128/",
                    "queryParameters": {"nocache": "1"},
                    "namespaces": ["b", "a"],
                    "namespaceParameter": "namespace",
                    "enforcesNamespace": True,
                }
            ],
        }
    )
    assert settings.namespaces == ("a", "b")
    assert settings.leader_election.renew_deadline_seconds == 20.5
    assert settings.sources["default"] == MetricSourceSettings(
        name="default",
        url="https://prometheus:9090",
        scrape_interval_seconds=5.0,
        timeout_seconds=2.5,
        bearer_token_file="/token",
        ca_file="/ca",
        headers={"X-Scope-OrgID": "ml"},
        header_files={"X-Api-Key": "/key"},
        client_certificate_file="/tls.crt",
        client_key_file="/tls.key",
        proxy_url="http://proxy:3128",
        query_parameters={"nocache": "1"},
        namespaces=("a", "b"),
        namespace_parameter="namespace",
        enforces_namespace=True,
    )


def _source(**more: Any) -> dict[str, Any]:
    return {"metricSources": [SOURCE | more]}


@pytest.mark.parametrize(
    "given",
    [
        {"basicAuth": {"username": "u", "passwordFile": "/p"}},
        {"basicAuth": {"usernameFile": "/u", "passwordFile": "/p"}, "url": "https://x"},
        {"bearerTokenFile": "/t", "url": "http://127.0.0.1:8005"},  # a signing proxy in the pod
        {"headers": {"X-Scope-OrgID": "a|b", "AccountID": "7", "X-Org-Role": "Viewer"}},
        {"enforcesNamespace": True, "namespaces": ["ml"]},
        {"enforcesNamespace": True, "namespaceParameter": "namespace"},
        {"queryParameters": {"dedup": "true", "partial_response": "false"}},
    ],
)
def test_a_source_that_is_protected_is_accepted(given: dict[str, Any]) -> None:
    if "basicAuth" in given and "url" not in given:
        given = {**given, "credentialsOverHTTP": True}
    assert load(_source(**given)).metric_sources[0].name == "default"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"headers": {"Authorization": "x"}}, r"headers.Authorization: would stand in a ConfigMap"),
        (
            {"headers": {"X-Api-Key": "x"}, "url": "https://x"},
            r"headers.X-Api-Key: would stand in a ConfigMap .*headerFiles",
        ),
        ({"headers": {"X-Grafana": "Bearer abc"}}, r"headers.X-Grafana: would stand"),
        ({"headers": {"cookie": "a=b"}}, r"headers.cookie: would stand"),
        ({"headers": {"a b": "x"}}, r"headers: 'a b' is no name of a header"),
        ({"queryParameters": {"api_key": "x"}}, r"queryParameters.api_key: would stand"),
        ({"queryParameters": {"query": "up"}}, r"queryParameters.query: is set by the operator"),
        (
            {"queryParameters": {"ns": "a"}, "namespaceParameter": "ns"},
            r"queryParameters.ns: is set by the operator",
        ),
        ({"namespaceParameter": "time"}, r"namespaceParameter: is set by the operator"),
        ({"bearerTokenFile": "/t"}, r"url: bearerTokenFile would be sent unencrypted: use https"),
        (
            {"headerFiles": {"X-Api-Key": "/k"}},
            r"url: headerFiles.X-Api-Key would be sent unencrypted",
        ),
        (
            {"basicAuth": {"username": "u", "passwordFile": "/p"}},
            r"url: basicAuth would be sent unencrypted: .*credentialsOverHTTP: true",
        ),
        ({"basicAuth": {"username": "u"}}, r"basicAuth.passwordFile: is missing"),
        ({"basicAuth": {"passwordFile": "/p"}}, r"basicAuth: set either username or usernameFile"),
        (
            {"basicAuth": {"username": "u:v", "passwordFile": "/p"}},
            r"basicAuth.username: must not contain a colon",
        ),
        (
            {"basicAuth": {"username": "u", "passwordFile": "/p", "password": "x"}},
            r"basicAuth.password: unknown field",
        ),
        (
            {
                "basicAuth": {"username": "u", "passwordFile": "/p"},
                "bearerTokenFile": "/t",
                "url": "https://x",
            },
            r": use only one of bearerTokenFile and basicAuth",
        ),
        (
            {"bearerTokenFile": "/t", "headerFiles": {"authorization": "/a"}, "url": "https://x"},
            r": use only one of bearerTokenFile and headerFiles.Authorization",
        ),
        (
            {"clientCertificateFile": "/c", "url": "https://x"},
            r": clientCertificateFile and clientKeyFile go together",
        ),
        ({"clientCertificateFile": "/c", "clientKeyFile": "/k"}, r"needs a url with https"),
        ({"proxyURL": "socks5://x"}, r"proxyURL: 'socks5://x' is no URL"),
        ({"proxyURL": "http://u:p@x"}, r"proxyURL: put credentials into files"),
        ({"enforcesNamespace": True}, r"enforcesNamespace: which namespace\? List those"),
        ({"namespaces": ["A"]}, r"namespaces\[0\]: 'A' is not the name"),
    ],
)
def test_what_would_show_a_secret_or_does_not_fit_is_refused(
    given: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=rf"^metricSources\[0\].*{message}") as raised:
        load(_source(**given))

    assert "abc" not in str(raised.value)  # the value of a secret


def test_a_source_is_open_to_its_namespaces_alone() -> None:
    settings = load({"metricSources": [SOURCE, {**SOURCE, "name": "own", "namespaces": ["ml"]}]})

    assert set(settings.sources_of("ml")) == {"default", "own"}
    assert set(settings.sources_of("other")) == {"default"}


def test_flags_go_before_the_file_and_absent_flags_do_not() -> None:
    document = {"httpPort": 1, "leaderElection": {"name": "file", "namespace": "file"}}
    flags = {"httpPort": 2, "logLevel": None, "leaderElection": {"namespace": "flag", "name": None}}
    settings = load(document, flags=flags)
    assert settings.http_port == 2
    assert settings.log_level == "info"
    assert (settings.leader_election.name, settings.leader_election.namespace) == ("file", "flag")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"wokers": 3}, r"^wokers: unknown field; known are .*workers"),
        ({"workers": 0}, r"^workers: must be a number from 1 to 256"),
        ({"workers": 1.5}, r"^workers: must be a whole number"),
        ({"workers": "3"}, r"^workers: must be a number"),
        ({"workers": True}, r"^workers: must be a number"),
        ({"sweepIntervalSeconds": float("nan")}, r"^sweepIntervalSeconds: must be a number"),
        ({"httpPort": 70_000}, r"^httpPort: "),
        ({"logLevel": "loud"}, r"^logLevel: must be one of debug, info"),
        ({"logLevel": 3}, r"^logLevel: must be a text"),
        (
            {"namespaces": ["a"], "namespaceSelector": "b=c"},
            r"^namespaceSelector: cannot be used beside",
        ),
        ({"namespaceSelector": ["a"]}, r"^namespaceSelector: must be a text"),
        ({"namespaceSelector": "served=yes="}, r"^namespaceSelector: 'served=yes=' is no label"),
        ({"namespaceSelector": "team in a"}, r"^namespaceSelector: .* is no label selector"),
        ({"namespaceSelector": "served yes"}, r"^namespaceSelector: .* is no label selector"),
        ({"namespaceSelector": "-a=b"}, r"^namespaceSelector: .* is no label selector"),
        ({"namespaces": "a"}, r"^namespaces: must be a list of texts"),
        ({"namespaces": ["A"]}, r"^namespaces\[0\]: 'A' is not the name"),
        ({"namespaces": ["ok", 1]}, r"^namespaces: must be a list of texts"),
        ({"leaderElection": []}, r"^leaderElection: must be a mapping"),
        ({"leaderElection": {"nam": "x"}}, r"^leaderElection.nam: unknown field"),
        ({"leaderElection": {"retrySeconds": 11}}, r"^leaderElection: retrySeconds < renew"),
        (
            {"leaderElection": {"leaseDurationSeconds": 15.5}},
            r"^leaderElection.leaseDurationSeconds: must be a whole number",
        ),
        ({"hookReceivers": {}}, r"^hookReceivers: must be a list"),
        ({"hookReceivers": [{"host": "a"}]}, r"^hookReceivers\[0\].signingKeyFile: must be a text"),
        (
            {"hookReceivers": [RECEIVER | {"host": "https://a"}]},
            r"^hookReceivers\[0\].host: .*scheme",
        ),
        ({"hookReceivers": [RECEIVER | {"host": "*"}]}, r"^hookReceivers\[0\].host: "),
        ({"hookReceivers": [RECEIVER | {"host": "a:443"}]}, r"^hookReceivers\[0\].host: "),
        ({"hookReceivers": [RECEIVER, RECEIVER]}, r"^hookReceivers\[1\].host: .* occurs twice"),
        ({"hookReceivers": [RECEIVER | {"key": "x"}]}, r"^hookReceivers\[0\].key: unknown field"),
        ({"notificationReceivers": [{"name": "a"}]}, r"^notificationReceivers\[0\].urlFile: must"),
        (
            {"notificationReceivers": [CHAT | {"name": "Risk Chat"}]},
            r"^notificationReceivers\[0\].name: 'Risk Chat' is no name",
        ),
        ({"notificationReceivers": [CHAT, CHAT]}, r"^notificationReceivers\[1\].name: .* occurs"),
        (
            {"notificationReceivers": [CHAT | {"url": "https://a"}]},
            r"^notificationReceivers\[0\].url: unknown field",
        ),
        ({"metricSources": {}}, r"^metricSources: must be a list"),
        ({"metricSources": ["x"]}, r"^metricSources\[0\]: must be a mapping"),
        ({"metricSources": [{"url": "http://x"}]}, r"^metricSources\[0\].name: must be a text"),
        ({"metricSources": [SOURCE, SOURCE]}, r"^metricSources\[1\].name: 'default' occurs twice"),
        (
            {"metricSources": [SOURCE | {"url": "prometheus:9090"}]},
            r"^metricSources\[0\].url: .* is no URL",
        ),
        (
            {"metricSources": [SOURCE | {"url": "http://user:secret@x"}]},
            r"^metricSources\[0\].url: put credentials into",
        ),
        (
            {"metricSources": [SOURCE | {"headers": {"a": 1}}]},
            r"^metricSources\[0\].headers: must map texts to texts",
        ),
        (
            {"metricSources": [SOURCE | {"enforcesNamespace": "yes"}]},
            r"^metricSources\[0\].enforcesNamespace: must be true or false",
        ),
    ],
)
def test_unusable_setting_is_refused_by_its_path(document: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load(document)


def test_message_about_a_url_with_credentials_does_not_repeat_them() -> None:
    with pytest.raises(SettingsError) as raised:
        load({"metricSources": [SOURCE | {"url": "http://user:secret@x"}]})
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "served=yes",
        "served==yes",
        "served != yes",
        "served=",
        "served",
        "!served",
        "tidegate.example.com/served=yes,team in (a, b)",
        "team notin (a,b) , served",
        "in=notin",
    ],
)
def test_label_selectors_in_words(text: str) -> None:
    assert load({"namespaceSelector": text}).namespace_selector == text
