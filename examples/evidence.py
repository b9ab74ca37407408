"""A tour of `tidegate.evidence`: cells for a notebook (`# %%`), or `python examples/evidence.py`.

Nothing here needs a cluster or a Prometheus: counts go in, evidence comes out.
"""

from __future__ import annotations

import math

# %% [markdown]
# ## Two versions, ten minutes
# Requests and failures per minute. The candidate has a tenth of the traffic, and fails three times as
# often.
# %%
from tidegate.evidence import rate_ratio_log_e, restart_weights, rollback_grid

minutes = 10
n_c, x_c = [600] * minutes, [18] * minutes
n_s, x_s = [5400] * minutes, [54] * minutes

log_e = rate_ratio_log_e(
    n_c,
    x_c=x_c,
    n_s=n_s,
    x_s=x_s,
    grid=rollback_grid(1.1),
    theta0=1.1,  # up to 10 % worse is no harm
    phi=[1.5] * minutes,
    restart=restart_weights(minutes),
)
harm_from = next(k for k, value in enumerate(log_e, start=1) if value >= math.log(100))
print(f"harm is proven after minute {harm_from}: ln E = {log_e[harm_from - 1]:.1f}")

# %% [markdown]
# ## How much failures clump
# Measured on the pods of stable, interval by interval. Evidence is divided by it.
# %%
from tidegate.evidence import dispersion

requests = [[1800, 1800, 1800]] * 60
failures = [[18 + (k * 7) % 11 - 5, 18 + (k * 5) % 9 - 4, 18 + (k * 3) % 7 - 3] for k in range(60)]
phi = dispersion(requests, x=failures)
print(f"dispersion {phi.value:.2f} ({phi.source})")

# %% [markdown]
# ## A verdict, with its reasons
# %%
from tidegate.evidence import (
    Compare,
    Context,
    Counts,
    EvidenceConfig,
    MetricRule,
    Row,
    given,
    judge,
)

config = EvidenceConfig(
    metrics=(MetricRule(name="error-ratio", compare=Compare()),), requests_from="error-ratio"
)


def table(bad: int) -> list[Row]:
    """Ten minutes of a candidate with so many failures per minute."""
    return [
        Row(
            t0=60.0 * k,
            t1=60.0 * (k + 1),
            step=0,
            weight=0.1,
            counts={
                "error-ratio": Counts(n_c=600, x_c=(bad,), n_s=5400, x_s=(54,), phi=(given(1.5),))
            },
        )
        for k in range(minutes)
    ]


context = Context(now=600.0, step=0, judged_from=0.0, has_stable=True)
verdicts = {bad: judge(table(bad), context=context, config=config) for bad in (6, 18)}
for bad, found in verdicts.items():
    print(f"{bad} failures a minute: {found.verdict}, {found.reason}: {found.message}")

# %% [markdown]
# ## How long it will take
# %%
from tidegate.evidence import plan

expected = plan(
    0.01,
    theta=2.0,
    theta0=1.1,
    theta0_promote=1.25,
    weight=0.1,
    qps=100.0,
    alpha=0.005,
    alpha_promote=0.05,
    phi=1.5,
    interval=30.0,
    scrape=15.0,
)
print(f"a doubling is found in about {expected.rollback_seconds / 60:.0f} minutes")

# %% [markdown]
# ## Has the input drifted?
# Not "are they different", which any large sample is, but "is PSI larger than 0.1".
# %%
from tidegate.evidence import psi, psi_larger_than

training = [1000, 2000, 4000, 2000, 1000]
now = [1050, 1980, 3900, 2030, 1040]
shifted = [400, 1200, 3200, 3000, 2200]
drifted = {}
for name, counts in {"now": now, "shifted": shifted}.items():
    distance = psi(training, current=counts)
    drifted[name] = psi_larger_than(training, current=counts, delta=0.1)
    print(
        f"{name}: PSI {distance.value:.3f}, chance of this or more if it were 0.1: {drifted[name].p:.2g}"
    )
