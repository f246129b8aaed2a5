# make run    set up, then the whole notebook series headless; results with pictures in build/
# make test   set up, then every test: make check (style, types, imports), make pytest, make nbval
# make lab    set up, then JupyterLab
# make page   set up, then the interpretation page in a browser
# make small  set up, then the series as on Binder: one processor, 2 GB
# make site   the playground, a page that needs no server, in build/site (needs Node 20)
# make editions   the notebooks for a class: without and with solutions; as slides after make run
# make book   the executed notebooks as a site in build/book, after make run
# make fuzz   damaged image files for five minutes, towards lines not yet reached
# make nightly   what the nightly workflow does: run, editions, pytest, nbval, small, fuzz, book, site

SHELL := /bin/bash
VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
UV := $(shell command -v uv 2>/dev/null)
PYTHON ?= python3
PROFILE ?= fast
BUILDS ?= build

# Measured images from a folder beside the checkout, where there is one, instead of a download.
export XRLAB_LOCAL_DATA ?= $(wildcard $(abspath ../shared/data))

# Tests run in two processes of one thread each: on two cores more threads only wait.
ONE_THREAD := OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1

.PHONY: install develop run test check pytest nbval lab page small editions book site nightly fuzz bench lock weights clean

# What the course needs; tests and the book need the rest of the lock. pip would compile bytecode one
# file after the other: tools/prepare.py does it on every core, and compiles the kernels.
install: $(VENV)/installed

develop: $(VENV)/developed

$(VENV)/installed: requirements.txt pyproject.toml
ifdef UV
	$(UV) venv --quiet --allow-existing --python '>=3.11,<3.14' $(VENV)
	$(UV) pip sync --quiet --python $(BIN)/python requirements.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
else
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "xrlab needs Python 3.11 or newer; name one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
endif
	$(BIN)/python tools/prepare.py
	touch $@

$(VENV)/developed: $(VENV)/installed requirements.lock
ifdef UV
	$(UV) pip install --quiet --python $(BIN)/python --requirement requirements.lock
else
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --requirement requirements.lock
endif
	$(BIN)/python tools/prepare.py
	touch $@

run: install
	$(BIN)/python tools/run_notebooks.py --profile $(PROFILE)

test: develop
	$(MAKE) check
	$(MAKE) pytest
	$(MAKE) nbval

check: develop
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

pytest: develop
	$(ONE_THREAD) $(BIN)/pytest -n 2 --dist loadfile

nbval: develop
	$(ONE_THREAD) $(BIN)/pytest -o addopts= -n 2 --dist loadfile --nbval-lax --nbval-current-env \
	    --nbval-cell-timeout=1200 notebooks

small: install
	$(BIN)/python tools/run_small.py

editions: install
	$(BIN)/python tools/write_editions.py
	$(if $(wildcard build/summary.json),$(BIN)/python tools/write_slides.py,@echo "slides: make run first")

book: develop
	$(BIN)/python tools/write_book.py $(BUILDS)

site: install
	$(BIN)/python tools/write_site.py

nightly:
	$(MAKE) run
	$(MAKE) editions
	$(MAKE) pytest
	$(MAKE) nbval
	$(MAKE) small
	$(MAKE) fuzz
	$(MAKE) book
	$(MAKE) site

fuzz: develop
	$(BIN)/python tools/fuzz_readers.py 300

# The repository is the root, so that links from the notebooks to docs/ resolve.
lab: install
	$(BIN)/jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb

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

# The shipped weights of the small network, 15 to 45 minutes each on two cores.
weights: install
	$(BIN)/python -m xrlab.training.train_clean --span 2 --epochs 40
	$(BIN)/python -m xrlab.training.train_clean --span 3
	$(BIN)/python -m xrlab.training.train_clean --span 4 --epochs 30
	$(BIN)/python -m xrlab.training.export

clean:
	rm -rf build $(VENV)
