from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.cluster import components, process
from tests.cluster.certificates import Authority, KeyPair
from tests.cluster.local import (
    archive,
    dockerfile,
    layout,
    mounts,
    network,
    node,
    recovery,
    runtime,
)
from tests.cluster.local.recovery import Plan


@pytest.mark.parametrize(
    ("recorded", "same_boot", "same_versions", "network_exists", "plan"),
    [
        (False, False, False, False, Plan.START),
        (True, True, True, True, Plan.CONTINUE),
        (True, False, True, False, Plan.RESET),  # after a reboot
        (True, True, True, False, Plan.RESET),  # the namespace was deleted by hand
        (True, True, False, True, Plan.RESET),  # an older version of the cluster runs
        (False, False, False, True, Plan.RESET),  # the state folder was deleted
    ],
)
def test_what_happens_with_the_remains_of_an_earlier_start(
    *,
    recorded: bool,
    same_boot: bool,
    same_versions: bool,
    network_exists: bool,
    plan: Plan,
) -> None:
    remains = recovery.Remains(
        recorded=recorded, same_boot=same_boot, same_versions=same_versions, network=network_exists
    )
    assert recovery.plan(remains) is plan


def test_the_cluster_of_another_state_folder_is_left_alone(tmp_path: Path) -> None:
    mine, other, gone = (tmp_path / name for name in ("mine", "other", "gone"))
    (other / "local").mkdir(parents=True)
    assert recovery.owned_by_other(str(other), state=mine, running=True)
    assert not recovery.owned_by_other(str(mine), state=mine, running=True)
    assert not recovery.owned_by_other(str(gone), state=mine, running=True)
    assert not recovery.owned_by_other("", state=mine, running=True)


