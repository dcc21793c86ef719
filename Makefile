# `make` alone lists the targets. Needs Python 3.11 or newer; everything else goes into .venv.
# PYTHON=python3.13 make test    uses that interpreter
# make test ARGS="-k power -x"   passes options on to pytest
# make test WORKERS=0            runs the tests one after the other in one process

.DEFAULT_GOAL := help
.PHONY: help venv python demo test lint bench docs clean drivers-venv drivers-page
MAKEFLAGS += --no-print-directory

# Most of the time of tests is waiting: for processes to start, and for deadlines.
WORKERS ?= 2

# What the caller's shell has set for Python must not reach the tools in .venv.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

PY := .venv/bin/python
CANDIDATES := python3.14 python3.13 python3.12 python3.11 python3
# Debian ships Python without ensurepip; such an interpreter cannot make a virtual environment.
USABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

# Prints a command's output only if it fails.
QUIETLY = quietly() { output=$$("$$@" 2>&1) || { status=$$?; printf '%s\n' "$$output"; return $$status; }; }; quietly

help: ## this list
	@sed -n 's/^\([a-z-]*\):.* ## /\1:/p' Makefile | while IFS=: read -r target text; do printf '  make %-13s %s\n' "$$target" "$$text"; done

python: ## which Python is used to make .venv
	@if [ -n "$(PYTHON)" ]; then \
	  "$(PYTHON)" -c '$(USABLE)' >/dev/null 2>&1 && { command -v "$(PYTHON)"; exit 0; }; \
	  echo "PYTHON=$(PYTHON) is not usable: it has to be Python 3.11 or newer with the modules venv and ensurepip." >&2; exit 1; \
	fi; \
	for candidate in $(CANDIDATES); do \
	  "$$candidate" -c '$(USABLE)' >/dev/null 2>&1 && { command -v "$$candidate"; exit 0; }; \
	done; \
	echo "No Python 3.11 or newer with the modules venv and ensurepip was found (tried: $(CANDIDATES))." >&2; \
	echo "Install one (on Debian: python3 and python3-venv), or name it: PYTHON=/path/to/python3 make …" >&2; exit 1

# The stamp says for which folder and Python the environment was made: a copied tree or another PYTHON gets a new one.
venv: ## make or update .venv
	@set -e; stamp=.venv/.installed; made=$$(cat $$stamp 2>/dev/null || true); \
	if [ -z "$(PYTHON)" ] && [ -n "$$made" ] && [ "$${made% *}" = "$(CURDIR)" ] && $(PY) -c '' 2>/dev/null; then \
	  wanted=$$made; \
	else \
	  python=$$($(MAKE) python); \
	  wanted="$(CURDIR) $$("$$python" -c 'import sys; print(sys.version.split()[0])')"; \
	fi; \
	if [ "$$made" = "$$wanted" ] && [ $$stamp -nt pyproject.toml ] && $(PY) -c '' 2>/dev/null; then exit 0; fi; \
	if [ "$$made" != "$$wanted" ] || ! $(PY) -c '' 2>/dev/null; then \
	  echo "Making .venv with $$python"; rm -rf .venv; "$$python" -m venv .venv; \
	else \
	  echo "Updating .venv"; \
	fi; \
	rm -f $$stamp; \
	$(PY) -m pip install --quiet --disable-pip-version-check --no-input --editable '.[dev]'; \
	echo "$$wanted" > $$stamp

# All of upstream's driver packages, in an environment of their own: they are 350 MB, and only one test needs them.
drivers-venv: venv ## make or update .venv-drivers, for the test of every driver package of upstream's
	@set -e; stamp=.venv-drivers/.installed; wanted=$$(cat .venv/.installed); \
	if [ "$$(cat $$stamp 2>/dev/null)" = "$$wanted" ] && [ $$stamp -nt utest/upstream/requirements.txt ] \
	  && [ $$stamp -nt pyproject.toml ]; then exit 0; fi; \
	if [ "$$(cat $$stamp 2>/dev/null)" != "$$wanted" ]; then \
	  echo "Making .venv-drivers"; rm -rf .venv-drivers; $(PY) -m venv .venv-drivers; \
	fi; \
	rm -f $$stamp; \
	.venv-drivers/bin/python -m pip install --quiet --disable-pip-version-check --no-input --no-compile --editable . \
	  --requirement utest/upstream/requirements.txt; \
	echo "$$wanted" > $$stamp

drivers-page: drivers-venv ## load every client class of upstream's; writes docs/upstream-drivers.md
	@.venv-drivers/bin/python utest/upstream/upstream_proof.py docs/upstream-drivers.md

demo: venv ## run a Robot suite against the simulated board
	@status=0; $(PY) -m robot --outputdir results/demo atest/demo/demo.robot || status=$$?; \
	echo "log: results/demo/log.html"; exit $$status

# Lint prints nothing when all is well, so pytest's summary is the last line.
test: lint ## lint, then unit, interop and acceptance tests
	@$(PY) -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

lint: venv ## ruff, robocop and mypy
	@$(QUIETLY) $(PY) -m ruff check .
	@$(QUIETLY) $(PY) -m ruff format --check .
	@$(QUIETLY) $(PY) -m robocop check
	@$(QUIETLY) $(PY) -m robocop format --check
	@$(QUIETLY) $(PY) -m mypy

# The options of pyproject.toml skip benchmarks, and pytest-benchmark refuses --benchmark-only beside that.
bench: venv ## benchmarks against upstream's client; writes docs/benchmarks.md
	@mkdir -p results
	@$(PY) -m pytest -o addopts= -p no:asyncio -p no:xdist --benchmark-only --benchmark-json=results/bench.json utest/bench $(ARGS)
	@$(PY) utest/bench/report.py

docs: venv ## keyword documentation by Libdoc in docs/keywords
	@mkdir -p docs/keywords
	@for format in html json; do \
	  $(PY) -m robot.libdoc --quiet JumpstarterLibrary docs/keywords/JumpstarterLibrary.$$format || exit 1; \
	done
	@# Libdoc writes absolute paths of the sources, which nobody else has.
	@sed -i 's|$(CURDIR)/||g' docs/keywords/JumpstarterLibrary.html docs/keywords/JumpstarterLibrary.json
	@echo "docs/keywords/JumpstarterLibrary.html"

clean: ## remove everything that make has made, .venv too
	@rm -rf .venv .venv-drivers build dist results docs/keywords *.egg-info .benchmarks .hypothesis .mypy_cache .pytest_cache .robocop_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
