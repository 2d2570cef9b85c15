# Everything here makes its own virtual environment in .venv; Python >= 3.11 and the package index are enough.
# `make check PYTHON=python3.12 VENV=.venv-3.12` takes another Python, in an environment of its own.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# With it, each command that the tests start would compile all its modules anew.
unexport PYTHONDONTWRITEBYTECODE

# The versions of Python that tfg supports.
SUPPORTED := 3.11 3.12 3.13 3.14

.PHONY: demo test check check-all format index operations bench fuzz torture oracle gpu clean

demo: $(VENV)/.installed  ## train a network defined in a text file, and report its accuracy
	@$(BIN)/python samples/digits/demo.py

test: $(VENV)/.installed-dev  ## run the tests
	$(BIN)/python -m pytest -n auto

check: $(VENV)/.installed-dev  ## lint, types and tests: they pass at every commit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python -m pytest -n auto
	$(BIN)/python -m tests.fuzz --count 10000 --seconds 3600 --seed 1

fuzz: $(VENV)/.installed-dev  ## try random and mutated inputs: make fuzz SECONDS=600 SEED=7
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED))

torture: $(VENV)/.installed-dev  ## kill, starve and repeat what must survive it, for some minutes
	TFG_TORTURE=20 TFG_KILLS=100000 $(BIN)/python -m pytest -n auto tests/torture \
		tests/behaviour/test_state_killed.py tests/behaviour/test_state_damage.py

check-all:  ## run the checks under each supported Python that is installed
	@for version in $(SUPPORTED); do \
		if ! command -v python$$version >/dev/null; then \
			echo "== Python $$version is not installed: skipped"; continue; \
		fi; \
		echo "== Python $$version"; \
		$(MAKE) check PYTHON=python$$version VENV=.venv-$$version || exit 1; \
	done

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

index: $(VENV)/.installed  ## write the index of which family declares which operation
	$(BIN)/python -m tfg.kernels.core.make_index

operations: $(VENV)/.installed-dev  ## write the table of operations, docs/operations.md
	$(BIN)/python -m tests.docs.operations

oracle: $(VENV)/.installed-oracle  ## compare with an installed TensorFlow
	$(BIN)/python -m pytest tests/oracle

gpu: $(VENV)/.installed-gpu  ## run the GPU tests on a machine with a GPU; failures go to out/gpu.md
	$(BIN)/python -m tests.gpu.report out/gpu.md
	$(BIN)/python -m pytest tests/gpu

bench: $(VENV)/.installed-oracle  ## time tfg against TensorFlow, as ratios
	$(BIN)/python -m benchmarks

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	@$(BIN)/python -m compileall -q cli graphfmt kernels runtime
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

$(VENV)/.installed-gpu: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --editable '.[dev,gpu]'
	@touch $@

$(VENV)/.installed-oracle: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --editable '.[dev,oracle]'
	@touch $@

clean:
	rm -rf .venv .venv-* build *.egg-info out
