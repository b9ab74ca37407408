"""Who asks: what a metric source, a proxy before it and a listener on the way get to see."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import port_fakes
import pytest
from tests.cluster import certificates

from tidegate.adapters.clock import SystemClock
from tidegate.adapters.prometheus import PrometheusSources
from tidegate.ports import Fatal, Ok, RawAnswer, Result, Retryable
from tidegate.settings import BasicAuth, MetricSourceSettings

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
ANSWER = {"status": "success", "data": {"resultType": "vector", "result": []}}
HOSTS = ("localhost", "127.0.0.1")


class Handler(BaseHTTPRequestHandler):
    """Answers everybody, and remembers; as a proxy it opens tunnels."""

    server: Server
    timeout = 10

    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers)))
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self) -> None:
        self.server.tunnels.append(self.path)
        host, port = self.path.split(":")
        with socket.create_connection((host, int(port)), timeout=5) as target:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_copy, args=(target, self.connection), daemon=True)
            back.start()
            _copy(self.connection, target)

    def log_message(self, *args: object) -> None:
        pass


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.tunnels: list[str] = []
        self.scheme = "https" if context else "http"
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Refused handshakes are what some tests are about."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"


@contextlib.contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(context)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as started:
        yield started


def ask(settings: MetricSourceSettings, *, namespace: str = "") -> Result[RawAnswer]:
    sources = PrometheusSources(
        [settings], clock=SystemClock(), recorder=port_fakes.MemoryRecorder()
    )
    try:
        return asyncio.run(sources.query(settings.name, promql="up", at=AT, namespace=namespace))
    finally:
        sources.close()


def source(server: Server, **more: Any) -> MetricSourceSettings:
    return MetricSourceSettings(name="default", url=server.url, **more)


def _file(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("named", [True, False])
def test_a_user_and_the_password_of_a_file(server: Server, tmp_path: Path, *, named: bool) -> None:
    password = tmp_path / "password"
    user = {"username": "reader"} if named else {"username_file": _file(tmp_path, "u", "reader\n")}
    settings = source(server, basic_auth=BasicAuth(password_file=str(password), **user))

    for text in ("first: \u00fc\n", "second"):  # a colon, a blank and more than ASCII; rotated
        password.write_text(text)
        assert isinstance(ask(settings), Ok)

    sent = [headers["Authorization"].removeprefix("Basic ") for _, headers in server.seen]
    plain = [base64.b64decode(one).decode() for one in sent]
    assert plain == ["reader:first: \u00fc", "reader:second"]


def test_headers_whose_values_stand_in_files(server: Server, tmp_path: Path) -> None:
    key = _file(tmp_path, "key", "s3cret\n")

    answer = ask(source(server, header_files={"X-Api-Key": key}, headers={"X-Scope-OrgID": "ml"}))

    assert isinstance(answer, Ok)
    ((_, headers),) = server.seen
    assert (headers["X-Api-Key"], headers["X-Scope-OrgID"]) == ("s3cret", "ml")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"password": ""}, "password holds no password"),
        ({"user": "a:b"}, "user holds no user name without a colon"),
        ({"key": "two\nlines"}, "key holds no value of a header"),
        ({"key": None}, "cannot read a credential"),
    ],
)
def test_a_malformed_or_missing_file_is_named_and_not_shown(
    server: Server, tmp_path: Path, files: dict[str, str | None], says: str
) -> None:
    wanted = {"password": "pw", "user": "reader", "key": "k", **files}
    paths = {name: str(tmp_path / name) for name in wanted}
    for name, text in wanted.items():
        if text is not None:
            Path(paths[name]).write_text(text)
    settings = source(
        server,
        basic_auth=BasicAuth(password_file=paths["password"], username_file=paths["user"]),
        header_files={"X-Api-Key": paths["key"]},
    )

    answer = ask(settings)

    assert isinstance(answer, Fatal)
    assert answer.reason == "Credentials"
    assert says in answer.message
    assert "lines" not in answer.message
    assert server.seen == []


def test_parameters_and_the_namespace_of_the_asker_are_sent(server: Server) -> None:
    settings = source(server, query_parameters={"dedup": "true"}, namespace_parameter="namespace")

    answers = [ask(settings, namespace=one) for one in ("team-a", "team-b")]
    nobody = ask(settings)

    assert all(isinstance(one, Ok) for one in answers)
    queries = [parse_qs(urlsplit(path).query) for path, _ in server.seen]
    assert [(it["namespace"], it["dedup"], it["query"]) for it in queries] == [
        (["team-a"], ["true"], ["up"]),
        (["team-b"], ["true"], ["up"]),
    ]
    assert nobody == Fatal(reason="NoNamespace", message="the query is for no namespace")


def test_a_source_that_is_not_told_hears_of_no_namespace(server: Server) -> None:
    assert isinstance(ask(source(server), namespace="team-a"), Ok)

    ((path, _),) = server.seen
    assert "team-a" not in path


def test_a_proxy_is_asked_in_place_of_the_source(server: Server) -> None:
    settings = MetricSourceSettings(
        name="default", url="http://prometheus.invalid:9090", proxy_url=server.url
    )

    answer = ask(settings)

    assert isinstance(answer, Ok)
    ((path, _),) = server.seen
    assert path.startswith("http://prometheus.invalid:9090/api/v1/query?")


def test_a_proxy_that_is_not_there_is_no_reason_to_go_without(server: Server) -> None:
    answer = ask(source(server, proxy_url="http://127.0.0.1:1"))

    assert isinstance(answer, Retryable)
    assert server.seen == []


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> certificates.Authority:
    return certificates.authority(tmp_path_factory.mktemp("authority"))


def _mutual(authority: certificates.Authority) -> ssl.SSLContext:
    """A server that wants to know who asks."""
    pair = authority.issue("server", common_name="prometheus", hosts=HOSTS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    context.load_verify_locations(authority.pair.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_a_client_certificate_is_shown_directly_and_through_a_proxy(
    authority: certificates.Authority, server: Server
) -> None:
    client = authority.issue("tidegate", common_name="tidegate")
    files = {
        "ca_file": str(authority.pair.certificate),
        "client_certificate_file": str(client.certificate),
        "client_key_file": str(client.key),
    }
    with serving(_mutual(authority)) as protected:
        without = ask(source(protected, ca_file=str(authority.pair.certificate)))
        direct = ask(source(protected, **files))
        through = ask(source(protected, **files, proxy_url=server.url))

        assert isinstance(without, Retryable)
        assert isinstance(direct, Ok)
        assert isinstance(through, Ok)
        assert len(protected.seen) == 2
    assert len(server.tunnels) == 1
    assert server.seen == []  # what goes through the tunnel is not the proxy's to read


def test_a_certificate_that_is_not_there_is_named(
    authority: certificates.Authority, tmp_path: Path
) -> None:
    with serving(_mutual(authority)) as protected:
        answer = ask(
            source(
                protected,
                ca_file=str(authority.pair.certificate),
                client_certificate_file=str(tmp_path / "none.crt"),
                client_key_file=str(tmp_path / "none.key"),
            )
        )

    assert isinstance(answer, Fatal)
    assert answer.reason == "Credentials"
    assert "none.crt" in answer.message
