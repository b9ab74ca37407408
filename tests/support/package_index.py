"""A package index on loopback, with tiny wheels made here."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread


@dataclass(frozen=True, slots=True)
class Wheel:
    """A pure Python wheel that says its version when it is imported."""

    name: str
    version: str
    requires: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    content: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "content", _wheel(self))

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.version}-py3-none-any.whl"

    @property
    def locked(self) -> str:
        """Its entry in a lock."""
        return f"{self.name}=={self.version} --hash=sha256:{self.sha256}\n"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def _wheel(wheel: Wheel) -> bytes:
    info = f"{wheel.name}-{wheel.version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {wheel.name}", f"Version: {wheel.version}"]
    metadata += [f"Provides-Extra: {extra}" for extra in wheel.extras]
    metadata += [f"Requires-Dist: {needed}" for needed in wheel.requires]
    files = {
        f"{wheel.name}.py": f"VERSION = {wheel.version!r}\n",
        f"{info}/METADATA": "\n".join([*metadata, ""]),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{name},sha256={_digest(text)},{len(text)}" for name, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)  # a fixed date: the same bytes each time
    return out.getvalue()


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@contextmanager
def serve(
    wheels: Sequence[Wheel], *, status: int = 200, hold: tuple[Event, Event] | None = None
) -> Iterator[str]:
    """The address of an index of these wheels.

    With another status it refuses. With `hold` it sets the first event when it is asked, and does
    not answer before the second is set.
    """
    pages = {f"/files/{wheel.file_name}": wheel.content for wheel in wheels}
    for name in {wheel.name for wheel in wheels}:
        links = [
            f'<a href="/files/{wheel.file_name}#sha256={wheel.sha256}">{wheel.file_name}</a>'
            for wheel in wheels
            if wheel.name == name
        ]
        pages[f"/simple/{name}/"] = "<!DOCTYPE html>\n{}".format("\n".join(links)).encode()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(pages, status=status, hold=hold))
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(
    pages: dict[str, bytes], *, status: int, hold: tuple[Event, Event] | None
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if hold:
                hold[0].set()
                hold[1].wait(120)
            page = pages.get(self.path) if status == 200 else None
            code = status if page or status != 200 else 404
            self.send_response(code)
            kind = "text/html" if self.path.startswith("/simple/") else "application/zip"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(page or b"")))
            self.end_headers()
            with suppress(OSError):  # who was interrupted does not listen any more
                self.wfile.write(page or b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - given
            """The tests look at what was installed."""

    return Handler
