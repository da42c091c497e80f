# make demo | make test | make lint: each creates .venv, installs what it needs, and runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NATIVE := CMakeLists.txt pyproject.toml $(shell find native -type f)
DATA ?=

.PHONY: demo test test-slow lint types rtl fuzz docs clean

demo: $(VENV)/.installed
	$(BIN)/eie demo $(if $(DATA),--data $(DATA))

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest

test-slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache

types: $(VENV)/.installed-dev
	$(BIN)/mypy

# The chip in SystemVerilog against the stepped simulator, every cycle; the first run builds it for each size.
rtl: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m "slow or not slow" tests/silicon

# Every reader of bytes attacked for SECONDS each: make fuzz SECONDS=60 SEED=1; docs/security.md tells what is checked.
fuzz: $(VENV)/.installed-dev
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),10) --seed $(or $(SEED),1)

docs: $(VENV)/.installed-dev
	$(BIN)/mkdocs build --strict

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python $(NATIVE)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python $(NATIVE)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
