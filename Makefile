# make demo | make test | make lint | ...: each creates .venv, installs what it needs, and runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CXX_FILES := $(shell find native src -name '*.cpp' -o -name '*.hpp')
NATIVE := CMakeLists.txt pyproject.toml $(shell find native -type f)
DATA ?=
SEED := $(or $(SEED),$(shell od -An -N4 -tu4 /dev/urandom | tr -d ' '))

.PHONY: demo test test-slow fuzz coverage lint types rtl registers formal docs wheel clean

demo: $(VENV)/.installed
	$(BIN)/eie demo $(if $(DATA),--data $(DATA))

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m slow

# Random and long: property tests with other examples, then every reader of bytes attacked for SECONDS each. A run is
# repeated with the SEED that it prints first; docs/security.md tells what is checked.
fuzz: $(VENV)/.installed-dev
	@echo "make fuzz SEED=$(SEED)"
	HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest tests -m "fuzz or hypothesis" --hypothesis-seed=$(SEED)
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),10) --seed $(SEED)

coverage: $(VENV)/.installed-dev
	$(BIN)/python -m pytest --cov --cov-report=term-missing

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/clang-format --dry-run -Werror $(CXX_FILES)
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	$(BIN)/zizmor --quiet --offline .github/workflows
	$(BIN)/pre-commit validate-config

types: $(VENV)/.installed-dev
	$(BIN)/mypy

# The chip in SystemVerilog against the stepped simulator, every cycle; the first run builds it for each size.
rtl: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m "slow or not slow" tests/silicon tests/device

# The RTL's package, the C header and the page of the register map, from src/eie/silicon/registers.toml.
registers: $(VENV)/.installed-dev
	$(BIN)/python -c "from pathlib import Path; from eie.silicon.registers import write_files; write_files(Path())"

# The units' properties proved for every run, and faults found; docs/proofs.md gets the tables.
formal: $(VENV)/.installed-dev
	$(BIN)/python rtl/formal/prove.py --page docs/proofs.md

# A wheel in dist/, repaired, and tried in an empty environment with no compiler.
wheel: $(VENV)/.installed-dev
	PYTHON=$(BIN)/python .ci/wheel dist
docs: $(VENV)/.installed-dev
	$(BIN)/mkdocs build --strict

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python $(NATIVE)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo]'
	touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python $(NATIVE)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .coverage
