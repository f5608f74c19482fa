# Each target sets up what it needs in .venv; nothing outside this folder is touched.
PYTHON ?= python3.11
CORES ?= all
BIN := .venv/bin

.PHONY: run test lint lock schema
.DEFAULT_GOAL := run

# Fig. 4 and the recordings of config.yaml, then one HTML report of it all
run: .venv/ready
	$(BIN)/snakemake --cores $(CORES) $(ARGS)
	@$(MAKE) --no-print-directory report.html
	@echo "results/ has every figure, table and store; open report.html in a browser"

report.html: config.yaml $(wildcard results/scores.csv results/figures/* results/samples/*/*) workflow/report/*.rst
	$(BIN)/snakemake --report $@ $(ARGS)

# everything that CI checks; `make test ARGS="-m 'not workflow'"` leaves out the slow part
test: .venv/ready
	$(BIN)/pytest -n logical --maxprocesses 8 --dist loadfile $(ARGS)

lint: .venv/ready
	PATH="$(CURDIR)/$(BIN):$$PATH" pre-commit run --all-files

# after a change of dependencies in pyproject.toml
lock:
	$(PYTHON) -m venv --clear .venv-lock
	.venv-lock/bin/pip install --quiet --editable '.[workflow,slurm,rivals,motile,dev]'
	.venv-lock/bin/python envs/lock.py
	rm -r .venv-lock

# after a change of magik/config.py: what editors know of config.yaml
schema: workflow/schemas/config.schema.json
workflow/schemas/config.schema.json: magik/config.py .venv/ready
	$(BIN)/python -c "import json; from magik import config; print(json.dumps(config.json_schema(), indent=2, ensure_ascii=False))" > $@

.venv/ready: envs/requirements.txt pyproject.toml
	@echo "Setting up .venv: about a minute, and 1 GB without a GPU"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --requirement envs/requirements.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@
