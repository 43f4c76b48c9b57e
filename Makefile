# Lotkeeper. `make` lists what there is; `make demo` shows it; `make test` proves it.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

WEB := services/api/web
STATIC := services/api/static
PYTHON := .venv/bin/python
# More than there are processors: tests wait for servers, and a browser, much of the time.
PYTEST_WORKERS ?= 3
PYTEST_ARGS ?=

# Node.js from .venv only where the machine has none (the folder is empty otherwise); tools found for the tests last.
export PATH := $(CURDIR)/.venv/node/bin:$(PATH):$(CURDIR)/.venv/tools/bin
NPM := npm --prefix $(WEB)

# Tests start hundreds of processes. Where this is set, each of them compiles every module that it imports.
export PYTHONDONTWRITEBYTECODE :=

# What was done is remembered beside it, so that a second `make install` does nothing.
INSTALLED_PYTHON := .venv/.installed-python
INSTALLED_NODE := .venv/.installed-node
INSTALLED_TOOLS := .venv/.installed-tools
INSTALLED_WEB := $(WEB)/node_modules/.installed
BUILT_WEB := $(STATIC)/.built
WEB_SOURCES = $(shell find $(WEB) -type f -not -path '*/node_modules/*' -not -path '*/.svelte-kit/*' -not -path '*/tests/*')

.PHONY: help
help: ## List these targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: app $(INSTALLED_TOOLS) ## Make .venv, build the dashboard, find the tools of the tests; nothing when nothing changed

.PHONY: app
app: $(INSTALLED_PYTHON) $(BUILT_WEB)

.PHONY: demo
demo: app ## Try it: everything on this machine, with a simulated broker (Ctrl-C stops it)
	@exec .venv/bin/lotkeeper demo $(ARGS)

.PHONY: up
up: app ## Run it for real, against your TWS or IB Gateway
	@exec .venv/bin/lotkeeper up $(ARGS)

.PHONY: test
test: install check ## Prove it: all checks and all tests, from nothing
	@echo "==> Tests of the dashboard"
	@$(NPM) test --silent
	@echo "==> Tests, with branch coverage of at least 90 %"
	@$(PYTHON) -m pytest -q -n $(PYTEST_WORKERS) --dist loadgroup --cov --cov-report=term --cov-fail-under=90 $(PYTEST_ARGS)

.PHONY: check
check: install ## Style, types, layers and lock files, without running anything
	@echo "==> ruff" && .venv/bin/ruff check --quiet . && .venv/bin/ruff format --check --quiet .
	@echo "==> mypy" && .venv/bin/mypy
	@echo "==> import-linter" && .venv/bin/lint-imports
	@echo "==> lock files" && ops/bin/check-locks
	@echo "==> dashboard" && $(NPM) run --silent check

.PHONY: bench
bench: install ## Measure, each figure against a floor of the same run
	@$(PYTHON) -m bench $(ARGS)

.PHONY: faults
faults: install ## Break everything that can break, and compare with an undisturbed run; FULL=1 for hours of it
	@FAULTS=$(if $(FULL),full,long) $(PYTHON) -m pytest -q -n 0 -o timeout=7200 tests/faults $(PYTEST_ARGS)

.PHONY: web
web: $(BUILT_WEB) ## Build the dashboard

.PHONY: screenshots
screenshots: install ## Take the pictures of docs/screenshots anew, of the demo
	@$(PYTHON) -m ops.screenshots

.PHONY: dashboards
dashboards: $(INSTALLED_PYTHON) ## Write the dashboards for Grafana anew, from ops/grafana/boards
	@$(PYTHON) -m ops.grafana.generate

.PHONY: kubernetes
kubernetes: $(INSTALLED_PYTHON) ## Write the manifest for Kubernetes anew, from compose.yaml
	@$(PYTHON) -m ops.kubernetes.generate

.PHONY: site
site: $(INSTALLED_PYTHON) ## Build the pages of docs/ as a site, dist/site; a warning is an error
	@$(PYTHON) -m sphinx -q -W --keep-going -E -b html -d dist/site.doctrees docs dist/site
	@echo "dist/site/index.html"

.PHONY: migration
migration: $(INSTALLED_PYTHON) ## Write a migration for changed tables: make migration name="add lots"
	@$(PYTHON) ops/bin/new_migration.py "$(name)"

.PHONY: schema
schema: $(INSTALLED_PYTHON) ## At a release: keep its schema with data, which every later version must upgrade
	@KEEP_SCHEMA=1 $(PYTHON) -m pytest -q -n 0 tests/models/test_released_schemas.py

.PHONY: sbom
sbom: app ## Write what Lotkeeper is made of, for those who audit it: dist/sbom-*.json (CycloneDX)
	@mkdir -p dist
	@.venv/bin/uv tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py requirements requirements-runtime.lock --of JSON >dist/sbom-python.json
	@npm --prefix $(WEB) sbom --sbom-format cyclonedx >dist/sbom-dashboard.json
	@ls -l dist/sbom-python.json dist/sbom-dashboard.json

.PHONY: audit
audit: app ## Ask whether anything of it has a known weakness (asks public registries)
	@.venv/bin/uv tool run --quiet --from pip-audit==2.10.1 pip-audit --requirement requirements-runtime.lock --require-hashes --disable-pip --progress-spinner off
	@$(NPM) audit

$(INSTALLED_PYTHON): requirements.lock pyproject.toml client/pyproject.toml ops/bin/install-python ops/bin/find-python
	@ops/bin/install-python
	@touch $@

$(INSTALLED_NODE): requirements-node.lock ops/bin/install-node | $(INSTALLED_PYTHON)
	@ops/bin/install-node
	@touch $@

$(INSTALLED_WEB): $(WEB)/package-lock.json $(WEB)/package.json $(WEB)/.npmrc | $(INSTALLED_NODE)
	@echo "==> Packages of the dashboard from package-lock.json"
	@$(NPM) ci --no-audit --no-fund --no-update-notifier --loglevel=error
	@touch $@

$(BUILT_WEB): $(INSTALLED_WEB) $(WEB_SOURCES)
	@echo "==> Building the dashboard"
	@$(NPM) run --silent build >.venv/dashboard.log 2>&1 || { cat .venv/dashboard.log; exit 1; }
	@tail -n 4 .venv/dashboard.log
	@touch $@

$(INSTALLED_TOOLS): ops/bin/install-test-tools | $(INSTALLED_PYTHON)
	@ops/bin/install-test-tools $@
