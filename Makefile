# make demo: see it work. make test: run all tests. The rest is for developers.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# Tests wait for processes and polls more than they compute.
JOBS ?= 6

.PHONY: demo test databases faults simulation fuzz audit lint types docs messages pictures build release-test matrix corners bench clean

demo: $(VENV)/.demo
	$(BIN)/python -m django_sqs.demo $(if $(KEEP),--keep)

# The database is SQLite, then what uses it runs on PostgreSQL, too.
# pytest ends with 5 where none is chosen, as by --last-failed where none has failed.
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS) || [ $$? -eq 5 ]
	$(BIN)/python -m tests.databases --short postgres -- -n $(JOBS) $(ARGS)

# What uses the database, on every kind of it that is installed here (RUNS="mariadb pool": those).
databases: $(VENV)/.dev
	-$(BIN)/python -m pip install --quiet --editable '.[mysql]'
	$(BIN)/python -m tests.databases $(RUNS) -- -n $(JOBS) $(ARGS)

# RUF027: an f that was forgotten before a text with names in it.
lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff check --preview --select RUF027 .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

docs: $(VENV)/.dev
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build
	@echo docs/_build/index.html

# Collects the texts of the admin's pages, and compiles their translations; it needs GNU gettext.
messages: $(VENV)/.dev
	cd django_sqs && $(abspath $(BIN))/python -m django makemessages --all --no-obsolete --no-wrap \
		--add-location file
	sed -i '/^"POT-Creation-Date/d' django_sqs/locale/*/LC_MESSAGES/django.po
	cd django_sqs && $(abspath $(BIN))/python -m django compilemessages

# The pictures of the admin that the documentation shows, by Chromium.
pictures: $(VENV)/.dev
	PICTURES=docs/images $(BIN)/python -m pytest -q \
		tests/pages/test_failing_howto.py tests/pages/test_every_page.py

build: $(VENV)/.dev
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*

# More than half an hour: kills, outages, floods, and every fault on every kind of request.
# `make test` runs the short form.
faults: $(VENV)/.dev
	FAULTS=long $(BIN)/python -m pytest -s -o faulthandler_timeout=0 tests/faults $(ARGS)

# Some 4 seeds a second: hours of polls, leases, outages and stops each, in virtual time.
# `make test` runs ten seeds.
simulation: $(VENV)/.dev
	$(BIN)/python -m tests.simulation $(or $(FIRST),0) $(or $(END),250)

# Coverage-guided fuzzing of what reads message bodies; atheris has wheels for some Pythons only.
SECONDS ?= 60
fuzz: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet atheris
	$(BIN)/python -m tests.fuzz.bodies -max_total_time=$(SECONDS) -max_len=4096 -rss_limit_mb=1024

# Known vulnerabilities of what is installed. Where no database answers, or none that knows what it
# should, nothing is audited, and it says so.
audit: $(VENV)/.dev
	-$(BIN)/python -m pip install --quiet pip-audit
	$(BIN)/python -m tests.audit

# Where pyenv is, its python3.X commands answer only for the versions named here.
matrix: $(VENV)/.dev
	PYENV_VERSION="$$(pyenv versions --bare 2>/dev/null | paste -sd: -)" $(BIN)/nox $(NOX)

# What CI runs of it: of the oldest and of the newest a half each, side by side.  That of the oldest
# is the longer one.
corners: $(VENV)/.dev
	printf '%s\n' "3.10 4" "3.13 3" | \
		PYENV_VERSION="$$(pyenv versions --bare 2>/dev/null | paste -sd: -)" \
		HALVES=1 xargs -P 2 -L 1 sh -c 'JOBS=$$1 $(BIN)/nox --tags corner --python "$$0"'

# What `make build` made, installed into clean environments on every Python that is there, the
# longest first: on the newest the tutorial is walked.
release-test: build
	printf '%s\n' wheel-3.13 sdist-3.10 wheel-3.10 wheel-3.11 wheel-3.12 wheel-3.14 | \
		PYENV_VERSION="$$(pyenv versions --bare 2>/dev/null | paste -sd: -)" \
		xargs -P 2 -I{} $(BIN)/nox --session {}

# Some minutes: this library and its peers, side by side.
bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks cost --store
	$(BIN)/python -m benchmarks client --long --store
	$(BIN)/python -m benchmarks.beside --store

clean:
	rm -rf $(VENV) .nox build dist docs/_build docs/_generated *.egg-info benchmarks/.ministack benchmarks/.peers benchmarks/.beside

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[local]'
	touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[dev,docs,browser]'
	-$(BIN)/python -m pip install --quiet pip-audit
	touch $@ $(VENV)/.demo
