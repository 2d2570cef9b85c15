# Everything here makes its own virtual environment in .venv; Python >= 3.11 and the package index are enough.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check format index operations bench oracle gpu clean

demo: .venv/.installed  ## train a network defined in a text file, and report its accuracy
	@$(BIN)/python samples/digits/demo.py

test: .venv/.installed-dev  ## run the tests
	$(BIN)/python -m pytest -n auto

check: .venv/.installed-dev  ## lint, types and tests: they pass at every commit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python -m pytest -n auto

format: .venv/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

index: .venv/.installed  ## write the index of which family declares which operation
	$(BIN)/python -m tfg.kernels.core.make_index

operations: .venv/.installed-dev  ## write the table of operations, docs/operations.md
	$(BIN)/python -m tests.docs.operations

oracle: .venv/.installed-oracle  ## compare with an installed TensorFlow
	$(BIN)/python -m pytest tests/oracle

gpu: .venv/.installed-gpu  ## run the GPU tests on a machine with a GPU; failures go to out/gpu.md
	$(BIN)/python -m tests.gpu.report out/gpu.md
	$(BIN)/python -m pytest tests/gpu

bench: .venv/.installed-oracle  ## time tfg against TensorFlow, as ratios
	$(BIN)/python -m benchmarks

.venv/.installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	@$(BIN)/python -m compileall -q cli graphfmt kernels runtime
	@touch $@

.venv/.installed-dev: .venv/.installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

.venv/.installed-gpu: .venv/.installed-dev
	$(BIN)/python -m pip install --quiet --editable '.[dev,gpu]'
	@touch $@

.venv/.installed-oracle: .venv/.installed-dev
	$(BIN)/python -m pip install --quiet --editable '.[dev,oracle]'
	@touch $@

clean:
	rm -rf .venv build *.egg-info out
