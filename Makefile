# make train / make test: everything is set up on first use, in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= synthetic
RECIPE ?= hhmpn_synthetic
MINUTES ?= 10
OUT ?= runs/$(RECIPE)-$(shell date +%Y%m%d-%H%M%S)

.PHONY: help setup train test test-all lint docs fuzz bench notebooks clean

help:
	@echo 'make train [DATA=music.h5] [RECIPE=hhmpn_music_emotions] [OUT=runs/mine]'
	@echo 'make test       everything that must pass'
	@echo 'make test-all   the longer and the optional tests, too; none may be skipped'
	@echo 'make docs       the site, into docs/_build'
	@echo 'make fuzz       damaged files of all kinds for ten minutes [MINUTES=60] [SEED=7]'
	@echo 'make bench      measure the speed, into benchmarks/README.md (half an hour)'
	@echo 'make notebooks  run the notebooks in place'

setup: $(BIN)/.installed

$(BIN)/.installed: setup.cfg pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

# torch-scatter compiles against the installed torch, once; pip caches the wheel.
SCATTER := $(BIN)/pip install --quiet --disable-pip-version-check \
	--constraint constraints.txt --no-build-isolation torch-scatter

$(BIN)/.tested: $(BIN)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test,docs]' setuptools wheel
	$(SCATTER) || echo 'torch-scatter could not be built: its route goes untested here'
	touch $@

train: $(BIN)/.installed
	$(BIN)/hetero-mmer train --recipe $(RECIPE) --data $(DATA) --out $(OUT)

lint: $(BIN)/.tested
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

# Without a network; a warning is an error.
docs: $(BIN)/.tested
	$(BIN)/python docs/graph.py
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build

test: lint docs
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist worksteal -m 'not slow'
	OMP_NUM_THREADS=1 $(BIN)/pytest -o addopts= --nbmake notebooks

# Reads the real data beside the checkout (../shared). Nothing is skipped, so what is
# optional elsewhere must be there.
test-all: lint docs $(BIN)/.tested-all
	HETERO_MMER_NO_SKIP=1 OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist worksteal
	OMP_NUM_THREADS=1 $(BIN)/pytest -o addopts= --nbmake notebooks

$(BIN)/.tested-all: $(BIN)/.tested
	$(SCATTER)
	touch $@

# A target of tests/fuzz gets a part of the time; two run side by side.
fuzz: SEED ?= $(shell date +%s)
fuzz: $(BIN)/.tested
	FUZZ_SEED=$(SEED) FUZZ_SECONDS=$$(($(MINUTES) * 60 * 2 / 20)) OMP_NUM_THREADS=1 \
		$(BIN)/pytest --numprocesses 2 --dist worksteal -rP tests/fuzz

bench: $(BIN)/.tested
	$(BIN)/python benchmarks/speed/run.py --write

notebooks: $(BIN)/.tested
	PYTHONWARNINGS=ignore $(BIN)/jupyter-execute --inplace notebooks/*.ipynb

clean:
	rm -rf $(VENV) build docs/_build docs/reference *.egg-info
