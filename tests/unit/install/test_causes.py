"""What pip, uv and the system say when something fails, and what we make of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from requirements import install

REFUSED = """\
WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by 'NewConnectionError(
'<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7f>: Failed to establish a new
connection: [Errno 111] Connection refused')': /simple/reader/
ERROR: Could not find a version that satisfies the requirement reader==1.0 (from versions: none)
ERROR: No matching distribution found for reader==1.0
"""


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (REFUSED, "the registry refuses the connection"),
        (
            "Could not fetch URL http://a.test/simple/x/: 403 Client Error: Forbidden for url",
            "the registry answers with status 403",
        ),
        (
            "Max retries exceeded (Caused by ResponseError('too many 503 error responses'))",
            "the registry answers with status 503",
        ),
        ("Temporary failure in name resolution", "no network: the registry's name cannot be resolved"),
        ("cause: dns error\n cause: error resolving", "no network: the registry's name cannot be resolved"),
        ("[Errno 101] Network is unreachable", "no network: the registry cannot be reached"),
        ("Read timed out. (read timeout=15)", "the registry does not answer in time"),
        ("Cannot connect to proxy.', [Errno 111] Connection refused", "the proxy does not let us through"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed", "the certificate of the registry is not trusted"),
        ("invalid peer certificate: UnknownIssuer", "the certificate of the registry is not trusted"),
        ("[SSL: WRONG_VERSION_NUMBER]", "no secure connection to the registry comes about"),
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("failed to write: os error 28", "the disk is full"),
        ("[Errno 13] Permission denied: '/x'", "a folder cannot be written"),
        ("No module named ensurepip", "this Python cannot make virtual environments"),
        ("THESE PACKAGES DO NOT MATCH THE HASHES", "the registry serves another file than the one that was locked"),
        ("Hash mismatch for `reader==1.0`", "the registry serves another file than the one that was locked"),
        ("reader==1.0 has no wheels with a\n matching platform tag", "the registry has no file of the lock that fits this machine"),
        ("ERROR: Exception:\nTraceback\nSomethingError: odd", "SomethingError: odd"),
        ("", "it said nothing"),
    ],
)  # fmt: skip
def test_a_cause(said: str, cause: str) -> None:
    assert install.explain(said)[0] == cause


def test_every_cause_has_a_next_step() -> None:
    assert all(cause.advice for cause in install.CAUSES)


def test_uv_gets_what_pip_was_told() -> None:
    listed = r"""
:env:.cert='/ca.pem'
:env:.index-url='https://b.test/simple'
global.cert='/other.pem'
global.extra-index-url='\nhttps://c.test/simple\nhttps://d.test/simple'
global.find-links='/nowhere/wheels'
global.index-url='https://a.test/simple'
global.proxy='http://proxy.test:3128'
"""
    assert install.uv_settings(listed, {"HTTP_PROXY": "http://own.test"}) == {
        "SSL_CERT_FILE": "/ca.pem",
        "UV_DEFAULT_INDEX": "https://b.test/simple",
        "UV_INDEX": "https://c.test/simple https://d.test/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "HTTPS_PROXY": "http://proxy.test:3128",
    }


def test_a_machine_without_settings_gives_none() -> None:
    assert install.uv_settings("", {}) == {}


def test_what_uv_was_told_itself_stands() -> None:
    listed = "global.index-url='https://a.test/simple'"
    assert install.uv_settings(listed, {"UV_DEFAULT_INDEX": "https://b.test/simple"}) == {}


@pytest.mark.parametrize(
    ("variable", "value"), [("REQUESTS_CA_BUNDLE", "/ca.pem"), ("CURL_CA_BUNDLE", "/ca.pem")]
)
def test_certificates_that_pip_takes_from_the_environment(variable: str, value: str) -> None:
    assert install.uv_settings("", {variable: value}) == {"SSL_CERT_FILE": value}


def test_a_log_that_cannot_be_written_is_not_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file" / "log"
    blocked.parent.touch()
    runner = install.Runner(blocked, lock_fd=os.open(os.devnull, os.O_RDONLY))
    assert runner.run("echo", "said") == (True, "said\n")