def test_a_dead_cluster_belongs_to_nobody(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    (other / "local").mkdir(parents=True)
    assert not recovery.owned_by_other(str(other), state=mine, running=False)


def test_mounts_are_unmounted_deepest_first_and_only_below_our_folders() -> None:
    table = """\
1 0 8:1 / / rw - ext4 /dev/vda rw
2 1 0:5 / /run/tidegate/containerd/rootfs rw - overlay overlay rw
3 2 0:6 / /run/tidegate/containerd/rootfs/proc rw - proc proc rw
4 1 0:7 / /run/tidegate-other rw - tmpfs tmpfs rw
5 1 0:8 / /state/a\\040b rw - tmpfs tmpfs rw
"""
    found = mounts.targets_below(table, folders=(Path("/run/tidegate"), Path("/state")))
    assert [str(target) for target in found] == [
        "/state/a b",
        "/run/tidegate/containerd/rootfs/proc",
        "/run/tidegate/containerd/rootfs",
    ]


@pytest.mark.parametrize("tag", ["localhost/tidegate:dev", "example.org/x:1", "mirror:5000/x:1"])
def test_an_image_with_a_host_in_its_name_is_found_by_the_kubelet(tag: str) -> None:
    dockerfile.check_tag(tag)


@pytest.mark.parametrize("tag", ["tidegate:dev", "team/tidegate:dev"])
def test_an_image_without_a_host_is_refused(tag: str) -> None:
    with pytest.raises(ValueError, match=f"call it localhost/{tag}"):
        dockerfile.check_tag(tag)


def test_a_build_sees_the_index_and_certificates_of_the_host_but_no_folders_of_it() -> None:
    listed = """\
global.index-url='http://index.test/simple'
global.find-links='/opt/wheels'
:env:.timeout='180'
"""
    environment = {"PIP_FIND_LINKS": "/opt/wheels", "PIP_EXTRA_INDEX_URL": "http://more.test/"}
    assert dockerfile.pip_configuration(listed, environment).splitlines() == [
        "[global]",
        "cert = /etc/ssl/certs/ca-certificates.crt",
        "index-url = http://index.test/simple",
        "timeout = 180",
        "extra-index-url = http://more.test/",
    ]


def test_the_environment_wins_over_the_configuration_of_pip() -> None:
    text = dockerfile.pip_configuration(
        "global.index-url='http://a.test/'", {"PIP_INDEX_URL": "http://b.test/"}
    )
    assert "index-url = http://b.test/" in text
    assert "a.test" not in text


def test_an_image_is_built_again_when_a_file_or_an_argument_changes(tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\n")
    (context / "app.py").write_text("1")

    def digest(**build_args: str) -> str:
        return dockerfile.content_hash(
            context, dockerfile=context / "Dockerfile", build_args=build_args
        )

    first = digest()
    assert digest() == first
    assert digest(BASE_IMAGE="other") != first
    (context / "app.py").write_text("2")
    changed = digest()
    assert changed != first
    (context / "app.py").rename(context / "main.py")
    assert digest() not in {first, changed}


def test_containerd_finds_our_pause_image_and_keeps_namespaces_with_its_state(
    tmp_path: Path,
) -> None:
    text = runtime.configuration(
        cni_configuration=tmp_path / "cni", opt=tmp_path / "opt", image_store=tmp_path / "store"
    )
    assert 'sandbox_image = "localhost/tidegate/pause:' in text
    assert "restrict_oom_score_adj = true" in text
    assert "netns_mounts_under_state_dir = true" in text
    assert f'state = "{layout.CONTAINERD_STATE}"' in text


def test_images_that_lost_their_name_are_dangling() -> None:
    listing = """\
REF                TYPE                 DIGEST       SIZE  PLATFORMS LABELS
localhost/x:1      application/vnd.oci  sha256:new   1 MiB linux     -
sha256:config-new  application/vnd.oci  sha256:new   1 MiB linux     io.cri-containerd.image=managed
sha256:config-old  application/vnd.oci  sha256:old   1 MiB linux     io.cri-containerd.image=managed
"""
    assert runtime.dangling(listing) == ["sha256:config-old"]


def test_the_node_has_no_default_route() -> None:
    commands = [" ".join(command) for command in network._inner_commands()]
    assert not [command for command in commands if "default" in command]
    assert "ip route add 10.96.0.0/16 dev cni0" in commands


def test_the_pod_network_uses_the_bridge_that_the_node_made(tmp_path: Path) -> None:
    found = str(node.cni_network(data=tmp_path))
    assert network.BRIDGE in found
    assert components.POD_RANGE in found
    assert network.BRIDGE_ADDRESS in found


def test_a_configuration_that_did_not_change_is_not_touched(tmp_path: Path) -> None:
    pair = KeyPair(certificate=tmp_path / "ca.crt", key=tmp_path / "ca.key")
    creds = components.Credentials(
        authority=Authority(folder=tmp_path, pair=pair), server=pair, signing_key=tmp_path / "k"
    )
    document = node.kubelet_configuration(creds)
    file = node._write_yaml("kubelet.yaml", document)
    before = file.stat().st_mtime_ns
    assert node._write_yaml("kubelet.yaml", document) == file
    assert file.stat().st_mtime_ns == before
    assert yaml.safe_load(file.read_text())["failCgroupV1"] is False


def test_an_image_of_one_file_is_the_same_every_time(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    spec = archive.ImageSpec(
        tag="localhost/x:1", files={"/program": program}, entrypoint=("/program",)
    )
    archive.write_image(spec, target=tmp_path / "a.tar")
    first = archive.config_document(spec, layer_digest="0" * 64)
    assert archive.config_document(spec, layer_digest="0" * 64) == first
    assert (tmp_path / "a.tar").stat().st_size > 0
    assert sorted(path.name for path in tmp_path.glob("a.*")) == ["a.tar"]


def test_a_recorded_process_is_stopped_and_nothing_else(tmp_path: Path) -> None:
    record = process.spawn(name="sleep", argv=["sleep", "60"], log=tmp_path / "sleep.log")
    records = process.Records(tmp_path / "records")
    records.save(record)
    assert records.load() == {"sleep": record}
    assert process.is_alive(record)

    recycled = process.ProcessRecord(
        name="sleep", pid=record.pid, birth="another start time", boot=record.boot
    )
    process.kill(recycled)
    assert process.is_alive(record)

    process.kill(record)
    assert not process.is_alive(record)


def test_a_process_of_an_earlier_boot_is_not_ours(tmp_path: Path) -> None:
    record = process.spawn(name="sleep", argv=["sleep", "60"], log=tmp_path / "sleep.log")
    try:
        earlier = process.ProcessRecord(
            name="sleep", pid=record.pid, birth=record.birth, boot="earlier"
        )
        assert not process.is_alive(earlier)
    finally:
        process.kill(record)


def test_a_half_written_record_counts_as_absent(tmp_path: Path) -> None:
    (tmp_path / "etcd.json").write_text('{"name": "etcd", "pi')
    (tmp_path / "kubelet.json").write_text('{"name": "kubelet"}')
    assert process.Records(tmp_path).load() == {}
