# make demo · make test · make lint · make bench · make calibrate: each makes this checkout ready first.
PYTHON := .venv/bin/python
RUN := runs/demo
BENCH := runs/bench

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
	@mkdir -p $(BENCH)
	@$(PYTHON) -m tests.bench.crossbar --folder $(BENCH)
	@$(PYTHON) -m tests.bench.transient --sides 8 16 32 | tee $(BENCH)/transient.md
	@$(PYTHON) -m tests.bench.runs --folder $(BENCH)
	@$(PYTHON) -m tests.bench.tcam --folder $(BENCH)
	@$(PYTHON) -m tests.bench.line_training --short 30 --steps 300 | tee $(BENCH)/line_training.md
	@$(PYTHON) -m tests.bench.training --steps 200 | tee $(BENCH)/training.md
	@$(PYTHON) -m tests.bench.lif | tee $(BENCH)/lif.md
	@$(PYTHON) -m tests.bench.lif_spikes | tee $(BENCH)/lif_spikes.md
	@$(PYTHON) -m tests.bench.lock_step | tee $(BENCH)/lock_step.md
	@$(PYTHON) -m tests.bench.ode | tee $(BENCH)/ode.md

calibrate: setup
	@$(PYTHON) -m studies.cli calibrate --all
	@$(PYTHON) -m studies.cli circuits --docs docs/circuits.md

clean:
	rm -rf .venv runs *.egg-info
