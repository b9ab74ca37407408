"""What a plane cannot do of a plan; said before anything is created. Source: house.md, H7."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tidegate import model
from tidegate.traffic.interface import Capabilities, Mirror, Weights

REASON = "UnsupportedByProvider"


def _strategy(_: model.Stage) -> str:
    return "spec.strategy"


def refusals(
    plan: Sequence[model.Stage],
    capabilities: Capabilities,
    *,
    scaling: model.Scaling,
    provider: str,
    path_of: Callable[[model.Stage], str] = _strategy,
    routes_of: Callable[[model.Stage], str] = _strategy,
) -> tuple[model.Violation, ...]:
    """Why this plan cannot be walked on such a plane: its stages in their order, then its scaling.

    `provider` is only what people know the plane by, `path_of` which field of the spec asks for the copies
    of a stage, `routes_of` for its testers.
    """
    refused = [
        (path, f"stage {stage.name}: provider {provider} {cannot}")
        for stage in plan
        for path, cannot in (
            *((path_of(stage), it) for it in _of_mirror(stage.exposure, capabilities)),
            *((routes_of(stage), it) for it in _of_routes(stage.exposure, capabilities)),
            *((_strategy(stage), it) for it in _of_the_rest(stage, capabilities)),
        )
    ]
    refused += _of_scaling(scaling, capabilities, provider=provider)
    return tuple(
        model.Violation(path=path, message=message, reason=REASON) for path, message in refused
    )


def _of_mirror(exposure: model.Exposure, capabilities: Capabilities) -> Iterator[str]:
    mirror = exposure.mirror_percent
    if mirror > 0 and capabilities.mirror is Mirror.NONE:
        yield "cannot copy requests: leave out the mirror, or use GatewayAPI with mode Managed"
    elif 0 < mirror < 100 and capabilities.mirror is Mirror.ALL:
        beside = "leave out the mirror beside a weight"
        way = beside if exposure.live_percent > 0 else "set mirrorPercent to 100"
        yield f"copies all requests or none: {way}"
    elif mirror > 0 and exposure.live_percent > 0 and not capabilities.mirror_beside_share:
        yield "copies no requests while it shares them: leave out the mirror beside a weight"
    elif capabilities.mirror is Mirror.WHOLE_PERCENT and mirror % 1:
        yield f"copies whole percents only: set mirrorPercent to {max(round(mirror), 1)}"


def _of_routes(exposure: model.Exposure, capabilities: Capabilities) -> Iterator[str]:
    if exposure.routes and not capabilities.headers:
        yield "cannot route by header: leave out the routes, or use GatewayAPI with mode Managed"


def _of_the_rest(stage: model.Stage, capabilities: Capabilities) -> Iterator[str]:
    if stage.exposure.preview and not capabilities.preview:
        yield "has no preview: use another strategy, or mode Managed"
    if capabilities.weights is Weights.BY_POD and (stage.replicas or stage.replicas_percent):
        yield "makes the share of pods, so a step has no other size: remove replicas and replicasPercent"


def _of_scaling(
    scaling: model.Scaling, capabilities: Capabilities, *, provider: str
) -> Iterator[tuple[str, str]]:
    by_pods = capabilities.weights is Weights.BY_POD
    if scaling.max_unavailable_percent > 0 and not (by_pods or scaling.lends):
        path = "spec.strategy.scaling.maxUnavailablePercent"
        yield (
            path,
            (
                f"has no meaning for provider {provider} while pods are added: remove it, or set "
                "surgePolicy to Borrow or Recreate"
            ),
        )
    if not scaling.match_traffic and by_pods:
        yield (
            "spec.strategy.scaling.matchTraffic",
            (
                f"cannot be false for provider {provider}, where pod counts make the share: "
                "remove it, or use another provider"
            ),
        )
