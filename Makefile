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
	@$(PYTHON) tests/bench/transient.py --sides 8 16 > runs/bench/transient.md && cat runs/bench/transient.md
	@$(PYTHON) tests/bench/line_training.py --short 30 --steps 300 > runs/bench/line_training.md && cat runs/bench/line_training.md

calibrate: setup
	@$(PYTHON) -m studies.cli calibrate --all

clean:
	rm -rf .venv runs *.egg-info
