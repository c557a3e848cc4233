# From a fresh clone: `make demo`, `make test`. All that is needed is Python >= 3.11, git and make; everything goes to .venv.
# Another interpreter: make PYTHON=/path/to/python ...    Arguments for pytest: make test ARGS="tests/unit -x"

VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
BUILT := $(VENV)/.built
HOTPATH := $(wildcard src/obsv/hotpath/*.py src/obsv/hotpath/*.pxd)
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test lint conformance conformance-tools sanitize pictures bench bench-setup bench-quick bench-gate bench-readme format clean
.DELETE_ON_ERROR:

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(BUILT) ## run the shop in examples/shop, send it traffic, and show what obsv saw (half a minute)
	@$(BIN)/python examples/shop/demo.py $(ARGS)

test: $(BUILT) ## run all tests, in parallel
	@$(BIN)/python -m pytest -n auto -q $(ARGS)

lint: $(BUILT) ## check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

conformance: $(BUILT) ## run the tests of OpenTelemetry's SDK and API against obsv (downloads their sources once)
	@$(BIN)/python -m conformance $(ARGS)

conformance-tools: $(BUILT) ## run popular tools on top of OpenTelemetry beside obsv, in environments of their own (ARGS=logfire: one)
	@$(BIN)/python -m conformance.tools $(ARGS)

sanitize: $(BUILT) ## run the extension under gcc's sanitizers, and count what a million operations leave behind (some minutes)
	@$(BIN)/python -m sanitize $(ARGS)

pictures: $(BUILT) ## draw the pictures of docs/on-aws.md and fill its tables (ARGS=--record: run its program first)
	@$(BIN)/python -m pictures $(ARGS)

bench: $(BUILT) ## compare obsv's speed with its peers' (ARGS="span_root --rounds 3", ARGS=curves; an hour)
	@$(BIN)/python -m benchmarks.setup
	@$(BIN)/python -m benchmarks $(ARGS)

bench-setup: $(BUILT) ## install the peers, each into an environment of its own below build/bench
	@$(BIN)/python -m benchmarks.setup $(ARGS)

bench-quick: $(BUILT) ## one short round of everything that `make bench` measures (two minutes)
	@$(BIN)/python -m benchmarks.setup
	@$(BIN)/python -m benchmarks --quick $(ARGS)

bench-gate: $(BUILT) ## fail when a main operation costs more than it did (ARGS=--update notes what it costs now)
	@$(BIN)/python -m benchmarks.gate $(ARGS)

bench-readme: $(BUILT) ## write the kept results into README and docs (ARGS=--check: only say whether they are)
	@$(BIN)/python -m benchmarks.readme $(ARGS)

format: $(BUILT) ## format the code and sort its imports
	@$(BIN)/ruff check --select I --fix .
	@$(BIN)/ruff format .

clean: ## remove what was built and cached (.venv stays)
	@rm -rf build dist .obsv .pytest_cache .mypy_cache .ruff_cache .hypothesis $(BUILT)
	@rm -f src/obsv/hotpath/*.so
	@find src tests examples benchmarks -name __pycache__ -prune -exec rm -rf {} +

# A Python that is new enough and can make environments; the first that does wins.
$(BIN)/python:
	@why="no Python >= 3.11 found: install one, or say make PYTHON=/path/to/python"; \
	for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.14 python); do \
	  version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
	  if ! $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
	    why="$$python is Python $$version: obsv needs 3.11 or newer (make PYTHON=/path/to/python)"; \
	  elif ! $$python -c 'import venv, ensurepip' 2>/dev/null; then \
	    why="$$python has no venv module: install it (Debian: apt install python$$version-venv)"; break; \
	  elif $$python -m venv --clear $(VENV); then exit 0; \
	  else why="$$python could not make $(VENV)"; break; \
	  fi; \
	done; echo "make: $$why" >&2; exit 1

# After a change of the dependencies, and in a new environment.
$(INSTALLED): pyproject.toml setup.py | $(BIN)/python
	@echo "installing into $(VENV) (first time: a minute or two)"
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet -e '.[dev]'
	@touch $@

# After a change of the hot path. A module that could not be compiled must not be shadowed by its older extension.
$(BUILT): $(INSTALLED) $(HOTPATH)
	@if [ -f $@ ]; then \
	  echo "building the extension"; mkdir -p build; \
	  $(BIN)/python setup.py --quiet build_ext --inplace -j 2 >build/extension.log 2>&1 || { cat build/extension.log >&2; exit 1; }; \
	fi
	@for so in src/obsv/hotpath/*.so; do [ ! -f "$$so" ] || [ "$$so" -nt "$${so%%.*}.py" ] || rm -f "$$so"; done
	@[ "$$OBSV_NO_EXT" = 1 ] || ls src/obsv/hotpath/*.so >/dev/null 2>&1 \
	  || echo "the extension could not be built (no C compiler?): obsv runs interpreted, which is slower and otherwise the same"
	@touch $@
