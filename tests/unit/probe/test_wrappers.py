"""A model behind scikit-learn's methods or MLServer's runtime answers as it did before."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import prometheus_client
import pytest
from probe_examples import fraud, reading, readings, training_data
from prometheus_client import CollectorRegistry
from sklearn.linear_model import LogisticRegression

from tidegate_probe import Monitor, Profile, mlserver
from tidegate_probe.fields import Positive
from tidegate_probe.mlserver import VARIABLE, Monitored
from tidegate_probe.sklearn import monitored

SCORED = Positive(output="score", threshold=0.5)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def rows() -> pd.DataFrame:
    amounts = training_data(400)["amount"]
    return pd.DataFrame({"amount": amounts, "hour": [at % 24 for at in range(400)]})


@pytest.fixture
def classifier(rows: pd.DataFrame) -> LogisticRegression:
    return LogisticRegression().fit(rows, (rows["amount"] > 20).astype(int))


def profile(rows: pd.DataFrame, scores: Any, *, positive: Positive | None) -> Profile:
    return Profile.fit(
        rows, outputs={"score": scores}, model="m", model_version="1", positive=positive
    )


def test_chances_are_counted_and_answered(
    registry: CollectorRegistry, rows: pd.DataFrame, classifier: LogisticRegression
) -> None:
    chances = classifier.predict_proba(rows)
    monitor = Monitor(profile(rows, chances[:, 1], positive=SCORED), registry=registry)
    model = monitored(classifier, monitor)
    assert (model.predict_proba(rows) == chances).all()
    assert model.coef_ is classifier.coef_
    assert sum(readings(registry, "scored_total").values()) == 400
    for name, fitted in (monitor.profile.features | monitor.profile.outputs).items():
        kind = "feature" if name in rows else "output"
        labels = {kind: name}
        seen = readings(registry, f"{kind}_observations_total", **labels)
        trained = dict(zip(fitted.bins.labels, fitted.counts, strict=True))
        assert seen == {label: n for label, n in trained.items() if n}


def test_only_one_method_is_counted(
    registry: CollectorRegistry, rows: pd.DataFrame, classifier: LogisticRegression
) -> None:
    monitor = Monitor(profile(rows, classifier.predict(rows), positive=None), registry=registry)
    model = monitored(classifier, monitor)
    model.predict_proba(rows)
    assert reading(registry, "predictions_total") == 0
    model.predict(rows[:10])
    assert reading(registry, "predictions_total") == 10


def test_an_array_stands_in_the_order_of_the_profile(
    registry: CollectorRegistry, rows: pd.DataFrame
) -> None:
    answers = np.zeros(400)
    monitor = Monitor(profile(rows, answers, positive=None), registry=registry)
    model = monitored(Constant(answers[:2]), monitor)
    model.predict(np.array([[1e9, 3], [1e9, 4]]))
    assert readings(registry, "feature_observations_total", feature="amount") == {"+Inf": 2}


@dataclass
class Constant:
    """Answers always the same."""

    answer: Any

    def predict(self, _rows: Any) -> Any:
        return self.answer


@pytest.mark.parametrize("strange", [np.zeros((2, 5)), [[1, 2]], "rows", None])
def test_rows_of_another_shape_are_answered_and_are_a_failure(
    registry: CollectorRegistry, rows: pd.DataFrame, strange: object
) -> None:
    monitor = Monitor(profile(rows, np.zeros(400), positive=None), registry=registry)
    assert monitored(Constant("answer"), monitor).predict(strange) == "answer"
    assert readings(registry, "failures_total") == {"observe": 1}


def test_a_method_that_a_model_lacks_is_lacking(registry: CollectorRegistry) -> None:
    model = monitored(Constant(1), Monitor(fraud(), registry=registry))
    with pytest.raises(AttributeError, match="predict_proba"):
        model.predict_proba([[1]])


@dataclass
class Tensor:
    """Of MLServer, as far as a probe looks at it."""

    name: str
    shape: list[int]
    data: list[object]


@dataclass
class Message:
    """A request or an answer of MLServer."""

    id: str | None = None
    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)


@dataclass
class Parameters:
    extra: dict[str, Any] | None = None


@dataclass
class Settings:
    parameters: Parameters | None = None
    _source: str | None = None


class Runtime:
    """A runtime of MLServer, as far as a probe looks at it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.loaded = False

    async def load(self) -> bool:
        self.loaded = True
        return True

    async def unload(self) -> bool:
        self.loaded = False
        return True

    async def predict(self, payload: Message) -> Message:
        if payload.id == "broken":
            raise ZeroDivisionError
        return Message(payload.id, outputs=[Tensor("predict", [1], ["good"])])


