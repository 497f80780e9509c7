# Everything here runs in .venv, which is made from requirements.lock. Nothing but this file knows of .venv: with another
# environment active (see environment.yml), call snakemake, dvc and pytest directly.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test test-long setup lock force

CORES ?= 4
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do $$python -c \
	'import sys; sys.version_info >= (3, 11) and print(sys._base_executable)' 2> /dev/null || :; done | head -n 1)

export PATH := $(CURDIR)/.venv/bin:$(PATH)
unexport PYTHONHOME PYTHONPATH

# A stamp is written last, so an interrupted set-up is done again (pip keeps its downloads), and is named after the place
# and the content of what it stands for, so a moved clone or another lock is noticed.
stamp = .venv/$(1)-$(firstword $(shell { pwd -P; cat $(2); } | cksum))
INSTALLED := $(call stamp,installed,requirements.lock)
READY := $(call stamp,ready,requirements.lock pyproject.toml)
PIP_INSTALL := .venv/bin/python -m pip install --disable-pip-version-check

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(READY) ## run the whole workflow (CORES=4 jobs at a time at most)
	snakemake --cores $(CORES)

test: $(READY) ## all checks, and the tests that take seconds
	ruff check
	ruff format --check
	mypy
	snakefmt --check Snakefile workflow
	pytest -m 'not long'

test-long: $(READY) ## the tests that take minutes
	pytest -m long

setup: $(READY) ## make .venv and see to a browser; the other commands do so by themselves (PYTHON=... chooses the Python)

lock: $(INSTALLED) ## bring requirements.lock in line with pyproject.toml (UPGRADE=1: the newest versions)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
		--custom-compile-command 'make lock' --quiet $(if $(UPGRADE),--upgrade) --output-file requirements.lock

# Some packages come as source only and are built with setuptools: the locked one, hence first and without isolation.
$(INSTALLED):
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || { echo "Intaglio needs Python 3.11 or \
	newer (found: $(or $(PYTHON),none)): install it, or name one: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2> /dev/null || { echo "$(PYTHON) has no venv module: install it (Debian, Ubuntu: \
	apt install python3-venv), or name another Python: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	rm -rf .venv
	"$(PYTHON)" -m venv .venv
	sed -n '/^setuptools==/,/[^\\]$$/p' requirements.lock | $(PIP_INSTALL) --require-hashes --requirement /dev/stdin
	$(PIP_INSTALL) --require-hashes --no-build-isolation --use-pep517 --requirement requirements.lock
	touch $@

$(READY): $(INSTALLED)
	rm -f .venv/ready-*
	$(PIP_INSTALL) --no-index --no-build-isolation --no-deps --editable .
	.venv/bin/python -m intaglio.netron.browser
	.venv/bin/python -m intaglio.chain.dvc_plots
	touch $@

# A virtual environment whose Python has gone (an upgrade of the system) is made anew.
ifeq ($(shell .venv/bin/python --version 2> /dev/null),)
$(INSTALLED): force
endif
