# Two commands. Each sets up what it needs the first time and starts quickly after that.
#
#   make run     open the program
#   make test    check style, types, architecture and documentation, then run the tests
#
# PYTHON=python3.12 selects the interpreter, VENV=elsewhere the folder of its environment. WORKERS=1 runs the tests in
# one process; PYTEST_ARGS are passed to pytest.

VENV ?= .venv
WORKERS ?= auto
BIN := $(VENV)/bin

.PHONY: run test style types architecture docs tests pictures clean

run: $(VENV)/.ready-to-run
	$(BIN)/metagui

test: style types architecture docs tests

style: $(VENV)/.ready-to-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready-to-test
	$(BIN)/mypy
	$(BIN)/mypy --config-file tests/mypy.ini tests benchmarks scripts

architecture: $(VENV)/.ready-to-test
	$(BIN)/lint-imports

# The site goes to build/site; the variable silences advice about other programs.
docs: $(VENV)/.ready-to-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

tests: $(VENV)/.ready-to-test | style types architecture docs
	@scripts/under_xvfb.sh $(BIN)/pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)

$(VENV)/.ready-to-run: pyproject.toml scripts/setup.sh
	@scripts/setup.sh run $(VENV)

$(VENV)/.ready-to-test: pyproject.toml scripts/setup.sh
	@scripts/setup.sh test $(VENV)

# Pictures of the window at every stage, light and dark, and of a new arm's setup.
pictures: $(VENV)/.ready-to-test
	scripts/under_xvfb.sh $(BIN)/python -m benchmarks.screenshots docs/pictures
	scripts/under_xvfb.sh $(BIN)/python -m benchmarks.screenshots_usb docs/pictures

clean:
	rm -rf $(VENV) build dist
