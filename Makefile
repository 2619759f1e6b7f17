# make demo      sets up, trains a few steps on drawn creatures, and leaves nine cards and a contact sheet in out/
# make test      sets up, then lint, format, types and tests
# make coverage  the tests again, slower, and which lines of pokegen no test runs
# make fuzz      10,000 damaged or hostile files of each kind: only clear errors may come out; some minutes a kind
# make clean     removes what the two made
#
# The set-up is .venv; it is made once, and again only when pyproject.toml changes.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

# nothing asks the network while tests or the demo run
export WANDB_MODE = offline
export NO_ALBUMENTATIONS_UPDATE = 1

.PHONY: demo test coverage fuzz clean
.DELETE_ON_ERROR:

demo: $(READY)
	$(BIN)/pokegen fit --config configs/dcgan.yaml --config configs/experiment/smoke.yaml
	$(BIN)/pokegen card --count 9 --seed 1 --out out

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses logical --dist worksteal

coverage: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses logical --dist worksteal --cov --cov-report=term-missing:skip-covered

fuzz: $(READY)
	$(BIN)/python benchmarks/fuzz.py

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "pokegen needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) -V 2>/dev/null || echo missing)." \
		"Name another one: make $(or $(MAKECMDGOALS),demo) PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -e ".[dev]"
	@touch $@

clean:
	rm -rf .venv out build dist .pytest_cache .mypy_cache .ruff_cache .coverage .coverage.*
	find pokegen tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
