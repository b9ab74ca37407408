"""The kind provider against stand-in executables that note how they were called."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from tests.cluster import kind, paths, rendering, versions
from tests.cluster.progress import Progress
from tests.cluster.shell import CommandError

STAND_IN = """#!/bin/sh
name=$(basename "$0")
echo "$name $*" >> "$STANDINS/calls"
case "$name $*" in
  "docker info"|"podman info") [ "$name" = "$ENGINE" ] || exit 1 ;;
  "podman save --output "*) touch "$3" ;;
  *" image inspect "*) cat "$STANDINS/image-id" ;;
  "kind get clusters") cat "$STANDINS/clusters" 2>/dev/null || true ;;
  "kind create cluster "*) echo tidegate > "$STANDINS/clusters" ;;
  "kind delete cluster "*) rm "$STANDINS/clusters" ;;
  "kubectl get configmap "*) cat "$STANDINS/applied" 2>/dev/null || exit 1 ;;
  "kubectl get deployments "*) cat "$STANDINS/deployments" ;;
  "kubectl get gateway "*) printf True ;;
  "kubectl apply "*" -f -") cat > /dev/null ;;
esac
"""
DEPLOYMENT = (
    '{"metadata": {"namespace": "%s", "name": "%s"}, "spec": {"replicas": 1}, '
    '"status": {"updatedReplicas": 1, "availableReplicas": 1}}'
)


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("docker", "podman", "nerdctl", "kind", "kubectl", "helm"):
        file = folder / name
        file.write_text(STAND_IN)
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    workloads = [
        ("envoy-gateway-system", "envoy-gateway"),
        ("envoy-gateway-system", "inference"),
        ("monitoring", "prometheus"),
    ]
    items = ", ".join(DEPLOYMENT % workload for workload in workloads)
    (folder / "deployments").write_text(f'{{"items": [{items}]}}')
    (folder / "image-id").write_text("sha256:1")
    (paths.cache_dir() / "charts" / "envoy-gateway").mkdir(parents=True)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("STANDINS", str(folder))
    monkeypatch.setenv("ENGINE", "docker")
    return folder


def calls(folder: Path, *, of: str = "") -> list[str]:
    lines = (folder / "calls").read_text().splitlines()
    return [line for line in lines if line.startswith(of)]


def short(line: str) -> str:
    return " ".join(line.split()[:3])


def test_a_cluster_is_created_and_filled_in_order(stand_ins: Path) -> None:
    cluster = kind.ensure(Progress(quiet=True))
    assert cluster.provider == "kind"
    assert [short(line) for line in calls(stand_ins, of="kind")] == [
        "kind get clusters",
        "kind create cluster",
        "kind export kubeconfig",
    ]
    created = calls(stand_ins, of="kind create")[0]
    assert f"--image {versions.KIND_NODE_IMAGE}" in created
    assert f"--config {paths.MANIFESTS / 'kind.yaml'}" in created
    order = [short(line) for line in calls(stand_ins)]
    assert order.index("kubectl apply --server-side") < order.index("helm upgrade --install")


def test_a_running_cluster_is_used_as_it_is(stand_ins: Path) -> None:
    kind.ensure(Progress(quiet=True))
    (stand_ins / "calls").unlink()
    (stand_ins / "applied").write_text(rendering.content_hash(kind.IMAGES))
    kind.ensure(Progress(quiet=True))
    assert [short(line) for line in calls(stand_ins, of="kind")] == [
        "kind get clusters",
        "kind export kubeconfig",
    ]
    assert calls(stand_ins, of="helm") == []
    assert calls(stand_ins, of="kubectl apply") == []


def test_an_image_is_built_and_loaded_once(stand_ins: Path, tmp_path: Path) -> None:
    cluster = kind.ensure(Progress(quiet=True))
    for _ in range(2):
        cluster.build_image(
            context=tmp_path, dockerfile=tmp_path / "Dockerfile", tag="x:1", build_args={"A": "b"}
        )
    assert len(calls(stand_ins, of="docker build")) == 2  # the engine knows what it has
    assert "--build-arg=A=b" in calls(stand_ins, of="docker build")[0]
    assert calls(stand_ins, of="kind load") == ["kind load docker-image x:1 --name tidegate"]


def test_podman_images_travel_as_an_archive(
    stand_ins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE", "podman")
    cluster = kind.ensure(Progress(quiet=True))
    cluster.build_image(context=tmp_path, dockerfile=tmp_path / "Dockerfile", tag="x:1")
    assert len(calls(stand_ins, of="podman save")) == 1
    assert short(calls(stand_ins, of="kind load")[0]) == "kind load image-archive"


def test_what_was_created_is_deleted(stand_ins: Path) -> None:
    assert not kind.was_used()
    kind.ensure(Progress(quiet=True))
    assert kind.status() == {"kind cluster tidegate": True}
    kind.remove(Progress(quiet=True))
    assert calls(stand_ins, of="kind delete") == ["kind delete cluster --name tidegate"]
    assert not kind.was_used()


def test_a_new_cluster_gets_its_images_again(stand_ins: Path, tmp_path: Path) -> None:
    for _ in range(2):
        cluster = kind.ensure(Progress(quiet=True))
        cluster.build_image(context=tmp_path, dockerfile=tmp_path / "Dockerfile", tag="x:1")
        kind.remove(Progress(quiet=True))
    assert len(calls(stand_ins, of="kind load")) == 2


def test_a_failure_carries_what_the_program_said(stand_ins: Path) -> None:
    (stand_ins / "kind").write_text("#!/bin/sh\necho 'no space left' >&2\nexit 3\n")
    with pytest.raises(CommandError, match="no space left"):
        kind.ensure(Progress(quiet=True))
