# crossmargin: everything one does with a checkout. `make` alone lists it.
# PYTHON=python3.12 chooses the interpreter; PYTEST_ARGS="-x -k morpho" goes to pytest; WORKERS=0 runs tests one by one.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
BIN := .venv/bin
PYTEST_ARGS ?=
WORKERS ?= 2
export PYTHON

.PHONY: help setup demo test soak check format bench lock clean

help: ## this list
	@echo "crossmargin: a read-only cross-margin risk checker for DeFi accounts"
	@echo
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1@\2/p' $(MAKEFILE_LIST) | sed -e ':a' -e 's/^\([^@]\{1,14\}\)@/\1 @/;ta' -e 's/@//'
	@echo
	@echo "Begin with: make demo"

setup: ## make .venv/ with all that is needed (done by the others too)
	@sh tools/setup.sh

demo: setup ## the main job on a local chain: a check, two figures proved, an alert
	@$(BIN)/crossmargin demo

test: setup ## every test that needs no outside network, in minutes
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

soak: setup ## the same and the long ones, every property at its full count of examples
	@CROSSMARGIN_SOAK=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m '' $(PYTEST_ARGS)

check: setup ## style, types, and which room may import which
	@failed=0; \
	$(BIN)/ruff check --quiet . || failed=1; \
	$(BIN)/ruff format --quiet --check . || { echo "not laid out as usual: make format"; failed=1; }; \
	$(BIN)/mypy || failed=1; \
	$(BIN)/lint-imports --no-logo || failed=1; \
	exit $$failed

format: setup ## let ruff lay out and mend what it can
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

bench: setup ## benchmarks, each a ratio measured in one run
	@$(BIN)/python -m bench

lock: ## resolve the dependencies again and write the lock files
	@sh tools/lock.sh

clean: ## remove .venv/ and everything made here (downloads stay in the user's cache)
	@rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
