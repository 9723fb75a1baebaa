# Each target does all of its own set-up; the network is used for packages alone.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: quickstart test check demo bench clean

quickstart: $(STAMP)
	$(BIN)/fakeimg quickstart --out quickstart

test: $(STAMP)
	$(BIN)/pytest -n auto --dist loadfile

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

demo: $(STAMP)
	$(BIN)/fakeimg demo

# Labelled images, and a MobileNetV2 weights file where ImageNet's cannot be downloaded: make bench DATA=faces WEIGHTS=w.h5
DATA ?= bench/sample
WEIGHTS ?= imagenet
bench: $(STAMP)
	test -e $(DATA) || $(BIN)/fakeimg sample $(DATA) --images 2400
	for part in search_cost search_warm search_heads search_kill; do $(BIN)/python experiments/benchmarks/$$part.py $(DATA) --weights $(WEIGHTS) || exit 1; done
	$(BIN)/python experiments/benchmarks/search_cost.py $(DATA) --table 4 --images 800 --rounds 2
	$(BIN)/python experiments/benchmarks/search_memory.py
	$(BIN)/python experiments/benchmarks/detect_speed.py $(DATA)

clean:
	rm -rf $(VENV) quickstart

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "fakeimg needs Python 3.11 to 3.13, not " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
