# Two commands. Each sets up what it needs the first time and is quick from then on.
#
#   make run     open the program
#   make test    check style, types and architecture, then pass the tests
#
# PYTHON=python3.12 chooses the interpreter, VENV=elsewhere where its environment goes.
# WORKERS=1 tests in one process, PYTEST_ARGS are pytest's own.

VENV ?= .venv
WORKERS ?= auto
BIN := $(VENV)/bin

.PHONY: run test style types architecture tests pictures clean

run: $(VENV)/.ready-to-run
	$(BIN)/metagui

test: style types architecture tests

style: $(VENV)/.ready-to-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready-to-test
	$(BIN)/mypy
	$(BIN)/mypy --config-file tests/mypy.ini tests benchmarks

architecture: $(VENV)/.ready-to-test
	$(BIN)/lint-imports

tests: $(VENV)/.ready-to-test | style types architecture
	@scripts/under_xvfb.sh $(BIN)/pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)

$(VENV)/.ready-to-run: pyproject.toml scripts/setup.sh
	@scripts/setup.sh run $(VENV)

$(VENV)/.ready-to-test: pyproject.toml scripts/setup.sh
	@scripts/setup.sh test $(VENV)

# The window at every stage, light and dark, and the story of a new arm.
pictures: $(VENV)/.ready-to-test
	scripts/under_xvfb.sh $(BIN)/python -m benchmarks.screenshots docs/pictures
	scripts/under_xvfb.sh $(BIN)/python -m benchmarks.screenshots_usb docs/pictures

clean:
	rm -rf $(VENV) build dist
