"""What each plane can do, and what is refused of a plan before anything is created."""

import pytest

from tidegate import model
from tidegate.traffic.plane import Capabilities, Mirror, Weights, plane_of
from tidegate.traffic.refusals import REASON, refusals

ABLE = Capabilities(weights=Weights.EXACT, mirror=Mirror.PERCENT, headers=True, preview=True)
ROUTES = (model.HeaderRoute(name="testers", headers=(model.Header(name="x-try", value="new"),)),)
PLAIN = model.Scaling()


def stage(
    name: str,
    *,
    weight: float = 0.0,
    mirror: float = 0.0,
    routes: tuple[model.HeaderRoute, ...] = (),
    preview: bool = False,
) -> model.Stage:
    return model.Stage(
        name=name,
        weight_percent=weight,
        effective_weight_percent=weight,
        mirror_percent=mirror,
        routes=routes,
        preview=preview,
    )


def refused(
    *plan: model.Stage,
    capabilities: Capabilities,
    scaling: model.Scaling = PLAIN,
    provider: model.Provider = model.Provider.GATEWAY_API,
) -> list[str]:
    found = refusals(plan, capabilities, scaling=scaling, provider=provider)
    assert {one.reason for one in found} <= {REASON}
    return [f"{one.path}: {one.message}" for one in found]


EVERYTHING = stage("try", weight=10, mirror=20, routes=ROUTES, preview=True)


def test_what_a_plane_can_do_is_not_refused() -> None:
    assert refused(EVERYTHING, capabilities=ABLE) == []


@pytest.mark.parametrize("weights", list(Weights))
def test_a_share_of_the_users_is_never_refused(weights: Weights) -> None:
    plan = [stage("small", weight=0.0001), stage("all", weight=100)]
    assert refused(*plan, capabilities=Capabilities(weights=weights)) == []


@pytest.mark.parametrize(
    ("exposed", "capabilities", "told"),
    [
        (
            stage("copy", mirror=100),
            Capabilities(weights=Weights.EXACT, headers=True, preview=True),
            (
                "stage copy: provider GatewayAPI cannot copy requests: leave out the mirror, or use "
                "GatewayAPI with mode Managed"
            ),
        ),
        (
            stage("copy", mirror=20),
            Capabilities(weights=Weights.EXACT, mirror=Mirror.ALL),
            "stage copy: provider GatewayAPI copies all requests or none: set mirrorPercent to 100",
        ),
        (
            stage("testers", routes=ROUTES),
            Capabilities(weights=Weights.EXACT, mirror=Mirror.PERCENT, preview=True),
            (
                "stage testers: provider GatewayAPI cannot route by header: leave out the routes, or "
                "use GatewayAPI with mode Managed"
            ),
        ),
        (
            stage("look", preview=True),
            Capabilities(weights=Weights.EXACT, mirror=Mirror.PERCENT, headers=True),
            "stage look: provider GatewayAPI has no preview: use another strategy, or mode Managed",
        ),
    ],
    ids=["mirror", "part of a mirror", "headers", "preview"],
)
def test_what_a_plane_cannot_do_is_refused_by_stage(
    exposed: model.Stage, capabilities: Capabilities, told: str
) -> None:
    plan = [stage("first", weight=10), exposed, stage("last", weight=100)]
    assert refused(*plan, capabilities=capabilities) == [f"spec.strategy: {told}"]


def test_each_refusal_names_the_field_that_asks() -> None:
    found = refusals(
        [EVERYTHING],
        Capabilities(weights=Weights.EXACT),
        scaling=PLAIN,
        provider="any",
        path_of=lambda it: f"copies of {it.name}",
        routes_of=lambda it: f"testers of {it.name}",
    )
    assert [one.path for one in found] == ["copies of try", "testers of try", "spec.strategy"]


def test_all_requests_are_copied_where_a_part_of_them_cannot_be() -> None:
    capabilities = Capabilities(weights=Weights.EXACT, mirror=Mirror.ALL)
    assert refused(stage("copy", mirror=100), capabilities=capabilities) == []


def test_every_refusal_is_told_in_the_order_of_the_plan() -> None:
    able_to_nothing = Capabilities(weights=Weights.BY_POD)
    told = refused(
        stage("second", preview=True),
        EVERYTHING,
        capabilities=able_to_nothing,
        scaling=model.Scaling(match_traffic=False),
        provider=model.Provider.REPLICA_RATIO,
    )
    starts = ["stage second: ", "stage try: ", "stage try: ", "stage try: ", "cannot be false"]
    assert [begin in one for begin, one in zip(starts, told, strict=True)] == [True] * 5
    assert told[-1].startswith("spec.strategy.scaling.matchTraffic: ")


@pytest.mark.parametrize(
    ("weights", "scaling", "field"),
    [
        (Weights.EXACT, model.Scaling(max_unavailable_percent=1), "maxUnavailablePercent"),
        (Weights.BY_POD, model.Scaling(match_traffic=False), "matchTraffic"),
    ],
)
def test_scaling_without_a_meaning_is_refused(
    weights: Weights, scaling: model.Scaling, field: str
) -> None:
    (told,) = refused(capabilities=Capabilities(weights=weights), scaling=scaling)
    assert told.startswith(f"spec.strategy.scaling.{field}: ")
    other = {Weights.EXACT: Weights.BY_POD, Weights.BY_POD: Weights.EXACT}[weights]
    assert refused(capabilities=Capabilities(weights=other), scaling=scaling) == []


@pytest.mark.parametrize(
    ("provider", "able"),
    [(model.Provider.REPLICA_RATIO, ()), (model.Provider.GATEWAY_API, ("copy", "route by header"))],
)
def test_no_plane_promises_what_it_does_not_write(
    provider: model.Provider, able: tuple[str, ...]
) -> None:
    capabilities = plane_of(model.Traffic(provider=provider)).capabilities
    told = refused(EVERYTHING, capabilities=capabilities, provider=provider)
    missing = [word for word in ("copy", "route by header", "preview") if word not in able]
    assert [word in one for word, one in zip(missing, told, strict=True)] == [True] * len(missing)
