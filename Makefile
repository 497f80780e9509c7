# Everything here runs in .venv, which is made from requirements.lock. Nothing but this file knows of .venv: with another
# environment active (see environment.yml), call snakemake, dvc and pytest directly.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test test-long setup lock force

CORES ?= 4
# Files of tests at a time. Most of a test's time is one core's, or spent on starting programs.
TESTS ?= 2
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do $$python -c \
	'import sys; sys.version_info >= (3, 11) and print(sys._base_executable)' 2> /dev/null || :; done | head -n 1)

export PATH := $(CURDIR)/.venv/bin:$(PATH)
unexport PYTHONHOME PYTHONPATH

# The pictures need a Chromium. Where none is found, Playwright downloads one (170 MB), or apt-get installs Debian's, with
# `sudo -n` for other users than root. BROWSER=no: install none; without one, set visualize.pictures: false in params.yaml.
BROWSER ?= install

# A stamp is written last, so an interrupted set-up is done again (pip keeps its downloads). Its name has a checksum of the
# place and of the files that it depends on, so a moved or copied clone or another lock is noticed. It contains the place: the
# programs of an environment start the Python of the place where it was made, so it cannot be used in another.
stamp = .venv/$(1)-$(firstword $(shell { pwd -P; cat $(2); } | cksum))
INSTALLED := $(call stamp,installed,requirements.lock)
READY := $(call stamp,ready,requirements.lock pyproject.toml)
PIP_INSTALL := .venv/bin/python -m pip install --disable-pip-version-check --quiet

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(READY) ## run the whole workflow (CORES=4 jobs at a time at most)
	snakemake --cores $(CORES) --quiet host rules reason

test: $(READY) ## all checks, and the tests that take seconds
	ruff check
	ruff format --check
	mypy
	snakefmt --check Snakefile workflow
	pytest -n $(TESTS) --dist loadfile -m 'not long'

test-long: $(READY) ## the tests that take minutes
	pytest -n $(TESTS) --dist loadfile -m long

setup: $(READY) ## make .venv and find or install a browser, as all commands do first (PYTHON=... which Python; BROWSER=no)

lock: $(INSTALLED) ## update requirements.lock to pyproject.toml (UPGRADE=1: the newest versions)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
		--custom-compile-command 'make lock' --quiet $(if $(UPGRADE),--upgrade) --output-file requirements.lock

# Some packages come as source only and are built with setuptools: the locked one, hence first and without isolation.
$(INSTALLED):
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || { echo "Intaglio needs Python 3.11 or \
	newer (found: $(or $(PYTHON),none)): install it, or name one: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2> /dev/null || { echo "$(PYTHON) has no venv module: install it (Debian, Ubuntu: \
	apt install python3-venv), or name another Python: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	@if [ -d .venv ]; then made_in=$$(cat .venv/installed-* 2> /dev/null | head -n 1) || :; case $$made_in in \
		"" | "$$(pwd -P)") echo "the .venv here is not of this requirements.lock, or not whole: making it anew" ;; \
		*) echo "the .venv here was made in $$made_in, where its programs look for Python: making it anew" ;; esac; fi
	@echo "installing the packages of requirements.lock into .venv (on Linux about 7 GB; 2 to 10 minutes)"
	@rm -rf .venv
	@"$(PYTHON)" -m venv .venv
	@sed -n '/^setuptools==/,/[^\\]$$/p' requirements.lock | $(PIP_INSTALL) --require-hashes --requirement /dev/stdin
	@$(PIP_INSTALL) --require-hashes --no-build-isolation --use-pep517 --requirement requirements.lock
	@pwd -P > $@

$(READY): $(INSTALLED)
	@rm -f .venv/ready-*
	@echo "installing intaglio itself into .venv, from src/"
	@$(PIP_INSTALL) --no-index --no-build-isolation --no-deps --editable .
	@.venv/bin/python -m intaglio.netron.install $(if $(filter no,$(BROWSER)),--only-look)
	@.venv/bin/python -m intaglio.chain.dvc_plots
	@touch $@

# A virtual environment whose Python no longer exists (an upgrade of the system) is made again.
ifeq ($(shell .venv/bin/python --version 2> /dev/null),)
$(INSTALLED): force
endif
