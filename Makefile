# Two commands do all the set-up: `make demo` and `make test`. `make test-all` runs what `make test` leaves out as well.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

.PHONY: demo install test test-all check schema bench clean

demo: $(VENV)/installed
	$(BIN)/gan-aug run configs/quickstart.yaml --run runs/quickstart

install: $(VENV)/installed-dev

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not server and not slow"
	@echo 'These were the tests that start no server and take no long time. All of them: make test-all'

test-all: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

schema: $(VENV)/installed-dev
	$(BIN)/gan-aug show-config --schema > docs/reference/config.schema.json

bench: $(VENV)/installed-dev
	$(BIN)/python -m benchmarks.gan_training
	$(BIN)/python -m benchmarks.import_rate

clean:
	rm -rf $(VENV) runs

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e '.[dev]'
	touch $@
