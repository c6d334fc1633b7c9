.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DATA_DIR ?= .backbeat

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml
	@echo "making the environment in $(VENV) (once; about a minute) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

env: $(STAMP) ## make the environment

up: $(STAMP) ## start everything in the foreground; Ctrl-C ends it (ARGS='--nodes 3 --port 0' for flags)
	@exec $(BIN)/backbeat up --data-dir $(DATA_DIR) $(ARGS)

down: $(STAMP) ## stop what `backbeat up --detach` started
	@exec $(BIN)/backbeat down --data-dir $(DATA_DIR)

lint: $(STAMP) ## ruff, mypy --strict, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

unit: $(STAMP) ## the tests that need no servers
	@$(BIN)/pytest -q -n auto tests/unit

test: lint ## lint, types, import rules and all tests
	@$(BIN)/pytest -n $(or $(WORKERS),3) --dist loadgroup tests

bench: $(STAMP) ## the benchmarks; prints tables
	@$(BIN)/python -m benchmarks.pods

clean: ## remove the environment and caches, not the data
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build *.egg-info

.PHONY: help env up down lint unit test bench clean
