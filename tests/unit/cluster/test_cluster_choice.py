from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests.cluster import choice, gobuild, paths, providers
from tests.cluster.choice import Provider, choose
from tests.cluster.model import ClusterUnavailable


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
    """Facts as a test wants them; the default is a bare root Linux with Go."""

    engine_name: str | None = None
    kind: bool = False
    go: tuple[int, int] | None = (1, 26)
    linux: bool = True
    root: bool = True
    apt: bool = True

    def engine(self) -> str | None:
        return self.engine_name

    def has_kind(self) -> bool:
        return self.kind

    def go_version(self) -> tuple[int, int] | None:
        return self.go

    def is_linux(self) -> bool:
        return self.linux

    def is_root(self) -> bool:
        return self.root

    def has_apt(self) -> bool:
        return self.apt


PROGRAMS = (*gobuild.KUBERNETES_NAMES, *(it.name for it in gobuild.CLUSTER_PROGRAMS))
EXISTING = {"TIDEGATE_KUBECONFIG": "/k", "TIDEGATE_CONTEXT": "c"}
WITH_DOCKER = Machine(engine_name="docker", kind=True)


@pytest.mark.parametrize(
    ("environment", "machine", "provider"),
    [
        ({}, Machine(), Provider.LOCAL),
        ({}, WITH_DOCKER, Provider.KIND),
        ({}, Machine(engine_name="podman", kind=False), Provider.KIND),  # kind is built with Go
        ({}, Machine(engine_name="podman", kind=True, go=None), Provider.KIND),
        (EXISTING, WITH_DOCKER, Provider.EXISTING),
        ({"TIDEGATE_CLUSTER": "local"}, WITH_DOCKER, Provider.LOCAL),
        ({"TIDEGATE_CLUSTER": "kind", **EXISTING}, WITH_DOCKER, Provider.KIND),
        ({"TIDEGATE_CLUSTER": ""}, Machine(go=(1, 27)), Provider.LOCAL),
    ],
)
def test_the_first_provider_that_works_is_chosen(
    environment: dict[str, str], machine: Machine, provider: Provider
) -> None:
    assert choose(environment, machine) is provider


@pytest.mark.parametrize(
    ("environment", "machine", "names"),
    [
        ({}, Machine(go=None), "install Go 1.26"),
        ({}, Machine(go=(1, 25)), "found 1.25"),
        ({}, Machine(root=False), "run as root"),
        ({}, Machine(linux=False), "Linux"),
        ({}, Machine(apt=False), "apt-get"),
        ({}, Machine(engine_name="docker", go=None), "container engine"),
        ({"TIDEGATE_KUBECONFIG": "/k"}, WITH_DOCKER, "TIDEGATE_CONTEXT"),
        ({"TIDEGATE_CLUSTER": "existing"}, WITH_DOCKER, "TIDEGATE_KUBECONFIG"),
        ({"TIDEGATE_CLUSTER": "kind"}, Machine(), "start a container engine"),
        ({"TIDEGATE_CLUSTER": "kind"}, Machine(engine_name="docker", go=None), "install kind"),
        ({"TIDEGATE_CLUSTER": "local"}, Machine(root=False), "run as root"),
        ({"TIDEGATE_CLUSTER": "none"}, WITH_DOCKER, "TIDEGATE_CLUSTER=none"),
        ({"TIDEGATE_CLUSTER": "minikube"}, WITH_DOCKER, "existing, kind, local, none"),
    ],
)
def test_a_refusal_is_one_sentence_that_names_what_is_missing(
    environment: dict[str, str], machine: Machine, names: str
) -> None:
    with pytest.raises(ClusterUnavailable) as refusal:
        choose(environment, machine)
    message = str(refusal.value)
    assert names in message
    assert "\n" not in message
    assert message.endswith(".")
    assert ". " not in message


@pytest.mark.parametrize(
    ("provider", "made", "builds"),
    [
        (Provider.LOCAL, (), True),
        (Provider.LOCAL, PROGRAMS[:-1], True),
        (Provider.LOCAL, PROGRAMS, False),
        (Provider.KIND, PROGRAMS, True),
        (Provider.EXISTING, (), False),
    ],
)
def test_it_is_known_beforehand_whether_a_start_takes_minutes(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    provider: Provider,
    made: tuple[str, ...],
    *,
    builds: bool,
) -> None:
    for variable in ("TIDEGATE_CACHE", "TIDEGATE_STATE"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setattr(choice, "choose", lambda *_: provider)
    for name in made:
        (paths.bin_dir() / name).touch()
    assert providers.must_build() is builds
