# Every target sets up what it needs; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
PYTHONS ?= python3.11 python3.12 python3.13
SOURCES := operator probe comparer tests tools bench requirements
TEST_JOBS ?= 2
SEEDS ?= 2000
START ?= 0
LOCK := $(VENV)/bin/uv pip compile --universal --generate-hashes --no-annotate --no-header \
  --python-version 3.11 --quiet --upgrade
# frouros needs older numbers than we do; it takes Python 3.11 and 3.12.
PUBLIC := out/venvs/public
# End-to-end tests mostly wait.
E2E_JOBS ?= 4

# Where a shell sets it, each Python that tests start compiles its libraries anew: 4 s of 7 for a pytest.
unexport PYTHONDONTWRITEBYTECODE

# A Python that was removed or upgraded, or a moved folder: the environment is made anew.
ifneq ($(shell { $(PY) -Ic 'import tidegate'; } >/dev/null 2>&1 || echo gone),)
.PHONY: $(READY)
endif

.PHONY: help demo demo-down rehearsal test verify generate manifests lint type contracts prepare unit properties sim sim-corpus sim-crash sim-bite e2e e2e-long e2e-argocd cluster cluster-down cluster-status bench-controller bench-evidence bench-probe bench-public bench-reaction lock plugin pythons clean

help: ## List all targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## Good and bad versions as a canary, a shadow and blue-green, on a real cluster
	$(PY) -m tests.demo

demo-down: $(READY) ## Remove what the demo installed; the cluster stays
	$(PY) -m tests.demo --down

rehearsal: $(READY) ## The story of the demo in seconds: the real controller in virtual time, no cluster, no root
	$(PY) -m tests.rehearsal

test: verify unit sim-corpus e2e ## Everything: checks, unit, integration, chart and end-to-end tests

verify: lint type contracts $(READY) ## All static checks; writes nothing
	$(PY) -m tools.generate --check

lint: $(READY)
	$(VENV)/bin/ruff check $(SOURCES)
	$(VENV)/bin/ruff format --check $(SOURCES)
	$(VENV)/bin/codespell $(SOURCES) charts docs README.md CHANGELOG.md CONTRIBUTING.md
	$(VENV)/bin/shellcheck .ci/run

type: $(READY)
	$(VENV)/bin/mypy operator/tidegate probe/tidegate_probe comparer tests/cluster tests/demo tests/rehearsal tests/sim tools requirements
	cd tests/support && MYPYPATH=../../operator:../../probe:../..:. $(abspath $(VENV))/bin/mypy \
	  --config-file ../../pyproject.toml --cache-dir ../../.mypy_cache/support *.py ../../bench ../argocd

contracts: $(READY)
	PYTHONPATH=probe $(VENV)/bin/lint-imports

generate: $(READY) ## Write crds/, chart CRDs and reference pages from the types
	$(PY) -m tools.generate

manifests: $(READY) ## Write deploy/tidegate.yaml from the chart
	$(PY) -m tools.plain_manifests

prepare: $(READY)
	$(PY) -m tests.cluster prepare

unit: prepare ## Unit, integration (real API server) and chart tests, with coverage
	$(PY) -m pytest tests/unit tests/integration tests/chart -n $(TEST_JOBS) --dist worksteal \
	  --durations=15 --cov --cov-report=term:skip-covered --cov-report=json:out/coverage.json -q
	$(PY) -m tools.coverage_floor out/coverage.json

properties: prepare ## Try all properties on new examples; CI takes the same ones at each run
	$(PY) -m pytest tests/unit tests/integration -m hypothesis --hypothesis-profile=explore \
	  -n $(TEST_JOBS) --dist worksteal -q

sim-corpus: $(READY)
	$(PY) -m pytest tests/sim -n $(TEST_JOBS) --dist worksteal --durations=5 -q

sim: $(READY) ## Simulate the controller under faults: make sim SEEDS=20000
	PYTHONPATH=probe $(PY) -m tests.sim --seeds $(SEEDS) --start $(START)

sim-crash: $(READY) ## Disturb every API call of every fixed play in every way, and repeat each play
	$(PY) -m pytest tests/sim/test_crash_points.py tests/sim/test_seeds.py -k "crash or repeated" --all-modes -n $(TEST_JOBS) --durations=5 -q

