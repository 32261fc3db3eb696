# Everything a developer or an operator types. `make help` lists it.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input

.DEFAULT_GOAL := help

.PHONY: help
help:  ## This list.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | sort

# A stamp per requirement file, so that a second `make` costs nothing.
$(VENV)/.created:
	sh .ci/venv $(PYTHON) $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.created requirements/run.txt pyproject.toml
	$(PIP) install --require-hashes -r requirements/run.txt
	$(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

.PHONY: setup
setup: $(VENV)/.run  ## Create .venv with the server and the command line in it.

.PHONY: run
run: $(VENV)/.run  ## Start a durable one-person server on ./data and print how to reach it.
	$(BIN)/strongroom server -dev -dev-storage=./data

.PHONY: test
test: $(VENV)/.dev  ## Run every test.
	sh .ci/services
	$(BIN)/python -m pytest -n 4 --dist worksteal $(PYTEST_ARGS)

.PHONY: check
check: $(VENV)/.dev  ## Lint, formatting, types and import rules.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: docs
docs: $(VENV)/.dev  ## Write the pages of docs/ that are made from the code.
	$(BIN)/python -m tests.docs.generate
	$(BIN)/python tests/conformance/divergences.py

.PHONY: bench
bench: $(VENV)/.dev  ## Measure the server beside a bare one, and the command line; prints tables.
	$(BIN)/python -m bench
	$(BIN)/python -m bench.cli

.PHONY: lock
lock: $(VENV)/.dev  ## Pin the requirement files anew from pyproject.toml.
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml requirements/build.in -o requirements/run.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --group test --group check -c requirements/run.txt -o requirements/dev.txt

.PHONY: clean
clean:  ## Remove what the other targets made, but for ./data.
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
