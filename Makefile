# make run    set up, then the whole notebook series headless; results with pictures in build/
# make test   set up, then every test
# make lab    set up, then JupyterLab
# make page   set up, then the interpretation page in a browser

SHELL := /bin/bash
VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
UV := $(shell command -v uv 2>/dev/null)
PYTHON ?= python3

# Measured images from a folder beside the checkout, where there is one, instead of a download.
export XRLAB_LOCAL_DATA ?= $(wildcard $(abspath ../shared/data))

.PHONY: install run test lab page bench lock weights clean

install: $(VENV)/installed

$(VENV)/installed: requirements.lock pyproject.toml
ifdef UV
	$(UV) venv --quiet --allow-existing --python '>=3.11,<3.14' $(VENV)
	$(UV) pip sync --quiet --python $(BIN)/python requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
else
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "xrlab needs Python 3.11 or newer; name one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
endif
	touch $@

run: install
	$(BIN)/python tools/run_notebooks.py --profile fast

test: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest
	$(BIN)/pytest -o addopts= --nbval-lax --nbval-current-env --nbval-cell-timeout=300 notebooks

lab: install
	$(BIN)/jupyter lab notebooks

# Notebook 8 without its lesson.
page: install
	$(BIN)/voila notebooks/08_interpret_your_own.ipynb --TagRemovePreprocessor.remove_cell_tags=lesson

bench: install
	$(BIN)/python benchmarks/run.py

# Pin everything anew from pyproject.toml; Binder's and conda's files follow the lock.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --extra test --no-header --upgrade \
	    --output-file requirements.lock pyproject.toml
	$(PYTHON) tools/write_environments.py

# The shipped weights, about half an hour each on two cores.
weights: install
	for span in 2 3 4; do $(BIN)/python -m xrlab.training --span $$span || exit 1; done

clean:
	rm -rf build $(VENV)
