# The two commands that matter: `make demo` and `make test`. Everything happens inside this folder.

PYTHON ?= python3
APP    ?= django
PORT   ?= 8000
# How pytest is run: two processes, a file never divided between them (files share servers).
ARGS   ?= -n 2 --dist loadfile

VENV := .venv
BIN  := $(VENV)/bin
export UV_CACHE_DIR := $(CURDIR)/.cache/uv
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# A quiet uv that keeps to the interpreter that was asked for.
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python

SITE_EXTRAS := django,flask,starlette,fastapi,matches,cli,release
ALL_EXTRAS  := $(SITE_EXTRAS),flagd,flagd-grpc,console,openfeature,otel,http,redis,postgres,celery

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types layers coverage conformance differential matrix bench soak faults propagation docs wheel system-packages clean

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.demo ## start an example shop: APP=django|flask|starlette PORT=8000
	@$(BIN)/python -m example_apps.demo $(APP) $(PORT)

test: system-packages $(VENV)/.test ## install what the tests need and run them all: ARGS="tests/core -x"
	$(BIN)/python -m pytest $(ARGS)

check: lint types layers coverage ## everything else that CI asks for

lint: $(VENV)/.dev ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev ## mypy --strict, typing tests included
	$(BIN)/mypy

layers: $(VENV)/.dev ## imports point downwards
	$(BIN)/lint-imports --no-cache

coverage: $(VENV)/.dev ## branch coverage of the core by its own tests
	$(BIN)/coverage erase
	HYPOTHESIS_PROFILE=few $(BIN)/coverage run -m pytest -q -n 2 tests/core tests/formats tests/sources
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

conformance: $(VENV)/.test ## counts of the shared conformance cases, by file
	$(BIN)/python -m tests.dialects.conformance_table --write

differential: $(VENV)/.bench ## random decisions, ours and each vendor's own library's
	FLAGMIDDLEWARE_DIFFERENTIAL=$${FLAGMIDDLEWARE_DIFFERENTIAL:-10000} $(BIN)/python -m pytest -m differential tests/differential

matrix: $(VENV)/.dev ## tox: every supported Python and framework that is here (ENVS=bare,wheel)
	PATH="$(subst $() ,:,$(wildcard $(HOME)/.pyenv/versions/3.1[0-9]*/bin)):$$PATH" $(BIN)/tox run $(if $(ENVS),-e $(ENVS))

faults: $(VENV)/.test ## every fault of docs/reliability.md, injected for real (FAULTS_LONG=1: the long variants)
	$(BIN)/python -m pytest -m faults tests/faults tests/sources tests/django

propagation: $(VENV)/.test ## flips followed through every server set-up, written to benchmarks/RESULTS.md (FLIPS=50)
	$(BIN)/python -m benchmarks.propagation --flips $(or $(FLIPS),50) --write

soak: $(VENV)/.test ## a day of changes in 10 to 30 minutes: memory, descriptors, threads stay flat (SOAK=--quick: a tenth)
	$(BIN)/python -m benchmarks.bench_soak $(or $(SOAK),--write)

bench: $(VENV)/.bench ## all benchmarks, written to benchmarks/RESULTS.md (on a quiet machine)
	$(BIN)/python -m benchmarks.run --write

docs: $(VENV)/.test ## write docs/index.md from the pages there are
	$(BIN)/python -m tests.docs.index --write

wheel: $(VENV)/.dev ## build the wheel and the source distribution
	$(BIN)/python -m build

system-packages: ## servers and the browser: installed as root, named otherwise
	@$(PYTHON) scripts/system-packages

clean: ## remove what these commands made
	rm -rf $(VENV) .cache .tox .coverage .coverage.* dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

# One virtual environment; each stamp says that what its goal needs is in it.
$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer, please: make PYTHON=python3.12 ..." if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv

$(VENV)/.demo: pyproject.toml | $(BIN)/uv
	$(INSTALL) -e '.[$(SITE_EXTRAS)]' --group demo
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/uv
	$(INSTALL) -e '.[$(ALL_EXTRAS)]' --group test --group demo
	@touch $@ $(VENV)/.demo

$(VENV)/.dev: $(VENV)/.test
	$(INSTALL) --group dev
	@touch $@

$(VENV)/.bench: $(VENV)/.test
	$(INSTALL) -e '.[$(ALL_EXTRAS),bench-peers]'
	@touch $@
