# What you can do here: make help
PYTHON ?= python3
BIN := .venv/bin
# Everything is installed into the checkout (.venv, .build, frontend/node_modules); done once, then skipped.
SETUP = command -v $(PYTHON) >/dev/null || { echo "Boxwise needs Python 3.11 or newer with venv; on Debian or Ubuntu: apt-get install python3 python3-venv" >&2; exit 1; }; \
        $(PYTHON) -m labeling.server.bootstrap

# Compiled modules are kept in the checkout, which is ours: without them every start takes twice as long.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo up dev stop test test-slow production-test check audit sbom bundle shrink format bench load

help: ## show this list
	@echo "Boxwise: make TARGET, with PORT= and BOXWISE_DATA_DIR= for a second instance, TORCH=cpu to install without CUDA"
	@sed -n 's/^\([a-z-]*\):[^#]*## /  \1\t/p' Makefile | expand -t 14

setup: ## install everything into this checkout
	@$(SETUP)

demo: ## install, start everything, load the demo project (DATA=folder loads that data set)
	@$(SETUP) --to-start && exec $(BIN)/boxwise demo $(if $(DATA),--data "$(DATA)")

up: ## start everything without the demo project
	@$(SETUP) --to-start && exec $(BIN)/boxwise up

dev: ## like up, for developers: restarts on changed Python, rebuilds the front end, shows errors
	@$(SETUP) --to-start && exec $(BIN)/boxwise dev

stop: ## stop the instance that runs in this data directory
	@[ -x $(BIN)/boxwise ] || { echo "Nothing is installed in this checkout, so nothing runs from it."; exit 0; }; exec $(BIN)/boxwise stop

test: ## all tests: TypeScript, Python, browser; PYTEST= for arguments of pytest
	@$(SETUP)
	@$(BIN)/python -m tools.tests $(PYTEST)

test-slow: ## the tests that take minutes each
	@$(SETUP)
	@$(BIN)/python -m pytest -m slow $(PYTEST)

production-test: ## docker/compose.yml and its proxy in use, on Debian's postgresql, redis-server and nginx (some minutes)
	@$(SETUP)
	@$(BIN)/python -m pytest -m slow tests/e2e/test_production.py -n 0 $(PYTEST)

check: ## style, complexity and density (a list that may only shrink), types, import directions, migrations, front end
	@$(SETUP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tools.ratchet
	$(BIN)/mypy labeling inference tools
	$(BIN)/mypy --strict client/boxwise
	$(BIN)/lint-imports
	DJANGO_SETTINGS_MODULE=tests.settings_for_tools $(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/djlint labeling --check --quiet
	@PATH="$(CURDIR)/$(BIN):$$PATH"; export PATH; cd frontend && npm run formatted && npm run lint && npm run typecheck

audit: ## known vulnerabilities of the packages (where the advisories can be reached), secrets in the files
	@$(SETUP)
	$(BIN)/python -m tools.audit

sbom: ## all that Boxwise is made of and the licence of each, as CycloneDX (FILE=boxwise.cdx.json)
	@$(SETUP)
	@$(BIN)/python -m tools.sbom $(or $(FILE),boxwise.cdx.json)

bundle: ## one release for machines without a network (FOLDER=, PACKAGES=all, cpu or web); docs/operations.md
	@$(SETUP)
	@$(BIN)/python -m tools.bundle $(or $(FOLDER),boxwise-bundle) --packages $(or $(PACKAGES),all)

shrink: ## take out of the lists of exceptions what keeps the limits by now
	@$(SETUP)
	$(BIN)/python -m tools.ratchet --update

format: ## put Python, templates, TypeScript and CSS into shape
	@$(SETUP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/djlint labeling --reformat --quiet
	@PATH="$(CURDIR)/$(BIN):$$PATH"; export PATH; cd frontend && npm run format

bench: ## measure: the demo's full round, the server under 10,000 boxes (docs/benchmarks.md)
	@$(SETUP)
	@$(BIN)/python -m tests.bench

load: ## measure: many people at once on a whole Boxwise, every row of docs/scaling.md (LOAD_PEOPLE=50,200 LOAD_SECONDS=60 ...)
	@$(SETUP)
	@$(BIN)/python -m tests.bench load
