# make demo · make test · make lint · make bench · make calibrate: each makes this checkout ready first.
PYTHON := .venv/bin/python
RUN := runs/demo

.PHONY: setup demo test lint bench calibrate clean

setup:
	@.ci/setup

demo: setup
	@$(PYTHON) -m studies.cli study edge_pruning --size demo --folder $(RUN)

test: setup
	@$(PYTHON) -m pytest

lint: setup
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@.venv/bin/basedpyright

bench: setup
	@$(PYTHON) -m pip install --quiet --constraint .ci/constraints.txt --editable '.[fast]'
	@$(PYTHON) tests/bench/crossbar.py

calibrate: setup
	@$(PYTHON) -m studies.cli calibrate --all

clean:
	rm -rf .venv runs *.egg-info