sim-bite: $(READY) ## Plant each deliberate bug in a copy and hunt for it
	PYTHONPATH=probe $(PY) -m tools.sim_bite

e2e: prepare ## End-to-end tests on the full cluster
	$(PY) -m pytest tests/e2e -m "not long" -n $(E2E_JOBS) --dist worksteal --durations=15 -q

e2e-long: prepare ## End-to-end tests that wait for minutes: the watch, and what happens in the middle
	$(PY) -m pytest tests/e2e -m long -n $(E2E_JOBS) -s

e2e-argocd: $(READY) ## Argo CD itself beside the operator, on a control plane; no part of make test
	$(PY) -m tests.argocd
	$(PY) -m pytest tests/argocd --durations=15 -q

cluster: $(READY) ## Find or build a local Kubernetes cluster
	$(PY) -m tests.cluster up

cluster-down: $(READY) ## Stop the local cluster; the cache stays
	$(PY) -m tests.cluster down

cluster-status: $(READY) ## What runs, and where its logs are
	$(PY) -m tests.cluster status

bench-controller: $(READY) ## What the controller costs; writes docs/controller-results.md
	$(PY) -m bench.controller

bench-evidence: $(READY) ## Simulate the evidence engine at length; writes docs/evidence-results.md
	PYTHONPATH=tests/support $(PY) -m bench.evidence

bench-probe: $(READY) ## What a probe adds to a prediction of a model server
	PYTHONPATH=probe $(PY) -m bench.probe

bench-public: ## Tidegate's watch beside other drift detectors on public data; writes docs/public-data-results.md
	@$(PYTHON) requirements/install.py --venv $(PUBLIC) --lock bench/public/requirements.txt \
	  --roots --editable '.[controller]' -r bench/public/requirements.in
	PYTHONPATH=probe:tests/support $(PUBLIC)/bin/python -m bench.public

bench-reaction: $(READY) ## How fast a bad version loses its traffic on the full cluster; writes docs/reaction-results.md
	PYTHONPATH=tests/support $(PY) -m bench.reaction

lock: $(READY) ## Resolve all dependencies anew and write their hashes
	$(LOCK) pyproject.toml --extra controller -o requirements/runtime.txt
	$(LOCK) pyproject.toml --extra controller --extra dev -o requirements/dev.txt
	$(LOCK) requirements/build.in -c requirements/dev.txt -o requirements/build.txt
	for input in comparer/requirements tests/images/mlserver/requirements tests/images/testkit/requirements; do \
	  $(LOCK) $$input.in -o $$input.txt; \
	done
	$(LOCK) pyproject.toml --extra controller bench/public/requirements.in -o bench/public/requirements.txt
	$(LOCK) --no-deps tests/cluster/envoy.in -o tests/cluster/envoy.txt

pythons: ## The environment from the lock and the unit tests for every Python that we support
	for python in $(PYTHONS); do \
	  venv=out/venvs/$$(basename $$python); \
	  $(MAKE) --no-print-directory PYTHON=$$python VENV=$$venv $$venv/.ready; \
	  $$venv/bin/python -m pytest tests/unit -q; \
	done

plugin: ## The archive of the plugin for krew, dist/kubectl-tidegate.tar.gz
	@mkdir -p dist/plugin
	cp tools/krew/kubectl-tidegate LICENSE dist/plugin/
	$(PYTHON) -c 'import re; print(re.search(r"__version__ = \"(.+)\"", open("operator/tidegate/__init__.py").read())[1])' > dist/plugin/VERSION
	tar -czf dist/kubectl-tidegate.tar.gz -C dist/plugin .

clean: ## Remove the virtual environment and all output
	rm -rf $(VENV) out build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(READY): requirements/dev.txt requirements/build.txt requirements/install.py pyproject.toml
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or newer with venv is needed: install python3 and python3-venv, or set PYTHON=/path/to/python3.11." >&2; exit 1; }
	@$(PYTHON) requirements/install.py --venv $(VENV) --lock requirements/dev.txt --roots --editable '.[controller,dev]'
