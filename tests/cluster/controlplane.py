"""The control-plane level: etcd and kube-apiserver on loopback, no nodes.

Several may run at once (pytest-xdist): every one has its own folder, ports and certificates.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import shutil
import ssl
import sys
import tempfile
import urllib.parse
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

from tests.cluster import components, gobuild, kubeconfig, kubectl, ports, process, shell
from tests.cluster.progress import Progress

_START_TIMEOUT_SECONDS = 180.0  # a busy machine may take long
_ATTEMPTS = 3  # a free port can be taken between asking for it and using it
# Fake pods come in hundreds; the default of 20 requests per second would be what tests measure.
_CONTROLLER_LIMITS = ("--kube-api-qps=500", "--kube-api-burst=1000")


@dataclasses.dataclass(slots=True, kw_only=True)
class ControlPlane:
    """A running API server; `kubeconfig` has full rights on it."""

    folder: Path
    kubeconfig: Path
    kubectl_bin: Path
    server_url: str
    etcd_url: str
    credentials: components.Credentials
    _commands: dict[str, list[str]]
    _running: dict[str, process.ProcessRecord] = dataclasses.field(default_factory=dict)

    def kubectl(self, *args: str, input: str | None = None) -> str:  # noqa: A002
        """Standard output of kubectl; raises with what it said."""
        try:
            return self._kubectl(*args, input=input)
        except shell.CommandError:
            if not self.revive():
                raise
            return self._kubectl(*args, input=input)

    def _kubectl(self, *args: str, input: str | None) -> str:  # noqa: A002
        return kubectl.kubectl(self.kubectl_bin, kubeconfig=self.kubeconfig, args=args, input=input)

    def log(self, component: str) -> Path:
        """The log file of `etcd`, `kube-apiserver` or `kube-controller-manager`."""
        return self.folder / f"{component}.log"

    def stop_apiserver(self) -> None:
        """Kill the API server at once, as a crash would; watches break, etcd keeps everything."""
        process.kill(self._running.pop("kube-apiserver"))

    def start_apiserver(self) -> None:
        """Start the API server again on the same address and wait until it is ready."""
        self.start("kube-apiserver")
        self.wait_ready()

    def revive(self) -> bool:
        """Start again what ended by itself, as a kubelet does; whether there was such a component.

        An API server ends itself at times, soon after its start (kubernetes/kubernetes#141220) or
        while kinds come and go. The end of its log goes to standard error.
        Errors: kubectl.NotReady when it does not come back.
        """
        ended = self._ended()
        for name in ended:
            print(f"{name} ended by itself:\n{shell.tail(self.log(name))}", file=sys.stderr)
            self.start(name)
        if ended:
            self.wait_ready()
        return bool(ended)

    def pid_of(self, component: str) -> int:
        """The process id of a component that runs."""
        return self._running[component].pid

    def start(self, component: str) -> None:
        """Start a component in the background."""
        self._running[component] = process.spawn(
            name=component, argv=self._commands[component], log=self.log(component)
        )

    def stop(self) -> None:
        """End all processes; the data is not needed any more, so by force."""
        for record in self._running.values():
            process.kill(record)
        self._running.clear()

    def wait_ready(self) -> None:
        """Wait until /readyz says yes.

        Errors: kubectl.NotReady with the end of the logs; at once when a process died.
        """
        kubectl.wait_for(
            "kube-apiserver",
            self._ready_or_dead,
            timeout_seconds=_START_TIMEOUT_SECONDS,
            explain=self._explain,
        )
        ended = self._ended()
        if ended:
            raise kubectl.NotReady(f"{', '.join(ended)} ended\n{self._explain()}")

    def _ready_or_dead(self) -> bool:
        return bool(self._ended()) or answers(f"{self.server_url}/readyz", self.credentials)

    def _ended(self) -> list[str]:
        return [name for name, record in self._running.items() if not process.is_alive(record)]

    def _explain(self) -> str:
        return "\n".join(shell.tail(self.log(name)) for name in self._commands)


def answers(url: str, credentials: components.Credentials) -> bool:
    """Whether an API server answers 200 on a path that needs full rights."""
    client = credentials.client("admin")
    context = ssl.create_default_context(cafile=str(credentials.authority.pair.certificate))
    context.load_cert_chain(client.certificate, client.key)
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPSConnection(  # asks no proxy of the environment
        address.hostname or "", address.port, timeout=2, context=context
    )
    try:
        connection.request("GET", address.path)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextlib.contextmanager
def control_plane(*, with_controllers: bool = True) -> Iterator[ControlPlane]:
    """An own API server for the time of the block: 2-3 s to start, nothing left afterwards.

    Errors: kubectl.NotReady with the logs when it does not start; shell.CommandError when the
        binaries cannot be built.
    """
    progress = Progress()
    binaries = gobuild.ensure_kubernetes(progress)
    etcd = gobuild.ensure_program(gobuild.ETCD, progress)
    folder = Path(tempfile.mkdtemp(prefix="tidegate-control-plane-"))
    try:
        plane = _started(folder, binaries=binaries, etcd=etcd, with_controllers=with_controllers)
        try:
            yield plane
        finally:
            plane.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _started(folder: Path, *, binaries: Path, etcd: Path, with_controllers: bool) -> ControlPlane:
    for attempt in range(1, _ATTEMPTS + 1):
        attempt_folder = folder / str(attempt)
        attempt_folder.mkdir()
        plane = _prepare(
            attempt_folder, binaries=binaries, etcd=etcd, with_controllers=with_controllers
        )
        try:
            _start(plane, with_controllers=with_controllers)
        except kubectl.NotReady:
            plane.stop()
            if attempt == _ATTEMPTS:
                raise
        except BaseException:
            plane.stop()
            raise
        else:
            return plane
    raise AssertionError("the last attempt returns or raises")


def _start(plane: ControlPlane, *, with_controllers: bool) -> None:
    plane.start("etcd")
    plane.start("kube-apiserver")
    plane.wait_ready()
    if with_controllers:
        plane.start("kube-controller-manager")
        kubectl.wait_for(
            "the service account of the default namespace",
            lambda: _exists(plane, "serviceaccount/default"),
            timeout_seconds=_START_TIMEOUT_SECONDS,
            explain=lambda: shell.tail(plane.log("kube-controller-manager")),
        )


def _exists(plane: ControlPlane, name: str) -> bool:
    return answers(
        f"{plane.server_url}/api/v1/namespaces/default/{name.replace('/', 's/')}",
        plane.credentials,
    )


def _prepare(folder: Path, *, binaries: Path, etcd: Path, with_controllers: bool) -> ControlPlane:
    etcd_port, peer_port, port, controller_port = (ports.free_port() for _ in range(4))
    server_url = f"https://127.0.0.1:{port}"
    credentials = components.make_credentials(
        folder / "pki", hosts=("127.0.0.1", components.FIRST_SERVICE_ADDRESS)
    )
    config = kubeconfig.write(
        folder / "kubeconfig",
        server=server_url,
        authority=credentials.authority.pair.certificate,
        client=credentials.client("admin"),
        context="tidegate-control-plane",
    )
    commands = {
        "etcd": components.etcd(
            etcd, data=folder / "etcd", client_port=etcd_port, peer_port=peer_port
        ),
        "kube-apiserver": components.apiserver(
            binaries / "kube-apiserver",
            credentials=credentials,
            etcd_port=etcd_port,
            port=port,
            extra=_apiserver_extra(with_controllers=with_controllers),
        ),
        "kube-controller-manager": components.controller_manager(
            binaries / "kube-controller-manager",
            credentials=credentials,
            kubeconfig=config,
            port=controller_port,
            extra=_CONTROLLER_LIMITS,
        ),
    }
    return ControlPlane(
        folder=folder,
        kubeconfig=config,
        kubectl_bin=binaries / "kubectl",
        server_url=server_url,
        etcd_url=f"http://127.0.0.1:{etcd_port}",
        credentials=credentials,
        _commands=commands,
    )


def _apiserver_extra(*, with_controllers: bool) -> tuple[str, ...]:
    # A loopback address cannot be an endpoint of the `kubernetes` Service, and nothing needs one.
    extra = ("--bind-address=127.0.0.1", "--endpoint-reconciler-type=none")
    if with_controllers:
        return extra
    # Nobody makes the default service account, which the plugin would wait for.
    return (*extra, "--disable-admission-plugins=ServiceAccount")
