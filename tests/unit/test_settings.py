from __future__ import annotations

from typing import Any

import pytest

from tidegate.settings import MetricSourceSettings, Settings, SettingsError, load

SOURCE = {"name": "default", "url": "http://prometheus:9090/"}


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
                    "scrapeIntervalSeconds": 5,
                    "timeoutSeconds": 2.5,
                    "bearerTokenFile": "/token",
                    "caFile": "/ca",
                    "headers": {"X-Scope-OrgID": "ml"},
                    "enforcesNamespace": True,
                }
            ],
        }
    )
    assert settings.namespaces == ("a", "b")
    assert settings.leader_election.renew_deadline_seconds == 20.5
    assert settings.sources["default"] == MetricSourceSettings(
        name="default",
        url="http://prometheus:9090",
        scrape_interval_seconds=5.0,
        timeout_seconds=2.5,
        bearer_token_file="/token",
        ca_file="/ca",
        headers={"X-Scope-OrgID": "ml"},
        enforces_namespace=True,
    )


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
