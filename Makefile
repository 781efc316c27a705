# Every door of the project. `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
VENV_BENCH := .venv-bench
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary=:all:
PIP_INSTALL_BENCH := $(VENV_BENCH)/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: help install up down demo test test-deep check bench bench-answers bench-footprint bench-golden bench-jobs bench-quality lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.runtime: requirements/runtime.txt requirements/binaries.txt pyproject.toml
	@$(PYTHON) tools/bare_machine.py $(VENV)
	@echo "installing pinned packages into $(VENV) (once; about a minute)"
	@$(PIP_INSTALL) -r requirements/runtime.txt
	@$(PIP_INSTALL) --no-deps -r requirements/binaries.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $@

$(VENV)/.test: $(VENV)/.runtime requirements/test.txt
	@$(PIP_INSTALL) -r requirements/test.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.test requirements/dev.txt
	@$(PIP_INSTALL) -r requirements/dev.txt
	@touch $@

# The peers of the benchmarks, with our package beside them so that they embed with the same model.
$(VENV_BENCH)/.peers: bench/requirements/peers.txt requirements/binaries.txt pyproject.toml
	@$(PYTHON) tools/bare_machine.py $(VENV_BENCH)
	@echo "installing the peers of the benchmarks into $(VENV_BENCH) (once; some minutes)"
	@$(PIP_INSTALL_BENCH) --require-hashes --only-binary=:all: -r bench/requirements/peers.txt
	@$(PIP_INSTALL_BENCH) --require-hashes --only-binary=:all: --no-deps -r requirements/binaries.txt
	@$(PIP_INSTALL_BENCH) --no-deps --no-build-isolation --no-index -e .
	@touch $@

install: $(VENV)/.runtime ## install what `make up` needs

up: $(VENV)/.runtime ## start everything in the foreground; Ctrl-C stops it
	@exec $(BIN)/mainstay up

down: $(VENV)/.runtime ## stop what `make up` started
	@$(BIN)/mainstay down

demo: $(VENV)/.runtime ## ask, edit a document, ask again, look from a second tenant (needs `make up`)
	@$(BIN)/python -m mainstay.edge.cli.demo

test: $(VENV)/.test ## the fast suite, on a real PostgreSQL
	@$(BIN)/python -m pytest

test-deep: $(VENV)/.test ## the heavy suite: kills, attacks, mutants, every file of the data folder; prints its figures
	@$(BIN)/python -m pytest -m deep -n 2 -rs

check: $(VENV)/.dev ## lint, types, import directions, the rules of the house
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/basedpyright
	@$(BIN)/python -m tools.check_house
	@$(BIN)/python -m tools.dump_permissions --check

bench: $(VENV)/.test $(VENV_BENCH)/.peers ## speed beside LlamaIndex, Chroma and a hand-written route; about ten minutes
	@$(BIN)/python -m bench

bench-answers: $(VENV)/.test ## right and wrong answers and refusals on the judged questions
	@$(BIN)/python -m bench.answers

bench-golden: $(VENV)/.runtime ## the golden questions of the samples, asked of the running system
	@$(BIN)/python -m bench.golden

bench-footprint: $(VENV)/.runtime ## seconds to the second start, and idle memory
	@$(BIN)/python bench/footprint.py

bench-jobs: $(VENV)/.test $(VENV_BENCH)/.peers ## jobs beside pgqueuer, procrastinate, dramatiq on Redis and by hand; about twenty minutes
	@$(BIN)/python -m bench.jobs

bench-quality: $(VENV)/.test $(VENV_BENCH)/.peers ## nDCG@10 of both legs and the hybrid on judged sets, beside bm25s
	@$(BIN)/python -m bench.quality

lock: ## compile the pins of requirements/ again (needs uv)
	@cd requirements && sh ./lock.sh

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) $(VENV_BENCH) .pytest_cache .ruff_cache .hypothesis
