# `make` alone lists the targets. Needs Python 3.11 or newer; everything else goes into .venv.
# PYTHON=python3.13 make test    uses that interpreter
# make test ARGS="-k power -x"   passes options on to pytest
# make test WORKERS=0            runs the tests one after the other in one process

.DEFAULT_GOAL := help
.PHONY: help venv python demo test lint bench soak test-lab other-python docs pictures clean drivers-venv drivers-page
MAKEFLAGS += --no-print-directory

# Most of the time of tests is waiting: for processes to start, and for deadlines.
WORKERS ?= 2

# What the caller's shell has set for Python must not reach the tools in .venv.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

PY := .venv/bin/python
CANDIDATES := python3.14 python3.13 python3.12 python3.11 python3
# Debian ships Python without ensurepip; such an interpreter cannot make a virtual environment.
USABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

# What `make test-lab` runs: the way to a lease and back, in this process and in robot.
LAB_TESTS := config leases robot

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

demo: venv ## run two Robot suites against the simulated board, one with a failure to look at
	@$(PY) atest/demo/show.py results/demo

# Lint prints nothing when all is well, so pytest's summary is the last line.
test: lint ## lint, then unit, interop and acceptance tests
	@$(PY) -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

soak: venv ## 1,000 sessions that end in every way, long hooks, pabot's gain: about ten minutes
	@$(PY) -m pytest --slow -m slow utest/lab $(ARGS)

# pyenv's commands run only where its version is set, so it is asked for the newest of each.
other-python: venv ## which Python that is newer than .venv's is used for test-lab
	@own=$$($(PY) -c 'import sys; print(*sys.version_info[:2])'); \
	newer=$$(printf '%s\n' 'import sys, venv, ensurepip' "own = tuple(map(int, '$$own'.split()))" \
	  'sys.exit(1) if sys.version_info[:2] <= own else print(sys.executable)'); \
	for candidate in $(or $(OTHER),$(CANDIDATES)); do \
	  "$$candidate" -c "$$newer" 2>/dev/null && exit 0; \
	  version=$$(pyenv versions --bare 2>/dev/null | grep "^$${candidate#python}\." | sort -V | tail -n 1); \
	  [ -n "$$version" ] && PYENV_VERSION=$$version "$$candidate" -c "$$newer" 2>/dev/null && exit 0; \
	done; \
	echo "There is no Python that is newer than .venv's ($$own)." >&2; exit 1

# Only what these tests need is installed: upstream's packages are for the tests that are left out here.
test-lab: venv ## the quick tests of leases with a newer Python, in .venv-other; OTHER=python3.13 make test-lab
	@set -e; python=$$($(MAKE) other-python); stamp=.venv-other/.installed; \
	wanted="$(CURDIR) $$("$$python" -c 'import sys; print(sys.version.split()[0])')"; \
	if [ "$$(cat $$stamp 2>/dev/null)" != "$$wanted" ] || [ ! $$stamp -nt pyproject.toml ]; then \
	  echo "Making .venv-other with Python $${wanted##* }"; rm -rf .venv-other; "$$python" -m venv .venv-other; \
	  .venv-other/bin/python -m pip install --quiet --disable-pip-version-check --no-input --editable . cryptography pytest-xdist; \
	  echo "$$wanted" > $$stamp; \
	fi; \
	.venv-other/bin/python -m pytest -o addopts= -p pytester -p no:cacheprovider -q -n $(WORKERS) --dist loadfile -m "not interop and not slow" \
	  $(or $(ARGS),$(LAB_TESTS:%=utest/lab/test_lab_%.py))

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

docs: venv ## the documentation as a static site in results/site; broken links fail
	@$(PY) docs/build_site.py results/site
	@echo "results/site/index.html (with its search: .venv/bin/python -m http.server --directory results/site)"

pictures: venv ## the pictures of README and guide, from a run of the demo; needs Chromium
	@$(PY) docs/pictures.py

clean: ## remove everything that make has made, .venv too
	@rm -rf .venv .venv-drivers .venv-other build dist results docs/keywords *.egg-info .benchmarks .hypothesis .mypy_cache .pytest_cache .robocop_cache .robotcode_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
