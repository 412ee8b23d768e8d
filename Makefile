# Two commands. Each sets up what it needs the first time and starts quickly after that.
#
#   make run     open the program
#   make test    check style, types, architecture and documentation, then run the tests
#
# PYTHON=python3.12 selects the interpreter, VENV=elsewhere the folder of its environment. WORKERS=1 runs the tests in
# one process; PYTEST_ARGS are passed to pytest.

VENV ?= .venv
WORKERS ?= auto
PYTHONS ?= $(BIN)/python
BIN := $(VENV)/bin

.PHONY: run test style types architecture docs tests pictures desktop release audit clean

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

# An entry among the applications of the desktop (Linux), for this user and this environment.
desktop: $(VENV)/.ready-to-run
	scripts/install_desktop_entry.sh $(VENV)

# Wheel and sdist in dist/, each installed and used in a clean environment (PYTHONS: with which interpreters), then the
# known vulnerabilities of everything that the wheel installs, and the list of it (SBOM).
release: $(VENV)/.ready-to-release
	rm -rf dist
	build/release/bin/python -m build --outdir dist
	$(BIN)/python scripts/smoke_test.py dist/*.whl dist/*.tar.gz --python $(PYTHONS) --keep build/smoke
	$(MAKE) audit

# Of what the last release installed.
audit: $(VENV)/.ready-to-release
	for folder in build/smoke/*; do \
	    $$folder/bin/python -m pip freeze --exclude metagui | sed "s/+[a-z0-9.]*$$//" >dist/requirements-python$$(basename $$folder).txt; \
	    build/release/bin/pip-audit --strict --no-deps --disable-pip -r dist/requirements-python$$(basename $$folder).txt || exit 1; \
	done
	for folder in build/smoke/*; do \
	    build/release/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON \
	        --output-file dist/metagui-python$$(basename $$folder).cdx.json $$folder/bin/python || exit 1; \
	done

$(VENV)/.ready-to-release: $(VENV)/.ready-to-run
	$(BIN)/python -m venv build/release
	build/release/bin/pip install --quiet 'build>=1.3,<2' 'pip-audit>=2.9,<3' 'cyclonedx-bom>=7,<8'
	touch $@

clean:
	rm -rf $(VENV) build dist
