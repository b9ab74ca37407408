"""What the class of a Gateway says that it can do, held against a plan.

Source: Gateway API, GatewayClass `status.supportedFeatures`; ecosystem.md, 1.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.refusals import REASON

MIRROR = "HTTPRouteRequestMirror"
MIRROR_PERCENT = "HTTPRouteRequestPercentageMirror"
_ALL = 100.0


def supported(gateway_class: model.Document) -> frozenset[str]:
    """The features that a GatewayClass lists, by name; empty where it lists none, which says nothing.

    Before v1.2 they were plain texts.
    """
    listed = objects.items(objects.at(gateway_class, "status", "supportedFeatures"))
    names = (it if isinstance(it, str) else objects.text(objects.at(it, "name")) for it in listed)
    return frozenset(name for name in names if name)


def refused(
    plan: Sequence[model.Stage],
    features: frozenset[str],
    *,
    of: str,
    path_of: Callable[[model.Stage], str],
) -> Iterator[model.Violation]:
    """Why this plan cannot be walked behind such a Gateway; `of` is what people know its class by."""
    if not features:
        return
    for stage in plan:
        percent = stage.mirror_percent
        needed = MIRROR if percent == _ALL else MIRROR_PERCENT
        if percent <= 0 or needed in features:
            continue
        whole = needed == MIRROR_PERCENT and MIRROR in features and not stage.exposure.live_percent
        way = "set mirrorPercent to 100, or use" if whole else "leave out the mirror, or use"
        yield model.Violation(
            path=path_of(stage),
            message=(
                f"stage {stage.name}: {of} does not have {needed} among its supportedFeatures: "
                f"{way} another Gateway"
            ),
            reason=REASON,
        )
