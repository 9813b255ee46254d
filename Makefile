# make demo: everything, from nothing to a promoted model.  make test, make check: for who changes the code.
# make bench: the speed of pretraining beside lightly's, in an environment that has lightly.
SHELL := /bin/bash
VENV := .venv
READY := $(VENV)/.ready
BENCH := .venv-bench
BENCH_READY := $(BENCH)/.ready
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
export HF_HUB_OFFLINE := 1

.PHONY: demo setup test check bench

demo: $(READY)
	slyk data scan
	dvc repro
	slyk promote --first
	@slyk results --next

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@python3 -m venv --help > /dev/null 2>&1 || { echo "python3 with venv is needed: apt-get install python3-venv"; exit 1; }
	test -x $(VENV)/bin/python || python3 -m venv $(VENV)
	@echo "installing the pinned versions into $(VENV): two or three minutes"
	@$(VENV)/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

test: $(READY)
	python -m pytest

check: $(READY)
	ruff check .
	ruff format --check .
	mypy
	python -m pytest -q tests/test_architecture.py

bench: $(BENCH_READY)
	$(BENCH)/bin/python -m benchmarks.pretrain

$(BENCH_READY): pyproject.toml constraints.txt
	test -x $(BENCH)/bin/python || python3 -m venv $(BENCH)
	@echo "installing the pinned versions and lightly into $(BENCH): two or three minutes"
	@$(BENCH)/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e ".[bench]"
	@touch $@
