# Every target sets up what it needs: Python 3.11+ and make are enough.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
# small matrices: several threads wait for each other longer than they work
export OMP_NUM_THREADS ?= 1
export AMSO_REFERENCE_DATA ?= $(abspath ../shared/data)

.PHONY: demo test check full clean
demo: $(VENV)/.installed
	$(BIN)/python runner.py demo

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(MAKE) test

full: $(VENV)/.installed-dev
	$(MAKE) check
	$(BIN)/python -m pytest -m slow

$(VENV)/bin/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --disable-pip-version-check uv

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/uv
	$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e .
	touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/uv
	$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e ".[dev,train]"
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
