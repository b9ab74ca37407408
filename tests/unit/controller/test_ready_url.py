"""What the answers of pods mean for a rollout."""

from __future__ import annotations

import pytest

from tidegate import model
from tidegate.controller import ready_url
from tidegate.ports import NotAsked, NotReady, Ready, ReadyAnswer, Unreachable

REFUSED = Unreachable("connection refused", refused=True)
HANGS = Unreachable("did not answer within 2 s")
FORBIDDEN = NotAsked("a node")
BUSY = NotReady("answered 503")


def _template(*, probed: bool) -> model.Json:
    container: dict[str, model.Json] = {"name": "server", "image": "x"}
    if probed:
        container["readinessProbe"] = {"tcpSocket": {"port": 8080}}
    return {"spec": {"containers": [container]}}


@pytest.mark.parametrize(
    ("probed", "answers", "blocks", "warns"),
    [
        (True, [], "", ""),
        (True, [Ready(), Ready()], "", ""),
        (True, [Ready(), BUSY], "/ready of pod 10.0.0.1: answered 503", ""),
        (False, [HANGS, BUSY], "/ready of pod 10.0.0.1: answered 503", ""),
        (True, [Ready(), HANGS], "", "/ready of pod 10.0.0.1 cannot be reached"),
        (False, [HANGS], "", "(did not answer within 2 s; a mesh with mTLS, or a NetworkPolicy?)"),
        (True, [REFUSED], "", "connection refused"),
        (True, [FORBIDDEN], "", "/ready of pod 10.0.0.0 is not asked (a node)"),
        (False, [FORBIDDEN, BUSY], "/ready of pod 10.0.0.1: answered 503", ""),
        (False, [Ready(), REFUSED], "no container has a readinessProbe", ""),
    ],
)
def test_only_a_pod_that_answers_speaks_against_its_model(
    *, probed: bool, answers: list[ReadyAnswer], blocks: str, warns: str
) -> None:
    by_address = {f"10.0.0.{index}": answer for index, answer in enumerate(answers)}

    failure, warning = ready_url.findings(
        by_address, path="/ready", template=_template(probed=probed)
    )

    assert bool(failure) is bool(blocks)
    assert bool(warning) is bool(warns)
    assert blocks in failure
    assert warns in warning


@pytest.mark.parametrize("answer", [HANGS, REFUSED, FORBIDDEN])
def test_whatever_cannot_be_reached_names_the_way_out(answer: ReadyAnswer) -> None:
    template = _template(probed=answer is not REFUSED)
    told = ready_url.findings({"10.0.0.1": answer}, path="/ready", template=template)

    assert '"Off"' in "".join(told)
