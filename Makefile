.DEFAULT_GOAL := help
# The newest of the usual names that is Python 3.11 or later; PYTHON=… names another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TOOLS := $(VENV)/.tools
PLOTS := $(VENV)/.plots
DATA_DIR ?= .backbeat
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{sub(/ .*/, "", $$1); printf "  make %-8s %s\n", $$1, $$2}'

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "backbeat needs Python 3.11 or later; name it with make PYTHON=/path/to/python3"; exit 1; }
	@echo "making the environment in $(VENV) (once) ..."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "$(PYTHON) cannot make an environment; on Debian and Ubuntu: apt install python3-venv"; exit 1; }

$(INSTALLED): pyproject.toml | $(BIN)/python
	@$(PIP) --editable .
	@touch $@

$(TOOLS): pyproject.toml | $(BIN)/python
	@$(PIP) --editable '.[dev]'
	@touch $(INSTALLED) $@

$(PLOTS): pyproject.toml | $(BIN)/python
	@$(PIP) --editable '.[bench]'
	@touch $(INSTALLED) $@

env: $(TOOLS) ## make the environment, with the tools for development

up: $(INSTALLED) ## start everything in the foreground; Ctrl-C ends it (ARGS='--nodes 3 --port 0' for flags)
	@exec $(BIN)/backbeat up --data-dir $(DATA_DIR) $(ARGS)

status: $(INSTALLED) ## show what runs
	@exec $(BIN)/backbeat status --data-dir $(DATA_DIR) $(ARGS)

down: $(INSTALLED) ## stop what `backbeat up` started
	@exec $(BIN)/backbeat down --data-dir $(DATA_DIR)

lint: $(TOOLS) ## ruff, mypy --strict, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

unit: $(TOOLS) ## the tests that need no servers
	@$(BIN)/pytest -q -n auto tests/unit

test: lint ## lint, types, import rules and all tests
	@$(BIN)/pytest -n $(or $(WORKERS),3) --dist loadgroup tests

bench: $(PLOTS) ## the benchmarks, beside the last results (ONLY=fanout for one, ARGS='--help' for its flags)
	@$(BIN)/python -m benchmarks.all $(if $(ONLY),--only=$(ONLY)) $(ARGS)

soak: $(TOOLS) ## random faults under load, everything judged (SECONDS=600 SEED=7 repeats one)
	@$(BIN)/python -m tests.soak --seconds $(or $(SECONDS),120) $(if $(SEED),--seed $(SEED))

clean: ## remove the environment and caches, not the data
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build *.egg-info

.PHONY: help env up status down lint unit test bench soak clean