class Fraud(Monitored, Runtime):
    """As a user writes it."""


ASK = Message("a", inputs=[Tensor("amount", [1], [1.0]), Tensor("country", [1, 1], ["DE"])])


@pytest.fixture
def served(registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch) -> CollectorRegistry:
    """The registry that MLServer exports."""
    defaults = dict(Monitor.__init__.__kwdefaults__ or {}) | {"registry": registry}
    monkeypatch.setattr(Monitor.__init__, "__kwdefaults__", defaults)
    return registry


def one_output() -> Profile:
    whole = fraud(positive=None)
    return Profile("fraud", "v7", 100, whole.features, {"class": whole.outputs["class"]})


def test_a_runtime_with_its_profile(served: CollectorRegistry, tmp_path: Path) -> None:
    one_output().write(tmp_path / "profile.json")
    model = Fraud(Settings(_source=str(tmp_path / "model-settings.json")))

    async def play() -> None:
        assert await model.load()
        await model.predict(ASK)
        with pytest.raises(ZeroDivisionError):
            await model.predict(Message("broken"))
        await model.predict(Message("b", inputs=[Tensor("rows", [1, 9], [0] * 9)]))
        assert await model.load()
        await model.predict(ASK)

    asyncio.run(play())
    assert readings(served, "feature_observations_total") == {"2/amount": 1, "DE/country": 1}
    assert readings(served, "output_observations_total") == {"good/class": 1}
    assert readings(served, "cohort_predictions_total")
    assert asyncio.run(model.unload())
    assert list(served.collect()) == []


@pytest.mark.parametrize("way", ["extra", "variable"])
def test_where_the_profile_lies(
    served: CollectorRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    path = tmp_path / "elsewhere.json"
    one_output().write(path)
    if way == "variable":
        monkeypatch.setenv(VARIABLE, str(path))
    settings = Settings(Parameters({"profile": str(path)} if way == "extra" else None))
    asyncio.run(Fraud(settings).load())
    assert reading(served, "predictions_total") == 0


def test_a_runtime_without_a_profile_serves(
    served: CollectorRegistry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = Fraud(Settings(Parameters({"profile": str(tmp_path / "none.json")})))
    assert asyncio.run(model.load())
    assert asyncio.run(model.predict(ASK)).outputs[0].data == ["good"]
    assert "no profile, so nothing is counted" in caplog.text
    assert list(served.collect()) == []


def test_a_reload_loads_the_new_model_before_the_old_one_is_gone(
    served: CollectorRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlserver, "_AGAIN_SECONDS", -1.0)
    one_output().write(tmp_path / "profile.json")
    settings = Settings(_source=str(tmp_path / "model-settings.json"))
    old, new = Fraud(settings), Fraud(settings)

    async def play() -> None:
        assert await old.load()
        assert await new.load()
        await new.predict(ASK)  # the old one still counts in the registry
        assert reading(served, "predictions_total") == 0
        await old.unload()
        await new.predict(ASK)

    asyncio.run(play())
    assert reading(served, "predictions_total") == 1
    assert asyncio.run(new.unload())
    asyncio.run(new.predict(ASK))
    assert list(served.collect()) == []


def test_the_default_registry_is_that_of_the_process() -> None:
    assert Monitor.__init__.__kwdefaults__["registry"] is prometheus_client.REGISTRY
