"""Every commit reaches the cluster, however Argo CD compares and applies.

A change that is lost is worse than one that fails: Argo CD says Synced at the new commit, and the
cluster runs the old one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
from cluster_client import Object
from tests.argocd.application import SERVER_SIDE_DIFF
from tests.argocd.stage import FILE, Stage, container, model_deployment

pytestmark = pytest.mark.argocd

WAYS = {
    "client-side diff and apply": ((), {}),
    "client-side diff, server-side apply": (("ServerSideApply=true",), {}),
    "server-side diff, client-side apply": ((), SERVER_SIDE_DIFF),
    "server-side diff and apply": (("ServerSideApply=true",), SERVER_SIDE_DIFF),
    "replace": (("Replace=true",), {}),
}


def before() -> Object:
    """A template with maps and lists of which our schema knows nothing."""
    server = container(
        env={"A": "1", "B": "2"},
        args=["-v"],
        resources={"limits": {"cpu": "1000m"}, "requests": {"memory": "1Gi"}},
    )
    pod = {
        "terminationGracePeriodSeconds": 30,
        "nodeSelector": {"pool": "a"},
        "volumes": [{"name": "models", "emptyDir": {}}],
    }
    return model_deployment(server, pod=pod)


def _image(pod: Object, server: Object) -> None:
    del pod
    server["image"] = "x:2"


def _variable(pod: Object, server: Object) -> None:
    del pod
    server["env"][0]["value"] = "3"


def _limit(pod: Object, server: Object) -> None:
    del pod
    server["resources"]["limits"]["cpu"] = "2"


def _less(pod: Object, server: Object) -> None:
    del pod["volumes"], server["args"], server["resources"]["limits"]


def _pool(pod: Object, server: Object) -> None:
    del server
    pod["nodeSelector"]["pool"] = "b"


def _grace(pod: Object, server: Object) -> None:
    del server
    pod["terminationGracePeriodSeconds"] = 60


CHANGES = (_image, _variable, _limit, _less, _pool, _grace)


@pytest.mark.parametrize("way", WAYS)
def test_change_below_the_template_is_never_lost(stage: Stage, way: str) -> None:
    options, annotations = WAYS[way]
    body = before()
    stage.application.commit({FILE: body})
    stage.application.create(options=options, annotations=annotations)
    _wait_for(stage, body)
    # With Replace nothing is noted of what was applied last: Argo CD itself does not see then that a
    # member is gone from Git, of no kind of object (seen with 3.2.11).
    changes = [it for it in CHANGES if way != "replace" or it is not _less]
    for change in changes:
        body = _changed(body, change)
        stage.application.commit({FILE: body})
        _wait_for(stage, body)


def _changed(body: Object, change: Callable[[Object, Object], None]) -> Object:
    changed = copy.deepcopy(body)
    pod = changed["spec"]["workload"]["template"]["spec"]
    change(pod, pod["containers"][0])
    return changed


def _wait_for(stage: Stage, body: Object) -> None:
    """Until the cluster has the template of Git, member for member, and Argo CD is content."""
    wanted = body["spec"]["workload"]["template"]["spec"]
    look = stage.application.wait(
        lambda look: (
            look.sync == "Synced" and look.operation == "Succeeded" and _has(stage, wanted)
        ),
        what=f"the cluster has {wanted}",
    )
    assert look.complaints == []


def _has(stage: Stage, pod: Object) -> bool:
    model = stage.model()
    return bool(model) and model["spec"]["workload"]["template"]["spec"] == pod
