"""Contour with its Envoy, brought to the cluster by the tests that need it."""

from __future__ import annotations

import shutil
from pathlib import Path

from cluster_client import Object
from cluster_scene import host_of
from tests.cluster import gobuild, parts, paths
from tests.cluster.api import Cluster
from tests.cluster.local import images
from tests.cluster.progress import Progress

ROOT = Path(__file__).parents[2]
VERSION = "v1.33.0"  # beside the versions of every cluster: a new one makes nothing else anew
PROGRAM = gobuild.GoProgram(
    name=f"contour-{VERSION}",
    module="github.com/projectcontour/contour",
    version=VERSION,
    package="github.com/projectcontour/contour/cmd/contour",
    seconds=90,
)
IMAGE = f"localhost/tidegate-e2e/contour:{VERSION}"
ADDRESS = "http://envoy.projectcontour"
_FILES = ROOT / "tests" / "images" / "contour"


def traffic(name: str, *, namespace: str) -> Object:
    """Traffic by an HTTPProxy with a host name of its own."""
    return {"provider": "Contour", "contour": {"fqdn": host_of(name, namespace=namespace)}}


def install(cluster: Cluster) -> None:
    """Build and apply it, and wait until its Envoy answers; quick when it is there.

    Errors: failures.PartFailed; shell.CommandError.
    """
    parts.ensure([*gobuild.program_parts(PROGRAM), images.envoy_part()], Progress())
    cluster.build_image(context=_programs(), dockerfile=_FILES / "Dockerfile", tag=IMAGE)
    source = gobuild.module_dir(PROGRAM.module, PROGRAM.version)
    definitions = source / "examples" / "contour" / "01-crds.yaml"
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(definitions))
    manifest = (_FILES / "contour.yaml").read_text().replace("image: IMAGE", f"image: {IMAGE}")
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=manifest)
    rollout = ("rollout", "status", "deployment/contour", "--namespace", "projectcontour")
    cluster.kubectl(*rollout, "--timeout=240s")


def _programs() -> Path:
    """A folder with nothing but both programs."""
    folder = paths.cache_dir() / PROGRAM.name
    folder.mkdir(exist_ok=True)
    for name, program in (("contour", PROGRAM.name), ("envoy", "envoy")):
        target = folder / name
        if not target.exists():
            partial = target.with_suffix(".partial")
            shutil.copyfile(paths.bin_dir() / program, partial)
            partial.chmod(0o755)
            partial.replace(target)
    return folder
