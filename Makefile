# make demo: see it work.  make test: set up, check and test everything.
# The virtual environment is made by itself, and again when pyproject.toml changes.

SHELL := /bin/sh
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq install
# Tests run in as many processes; PYTEST_ARGS adds to the command line.
JOBS ?= 2
PYTEST_ARGS ?=
MINUTES ?= 30
EXAMPLES ?= 2000
# Such as --quick, --only add,drain, --peers huey or --rounds 5.
BENCH_ARGS ?=
PEERS := benchmarks/.venv

.DEFAULT_GOAL := help
.PHONY: help venv demo test check format snapshots crash-test model-test fuzz rows soak tour bench clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

venv: $(VENV)/.dev  ## set up .venv for development

# What a user has: the package and its core dependencies.
$(VENV)/.core: pyproject.toml
	@python=$$(PYTHON='$(PYTHON)' sh .ci/find-python) || exit 1; \
	if ! $(BIN)/python -c 'import pip' 2>/dev/null; then \
	    echo "Making $(VENV) with $$python"; "$$python" -m venv --clear $(VENV) || exit 1; \
	fi
	@echo "Installing jobctl into $(VENV) (half a minute)"
	@$(PIP) -e .
	@touch $@

# What a developer has in addition.
$(VENV)/.dev: pyproject.toml $(VENV)/.core
	@echo "Installing the development tools into $(VENV) (half a minute)"
	@$(PIP) -e '.[dev]'
	@touch $@

demo: $(VENV)/.core  ## run a dozen real jobs from start to end
	@JOBCTL='$(CURDIR)/$(BIN)/jobctl' sh examples/demo/run.sh

test: check  ## set up, check and test

check: $(VENV)/.dev  ## format, lint, types, arrows, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n $(JOBS) $(PYTEST_ARGS)

format: $(VENV)/.dev  ## format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

snapshots: $(VENV)/.dev  ## write the outputs that tests compare with anew: read the diff
	JOBCTL_WRITE_SNAPSHOTS=1 $(BIN)/pytest -q tests/cli $(PYTEST_ARGS)
	git diff --stat -- tests/cli/snapshots

# The soak has a target of its own.
PROMISE := tests/crash --ignore tests/crash/test_soak.py tests/contract/test_model.py \
    tests/runtime/test_full_disk.py $(addprefix tests/stores/test_,backup.py damage.py doctor.py \
    errors.py first_open.py frozen.py full_disk.py segments.py)

# One more than elsewhere: a power cut waits for its disk half of the time.
crash-test: $(VENV)/.dev  ## the durability promise at full size; writes docs/durability.md's table
	@$(BIN)/python -m tests.crash.durability begin
	JOBCTL_FULL=1 JOBCTL_EXAMPLES=50 $(BIN)/pytest -n $$(($(JOBS) + 1)) --timeout 3000 $(PYTEST_ARGS) $(PROMISE); code=$$?; \
	$(BIN)/python -m tests.crash.durability && exit $$code

model-test: $(VENV)/.dev  ## the stores against the model: EXAMPLES (2000) lives of 80 steps each
	JOBCTL_FULL=1 JOBCTL_EXAMPLES=$(EXAMPLES) $(BIN)/pytest -n $(JOBS) tests/contract/test_model.py $(PYTEST_ARGS)

fuzz: $(VENV)/.dev  ## random texts for all that reads some
	JOBCTL_FULL=1 $(BIN)/pytest -n $(JOBS) --timeout 3000 tests/fuzz $(PYTEST_ARGS)

rows: $(VENV)/.dev  ## what handlers may do to their workers, as a table with measured times
	@$(BIN)/python -m tests.crash.rows

soak: $(VENV)/.dev  ## all of that at 200 jobs a second for MINUTES (30), daemons killed
	$(BIN)/python -m tests.crash.soak --minutes $(MINUTES)

tour: $(VENV)/.dev  ## type the README's commands, and write down what comes
	@$(BIN)/python -m tests.docs.tour

# The peers, which nothing else here needs.
$(PEERS)/.made: benchmarks/requirements.txt
	@python=$$(PYTHON='$(PYTHON)' sh .ci/find-python) || exit 1; \
	echo "Installing the peers into $(PEERS) (half a minute)"; \
	"$$python" -m venv --clear $(PEERS) || exit 1; \
	$(PEERS)/bin/python -m pip --disable-pip-version-check -qq install -r $<
	@touch $@

bench: $(VENV)/.dev $(PEERS)/.made  ## measure jobctl and its peers, and write docs/performance.md
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

clean:  ## remove what was made here
	rm -rf $(VENV) $(PEERS) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache artefacts
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
